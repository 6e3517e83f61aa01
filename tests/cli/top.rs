//! `devpocket top`: how machines are doing is told as it is known, and what is not known is not told.

use std::time::Duration;

use devpocket_controllers::clock::Clock as _;
use devpocket_controllers::history::History as _;
use devpocket_specs::environment::BoundMachine;
use devpocket_specs::object::Resource as _;
use devpocket_specs::sample::{Sample, Throughput, Usage};
use jiff::SignedDuration;
use serde_json::Value;

use crate::world::World;

/// Samples of the last so many minutes, of a machine that uses this much of its processor.
async fn sampled(world: &World, name: &str, minutes: std::ops::Range<i64>, cpu: u16) {
    let uid = world.environment(name).await.unwrap().uid();
    let now = world.clock.now();
    let samples = minutes.map(|minute| {
        let at = now - SignedDuration::from_mins(minute);
        let sample = Sample {
            at,
            cpu: Some(cpu),
            memory: Usage::new(2 << 30, 8 << 30),
            disk: Usage::new(15 << 30, 75 << 30),
            network: Some(Throughput { received: 48_000, sent: 1_200 }),
            uptime: 5 * 86_400,
        };
        (uid, sample)
    });
    world.history.keep(&samples.collect::<Vec<_>>()).await.unwrap();
}

async fn bound(world: &World, name: &str) {
    let machine = BoundMachine { name: "m-1".into(), ..BoundMachine::default() };
    world.stand(name, |status| status.machine = Some(machine.clone())).await;
}

#[tokio::test]
async fn all_that_is_known_of_now_is_a_row_and_what_is_not_says_why() {
    let world = World::new().await;
    for name in ["web", "db", "new"] {
        world.declare(name).await;
    }
    bound(&world, "web").await;
    bound(&world, "db").await;
    sampled(&world, "web", 0..61, 1_200).await;
    // It went silent half an hour ago.
    sampled(&world, "db", 30..61, 9_700).await;
    let ended = world.run(&["top"]).await.done();
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines.len(), 4, "{}", ended.out);
    assert!(lines[0].starts_with("NAME   CPU       MEMORY           DISK       IN       OUT  UP"));
    let web = lines.iter().find(|line| line.starts_with("web")).unwrap();
    let told = "web   12 %  2.0 of 8 GB  15.0 of 75 GB  48 kB/s  1.2 kB/s  5d  ▂▂▂▂▂▂▂▂▂▂▂▂";
    assert_eq!(*web, told);
    let db = lines.iter().find(|line| line.starts_with("db")).unwrap();
    assert!(!db.contains('%') && !db.contains("GB") && db.contains('█'), "{db:?}");
    assert_eq!(*lines.iter().find(|line| line.starts_with("new")).unwrap(), "new");
    assert!(ended.err.contains("db: last sample 30 min ago: "), "{}", ended.err);
    assert!(ended.err.contains("new: there is no machine yet\n"), "{}", ended.err);
    assert!(!ended.err.contains("web:"), "{}", ended.err);

    let ascii = world.run_with(&["top", "web"], &[("LC_ALL", "C")]).await.done();
    assert!(ascii.out.is_ascii() && ascii.out.contains("12 %"), "{}", ascii.out);
    assert_eq!(ascii.out.lines().count(), 2);
    let names = world.run(&["top", "-o", "name"]).await.done();
    assert_eq!(names.out, "env/db\nenv/new\nenv/web\n");
    let everywhere = world.run(&["top", "-A", "-o", "json"]).await.done();
    let document: Value = serde_json::from_str(&everywhere.out).unwrap();
    let items = document["items"].as_array().unwrap();
    assert_eq!(items.len(), 3);
    assert_eq!((&items[2]["cpu_usage"], &items[1]["cpu_usage"]), (&12.0.into(), &Value::Null));
    let table = world.run(&["top", "-A"]).await.done();
    assert!(table.out.starts_with("NAMESPACE  NAME"), "{}", table.out);
}

#[tokio::test]
async fn one_is_told_over_a_time_with_its_gaps() {
    let world = World::new().await;
    world.declare("web").await;
    bound(&world, "web").await;
    sampled(&world, "web", 0..60, 1_000).await;
    sampled(&world, "web", 120..180, 5_000).await;
    let ended = world.run(&["top", "env/web", "--since", "4h"]).await.done();
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines.len(), 6, "{}", ended.out);
    let head: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(head, ["NOW", "MEAN", "MOST", "COURSE"]);
    let cpu: Vec<&str> = lines[1].split("  ").map(str::trim).filter(|w| !w.is_empty()).collect();
    assert_eq!(&cpu[..4], ["CPU", "10 %", "30 %", "50 %"], "{}", lines[1]);
    assert!(cpu[4].starts_with('▅') || cpu[4].starts_with('▄'), "{}", lines[1]);
    assert!(lines[2].contains("2.0 GB") && lines[4].contains("48 kB/s"), "{}", ended.out);
    let short = world.run(&["top", "web", "--since", "30m", "-o", "json"]).await.done();
    let document: Value = serde_json::from_str(&short.out).unwrap();
    let kept = document["metrics"].as_array().unwrap().len();
    assert!((29..=31).contains(&kept), "{kept}");
    world.clock.advance(Duration::from_secs(10 * 3_600));
    let silent = world.run(&["top", "web", "--since", "1h"]).await.done();
    assert_eq!(silent.out, "");
    assert!(silent.err.starts_with("No samples of env/web in this time.\n"), "{}", silent.err);
}

#[tokio::test]
async fn what_is_called_wrongly_is_refused() {
    let world = World::new().await;
    let ended = world.run(&["top"]).await.done();
    assert_eq!(ended.out, "");
    assert!(ended.err.starts_with("No environments in main. Declare one: "), "{}", ended.err);
    world.declare("web").await;
    world
        .run(&["top", "nothing"])
        .await
        .refused(1, "error[not-found]: there is no env/nothing in main");
    let two = "error[usage]: --since is about one environment, which has to be named";
    world.run(&["top", "--since", "1h"]).await.refused(2, two);
    let far = "error[usage]: --since goes back 30 days at most";
    world.run(&["top", "web", "--since", "31d"]).await.refused(2, far);
}
