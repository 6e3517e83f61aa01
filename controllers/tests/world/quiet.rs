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
    let (lists, gets) = (calls(&world, LISTS), calls(&world, GETS));
    let (reads, writes) = (world.store.reads(), world.writes());
    let count = world.installation().status.sweep.unwrap().count;
    let swept = |w: &World| w.installation().status.sweep.unwrap().count > count;
    assert!(world.until(5 * MINUTE, swept).await);
    assert_eq!(calls(&world, LISTS) - lists, 10);
    assert_eq!(calls(&world, GETS), gets, "none is asked for by itself");
    let (reads, writes) = (world.store.reads() - reads, world.writes() - writes);
    assert!(reads <= 60, "{reads} reads, of the account's records and the lease");
    assert!(writes <= 10, "{writes} writes");
}

const LISTS: OperationName = OperationName::ListInstances;
const GETS: OperationName = OperationName::GetInstance;

fn calls(world: &World, name: OperationName) -> u64 {
    world.calls(name)
}

/// What a quiet hour costs with so many environments: reads and writes of the store, and calls of
/// Contabo's.
async fn quiet_hour(environments: usize) -> (u64, usize, u64) {
    let mut world = World::started(Options::default());
    for n in 0..environments {
        world.declare(&format!("web-{n}"), |_| {}).await;
    }
    for n in 0..environments {
        assert!(world.ready(&format!("web-{n}"), HOUR).await, "{n}");
    }
    world.pass(30 * MINUTE).await;
    let cost = |world: &World| {
        let calls = calls(world, LISTS) + calls(world, GETS) + world.mutating_calls();
        (world.store.reads(), world.writes(), calls)
    };
    let before = cost(&world);
    world.pass(HOUR).await;
    let after = cost(&world);
    (after.0 - before.0, after.1 - before.1, after.2 - before.2)
}

#[tokio::test(start_paused = true)]
async fn a_quiet_hour_costs_the_same_for_two_environments_and_for_forty() {
    assert_eq!(quiet_hour(2).await, quiet_hour(40).await);
}
