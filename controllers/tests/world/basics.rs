//! The life of an environment on a good day.

use devpocket_controllers::sim::contabo::Status;
use devpocket_controllers::sim::world::{Options, World};
use devpocket_specs::environment::{Power, Reclaim};
use devpocket_specs::machine::MachineState;
use devpocket_specs::operation::Verb;

use crate::HOUR;

/// A world for stories of weeks.
pub fn unhurried() -> Options {
    Options { unhurried: true, ..kept_for_an_hour() }
}

/// Released machines can be taken back for an hour.
fn kept_for_an_hour() -> Options {
    Options { reclaim_after_seconds: 3_600, ..Options::default() }
}

/// A world with one environment that is ready.
pub async fn with_web(options: Options) -> World {
    let mut world = World::started(options);
    world.declare("web", |_| {}).await;
    assert!(world.ready("web", HOUR).await, "{:#?}", world.environment("web"));
    world
}

#[tokio::test(start_paused = true)]
async fn a_declared_environment_becomes_a_running_machine_with_one_purchase() {
    let world = with_web(Options::default()).await;
    assert_eq!(world.purchases(), 1);
    let machine = world.machine_of("web").unwrap();
    let installation = world.installation().spec.id;
    let name = &machine.status.seen.as_ref().unwrap().display_name;
    assert_eq!(*name, format!("web dp-{installation}-{}", machine.metadata.name));
    assert_eq!(machine.spec.paid_through.unwrap().to_string(), "2026-04-02");
    assert_eq!(machine.spec.install_generation, 1);
}

#[tokio::test(start_paused = true)]
async fn power_follows_what_is_declared() {
    let mut world = with_web(Options::default()).await;
    world.edit("web", |spec| spec.power = Power::Stopped).await;
    let id = world.instance_of("web").unwrap();
    let is = |status: Status| {
        move |world: &World| world.account().instance(id).unwrap().facts.status == status
    };
    assert!(world.until(HOUR, is(Status::Stopped)).await);
    world.edit("web", |spec| spec.power = Power::Running).await;
    assert!(world.until(HOUR, is(Status::Running)).await);
    assert!(world.ready("web", HOUR).await);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_environments_machine_is_stopped_kept_wiped_and_claimed_again() {
    let mut world = with_web(kept_for_an_hour()).await;
    let id = world.instance_of("web").unwrap();
    world.delete("web").await;
    assert!(world.until(HOUR / 2, |world| world.environment("web").is_none()).await);
    let stopped =
        |world: &World| world.account().instance(id).unwrap().facts.status == Status::Stopped;
    assert!(world.until(HOUR / 2, stopped).await);
    assert!(world.operations(Verb::Reinstall).is_empty(), "the disk is untouched for now");
    let available =
        |world: &World| world.managed().iter().any(|m| m.status.state == MachineState::Available);
    assert!(world.until(3 * HOUR, available).await, "{:#?}", world.managed());
    world.declare("next", |_| {}).await;
    assert!(world.ready("next", 2 * HOUR).await, "{:#?}", world.environment("next"));
    assert_eq!(world.instance_of("next"), Some(id));
    assert_eq!(world.purchases(), 1, "claiming beats buying");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_environment_can_be_taken_back_with_its_disk() {
    let mut world = with_web(kept_for_an_hour()).await;
    let old = world.environment("web").unwrap();
    let id = world.instance_of("web").unwrap();
    world.delete("web").await;
    assert!(world.until(HOUR / 2, |world| world.environment("web").is_none()).await);
    world.undelete("web", &old).await;
    assert!(world.ready("web", HOUR).await, "{:#?}", world.environment("web"));
    assert_eq!(world.instance_of("web"), Some(id));
    world.pass(4 * HOUR).await;
    assert!(world.operations(Verb::Reinstall).is_empty(), "nothing was wiped");
    assert!(world.is_ready("web"));
}

#[tokio::test(start_paused = true)]
async fn a_machine_nobody_claims_is_cancelled_in_time_and_forgotten_when_it_is_gone() {
    let mut world = with_web(unhurried()).await;
    let id = world.instance_of("web").unwrap();
    world.delete("web").await;
    world.pass(25 * 24 * HOUR).await;
    assert!(world.operations(Verb::Cancel).is_empty(), "too early: somebody may still claim it");
    let cancelled =
        |world: &World| world.account().instance(id).unwrap().facts.cancel_date.is_some();
    assert!(world.until(6 * 24 * HOUR, cancelled).await);
    let ends = world.account().instance(id).unwrap().facts.cancel_date.unwrap();
    assert_eq!(ends.to_string(), "2026-04-02", "before the next term is billed");
    assert!(world.until(5 * 24 * HOUR, |world| world.managed().is_empty()).await);
    assert_eq!(world.account().ledger().entries.len(), 1, "no renewal was paid");
}

#[tokio::test(start_paused = true)]
async fn retain_leaves_the_machine_exactly_as_it_is() {
    let mut world = with_web(unhurried()).await;
    world.edit("web", |spec| spec.reclaim = Reclaim::Retain).await;
    world.pass(HOUR).await;
    let before = world.mutating_calls();
    world.delete("web").await;
    world.pass(40 * 24 * HOUR).await;
    assert_eq!(world.environment("web"), None);
    // The mark may be renamed once for operations issued before.
    assert!(world.mutating_calls() <= before + 1);
    assert_eq!(world.managed().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn cancel_at_term_end_cancels_once_nobody_can_take_it_back() {
    let mut world = with_web(unhurried()).await;
    let id = world.instance_of("web").unwrap();
    world.edit("web", |spec| spec.reclaim = Reclaim::CancelAtTermEnd).await;
    world.delete("web").await;
    world.pass(HOUR / 2).await;
    assert!(world.operations(Verb::Cancel).is_empty());
    world.pass(HOUR).await;
    assert!(world.account().instance(id).unwrap().facts.cancel_date.is_some());
    assert!(world.operations(Verb::Reinstall).is_empty());
}
