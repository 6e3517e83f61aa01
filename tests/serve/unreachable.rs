//! A database that cannot be used: said at once, in one sentence, with a way out.

use crate::process::{Ended, Variables, call};
use crate::support::postgres::{OwnServer, TestDatabase};
use crate::world::World;

async fn serve_and_migrate(url: &str) -> [Ended; 2] {
    let world = World::new(url).await;
    let migrating = Variables::from([("DATABASE_URL".to_owned(), url.to_owned())]);
    // Some of them wait for what never comes.
    let (serve, migrate) =
        tokio::join!(world.call(&["serve"]), call(world.path(), &migrating, &["migrate"]));
    [serve, migrate]
}

/// Whether it has the form of an error, says this, and repeats no password.
fn check(ended: &Ended, sentence: &str, evidence: &str, way_out: &str) {
    let err = &ended.err;
    assert_eq!((ended.code, ended.out.as_str()), (1, ""), "{err}");
    let head = format!("error[database-unreachable]: {sentence}");
    assert!(err.contains(&head), "{err}");
    assert!(err.contains("at       DATABASE_URL (environment): "), "{err}");
    assert!(err.contains("because  ") && err.contains(evidence), "{err}");
    assert!(err.contains("so far   nothing was started, nothing was changed"), "{err}");
    assert!(err.contains(&format!("try      {way_out}")), "{err}");
    assert!(!err.contains("hunter2") && !err.contains("pool"), "{err}");
}

#[tokio::test]
async fn nothing_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let url = format!("postgresql://me:hunter2@127.0.0.1:{port}/devpocket");
    for ended in serve_and_migrate(&url).await {
        let sentence = format!("no Postgres listens at 127.0.0.1:{port}");
        check(&ended, &sentence, "refused", &format!("pg_isready -h 127.0.0.1 -p {port}"));
    }
}

#[tokio::test]
async fn something_else_listens_and_never_answers() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("postgresql://me:hunter2@127.0.0.1:{port}/devpocket");
    for ended in serve_and_migrate(&url).await {
        check(&ended, &format!("the database at 127.0.0.1:{port} does not"), "5 s", "pg_isready");
    }
}

#[tokio::test]
async fn the_host_is_unknown() {
    let url = "postgresql://me:hunter2@db.invalid:5432/devpocket";
    for ended in serve_and_migrate(url).await {
        check(&ended, "the database's host \"db.invalid\" has no address", "", "pg_isready");
    }
}

#[tokio::test]
async fn the_database_does_not_exist() {
    let database = TestDatabase::empty().await;
    let url = database.url();
    let (server, name) = url.rsplit_once('/').unwrap();
    for ended in serve_and_migrate(&format!("{server}/gone_{name}")).await {
        check(&ended, "", &format!("\"gone_{name}\" does not exist"), "createdb -h ");
        assert!(ended.err.contains(&format!("has no database \"gone_{name}\"")), "{}", ended.err);
    }
}

#[tokio::test]
async fn the_password_is_wrong() {
    let server = OwnServer::start().await;
    let database = server.demand_password("right").await;
    let url = database.url().replace(":right@", ":hunter2@");
    for ended in serve_and_migrate(&url).await {
        check(&ended, "the database does not accept user", "28P01", "psql -h ");
    }
    // The same with the right one starts, so it was the password.
    let world = World::new(&database.url()).await;
    assert_eq!(world.call(&["migrate", "--dry-run"]).await.code, 0);
}

#[tokio::test]
async fn no_connection_is_left() {
    let database = TestDatabase::empty().await;
    let pool = database.pool().await;
    let name: String =
        sqlx::query_scalar("SELECT current_database()").fetch_one(&pool).await.unwrap();
    let user = format!("crowded_{name}");
    let limited = format!("CREATE ROLE {user} LOGIN CONNECTION LIMIT 0");
    sqlx::raw_sql(sqlx::AssertSqlSafe(limited)).execute(&pool).await.unwrap();
    let url = database.url().replace("devpocket@", &format!("{user}:hunter2@"));
    for ended in serve_and_migrate(&url).await {
        check(&ended, "the database ", "53300", "psql -h ");
        assert!(ended.err.contains("has no connection left"), "{}", ended.err);
    }
    let gone = format!("DROP ROLE {user}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(gone)).execute(&pool).await.unwrap();
}
