//! Connections and servers that die.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use devpocket::store::{AuditFilter, PgOptions};
use devpocket_controllers::store::{Store, StoreError, WatchError, WatchItem};
use devpocket_specs::kind::Kind;
use futures::future::join_all;

use crate::objects::*;
use crate::support::postgres::{OwnServer, TestDatabase};
use crate::wire::{Cut, Wire};
use crate::worlds::{Postgres, cache, open, options};

/// Writes until told to stop; answers the names that were acknowledged.
async fn write_names(store: Arc<dyn Store>, who: usize, count: usize) -> BTreeSet<String> {
    let mut acknowledged = BTreeSet::new();
    for n in 0..count {
        let name = format!("w{who}-{n:03}");
        match store.write(creating(template(&name))).await {
            Ok(_) => {
                acknowledged.insert(name);
            }
            Err(StoreError::Unavailable(_) | StoreError::Ambiguous(_)) => {}
            Err(other) => panic!("{name}: {other}"),
        }
    }
    acknowledged
}

/// Breaks without it: a restarted database server loses what people were told is saved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_backends_lose_nothing_that_was_acknowledged() {
    let world = Postgres::new().await;
    let cached = cache(world.store.clone()).await;
    let watching = tokio::spawn({
        let mut watch = cached.watch(Kind::Template, 0).await.unwrap();
        async move {
            let mut told = Vec::new();
            while told.last().is_none_or(|name| name != "zz-end") {
                told.push(event(&mut watch).await.object.metadata.name.clone());
            }
            told
        }
    });
    let side = world.database.pool().await;
    let writers = (0..4).map(|who| tokio::spawn(write_names(cached.clone(), who, 60)));
    let writers = tokio::spawn(join_all(writers.collect::<Vec<_>>()));
    let mut kills = 0;
    while !writers.is_finished() {
        let killed: i64 = sqlx::query_scalar(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name = 'devpocket'",
        )
        .fetch_one(&side)
        .await
        .unwrap();
        kills += killed;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(kills > 0, "nothing was killed, so nothing was tested");
    let acknowledged: BTreeSet<String> =
        writers.await.unwrap().into_iter().flat_map(|names| names.unwrap()).collect();
    assert!(!acknowledged.is_empty());

    create_template(&*cached, "zz-end").await;
    let listing = world.store.list(Kind::Template, None).await.unwrap();
    let there: BTreeSet<String> = names(&listing.items).into_iter().collect();
    assert!(acknowledged.is_subset(&there), "{:?}", acknowledged.difference(&there));
    let told = watching.await.unwrap();
    let once: BTreeSet<String> = told.iter().cloned().collect();
    assert_eq!(once.len(), told.len(), "a change was told twice");
    assert_eq!(once, there);
}

struct Cutting {
    database: TestDatabase,
    wire: Wire,
    options: PgOptions,
}

impl Cutting {
    async fn new() -> Cutting {
        let database = TestDatabase::new().await;
        let wire = Wire::to(&database.options());
        let options = PgOptions {
            connect: wire.options(&database.options()).application_name("devpocket"),
            notify: false,
            write_deadline: Duration::from_secs(20),
            resolve_deadline: Duration::from_secs(2),
            ..options(&database)
        };
        Cutting { database, wire, options }
    }
}

/// Breaks without it: a purchase is recorded twice because the first answer got lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_found_and_not_repeated() {
    let cutting = Cutting::new().await;
    let store = open(&cutting.options).await;
    let a = create_template(&*store, "a").await;
    cutting.wire.cut(Cut::AfterCommit);
    let updated = store.write(describing(&a, "1")).await.expect("it was committed");
    assert_eq!(cutting.wire.cuts(), 1);

    let direct = open(&options(&cutting.database)).await;
    let now = direct.get(&template_key("a")).await.unwrap().unwrap();
    assert_eq!(now.revision(), updated.revision());
    let audit = direct.audit(&AuditFilter::default()).await.unwrap();
    assert_eq!(audit.len(), 2, "one create and one update: {audit:?}");
}

/// Breaks without it: a write that never arrived is acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_never_arrived_is_written_again() {
    let cutting = Cutting::new().await;
    let store = open(&cutting.options).await;
    create_template(&*store, "a").await;
    cutting.wire.cut(Cut::BeforeCommit);
    let created = create_template(&*store, "b").await;
    assert_eq!(cutting.wire.cuts(), 1);

    let direct = open(&options(&cutting.database)).await;
    let now = direct.get(&template_key("b")).await.unwrap().expect("it was acknowledged");
    assert_eq!(now.revision(), created.revision());
    let mut watch = direct.watch(Kind::Template, 0).await.unwrap();
    let told_events = events_until(&mut watch, created.revision()).await;
    assert_eq!(told(&told_events), ["added a=0", "added b=0"]);
}

/// Breaks without it: "it failed" is answered about a write that happened, and somebody repeats it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_nobody_can_ask_about_is_ambiguous() {
    let cutting = Cutting::new().await;
    let store = open(&cutting.options).await;
    create_template(&*store, "a").await;
    cutting.wire.cut(Cut::ForGood);
    let outcome = store.write(creating(template("b"))).await;
    assert!(matches!(outcome, Err(StoreError::Ambiguous(_))), "{outcome:?}");

    let direct = open(&options(&cutting.database)).await;
    assert!(direct.get(&template_key("b")).await.unwrap().is_some(), "it did happen");
}

/// Breaks without it: a write given up as undone turns up an hour later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_given_up_as_undone_stays_undone() {
    let server = OwnServer::start().await;
    let database = server.database().await;
    let options = PgOptions { write_deadline: Duration::from_millis(300), ..options(&database) };
    let store = open(&options).await;
    create_template(&*store, "a").await;
    server.kill();
    let outcome = store.write(creating(template("b"))).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    let read = store.get(&template_key("a")).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    server.start_again();
    let last = loop {
        if let Ok(last) = store.write(creating(template("c"))).await {
            break last;
        }
    };
    let listing = store.list(Kind::Template, None).await.unwrap();
    assert_eq!(names(&listing.items), ["a", "c"]);
    assert_eq!(listing.revision, last.revision());
}

/// Breaks without it: after a restart of the database every client has to be restarted too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_go_on_when_the_database_comes_back() {
    let server = OwnServer::start().await;
    let database = server.database().await;
    let store = open(&options(&database)).await;
    let cached = cache(store.clone()).await;
    let mut watch = cached.watch(Kind::Template, 0).await.unwrap();
    create_template(&*cached, "a").await;
    server.kill();
    server.start_again();
    let writing = async { while store.write(creating(template("b"))).await.is_err() {} };
    tokio::time::timeout(PATIENCE, writing).await.expect("the writer reconnects");
    assert_eq!(told(&events(&mut watch, 2).await), ["added a=0", "added b=0"]);
    assert_eq!(cached.list(Kind::Template, None).await.unwrap().items.len(), 2);
}

/// Breaks without it: a backup restored under a running server is not seen, or half of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_starts_anew_when_the_database_went_back_in_time() {
    let world = Postgres::new().await;
    let cached = cache(world.store.clone()).await;
    let a = create_template(&*cached, "a").await;
    create_template(&*cached, "b").await;
    let mut watch = cached.watch(Kind::Template, cached.freshen().await.unwrap()).await.unwrap();
    let back = format!(
        "BEGIN; DELETE FROM objects WHERE name = 'b'; DELETE FROM changes WHERE revision > {0}; \
         DELETE FROM audit WHERE revision > {0}; UPDATE store_revision SET revision = {0}; COMMIT",
        a.revision()
    );
    let side = world.database.pool().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(back)).execute(&side).await.unwrap();

    let error = loop {
        if let Err(error) = item(&mut watch).await {
            break error;
        }
    };
    assert!(matches!(error, WatchError::Expired { .. }), "{error:?}");
    assert_eq!(names(&cached.list(Kind::Template, None).await.unwrap().items), ["a"]);
}

/// Breaks without it: one tenant's burst costs a transaction, and a wait for the disk, per write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_writes_shares_transactions() {
    let world = Postgres::new().await;
    let writes: Vec<_> =
        (0..256).map(|n| world.store.write(creating(template(&format!("t{n}"))))).collect();
    assert!(join_all(writes).await.iter().all(Result::is_ok));
    let side = world.database.pool().await;
    let batches: i64 = sqlx::query_scalar("SELECT count(DISTINCT batch) FROM changes")
        .fetch_one(&side)
        .await
        .unwrap();
    assert!(batches <= 32, "{batches} transactions for 256 writes");
}

/// Breaks without it: each step of a controller waits up to a poll for what it just wrote.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_hears_of_a_commit_without_a_poll() {
    let world = Postgres::with(|options| options.poll = Duration::from_secs(3_600)).await;
    let cached = cache(world.store.clone()).await;
    let mut watch = cached.follow(Kind::Template, 0).await.unwrap();
    let other = create(&*cached, lease("n", "a", "h")).await;
    // Progress to the commit of another kind; `item` gives up long before the poll.
    while !matches!(
        item(&mut watch).await.unwrap(),
        WatchItem::Progress(revision) if revision >= other.revision()
    ) {}
}
