//! Rows that are over: nobody can use them, and nobody asks for them any more.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::Accounts;

/// Time between two rounds.
pub const EVERY: Duration = Duration::from_secs(3_600);
/// How long sessions and tokens that have ended can still be looked up by those who run the server.
const ENDED_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Rows one statement takes, so that none holds anything up.
const BATCH: i64 = 1_000;

/// What goes. `$1` is [`ENDED_KEPT`] ago, `$2` how many rows.
const OVER: [&str; 5] = [
    "DELETE FROM ws_tickets WHERE digest IN (SELECT digest FROM ws_tickets \
     WHERE expires_at < now() AND $1::text IS NOT NULL LIMIT $2)",
    "DELETE FROM device_codes WHERE digest IN (SELECT digest FROM device_codes \
     WHERE expires_at < now() AND $1::text IS NOT NULL LIMIT $2)",
    "DELETE FROM one_time_codes WHERE digest IN (SELECT digest FROM one_time_codes \
     WHERE expires_at < $1::text::timestamptz LIMIT $2)",
    "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions \
     WHERE expires_at < $1::text::timestamptz OR ended_at < $1::text::timestamptz LIMIT $2)",
    "DELETE FROM api_tokens WHERE id IN (SELECT id FROM api_tokens \
     WHERE expires_at < $1::text::timestamptz OR revoked_at < $1::text::timestamptz LIMIT $2)",
];

impl Accounts {
    /// Deletes what is over; how many rows it was.
    pub async fn tidy(&self) -> Result<u64, sqlx::Error> {
        let ago = self.clock.now().saturating_sub(ENDED_KEPT).unwrap_or(Timestamp::MIN);
        let mut gone = 0;
        for sql in OVER {
            loop {
                let query = sqlx::query(sql).bind(ago.to_string());
                let deleted = query.bind(BATCH).execute(&self.pool).await?.rows_affected();
                gone += deleted;
                if deleted < BATCH as u64 {
                    break;
                }
            }
        }
        Ok(gone)
    }

    /// Tidies up now and then until it is told to stop.
    pub async fn keep_tidy(self: Arc<Self>, stop: CancellationToken) {
        loop {
            if let Err(error) = self.tidy().await {
                tracing::warn!("sign-ins that are over are not deleted now: {error}");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.clock.sleep(EVERY) => {}
            }
        }
    }
}
