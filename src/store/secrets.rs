//! Secrets of the installation itself: sealed by the caller, kept by name, never an object.

use sqlx::{PgPool, Row};

use devpocket_controllers::store::StoreError;
use devpocket_specs::kind::Kind;

use super::fault::Fault;

/// A sealed value and how often it was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemSecret {
    /// What `crypto` made of it; never the value.
    pub sealed: String,
    /// 1 when first kept.
    pub version: i64,
}

pub(super) async fn get(pool: &PgPool, name: &str) -> Result<Option<SystemSecret>, StoreError> {
    let row = sqlx::query("SELECT sealed, version FROM system_secrets WHERE name = $1")
        .bind(name)
        .fetch_optional(pool)
        .await
        .map_err(Fault::from)?;
    Ok(row.map(|row| SystemSecret { sealed: row.get("sealed"), version: row.get("version") }))
}

/// Keeps `sealed` under the name if its version is still `replaces` (0: there is none yet).
/// Answers what is kept now: whoever loses a race uses the winner's.
pub(super) async fn put(
    pool: &PgPool,
    name: &str,
    sealed: &str,
    replaces: i64,
) -> Result<SystemSecret, StoreError> {
    let sql = if replaces == 0 {
        "INSERT INTO system_secrets (name, sealed, version, updated_at) \
         VALUES ($1, $2, $3::bigint + 1, clock_timestamp()) ON CONFLICT (name) DO NOTHING"
    } else {
        "UPDATE system_secrets SET sealed = $2, version = $3::bigint + 1, updated_at = clock_timestamp() \
         WHERE name = $1 AND version = $3"
    };
    sqlx::query(sql)
        .bind(name)
        .bind(sealed)
        .bind(replaces)
        .execute(pool)
        .await
        .map_err(Fault::from)?;
    let gone = || StoreError::Corrupt(format!("the system secret {name} is gone"));
    get(pool, name).await?.ok_or_else(gone)
}

/// All of them, by name.
pub(super) async fn all(pool: &PgPool) -> Result<Vec<(String, SystemSecret)>, StoreError> {
    let sql = "SELECT name, sealed, version FROM system_secrets ORDER BY name";
    let rows = sqlx::query(sql).fetch_all(pool).await.map_err(Fault::from)?;
    let read = |row: &sqlx::postgres::PgRow| {
        let secret = SystemSecret { sealed: row.get("sealed"), version: row.get("version") };
        (row.get("name"), secret)
    };
    Ok(rows.iter().map(read).collect())
}

pub(super) async fn remove(pool: &PgPool, name: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM system_secrets WHERE name = $1";
    sqlx::query(sql).bind(name).execute(pool).await.map_err(Fault::from)?;
    Ok(())
}

/// Former states of Secrets in the log with this text in them.
pub(super) async fn history(pool: &PgPool, text: &str) -> Result<u64, StoreError> {
    let count: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM changes WHERE kind = $1 \
         AND (strpos(body::text, $2) > 0 OR strpos(previous::text, $2) > 0)",
    )
    .bind(Kind::Secret.number())
    .bind(text)
    .fetch_one(pool)
    .await
    .map_err(Fault::from)?;
    Ok(u64::try_from(count).unwrap_or(0))
}
