//! What a world at rest costs.

use devpocket_controllers::sim::contabo::{CreateInstance, OperationName};
use devpocket_controllers::sim::world::{Options, World};
use devpocket_specs::kind::Kind;

use crate::basics::with_web;
use crate::{HOUR, MINUTE};

#[tokio::test(start_paused = true)]
async fn a_pass_that_changes_nothing_costs_no_call_and_no_write_per_object() {
    let mut world = with_web(Options::default()).await;
    for name in ["a", "b", "c", "d"] {
        world.declare(name, |_| {}).await;
        assert!(world.ready(name, HOUR).await);
    }
    world.pass(20 * MINUTE).await;
    let writes = world.writes();
    let gets = world.calls(OperationName::GetInstance);
    let mutations = world.mutating_calls();
    let lists = world.calls(OperationName::ListInstances);
    world.pass(HOUR).await;
    let written = world.store.journal().split_off(writes);
    let about_objects: Vec<_> = written
        .iter()
        .filter(|c| !matches!(c.key.kind, Kind::Lease | Kind::Installation))
        .collect();
    assert!(about_objects.is_empty(), "{about_objects:?}");
    assert_eq!(world.calls(OperationName::GetInstance), gets);
    assert_eq!(world.mutating_calls(), mutations);
    let swept = world.calls(OperationName::ListInstances) - lists;
    assert!((58..=61).contains(&swept), "one list a minute, not {swept}");
}

#[tokio::test(start_paused = true)]
async fn one_sweep_of_a_thousand_machines_makes_ten_list_calls() {
    let mut world = World::new(Options::default());
    let order = CreateInstance { period: Some(1), ..CreateInstance::default() };
    let now = world.now();
    for _ in 0..1_000 {
        world.account().panel_purchase(&order, now).unwrap();
    }
    world.clock.sleep(HOUR).await;
    world.start();
    world.pass(10 * MINUTE).await;
    let before = world.calls(OperationName::ListInstances);
    let count = world.installation().status.sweep.unwrap().count;
    let swept = |w: &World| w.installation().status.sweep.unwrap().count > count;
    assert!(world.until(5 * MINUTE, swept).await);
    assert_eq!(world.calls(OperationName::ListInstances) - before, 10);
}
