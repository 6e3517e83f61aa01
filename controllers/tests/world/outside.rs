//! Somebody in Contabo's panel.

use devpocket_controllers::sim::contabo::{OperationName, PanelAction, Status};
use devpocket_controllers::sim::world::{Options, World};
use devpocket_specs::environment::{DriftPolicy, conditions};
use devpocket_specs::machine::Machine;
use devpocket_specs::operation::Verb;

use crate::basics::with_web;
use crate::{HOUR, MINUTE};

pub fn condition_is(world: &World, name: &str, kind: &str) -> bool {
    let environment = world.environment(name).unwrap();
    devpocket_specs::condition::is_true(&environment.status.conditions, kind)
}

#[tokio::test(start_paused = true)]
async fn a_stopped_machine_is_started_again_and_the_change_is_on_record() {
    let mut world = with_web(Options::default()).await;
    world.pass(10 * MINUTE).await;
    let id = world.instance_of("web").unwrap();
    world.panel(id, &PanelAction::Stop);
    let running = |w: &World| w.account().instance(id).unwrap().facts.status == Status::Running;
    assert!(world.until(10 * MINUTE, |w| !w.operations(Verb::Start).is_empty()).await);
    assert!(world.until(10 * MINUTE, running).await);
    assert!(world.ready("web", HOUR).await);
    let drift = &world.environment("web").unwrap().status.drift[0];
    assert_eq!((drift.what.as_str(), drift.by.as_str()), ("power", "unknown"));
    let outside = &world.machine_of("web").unwrap().status.outside[0];
    assert_eq!((outside.what.as_str(), outside.by.as_str()), ("power", "unknown"));
    assert_eq!(world.purchases(), 1);
}

#[tokio::test(start_paused = true)]
async fn drift_is_only_shown_where_that_is_declared() {
    let mut world = with_web(Options::default()).await;
    world.edit("web", |spec| spec.drift = DriftPolicy::Report).await;
    world.pass(10 * MINUTE).await;
    let id = world.instance_of("web").unwrap();
    world.panel(id, &PanelAction::Stop);
    world.pass(HOUR).await;
    assert!(world.operations(Verb::Start).is_empty());
    assert!(condition_is(&world, "web", conditions::DRIFTED));
}

#[tokio::test(start_paused = true)]
async fn a_renamed_machine_gets_its_name_back() {
    let mut world = with_web(Options::default()).await;
    world.pass(10 * MINUTE).await;
    let id = world.instance_of("web").unwrap();
    let name = world.machine_of("web").unwrap().spec.display_name;
    world.panel(id, &PanelAction::Rename { display_name: "mine".into() });
    world.pass(HOUR / 2).await;
    assert_eq!(world.account().instance(id).unwrap().facts.display_name, name);
    assert_eq!(world.purchases(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_machine_is_announced_with_its_last_day_and_not_replaced() {
    let mut world = with_web(crate::basics::unhurried()).await;
    let id = world.instance_of("web").unwrap();
    world.panel(id, &PanelAction::Cancel { date: None });
    world.pass(HOUR / 2).await;
    assert!(condition_is(&world, "web", conditions::MACHINE_ENDING));
    let machine = world.machine_of("web").unwrap();
    assert!(machine.status.outside.iter().any(|drift| drift.what == "cancelled"));
    world.pass(40 * 24 * HOUR).await;
    assert!(condition_is(&world, "web", conditions::MACHINE_LOST));
    assert_eq!(world.purchases(), 1, "a lost machine is never bought again silently");
}

#[tokio::test(start_paused = true)]
async fn a_reinstalled_machine_waits_for_a_person() {
    let mut world = with_web(Options::default()).await;
    world.pass(10 * MINUTE).await;
    let id = world.instance_of("web").unwrap();
    world.panel(id, &PanelAction::Reinstall { image_id: None });
    world.pass(HOUR).await;
    assert!(condition_is(&world, "web", conditions::DISK_REPLACED));
    assert_eq!(world.calls(OperationName::ReinstallInstance), 0);
}

#[tokio::test(start_paused = true)]
async fn a_removed_machine_is_lost_only_after_proof_and_never_bought_again() {
    let mut world = with_web(crate::basics::unhurried()).await;
    let id = world.instance_of("web").unwrap();
    world.panel(id, &PanelAction::Remove);
    world.pass(20 * MINUTE).await;
    assert!(!condition_is(&world, "web", conditions::MACHINE_LOST), "not proved yet");
    world.pass(40 * MINUTE).await;
    assert!(condition_is(&world, "web", conditions::MACHINE_LOST));
    world.pass(48 * HOUR).await;
    assert_eq!(world.purchases(), 1);
}

#[tokio::test(start_paused = true)]
async fn instances_nobody_here_bought_are_recorded_and_never_touched() {
    use devpocket_controllers::sim::contabo::CreateInstance;
    let mut world = with_web(Options::default()).await;
    let before = world.mutating_calls();
    let order = CreateInstance { period: Some(1), ..CreateInstance::default() };
    let now = world.now();
    let id = world.account().panel_purchase(&order, now).unwrap();
    world.pass(24 * HOUR).await;
    let stranger = world.all::<Machine>().remove(&format!("i-{id}")).unwrap();
    assert!(!stranger.spec.managed);
    assert!(world.mutating_calls() <= before + 1, "but for the mark");
    world.panel(id, &PanelAction::Remove);
    world.pass(2 * HOUR).await;
    assert_eq!(world.all::<Machine>().get(&format!("i-{id}")), None);
}
