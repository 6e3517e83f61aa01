//! Two real processes on one database.

use std::process::Stdio;

use devpocket::store::PgOptions;
use devpocket_controllers::store::Store;
use devpocket_specs::kind::Kind;
use futures::future::join_all;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::cases::guards::at_most;
use crate::objects::*;
use crate::worlds::{Postgres, open};

/// Where the child process of this test finds the database.
const CHILD: &str = "DEVPOCKET_TEST_STORE_URL";
const EACH: usize = 25;
const SELF: &str = "processes::of_fifty_from_two_processes_for_the_last_slot_one_gets_it";

/// Tries for the last slot; answers how often it got it.
async fn compete(store: &dyn Store, who: &str) -> usize {
    let writes = (0..EACH).map(|n| {
        let write = creating(lease("n", &format!("{who}{n}"), "h"));
        store.write(guarded(write, at_most(Some("n"), &[], 2)))
    });
    let outcomes = join_all(writes).await;
    let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(outcomes.iter().filter(|o| is_guard(o, "quota")).count(), EACH - won);
    won
}

/// The child: says when it is ready, waits for the word, competes, and says how it went.
async fn child(url: &str) {
    let options = PgOptions { maintenance: None, ..PgOptions::from_url(url).unwrap() };
    let store = open(&options).await;
    println!("ready");
    let mut go = String::new();
    BufReader::new(tokio::io::stdin()).read_line(&mut go).await.unwrap();
    println!("won {}", compete(&*store, "child").await);
    store.close().await;
}

/// Breaks without it: behind a load balancer a quota holds per server, not per tenant.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_from_two_processes_for_the_last_slot_one_gets_it() {
    if let Ok(url) = std::env::var(CHILD) {
        return child(&url).await;
    }
    let world = Postgres::new().await;
    create(&*world.store, lease("n", "first", "h")).await;
    let mut other = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", SELF, "--nocapture"])
        .env(CHILD, world.database.url())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(other.stdout.take().unwrap()).lines();
    // The test harness's own lines come in between.
    while !lines.next_line().await.unwrap().expect("the child gets ready").ends_with("ready") {}
    other.stdin.take().unwrap().write_all(b"go\n").await.unwrap();
    let mine = compete(&*world.store, "parent").await;
    let theirs: usize = loop {
        let line = lines.next_line().await.unwrap().expect("the child says how it went");
        if let Some((_, count)) = line.split_once("won ") {
            break count.trim().parse().unwrap();
        }
    };
    assert!(other.wait().await.unwrap().success());

    assert_eq!(mine + theirs, 1, "this process got {mine}, the other {theirs}");
    let listing = world.store.list(Kind::Lease, Some("n")).await.unwrap();
    assert_eq!(listing.items.len(), 2);
}
