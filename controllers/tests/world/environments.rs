//! What people declare, and what others do to it, with the real controllers.

use std::time::Duration;

use devpocket_controllers::environment::names;
use devpocket_controllers::sim::contabo::PanelAction;
use devpocket_controllers::sim::world::{Options, World};
use devpocket_specs::condition::is_true;
use devpocket_specs::environment::{Phase, Power, Request, conditions};
use devpocket_specs::money::Money;
use devpocket_specs::operation::Verb;

use crate::HOUR;

const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);

async fn ready(name: &str) -> World {
    let mut world = World::started(Options::default());
    world.declare(name, |_| {}).await;
    assert!(world.ready(name, HOUR).await, "{:#?}", world.environment(name));
    // Past the time in which a look is no evidence about the purchase.
    world.pass(10 * MINUTE).await;
    world
}

fn seen_power(world: &World, name: &str) -> Option<Power> {
    world.machine_of(name)?.status.seen?.power
}

fn condition_holds(world: &World, name: &str, condition: &str) -> bool {
    world.environment(name).is_some_and(|e| is_true(&e.status.conditions, condition))
}

#[tokio::test(start_paused = true)]
async fn stopped_and_renamed_in_the_panel_is_healed_within_minutes() {
    let mut world = ready("web").await;
    let instance = world.instance_of("web").unwrap();
    world.panel(instance, &PanelAction::Stop);
    world.panel(instance, &PanelAction::Rename { display_name: "mine".into() });
    let machine = world.machine_of("web").unwrap().metadata.name;
    let healed = world
        .until(HOUR, |w| {
            let seen = w.machine_of("web").and_then(|m| m.status.seen);
            let named = seen.is_some_and(|s| {
                names::bears(&s.display_name, &w.installation().spec.id, &machine)
            });
            let environment = w.environment("web").unwrap();
            let drift = environment.status.drift;
            named && drift.len() == 2 && drift.iter().all(|d| d.healed.is_some())
        })
        .await;
    assert!(healed, "{:#?}", world.environment("web").unwrap().status);
    assert_eq!(seen_power(&world, "web"), Some(Power::Running));
    assert_eq!(world.operations(Verb::Start).len(), 1);
    assert_eq!(world.operations(Verb::Rename).len(), 1);
    assert!(world.is_ready("web"));
}

#[tokio::test(start_paused = true)]
async fn stop_start_and_restart_are_done_once_each() {
    let mut world = ready("web").await;
    world.edit("web", |spec| spec.power = Power::Stopped).await;
    assert!(world.until(HOUR, |w| seen_power(w, "web") == Some(Power::Stopped)).await);
    assert!(world.ready("web", HOUR).await);
    assert_eq!(world.environment("web").unwrap().status.phase, Phase::Stopped);
    world.pass(10 * MINUTE).await;
    world.edit("web", |spec| spec.power = Power::Running).await;
    assert!(world.until(HOUR, |w| seen_power(w, "web") == Some(Power::Running)).await);
    world.pass(10 * MINUTE).await;
    world.edit("web", |spec| spec.restart = Some(Request { id: "r1".into() })).await;
    let restarted = |w: &World| {
        w.environment("web").unwrap().status.requests.get("restart").is_some_and(|id| id == "r1")
    };
    assert!(world.until(HOUR, restarted).await);
    world.pass(HOUR).await;
    assert!(world.is_ready("web"));
    assert!(world.environment("web").unwrap().status.drift.is_empty());
    for verb in [Verb::Shutdown, Verb::Start, Verb::Restart] {
        assert_eq!(world.operations(verb).len(), 1, "{verb:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn deleted_taken_back_deleted_again_wiped_and_claimed_by_the_next() {
    let mut world = ready("web").await;
    let old = world.environment("web").unwrap();
    let instance = world.instance_of("web");
    world.delete("web").await;
    assert!(world.until(HOUR, |w| w.environment("web").is_none()).await);
    world.pass(HOUR).await;
    world.undelete("web", &old).await;
    assert!(world.ready("web", HOUR).await, "{:#?}", world.environment("web"));
    assert_eq!(world.instance_of("web"), instance);
    assert!(world.operations(Verb::Reinstall).is_empty(), "the disk is as it was");
    world.pass(HOUR).await;
    world.delete("web").await;
    let pooled = world.until(2 * DAY, |w| w.managed().iter().any(|m| m.spec.pool.is_some())).await;
    assert!(pooled, "{:#?}", world.managed());
    world.declare("next", |_| {}).await;
    assert!(world.ready("next", HOUR).await, "{:#?}", world.environment("next"));
    assert_eq!(world.instance_of("next"), instance);
    assert_eq!(world.purchases(), 1, "claiming beats buying");
    assert!(world.machine_of("next").unwrap().spec.pool.is_none());
    world.pass(2 * HOUR).await;
    let mut installs = world.operations(Verb::Reinstall);
    installs.retain(|o| o.spec.environment.as_ref().is_some_and(|e| e.name == "next"));
    assert_eq!(installs.len(), 1, "wiped before, installed once");
    assert!(world.operations(Verb::Cancel).is_empty());
    assert!(world.environment("next").unwrap().status.drift.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_removed_machine_waits_for_a_person_and_is_replaced_once() {
    let mut world = ready("web").await;
    let instance = world.instance_of("web").unwrap();
    world.panel(instance, &PanelAction::Remove);
    let lost = |w: &World| condition_holds(w, "web", conditions::MACHINE_LOST);
    assert!(world.until(4 * HOUR, lost).await, "{:#?}", world.environment("web"));
    world.pass(2 * HOUR).await;
    assert_eq!(world.purchases(), 1, "never bought again silently");
    world.approve("web").await;
    assert!(world.ready("web", 2 * HOUR).await, "{:#?}", world.environment("web"));
    world.pass(2 * HOUR).await;
    assert_eq!(world.purchases(), 2);
    assert!(!condition_holds(&world, "web", conditions::MACHINE_LOST));
}

#[tokio::test(start_paused = true)]
async fn cancelled_and_reinstalled_in_the_panel_is_told_and_nothing_is_done() {
    let mut world = ready("web").await;
    let instance = world.instance_of("web").unwrap();
    world.panel(instance, &PanelAction::Cancel { date: None });
    world.panel(instance, &PanelAction::Reinstall { image_id: None });
    let told = |w: &World| {
        condition_holds(w, "web", conditions::MACHINE_ENDING)
            && condition_holds(w, "web", conditions::DISK_REPLACED)
    };
    assert!(world.until(HOUR, told).await, "{:#?}", world.environment("web"));
    let calls = world.mutating_calls();
    world.pass(HOUR).await;
    assert_eq!(world.mutating_calls(), calls);
    assert!(condition_holds(&world, "web", conditions::WAITING));
    assert!(!world.is_ready("web"));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_the_budget_waits_and_the_rest_goes_on() {
    let mut world = World::started(Options { budget: Some(1_200), ..Options::default() });
    for name in ["a", "b", "c"] {
        world.declare(name, |_| {}).await;
    }
    let two = |w: &World| ["a", "b", "c"].iter().filter(|name| w.is_ready(name)).count() == 2;
    assert!(world.until(2 * HOUR, two).await);
    world.pass(2 * HOUR).await;
    assert_eq!(world.purchases(), 2);
    let held: Vec<&str> = ["a", "b", "c"]
        .into_iter()
        .filter(|name| condition_holds(&world, name, conditions::HELD))
        .collect();
    assert_eq!(held.len(), 1);
    assert!(world.environment(held[0]).unwrap().status.message.contains("the limit is 12.00 EUR"));
    assert_eq!(world.managed().len(), 2, "nothing is recorded for the one that waits");
    let raise = |i: &mut devpocket_specs::installation::Installation| {
        i.spec.monthly_budget = Some(Money::eur(2_000));
    };
    let key = devpocket_controllers::manager::mirrors::installation_key();
    world.client("admin").edit(&key, raise).await.unwrap();
    assert!(world.ready(held[0], 2 * HOUR).await);
    assert_eq!(world.purchases(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_account_at_rest_costs_no_write() {
    let mut world = ready("web").await;
    world.pass(HOUR).await;
    let record = world.environment("web").unwrap().metadata.resource_version;
    let machine = world.machine_of("web").unwrap().metadata.resource_version;
    world.pass(2 * HOUR).await;
    assert_eq!(world.environment("web").unwrap().metadata.resource_version, record);
    assert_eq!(world.machine_of("web").unwrap().metadata.resource_version, machine);
}
