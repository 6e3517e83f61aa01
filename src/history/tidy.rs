//! Days that are over for long are thinned, and what is too old goes, whoever it belonged to.

use std::sync::Arc;
use std::time::Duration;

use devpocket_controllers::clock::Clock;
use devpocket_specs::sample::{KEPT_DAYS, KEPT_HOURS, MEAN_SECONDS, Sample, pack, thinned, unpack};
use jiff::{SignedDuration, Timestamp};
use sqlx::Row as _;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{DAY, PgHistory, begin, moment};

/// Time between two rounds.
const EVERY: Duration = Duration::from_secs(3_600);
/// Days of environments that are looked for at once, and rows one statement deletes.
const BATCH: i64 = 500;

impl PgHistory {
    /// Thins days of which every hour is older than [`KEPT_HOURS`], and deletes what is older than
    /// [`KEPT_DAYS`]; how many days were thinned.
    ///
    /// # Errors
    /// The database does not answer. What was done stays done, and the next round goes on.
    pub async fn tidy(&self, now: Timestamp) -> Result<u64, sqlx::Error> {
        let hours = |hours: i64| {
            let before = now.saturating_sub(SignedDuration::from_hours(hours));
            before.unwrap_or(Timestamp::MIN)
        };
        let mut thinned = 0;
        loop {
            let over = self.days_before(begin(hours(KEPT_HOURS), DAY)).await?;
            for (environment, day) in &over {
                thinned += u64::from(self.thin(*environment, *day).await?);
            }
            if (over.len() as i64) < BATCH {
                break;
            }
        }
        self.forget(begin(hours(KEPT_DAYS * 24), DAY)).await?;
        Ok(thinned)
    }

    /// Environments and days that hours before a time belong to.
    async fn days_before(&self, before: i64) -> Result<Vec<(Uuid, i64)>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT DISTINCT environment, begins - begins % 86400 AS day FROM sample_hours \
             WHERE begins < $1 LIMIT $2",
        );
        let rows = rows.bind(before).bind(BATCH).fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    /// Thins one day; `false` if another replica was faster.
    async fn thin(&self, environment: Uuid, day: i64) -> Result<bool, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let rows = sqlx::query(
            "DELETE FROM sample_hours WHERE environment = $1 AND begins >= $2 AND begins < $3 \
             RETURNING begins, packed",
        );
        let rows = rows.bind(environment).bind(day).bind(day + DAY);
        let rows = rows.fetch_all(&mut *transaction).await?;
        let mut samples: Vec<Sample> = Vec::new();
        for row in &rows {
            let (begins, packed): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
            samples.extend(unpack(moment(begins), &packed));
        }
        samples.sort_by_key(|sample| sample.at);
        let packed = pack(moment(day), &thinned(&samples, MEAN_SECONDS));
        if !packed.is_empty() {
            // A day that is there already was thinned before a clock was put back.
            sqlx::query(
                "INSERT INTO sample_days (environment, begins, packed) VALUES ($1, $2, $3) \
                 ON CONFLICT (environment, begins) \
                 DO UPDATE SET packed = sample_days.packed || excluded.packed",
            )
            .bind(environment)
            .bind(day)
            .bind(packed)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(!rows.is_empty())
    }

    async fn forget(&self, before: i64) -> Result<(), sqlx::Error> {
        loop {
            let gone = sqlx::query(
                "DELETE FROM sample_days WHERE (environment, begins) IN \
                 (SELECT environment, begins FROM sample_days WHERE begins < $1 LIMIT $2)",
            );
            let gone = gone.bind(before).bind(BATCH).execute(&self.pool).await?.rows_affected();
            if gone < BATCH.unsigned_abs() {
                return Ok(());
            }
        }
    }

    /// Tidies up now and then until it is told to stop.
    pub async fn keep_tidy(self, clock: Arc<dyn Clock>, stop: CancellationToken) {
        loop {
            if let Err(error) = self.tidy(clock.now()).await {
                tracing::warn!("the history of machines is not thinned now: {error}");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = clock.sleep(EVERY) => {}
            }
        }
    }
}
