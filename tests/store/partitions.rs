//! The log's partitions, ahead and behind.

use std::time::Duration;

use devpocket::store::{OpenError, PgStore, SchemaError};
use devpocket_controllers::store::{Store, StoreError};
use devpocket_specs::kind::Kind;

use crate::objects::*;
use crate::support::postgres::TestDatabase;
use crate::worlds::{Postgres, options};

async fn tables(world: &Postgres) -> i64 {
    let side = world.database.pool().await;
    sqlx::query_scalar("SELECT count(*) FROM pg_inherits WHERE inhparent = 'changes'::regclass")
        .fetch_one(&side)
        .await
        .unwrap()
}

async fn fill(world: &Postgres, count: usize) {
    let writes: Vec<_> =
        (0..count).map(|n| world.store.write(creating(template(&format!("t{n}"))))).collect();
    assert!(futures::future::join_all(writes).await.iter().all(Result::is_ok));
}

/// Breaks without it: on the day the millionth change is written, every write fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_grows_across_partitions() {
    let world = Postgres::with(|options| options.partition_revisions = 128).await;
    fill(&world, 700).await;
    assert!(tables(&world).await >= 6);
    let mut watch = world.store.watch(Kind::Template, 0).await.unwrap();
    assert_eq!(events(&mut watch, 700).await.len(), 700);
}

/// Breaks without it: the log grows until the disk is full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_enough_is_dropped_and_nothing_younger() {
    let world = Postgres::with(|options| {
        options.partition_revisions = 128;
        options.retain_revisions = 150;
        options.retain = Duration::ZERO;
    })
    .await;
    fill(&world, 700).await;
    let before = tables(&world).await;
    // The first pass publishes, the second drops: readers have that long to notice.
    world.store.maintain().await.unwrap();
    world.store.maintain().await.unwrap();
    assert!(tables(&world).await < before);

    let now = world.store.revision().await.unwrap();
    let gone = world.store.watch(Kind::Template, 1).await.map(|_| ());
    assert!(matches!(gone, Err(StoreError::Expired { .. })), "{gone:?}");
    let mut watch = world.store.watch(Kind::Template, now - 150).await.unwrap();
    assert!(!events_until(&mut watch, now).await.is_empty());
    assert_eq!(world.store.list(Kind::Template, None).await.unwrap().items.len(), 700);
}

/// Breaks without it: a busy minute makes clients that blinked list everything again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_younger_than_an_hour_is_kept_however_much_it_is() {
    let world = Postgres::with(|options| {
        options.partition_revisions = 128;
        options.retain_revisions = 1;
    })
    .await;
    fill(&world, 700).await;
    world.store.maintain().await.unwrap();
    world.store.maintain().await.unwrap();
    let mut watch = world.store.watch(Kind::Template, 0).await.unwrap();
    assert_eq!(events(&mut watch, 700).await.len(), 700);
}

/// Breaks without it: a watcher overtaken by compaction goes on with a hole in what it was told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_overtaken_by_compaction_ends() {
    let world = Postgres::with(|options| options.partition_revisions = 128).await;
    fill(&world, 600).await;
    let mut watch = world.store.watch(Kind::Template, 0).await.unwrap();
    event(&mut watch).await;
    world.store.compact(world.store.revision().await.unwrap()).await.unwrap();
    let mut told = 1;
    let error = loop {
        match item(&mut watch).await {
            Ok(_) => told += 1,
            Err(error) => break error,
        }
    };
    let expired = matches!(error, devpocket_controllers::store::WatchError::Expired { .. });
    assert!(expired && told < 600, "{error:?} after {told}");
}

/// Breaks without it: a server that finds an empty database makes half a schema of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_database_is_refused_and_left_empty() {
    let database = TestDatabase::empty().await;
    let refused = PgStore::connect(options(&database)).await.map(|_| ());
    assert!(matches!(refused, Err(OpenError::Schema(SchemaError::Empty))), "{refused:?}");
    let tables: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'",
    )
    .fetch_one(&database.pool().await)
    .await
    .unwrap();
    assert_eq!(tables, 0);
}
