//! `devpocket events`: what happened, in order, counted, and by the server's clock.

use devpocket_controllers::runtime::{Involved, Recorder, Severity};
use serde_json::Value;
use std::time::Duration;

use crate::world::World;

async fn happened(world: &World, name: &str, severity: Severity, reason: &str, message: &str) {
    let environment = world.environment(name).await.unwrap();
    let recorder = Recorder::new(world.client.clone(), "environment-controller");
    recorder.event(&Involved::of(&environment), severity, reason, message).await;
}

/// Two environments with a history.
async fn storied() -> World {
    let world = World::new().await;
    world.declare("web").await;
    world.declare("db").await;
    happened(&world, "web", Severity::Normal, "Ordered", "ordered for 5.50 EUR").await;
    world.clock.advance(Duration::from_secs(2 * 3_600));
    happened(&world, "web", Severity::Warning, "Drift", "stopped outside DevPocket").await;
    world.clock.advance(Duration::from_secs(90 * 60));
    happened(&world, "web", Severity::Warning, "Drift", "stopped outside DevPocket").await;
    happened(&world, "db", Severity::Normal, "Ready", "running").await;
    world
}

#[tokio::test]
async fn history_is_in_order_counted_and_aged_by_the_servers_clock() {
    let world = storied().await;
    let ended = world.run(&["events", "env/web"]).await.done();
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines.len(), 3, "{}", ended.out);
    assert_eq!(lines[0], "LAST  TYPE     REASON   MESSAGE");
    // Three and a half hours by the server, moments by this computer.
    assert_eq!(lines[1], "3h    Normal   Ordered  ordered for 5.50 EUR");
    let drift = "Warning  Drift    stopped outside DevPocket (2 times in 1h)";
    assert!(lines[2].ends_with(drift), "{}", ended.out);
    let all = world.run(&["events"]).await.done();
    assert!(all.out.contains("env/web") && all.out.contains("env/db"), "{}", all.out);
    let warnings = world.run(&["events", "--warnings"]).await.done();
    assert_eq!(warnings.out.lines().count(), 2, "{}", warnings.out);
}

#[tokio::test]
async fn documents_hold_whole_events() {
    let world = storied().await;
    let ended = world.run(&["events", "web", "-o", "json"]).await.done();
    let list: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(list["items"][1]["count"], 2);
    assert_eq!(list["items"][1]["kind"], "Event");
    let yaml = world.run(&["events", "env/db", "-o", "yaml"]).await.done();
    assert!(yaml.out.contains("reason: Ready") && !yaml.out.contains("Drift"), "{}", yaml.out);
}

#[tokio::test]
async fn nothing_that_happened_is_told_apart_from_nothing_that_is_there() {
    let world = World::new().await;
    world.declare("web").await;
    let ended = world.run(&["events", "env/web"]).await.done();
    assert_eq!(ended.out, "");
    assert_eq!(ended.err, "No events about env/web in the last 24 h.\n");
    let ended = world.run(&["events", "env/nothing"]).await;
    ended.refused(1, "error[not-found]: there is no env/nothing in main");
}

#[tokio::test]
async fn what_happened_to_another_of_that_name_is_not_its_story() {
    let world = storied().await;
    let none = devpocket_specs::admit::Preconditions::default();
    world.client.delete(&world.key("web"), none).await.unwrap();
    let ended = world.run(&["events", "env/web"]).await.done();
    assert!(ended.out.contains("Drift"), "what is gone has its story: {}", ended.out);
    world.declare("web").await;
    let ended = world.run(&["events", "env/web"]).await.done();
    assert_eq!(ended.err, "No events about env/web in the last 24 h.\n", "{}", ended.out);
    let ended = world.run(&["describe", "web"]).await.done();
    assert!(!ended.out.contains("stopped outside"), "{}", ended.out);
}

#[tokio::test]
async fn what_happens_now_is_shown_as_it_happens_and_repeats_again() {
    let world = storied().await;
    let mut watching = world.start(&["events", "env/web", "-w"]);
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(watching.answer().await.unwrap());
    }
    assert!(seen[1].contains("Ordered") && seen[2].contains("Drift"), "{seen:?}");
    happened(&world, "db", Severity::Normal, "Stopping", "of another").await;
    happened(&world, "web", Severity::Warning, "Drift", "stopped outside DevPocket").await;
    let line = watching.answer().await.unwrap();
    assert!(line.contains("(3 times in 1h)"), "{line}");
    happened(&world, "web", Severity::Normal, "DriftOver", "started again").await;
    assert!(watching.answer().await.unwrap().contains("DriftOver"));
}

#[tokio::test]
async fn on_a_narrow_terminal_the_message_stays() {
    let world = storied().await;
    let ended = world.run_with(&["events", "env/web"], &[("COLUMNS", "64")]).await.done();
    assert!(ended.out.lines().all(|line| line.chars().count() <= 64), "{}", ended.out);
    assert!(ended.out.contains("stopped outside"), "{}", ended.out);
}
