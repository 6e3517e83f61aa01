//! Rows of `decisions`, read by name. They are written, and bounded, in the statement of the write that
//! carries a decision out (`statements`).

use std::sync::Arc;

use sqlx::{PgConnection, PgPool, Row};

use devpocket_specs::decision::{DECISION_DAYS, DECISIONS_READ, DecisionRecord};

use super::fault::Fault;

/// Rows past their time that one pass of maintenance takes at most.
const ROWS_PER_PASS: i64 = 5_000;

/// Newest first.
pub(super) async fn read(
    pool: &PgPool,
    namespace: &str,
    name: &str,
) -> Result<Vec<Arc<DecisionRecord>>, Fault> {
    let rows = sqlx::query(
        "SELECT body::text AS body FROM decisions WHERE namespace = $1 AND name = $2 \
         ORDER BY revision DESC LIMIT $3",
    )
    .bind(namespace)
    .bind(name)
    .bind(DECISIONS_READ as i64)
    .fetch_all(pool)
    .await?;
    let read = |row: &sqlx::postgres::PgRow| {
        let body: String = row.try_get("body")?;
        let broken = |error| Fault::Broken(format!("the record of a decision: {error}"));
        Ok(Arc::new(serde_json::from_str(&body).map_err(broken)?))
    };
    rows.iter().map(read).collect()
}

/// Forgets what is past its time. `at` grows with the revision, so only the oldest are looked at.
pub(super) async fn prune(connection: &mut PgConnection) -> Result<u64, Fault> {
    let done = sqlx::query(
        "DELETE FROM decisions WHERE revision IN \
             (SELECT o.revision FROM (SELECT revision, at FROM decisions \
                                      ORDER BY revision LIMIT $1) o \
              WHERE o.at < now() - make_interval(days => $2))",
    )
    .bind(ROWS_PER_PASS)
    .bind(DECISION_DAYS as i32)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
