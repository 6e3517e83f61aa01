//! The log's partitions: made ahead of the counter, dropped behind it.
//!
//! Both hold rows of plain tables while they work, never a lock of Postgres' own devising: making
//! takes the counter row, dropping the partition's row in `changes_partitions`.

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use devpocket_controllers::store::Revision;

use super::fault::Fault;
use super::options::PgOptions;
use super::{rows, statements};

/// Longest a drop may make readers of the log queue behind it; the next pass tries again.
const DROP_LOCK_MS: u32 = 500;

/// Makes partitions until a whole spare one lies ahead of `upto` and of the counter. Answers the
/// first revision without one.
pub(super) async fn ensure(
    connection: &mut PgConnection,
    upto: Revision,
    size: Revision,
) -> Result<Revision, Fault> {
    let mut tx = connection.begin().await?;
    let counter = statements::take_counter(&mut tx, 0).await?;
    let row = sqlx::query("SELECT max(after) AS after FROM changes_partitions");
    let known: Option<i64> = row.fetch_one(&mut *tx).await?.try_get("after")?;
    let mut after = known.map_or(counter + 1, |after| after as Revision);
    while after <= counter.max(upto) + size {
        let first = after;
        after += size;
        // Made beside the log and attached: creating it in place would lock readers out.
        let sql = format!(
            "CREATE TABLE changes_{first} (LIKE changes INCLUDING ALL); \
             ALTER TABLE changes ATTACH PARTITION changes_{first} \
             FOR VALUES FROM ({first}) TO ({after}); \
             INSERT INTO changes_partitions VALUES ('changes_{first}', {first}, {after})"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(after)
}

/// Publishes that changes up to `upto` may be gone. Readers that start below are told so from now
/// on, also if nothing is dropped yet.
pub(super) async fn publish(
    connection: &mut PgConnection,
    upto: Revision,
) -> Result<Revision, Fault> {
    let row = sqlx::query(
        "UPDATE store_revision SET compacted = greatest(compacted, least($1, revision)) \
         WHERE id = 1 RETURNING compacted",
    )
    .bind(upto as i64)
    .fetch_one(connection)
    .await?;
    rows::revision(&row, "compacted")
}

/// Drops the partitions that lie wholly below what was published.
pub(super) async fn drop_published(connection: &mut PgConnection) -> Result<u32, Fault> {
    let doomed = sqlx::query(
        "SELECT p.name FROM changes_partitions p, store_revision s \
         WHERE s.id = 1 AND p.after - 1 <= s.compacted ORDER BY p.first",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut dropped = 0;
    for row in doomed {
        let name: String = row.try_get("name")?;
        let mut tx = connection.begin().await?;
        let limit = format!("SET LOCAL lock_timeout = {DROP_LOCK_MS}");
        sqlx::raw_sql(AssertSqlSafe(limit)).execute(&mut *tx).await?;
        let row = sqlx::query("DELETE FROM changes_partitions WHERE name = $1").bind(&name);
        if row.execute(&mut *tx).await?.rows_affected() == 0 {
            continue; // Another process was faster; the transaction rolls back.
        }
        // The name is one that `ensure` made, digits and all.
        sqlx::raw_sql(AssertSqlSafe(format!("DROP TABLE IF EXISTS {name}")))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        dropped += 1;
    }
    Ok(dropped)
}

/// Up to where the log may be compacted: whole partitions that are old both in revisions and in
/// time.
pub(super) async fn compactable(
    connection: &mut PgConnection,
    options: &PgOptions,
) -> Result<Revision, Fault> {
    // The newest change of a partition tells its age, since `at` grows with the revision.
    let row = sqlx::query(
        "SELECT coalesce(max(p.after) - 1, 0) AS upto \
         FROM changes_partitions p, store_revision s \
         WHERE s.id = 1 AND p.after - 1 <= s.revision - $1 \
           AND NOT EXISTS (SELECT 1 FROM changes c \
                           WHERE c.revision = (SELECT max(n.revision) FROM changes n \
                                               WHERE n.revision < p.after) \
                             AND c.at > clock_timestamp() - make_interval(secs => $2))",
    )
    .bind(options.retain_revisions as i64)
    .bind(options.retain.as_secs_f64())
    .fetch_one(connection)
    .await?;
    rows::revision(&row, "upto")
}

/// Rows one pass takes from the audit at most, so that it holds nothing up.
const AUDIT_ROWS_PER_PASS: i64 = 5_000;

/// Forgets audit rows past their time: a day for events and leases, 400 days for the rest, also for
/// what was done to accounts and teams.
pub(super) async fn prune_audit(connection: &mut PgConnection) -> Result<u64, Fault> {
    let done = sqlx::query(
        "DELETE FROM audit WHERE revision IN ( \
             (SELECT revision FROM audit WHERE kind IN (7, 9) AND at < now() - interval '1 day' \
              ORDER BY revision LIMIT $1) \
             UNION ALL \
             (SELECT o.revision FROM (SELECT revision, at FROM audit \
                                      ORDER BY revision LIMIT $1) o \
              WHERE o.at < now() - interval '400 days'))",
    )
    .bind(AUDIT_ROWS_PER_PASS)
    .execute(&mut *connection)
    .await?;
    let access = sqlx::query(
        "DELETE FROM access_audit WHERE id IN (SELECT id FROM access_audit \
             WHERE at < now() - interval '400 days' ORDER BY at LIMIT $1)",
    )
    .bind(AUDIT_ROWS_PER_PASS)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() + access.rows_affected())
}
