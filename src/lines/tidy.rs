//! Lines that are too old go, whoever they belonged to.

use std::sync::Arc;
use std::time::Duration;

use devpocket_controllers::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{InstallLines, KEPT_DAYS};

/// Time between two rounds.
const EVERY: Duration = Duration::from_secs(3_600);
/// Rows one statement takes, so that none holds anything up.
const BATCH: i64 = 5_000;

impl InstallLines {
    /// Deletes lines older than [`KEPT_DAYS`]; how many.
    pub async fn tidy(&self, now: Timestamp) -> Result<u64, sqlx::Error> {
        let kept = SignedDuration::from_hours(KEPT_DAYS * 24);
        let since = now.saturating_sub(kept).unwrap_or(Timestamp::MIN).to_string();
        let mut gone = 0;
        loop {
            let deleted = sqlx::query(
                "DELETE FROM install_lines WHERE (environment, number) IN \
                 (SELECT environment, number FROM install_lines \
                  WHERE at < $1::text::timestamptz LIMIT $2)",
            )
            .bind(&since)
            .bind(BATCH)
            .execute(&self.shared.pool)
            .await?
            .rows_affected();
            gone += deleted;
            if deleted < BATCH.unsigned_abs() {
                return Ok(gone);
            }
        }
    }

    /// Tidies up now and then until it is told to stop.
    pub async fn keep_tidy(self, clock: Arc<dyn Clock>, stop: CancellationToken) {
        loop {
            if let Err(error) = self.tidy(clock.now()).await {
                tracing::warn!("old lines of installations are not deleted now: {error}");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = clock.sleep(EVERY) => {}
            }
        }
    }
}
