//! Which schema a database has, and bringing it up to this binary's.
//!
//! sqlx holds its own lock while it migrates, so two processes that start at once migrate once.
//! Nothing else in the store relies on that lock.

use jiff::Timestamp;
use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::{PgPool, Row};

/// The migrations, embedded. A new file needs a change here to be noticed by an incremental build;
/// version: 8.
static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// How the database's schema relates to this binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaStatus {
    Current,
    /// The database has no schema yet.
    Empty,
    /// `devpocket migrate` brings it up.
    Old {
        at: i64,
        needs: i64,
    },
    /// A newer binary migrated it.
    New {
        at: i64,
        knows: i64,
    },
}

/// Why the schema stops a start.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error("the database is empty; run `devpocket migrate` first")]
    Empty,
    #[error(
        "the database's schema is version {at} and this devpocket needs {needs}; \
         run `devpocket migrate` first"
    )]
    Old { at: i64, needs: i64 },
    #[error(
        "the database's schema is version {at} and this devpocket knows up to {knows}; \
         use the newer devpocket that migrated it"
    )]
    New { at: i64, knows: i64 },
    #[error("the schema's version cannot be read: {0}")]
    Read(#[source] sqlx::Error),
    #[error("the migration failed and changed nothing: {0}")]
    Migrate(#[source] MigrateError),
    #[error("it cannot be noted who serves the database: {0}")]
    Note(#[source] sqlx::Error),
}

/// The DevPocket that served a database last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedBy {
    pub version: String,
    pub at: Timestamp,
}

/// A migration that was not run yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    pub version: i64,
    /// From its file's name.
    pub description: String,
}

impl SchemaStatus {
    /// Fits, or the reason to stop.
    pub fn check(self) -> Result<(), SchemaError> {
        match self {
            SchemaStatus::Current => Ok(()),
            SchemaStatus::Empty => Err(SchemaError::Empty),
            SchemaStatus::Old { at, needs } => Err(SchemaError::Old { at, needs }),
            SchemaStatus::New { at, knows } => Err(SchemaError::New { at, knows }),
        }
    }
}

/// The schema this binary brings a database to.
pub fn newest_schema() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Reads the schema's version. Changes nothing.
pub async fn schema_status(pool: &PgPool) -> Result<SchemaStatus, SchemaError> {
    let table: bool = sqlx::query("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(pool)
        .await
        .map_err(SchemaError::Read)?
        .get(0);
    if !table {
        return Ok(SchemaStatus::Empty);
    }
    let at: Option<i64> = sqlx::query("SELECT max(version) FROM _sqlx_migrations WHERE success")
        .fetch_one(pool)
        .await
        .map_err(SchemaError::Read)?
        .get(0);
    let knows = newest_schema();
    Ok(match at {
        None => SchemaStatus::Empty,
        Some(at) if at < knows => SchemaStatus::Old { at, needs: knows },
        Some(at) if at > knows => SchemaStatus::New { at, knows },
        Some(_) => SchemaStatus::Current,
    })
}

/// Like [`schema_status`], and waits out a migration that another process is at: between its steps
/// the schema looks like an older one.
pub async fn settled_schema_status(pool: &PgPool) -> Result<SchemaStatus, SchemaError> {
    let mut connection = pool.acquire().await.map_err(SchemaError::Read)?;
    unlimited(&mut connection).await?;
    connection.lock().await.map_err(SchemaError::Migrate)?;
    let status = schema_status(pool).await;
    let _ = connection.unlock().await;
    // The session's limits were lifted: it must not go back to the pool.
    let _ = connection.close().await;
    status
}

/// What [`migrate`] would run on a database with this status.
pub fn pending_migrations(status: SchemaStatus) -> Vec<Pending> {
    let at = match status {
        SchemaStatus::Empty => 0,
        SchemaStatus::Old { at, .. } => at,
        SchemaStatus::Current | SchemaStatus::New { .. } => return Vec::new(),
    };
    let later = MIGRATOR.iter().filter(|migration| migration.version > at);
    later
        .map(|migration| Pending {
            version: migration.version,
            description: migration.description.to_string(),
        })
        .collect()
}

/// Who served the database last, if that was ever noted.
pub async fn used_by(pool: &PgPool) -> Option<UsedBy> {
    // Absent in the first schema, and nothing depends on it: any failure means "not known".
    let row = sqlx::query(
        "SELECT version, (extract(epoch FROM at) * 1000)::bigint FROM used_by WHERE id = 1",
    );
    let row = row.fetch_optional(pool).await.ok()??;
    let at = Timestamp::from_millisecond(row.try_get(1).ok()?).ok()?;
    Some(UsedBy { version: row.try_get(0).ok()?, at })
}

/// Notes that this version serves the database now.
pub(super) async fn note_use(pool: &PgPool) -> Result<(), SchemaError> {
    sqlx::query(
        "INSERT INTO used_by (id, version, at) VALUES (1, $1, now()) \
         ON CONFLICT (id) DO UPDATE SET version = excluded.version, at = excluded.at",
    )
    .bind(env!("CARGO_PKG_VERSION"))
    .execute(pool)
    .await
    .map_err(SchemaError::Note)?;
    Ok(())
}

/// The pool's connections carry the store's short timeouts; waiting for another process's
/// migration takes as long as that takes.
async fn unlimited(connection: &mut sqlx::PgConnection) -> Result<(), SchemaError> {
    sqlx::raw_sql("SET statement_timeout = 0; SET lock_timeout = 0")
        .execute(connection)
        .await
        .map_err(SchemaError::Read)?;
    Ok(())
}

/// Brings the schema up. Refuses a newer one; does nothing to a current one.
pub async fn migrate(pool: &PgPool) -> Result<(), SchemaError> {
    if let SchemaStatus::New { at, knows } = schema_status(pool).await? {
        return Err(SchemaError::New { at, knows });
    }
    let mut connection = pool.acquire().await.map_err(SchemaError::Read)?;
    unlimited(&mut connection).await?;
    let outcome = MIGRATOR.run_direct(None, &mut *connection, false).await;
    let _ = connection.close().await;
    outcome.map_err(SchemaError::Migrate)
}
