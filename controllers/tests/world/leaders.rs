//! Processes that end, hand over or believe in an old lease while a purchase is under way.

use devpocket_controllers::sim::contabo::{Failure, Fault, FaultKind, OperationName, Target};
use devpocket_controllers::sim::world::{Options, World};
use devpocket_specs::installation::UnknownPurchase;
use devpocket_specs::lease::Lease;
use devpocket_specs::operation::{OperationPhase, Resolution, Verb};
use jiff::SignedDuration;

use crate::{HOUR, MINUTE};

fn on_order(kind: FaultKind) -> Fault {
    Fault::once(Target::One(OperationName::CreateInstance), kind)
}

/// A world whose one order is on its way to Contabo, or its answer on the way back.
async fn ordering(options: Options, kind: FaultKind) -> World {
    let mut world = World::started(options);
    world.fault(on_order(kind));
    world.declare("web", |_| {}).await;
    let sent = |world: &World| world.calls(OperationName::CreateInstance) == 1;
    assert!(world.until(HOUR, sent).await);
    world
}

fn purchase(world: &World) -> OperationPhase {
    world.operations(Verb::Purchase)[0].status.phase
}

fn holder(world: &World) -> Option<String> {
    let leases = world.all::<Lease>();
    leases.values().next().and_then(|lease| lease.spec.holder_identity.clone())
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_the_answer_of_an_order_and_records_it() {
    let late = FaultKind::Delay { by: SignedDuration::from_secs(20) };
    let mut world = ordering(Options::default(), late).await;
    assert_eq!(purchase(&world), OperationPhase::Issued);
    let asked = world.clock.monotonic();
    world.stop().await;
    assert_eq!(purchase(&world), OperationPhase::Succeeded, "recorded before the process ended");
    let took = world.clock.monotonic() - asked;
    assert!(took < MINUTE, "a drain ends: it took {took:?}");
    assert_eq!(holder(&world), None, "the next one need not wait");
    world.start();
    assert!(world.ready("web", HOUR).await);
    assert_eq!(world.purchases(), 1);
    assert_eq!(world.calls(OperationName::CreateInstance), 1);
}

#[tokio::test(start_paused = true)]
async fn a_drain_does_not_wait_for_an_answer_that_never_comes_and_leaves_the_order_unknown() {
    let mut world = ordering(Options::default(), FaultKind::Lose { how: Failure::Hang }).await;
    world.stop().await;
    assert_eq!(purchase(&world), OperationPhase::Unknown, "not lost, not sent again");
    world.start();
    assert!(world.ready("web", HOUR).await);
    assert_eq!(world.purchases(), 1);
    assert_eq!(world.calls(OperationName::CreateInstance), 1);
}

#[tokio::test(start_paused = true)]
async fn a_drain_with_the_store_away_ends_and_nothing_is_bought_twice() {
    let late = FaultKind::Delay { by: SignedDuration::from_secs(10) };
    let mut world = ordering(Options::default(), late).await;
    world.store.set_outage(Some("the database is restarted"));
    assert_eq!(purchase(&world), OperationPhase::Issued);
    let asked = world.clock.monotonic();
    world.stop().await;
    let took = world.clock.monotonic() - asked;
    assert!(took < 5 * MINUTE, "it took {took:?}");
    world.store.set_outage(None);
    assert_eq!(purchase(&world), OperationPhase::Issued, "nobody could write the answer down");
    world.start();
    assert!(world.ready("web", HOUR).await);
    assert_eq!(world.purchases(), 1);
    assert_eq!(world.calls(OperationName::CreateInstance), 1);
}

#[tokio::test(start_paused = true)]
async fn the_database_goes_away_between_issued_and_recorded_and_comes_back() {
    for away in [MINUTE / 12, MINUTE, HOUR] {
        let late = FaultKind::Delay { by: SignedDuration::from_secs(10) };
        let mut world = ordering(Options::default(), late).await;
        world.store.set_outage(Some("the database is restarted"));
        assert!(world.pass(away).await, "the process lives on");
        world.store.set_outage(None);
        assert!(world.ready("web", 2 * HOUR).await, "{away:?}: {:#?}", world.environment("web"));
        world.pass(10 * MINUTE).await;
        assert_eq!(world.purchases(), 1, "{away:?}");
        assert_eq!(world.calls(OperationName::CreateInstance), 1, "{away:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_cut_off_with_an_order_under_way_is_followed_and_writes_nothing_more() {
    let late = FaultKind::Delay { by: SignedDuration::from_secs(20) };
    let mut world = ordering(Options::default(), late).await;
    world.start_other();
    let link = world.link();
    link.cut();
    // Past the old lease: the other one leads now, and the first still has its mirrors.
    assert!(world.ready("web", HOUR).await, "{:#?}", world.environment("web"));
    let led = world.store.journal().last().and_then(|c| c.epoch);
    link.restore();
    world.pass(HOUR).await;
    let epochs: Vec<i32> = world.store.journal().iter().filter_map(|c| c.epoch).collect();
    assert!(epochs.is_sorted(), "{epochs:?}");
    assert!(led.is_some());
    assert_eq!(holder(&world).as_deref(), Some("process-2"), "the lease stays where it is");
    assert_eq!(world.purchases(), 1);
    assert_eq!(world.calls(OperationName::CreateInstance), 1);
}

#[tokio::test(start_paused = true)]
async fn an_order_of_unknown_outcome_is_found_by_the_next_leader() {
    let mut options = Options::default();
    options.contabo.audit_delay = SignedDuration::from_mins(6);
    options.contabo.list_lag = SignedDuration::from_mins(6);
    let mut world = ordering(options, FaultKind::Lose { how: Failure::Reset }).await;
    let unknown = |world: &World| purchase(world) == OperationPhase::Unknown;
    assert!(world.until(MINUTE, unknown).await);
    world.start_other();
    world.kill();
    world.promote_other();
    world.pass(2 * MINUTE).await;
    assert_eq!(purchase(&world), OperationPhase::Unknown, "the next leader does not guess");
    assert!(world.ready("web", HOUR).await, "{:#?}", world.environment("web"));
    assert_eq!(world.purchases(), 1);
    assert_eq!(world.calls(OperationName::CreateInstance), 1);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_never_arrived_is_held_by_the_next_leader_and_ended_by_a_person() {
    let kind = FaultKind::Fail { how: Failure::Reset };
    let mut world = ordering(Options::default(), kind).await;
    // Sweeps counted by the first leader count for the second.
    world.pass(20 * MINUTE).await;
    world.start_other();
    world.kill();
    world.promote_other();
    assert!(world.until(HOUR, |world| !world.undecided().is_empty()).await);
    world.pass(6 * HOUR).await;
    assert_eq!(world.calls(OperationName::CreateInstance), 1, "nobody but a person lifts it");
    let name = world.undecided().remove(0).metadata.name;
    world.resolve(&name, Resolution::NotHappened, None).await.expect("it is undecided");
    assert!(world.ready("web", HOUR).await);
    assert_eq!(world.purchases(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_processes_under_one_account_send_each_order_once() {
    let proceed = UnknownPurchase::Proceed;
    let mut world = World::started(Options { unknown_purchase: proceed, ..Options::default() });
    world.start_other();
    for name in ["a", "b", "c", "d"] {
        world.declare(name, |_| {}).await;
        world.pass(MINUTE).await;
        // The leader is cut off and comes back, again and again.
        world.link().cut();
        world.pass(2 * MINUTE).await;
        world.link().restore();
    }
    for name in ["a", "b", "c", "d"] {
        assert!(world.ready(name, 4 * HOUR).await, "{name}: {:#?}", world.environment(name));
    }
    world.pass(HOUR).await;
    assert_eq!(world.purchases(), 4);
    let epochs: Vec<i32> = world.store.journal().iter().filter_map(|c| c.epoch).collect();
    assert!(epochs.is_sorted(), "{epochs:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_clock_is_ahead_still_waits_out_what_the_last_one_sent() {
    let mut world = ordering(Options::default(), FaultKind::Lose { how: Failure::Hang }).await;
    world.start_other_ahead(SignedDuration::from_hours(1));
    world.kill();
    let leads = |w: &World| holder(w).as_deref() == Some("process-2");
    assert!(world.until(5 * MINUTE, leads).await);
    assert!(world.pass(MINUTE / 4).await);
    assert_eq!(purchase(&world), OperationPhase::Issued, "a call may take 25 s to arrive");
    world.promote_other();
    assert!(world.ready("web", HOUR).await);
    assert_eq!(world.purchases(), 1);
}
