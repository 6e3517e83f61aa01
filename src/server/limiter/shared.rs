//! Windows in Postgres, so that replicas agree.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::{PgPool, Row};
use tokio::time::Instant;

use super::{Lease, Rule};

/// A lease is this part of what is left.
const PARTS: u32 = 8;
/// Longest wait for a lease: whoever asks waits that long.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long each replica counts by itself after the database did not answer.
const PAUSE: Duration = Duration::from_secs(5);
/// Windows that are over are removed at most that often, and only while somebody asks.
const PRUNE_EVERY: Duration = Duration::from_secs(600);

/// In `EXCLUDED` is the window that would begin now. `$2` is its length, `$3` the limit, `$4` the
/// first lease, `$5` the parts.
const LEASE: &str = "INSERT INTO rate_limits AS r (bucket, ends_at, taken, granted) \
     VALUES ($1, (extract(epoch FROM statement_timestamp()) * 1000)::bigint + $2, $4, $4) \
     ON CONFLICT (bucket) DO UPDATE SET \
       ends_at = CASE WHEN r.ends_at <= EXCLUDED.ends_at - $2 THEN EXCLUDED.ends_at \
                 ELSE LEAST(r.ends_at, EXCLUDED.ends_at) END, \
       granted = CASE WHEN r.ends_at <= EXCLUDED.ends_at - $2 THEN EXCLUDED.granted \
                 ELSE GREATEST(0, LEAST($3 - r.taken, GREATEST(1, ($3 - r.taken) / $5))) END, \
       taken = CASE WHEN r.ends_at <= EXCLUDED.ends_at - $2 THEN EXCLUDED.granted \
               ELSE r.taken + GREATEST(0, LEAST($3 - r.taken, GREATEST(1, ($3 - r.taken) / $5))) \
               END \
     RETURNING granted, GREATEST(0, $3 - taken) AS beyond, \
       ends_at - (extract(epoch FROM statement_timestamp()) * 1000)::bigint AS ends_in";

const PRUNE: &str = "DELETE FROM rate_limits \
     WHERE ends_at < (extract(epoch FROM statement_timestamp()) * 1000)::bigint";

/// Leases parts of windows.
pub struct SharedWindows {
    pool: PgPool,
    times: Mutex<Times>,
}

struct Times {
    /// Until then the database is not asked.
    paused: Option<Instant>,
    pruned: Instant,
}

impl SharedWindows {
    pub fn new(pool: PgPool) -> SharedWindows {
        let times = Times { paused: None, pruned: Instant::now() };
        SharedWindows { pool, times: Mutex::new(times) }
    }

    /// A part of the window; none while the database does not answer.
    pub(super) async fn lease(&self, bucket: &str, rule: Rule) -> Option<Lease> {
        if self.times().paused.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        match tokio::time::timeout(PATIENCE, self.ask(bucket, rule)).await {
            Ok(Ok(lease)) => Some(lease),
            Ok(Err(error)) => self.pause(&error.to_string()),
            Err(_) => self.pause("no answer"),
        }
    }

    async fn ask(&self, bucket: &str, rule: Rule) -> Result<Lease, sqlx::Error> {
        let limit = i32::try_from(rule.limit).unwrap_or(i32::MAX);
        let first = i32::try_from((rule.limit / PARTS).max(1)).unwrap_or(i32::MAX);
        let window = i64::try_from(rule.window.as_millis()).unwrap_or(i64::MAX);
        let row = sqlx::query(LEASE)
            .bind(bucket)
            .bind(window)
            .bind(limit)
            .bind(first)
            .bind(i32::try_from(PARTS).unwrap_or(1))
            .fetch_one(&self.pool)
            .await?;
        let count = |name: &str| u32::try_from(row.get::<i32, _>(name)).unwrap_or(0);
        let ends_in = u64::try_from(row.get::<i64, _>("ends_in")).unwrap_or(0);
        let lease = Lease {
            granted: count("granted"),
            beyond: count("beyond"),
            ends_in: Duration::from_millis(ends_in),
        };
        self.prune().await?;
        Ok(lease)
    }

    async fn prune(&self) -> Result<(), sqlx::Error> {
        let due = {
            let mut times = self.times();
            let due = times.pruned.elapsed() >= PRUNE_EVERY;
            if due {
                times.pruned = Instant::now();
            }
            due
        };
        if due {
            sqlx::query(PRUNE).execute(&self.pool).await?;
        }
        Ok(())
    }

    fn pause(&self, why: &str) -> Option<Lease> {
        self.times().paused = Some(Instant::now() + PAUSE);
        tracing::warn!(why, "limits are counted by this process alone for {} s", PAUSE.as_secs());
        metrics::counter!("devpocket_rate_limit_alone_total").increment(1);
        None
    }

    fn times(&self) -> std::sync::MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
