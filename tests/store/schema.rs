//! Which schema a process starts on, and what it does to others.

use devpocket::store::{SchemaError, SchemaStatus, migrate, schema_status};

use crate::support::postgres::TestDatabase;

/// Breaks without it: a first `devpocket migrate` that another one fails, or runs twice.
#[tokio::test]
async fn two_that_migrate_at_once_migrate_once() {
    let database = TestDatabase::empty().await;
    let (one, other) = (database.pool().await, database.pool().await);
    assert_eq!(schema_status(&one).await.unwrap(), SchemaStatus::Empty);

    let (first, second) = tokio::join!(migrate(&one), migrate(&other));
    first.unwrap();
    second.unwrap();

    assert_eq!(schema_status(&one).await.unwrap(), SchemaStatus::Current);
    let applied: i64 =
        sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations").fetch_one(&one).await.unwrap();
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap();
    assert_eq!(applied, files.count() as i64);
}

/// Breaks without it: an older binary writes into a schema it does not know.
#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    sqlx::raw_sql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'from the future', true, ''::bytea, 0)",
    )
    .execute(&pool)
    .await
    .unwrap();

    let status = schema_status(&pool).await.unwrap();
    assert!(matches!(status, SchemaStatus::New { at: 9999, .. }), "{status:?}");
    assert!(matches!(status.check(), Err(SchemaError::New { .. })));
    assert!(matches!(migrate(&pool).await, Err(SchemaError::New { at: 9999, .. })));
    let versions: i64 = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(versions, 9999, "a refused migration must change nothing");
}

/// Breaks without it: a server that runs on tables that lack a column, and fails at the first write.
#[tokio::test]
async fn an_older_schema_is_refused_with_the_command_that_helps() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    sqlx::raw_sql("DROP TABLE decisions; DELETE FROM _sqlx_migrations WHERE version >= 3")
        .execute(&pool)
        .await
        .unwrap();

    let refusal = schema_status(&pool).await.unwrap().check().unwrap_err();
    assert!(matches!(refusal, SchemaError::Old { at: 2, .. }), "{refusal:?}");
    assert!(refusal.to_string().contains("devpocket migrate"), "{refusal}");
}
