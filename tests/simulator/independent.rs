//! A client that others wrote, from a package registry, unchanged: it must agree.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use super::programs::{in_project, program};
use super::*;

/// Longest wait for the whole program.
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test]
async fn an_independent_client_agrees_with_only_the_addresses_replaced() {
    // Beside the sources, or where the build is.
    let builds = std::env::var_os("CARGO_TARGET_DIR").map(std::path::PathBuf::from);
    let folders = [builds, Some(in_project("target"))].into_iter().flatten();
    let places: Vec<_> = folders.map(|place| place.join("independent/bin/python")).collect();
    let Some(python) = program("the independent client's Python", &places) else { return };
    let world = World::with(
        Settings {
            rollback: SignedDuration::ZERO,
            power_lag: SignedDuration::ZERO,
            ..Settings::prompt()
        },
        None,
        TestClock::new(),
    )
    .await;
    let mut client = Command::new(python)
        .arg(in_project("tests/simulator/independent/client.py"))
        .args([world.simulator.api_url(), world.simulator.auth_url()])
        .args([CLIENT_ID, CLIENT_SECRET, API_USER, API_PASSWORD])
        .env("NO_PROXY", "*")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    let bought = tokio::time::timeout(LIMIT, lines.next_line()).await.expect("it buys in time");
    let id: i64 = bought.unwrap().expect("a line with the instance").parse().unwrap();
    world.clock.advance(SignedDuration::from_secs(250));
    client.stdin.take().unwrap().write_all(b"\n").await.unwrap();
    let done = tokio::time::timeout(LIMIT, lines.next_line()).await.expect("it ends in time");
    assert_eq!(done.unwrap().as_deref(), Some("done"), "it says above what it did not get");
    assert!(client.wait().await.unwrap().success());
    assert_eq!(world.control.ledger().await.unwrap().purchases(), 1);
    let instance = world.control.instance(id).await.unwrap();
    assert_eq!(instance.facts.display_name, "renamed");
    assert_eq!(instance.guest.generation, 2, "it was reinstalled");
}
