//! The schema of the database: made, brought up, refused.

use crate::process::eventually;
use crate::support::postgres::TestDatabase;
use crate::world::{INSTALLATION, Serve, World};

/// Everything in the database, as text.
fn dump(database: &TestDatabase) -> String {
    let output = database.program("pg_dump").arg("--no-comments").output().expect("pg_dump runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    // Newer versions put a random word into every dump.
    text.lines().filter(|line| !line.starts_with("\\")).collect::<Vec<_>>().join("\n")
}

/// A database as the version before this one left it.
async fn older() -> (World, TestDatabase) {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    let first = ["store_revision", "objects", "changes", "changes_partitions", "audit"];
    let later: Vec<String> = sqlx::query_scalar(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL ($1) \
         AND tablename NOT LIKE 'changes%' AND tablename NOT IN ('system_secrets', '_sqlx_migrations')",
    )
    .bind(first.map(str::to_owned).to_vec())
    .fetch_all(&pool)
    .await
    .unwrap();
    let back = format!(
        "DROP TABLE {}; DROP INDEX audit_people_namespace, audit_people_actor; \
         DELETE FROM _sqlx_migrations WHERE version > 1",
        later.join(", ")
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(back)).execute(&pool).await.unwrap();
    pool.close().await;
    (World::new(&database.url()).await, database)
}

async fn applied(database: &TestDatabase) -> Vec<i64> {
    let pool = database.pool().await;
    let versions = sqlx::query_scalar("SELECT version FROM _sqlx_migrations ORDER BY version");
    versions.fetch_all(&pool).await.unwrap()
}

fn versions() -> Vec<i64> {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap();
    (1..=files.count() as i64).collect()
}

#[tokio::test]
async fn two_that_start_at_once_on_an_empty_database_migrate_once_and_one_leads() {
    let (world, database) = World::empty().await;
    let (one, other) = tokio::join!(world.serve(), world.serve());
    assert_eq!(applied(&database).await, versions());
    let leaders = async |serve: &Serve| serve.metric("devpocket_leader", "").await;
    eventually("one of them leads", async || {
        (leaders(&one).await + leaders(&other).await == 1.0).then_some(())
    })
    .await;
    for serve in [&one, &other] {
        eventually("both show the installation", async || {
            (serve.get(INSTALLATION).await.0 == 200).then_some(())
        })
        .await;
        assert_eq!(serve.get("/health/ready").await.0, 200);
    }
    let ids = [one.installation().await.spec.id, other.installation().await.spec.id];
    assert_eq!(ids[0], ids[1], "two installations were made");
}

#[tokio::test]
async fn an_older_schema_is_refused_unchanged_until_it_was_migrated() {
    let (world, database) = older().await;
    let before = dump(&database);
    let refused = world.call(&["serve"]).await;
    assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{}", refused.err);
    let expected = format!(
        "error[schema-old]: the database is at schema 1, DevPocket {} needs {}",
        env!("CARGO_PKG_VERSION"),
        versions().len()
    );
    assert!(refused.err.contains(&expected), "{}", refused.err);
    assert!(refused.err.contains("at       DATABASE_URL (environment): "), "{}", refused.err);
    assert!(refused.err.contains("so far   nothing was started, nothing was changed"));
    assert!(refused.err.contains("devpocket migrate --dry-run"), "{}", refused.err);
    assert_eq!(dump(&database), before);

    let tried = world.call(&["migrate", "--dry-run"]).await;
    assert_eq!(tried.code, 0, "{}", tried.err);
    let goes = format!("would go from 1 to {}", versions().len());
    assert!(tried.out.contains(&goes), "{}", tried.out);
    assert!(tried.out.contains("2  used by"), "{}", tried.out);
    assert!(tried.out.contains("Nothing was changed."), "{}", tried.out);
    assert_eq!(dump(&database), before);

    let (one, other) = tokio::join!(world.call(&["migrate"]), world.call(&["migrate"]));
    assert_eq!((one.code, other.code), (0, 0), "{}{}", one.err, other.err);
    assert_eq!(applied(&database).await, versions());
    let again = world.call(&["migrate"]).await;
    assert!(again.out.contains("already. Nothing was changed."), "{}", again.out);
    let serve = world.serve().await;
    assert_eq!(serve.get("/health/ready").await.0, 200);
}

#[tokio::test]
async fn a_newer_schema_is_refused_unchanged_by_serve_and_migrate() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    sqlx::raw_sql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (12, 'from the future', true, ''::bytea, 0); \
         INSERT INTO used_by VALUES (1, '9.8.7', '2026-11-20T12:00:00Z')",
    )
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
    let world = World::new(&database.url()).await;
    let before = dump(&database);
    for command in [&["serve"][..], &["migrate"], &["migrate", "--dry-run"]] {
        let refused = world.call(command).await;
        assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{}", refused.err);
        // Lines are wrapped to the width of a terminal.
        let err = refused.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            err.contains("error[schema-new]: the database is at schema 12, DevPocket"),
            "{err}"
        );
        assert!(err.contains("last used by 9.8.7 on 2026-11-20"), "{err}");
        assert!(err.contains("nothing was changed"), "{err}");
    }
    assert_eq!(dump(&database), before);
}

#[tokio::test]
async fn an_empty_database_is_not_touched_by_a_dry_run() {
    let (world, database) = World::empty().await;
    let before = dump(&database);
    let tried = world.call(&["migrate", "--dry-run"]).await;
    assert_eq!(tried.code, 0, "{}", tried.err);
    let made = format!("The database is empty; schema {} would be made:", versions().len());
    assert!(tried.out.contains(&made), "{}", tried.out);
    assert_eq!(dump(&database), before);
    let (one, other) = tokio::join!(world.call(&["migrate"]), world.call(&["migrate"]));
    assert_eq!((one.code, other.code), (0, 0), "{}{}", one.err, other.err);
    assert_eq!(applied(&database).await, versions());
}
