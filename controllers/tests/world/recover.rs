//! Installations that failed and go on, what they printed, and how long the next one takes.

use std::time::Duration;

use devpocket_controllers::sim::guests::{Day, STEPS};
use devpocket_controllers::sim::world::{Options, World};
use devpocket_specs::environment::{Phase, Request};
use devpocket_specs::install::{InstallState, InstallStatus, codes};
use devpocket_specs::kind::Kind;
use devpocket_specs::object::{Key, Resource};
use devpocket_specs::operation::Verb;
use devpocket_specs::template::{Template, shipped, shipped_template};

use crate::{HOUR, MINUTE};

fn visited() -> Options {
    Options { guests: true, ..Options::default() }
}

fn install(world: &World, name: &str) -> Option<InstallStatus> {
    world.environment(name)?.status.install
}

fn state(world: &World) -> Option<InstallState> {
    install(world, "web").map(|install| install.state)
}

async fn on_a(day: Day) -> World {
    let mut world = World::started(visited());
    world.declare("web", |_| {}).await;
    assert!(world.until(HOUR, |w| w.instance_of("web").is_some()).await);
    world.guests.day(world.instance_of("web").unwrap(), day);
    world
}

async fn recover(world: &World, id: &str) {
    world.edit("web", |spec| spec.recover = Some(Request { id: id.to_owned() })).await;
}

fn requests(world: &World) -> Option<String> {
    world.environment("web")?.status.requests.get("recover").cloned()
}

fn printed(world: &World) -> Vec<String> {
    let lines = world.lines.of(world.environment("web").unwrap().uid());
    let numbers: Vec<i64> = lines.iter().map(|line| line.number).collect();
    assert_eq!(numbers, (1..).take(numbers.len()).collect::<Vec<i64>>());
    lines.into_iter().map(|line| line.text).collect()
}

fn every_step() -> Vec<String> {
    STEPS.iter().map(|(name, _, _)| format!("devpocket: {name}")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_failed_step_is_gone_on_with_once_for_each_request() {
    let mut world = on_a(Day::Fails { step: "docker".into(), code: codes::DISK_FULL }).await;
    assert!(world.until(HOUR, |w| state(w) == Some(InstallState::Failed)).await);
    let failed = install(&world, "web").unwrap();
    assert_eq!(failed.error.as_ref().unwrap().step, "docker");
    assert_eq!(world.environment("web").unwrap().status.phase, Phase::Error);
    world.pass(HOUR).await;
    assert_eq!(state(&world), Some(InstallState::Failed), "nothing goes on by itself");

    // Nothing was mended: it fails again, and that is told.
    recover(&world, "one").await;
    assert!(world.until(MINUTE, |w| requests(w).as_deref() == Some("one")).await);
    assert!(world.until(HOUR, |w| state(w) == Some(InstallState::Failed)).await);
    assert_eq!(install(&world, "web").unwrap().recoveries, 1);

    world.guests.day(world.instance_of("web").unwrap(), Day::Good);
    recover(&world, "two").await;
    let mut percent = failed.percent;
    for _ in 0..600 {
        world.pass(Duration::from_secs(2)).await;
        let now = install(&world, "web").unwrap();
        assert!(now.percent >= percent, "{percent} % became {} %", now.percent);
        percent = now.percent;
    }
    assert!(world.is_ready("web"), "{:#?}", world.environment("web"));
    let done = install(&world, "web").unwrap();
    assert_eq!((done.percent, done.recoveries, &done.error), (100, 2, &None));
    assert_eq!(requests(&world).as_deref(), Some("two"));
    assert_eq!((world.purchases(), world.operations(Verb::Reinstall).len()), (1, 0));
    let texts = printed(&world);
    assert_eq!(texts.iter().filter(|text| text.contains("node")).count(), 1, "{texts:?}");

    recover(&world, "three").await;
    assert!(world.until(MINUTE, |w| requests(w).as_deref() == Some("three")).await);
    world.pass(MINUTE).await;
    assert_eq!(install(&world, "web").unwrap(), done, "nothing to recover, and nothing is done");
}

#[tokio::test(start_paused = true)]
async fn a_step_that_hangs_is_given_up_in_time_and_gone_on_with() {
    let mut world = on_a(Day::Hangs { step: "node".into() }).await;
    assert!(world.until(HOUR, |w| state(w) == Some(InstallState::Failed)).await);
    let error = install(&world, "web").unwrap().error.unwrap();
    assert_eq!((error.code.as_str(), error.step.as_str()), (codes::TIMEOUT, "node"));
    assert!(!error.lines.is_empty(), "with its last lines");
    world.guests.day(world.instance_of("web").unwrap(), Day::Good);
    recover(&world, "one").await;
    assert!(world.ready("web", HOUR).await, "{:#?}", world.environment("web"));
}

#[tokio::test(start_paused = true)]
async fn each_line_is_kept_once_whatever_is_away() {
    let mut world = on_a(Day::Good).await;
    assert!(world.until(HOUR, |w| state(w) == Some(InstallState::Running)).await);
    world.lines.away(20);
    world.pass(MINUTE).await;
    // Another leader goes on with the same machine.
    world.kill();
    world.start();
    assert!(world.ready("web", HOUR).await, "{:#?}", world.environment("web"));
    assert_eq!(printed(&world), every_step());
}

#[tokio::test(start_paused = true)]
async fn the_time_left_is_told_once_five_were_installed() {
    let mut world = World::started(visited());
    let template = shipped_template(shipped("base").unwrap()).unwrap();
    world.client("admin").create(&template).await.unwrap();
    for n in 0..5 {
        let name = format!("web-{n}");
        world.declare(&name, |spec| spec.template = Some("base".into())).await;
        assert!(world.ready(&name, HOUR).await, "{name}");
        assert_eq!(install(&world, &name).unwrap().usual_seconds, None, "{n} are too few");
    }
    world.pass(MINUTE).await;
    let key = Key::cluster(Kind::Template, "base");
    let runs = world.all::<Template>()[&key.name].status.runs.clone();
    assert_eq!(runs.len(), 5, "{runs:?}");
    world.declare("next", |spec| spec.template = Some("base".into())).await;
    let told = |w: &World| install(w, "next").is_some_and(|i| i.usual_seconds.is_some());
    assert!(world.until(HOUR, told).await);
    let usual = install(&world, "next").unwrap().usual_seconds.unwrap();
    let expected: i64 = STEPS.iter().map(|(_, _, seconds)| seconds).sum();
    assert!((i64::from(usual) - expected).abs() < 120, "{usual} s, the steps take {expected} s");
    assert!(world.ready("next", HOUR).await);
    assert_eq!(install(&world, "next").unwrap().usual_seconds, Some(usual), "as it was told");
}
