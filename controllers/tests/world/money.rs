//! Never buy twice, never lose one.

use devpocket_controllers::sim::contabo::{Failure, Fault, FaultKind, OperationName, Target};
use devpocket_controllers::sim::world::{Options, World};
use devpocket_specs::installation::UnknownPurchase;
use devpocket_specs::operation::{Resolution, Verb};

use crate::{HOUR, MINUTE};

const FLAVOURS: [Failure; 8] = [
    Failure::Reset,
    Failure::Hang,
    Failure::Truncated,
    Failure::Mistyped,
    Failure::Status(429),
    Failure::Status(500),
    Failure::Status(502),
    Failure::Status(504),
];

fn on_order(kind: FaultKind) -> Fault {
    Fault::once(Target::One(OperationName::CreateInstance), kind)
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_reply_is_lost_is_found_and_never_sent_again() {
    for how in FLAVOURS {
        for policy in [UnknownPurchase::Hold, UnknownPurchase::Proceed] {
            let options = Options { unknown_purchase: policy, ..Options::default() };
            let mut world = World::started(options);
            world.fault(on_order(FaultKind::Lose { how }));
            world.declare("web", |_| {}).await;
            assert!(world.ready("web", HOUR).await, "{how} {policy:?}");
            assert_eq!(world.purchases(), 1, "{how} {policy:?}");
            assert_eq!(world.calls(OperationName::CreateInstance), 1, "{how} {policy:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_that_never_arrived_waits_for_a_person_or_is_sent_once_more_as_configured() {
    for how in [Failure::Reset, Failure::Hang, Failure::Status(429), Failure::Status(500)] {
        let mut world = World::started(Options::default());
        world.fault(on_order(FaultKind::Fail { how }));
        world.declare("web", |_| {}).await;
        assert!(world.until(2 * HOUR, |w| !w.undecided().is_empty()).await, "{how}");
        world.pass(24 * HOUR).await;
        assert_eq!(world.purchases(), 0, "{how}: nobody but a person lifts the hold");
        let held = world.undecided().remove(0);
        let hold = held.status.held.as_ref().unwrap();
        assert_eq!(hold.code, "purchase-undecided");
        assert!(hold.message.contains("devpocket operation resolve"), "{}", hold.message);
        world.resolve(&held.metadata.name, Resolution::NotHappened, None).await.unwrap();
        assert!(world.ready("web", HOUR).await, "{how}");
        assert_eq!(world.purchases(), 1, "{how}");

        let proceed = Options { unknown_purchase: UnknownPurchase::Proceed, ..Options::default() };
        let mut world = World::started(proceed);
        world.fault(on_order(FaultKind::Fail { how }));
        world.declare("web", |_| {}).await;
        world.pass(25 * MINUTE).await;
        assert_eq!(world.calls(OperationName::CreateInstance), 1, "{how}: too early to be sure");
        assert!(world.ready("web", 2 * HOUR).await, "{how}");
        assert_eq!(world.purchases(), 1, "{how}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_who_says_it_happened_must_name_the_instance() {
    let mut world = World::started(Options::default());
    world.fault(on_order(FaultKind::Fail { how: Failure::Reset }));
    world.declare("web", |_| {}).await;
    assert!(world.until(2 * HOUR, |w| !w.undecided().is_empty()).await);
    let name = world.undecided().remove(0).metadata.name;
    let refused = world.resolve(&name, Resolution::Happened, None).await.unwrap_err();
    assert!(refused.to_string().contains("--instance-id"), "{refused}");
    assert_eq!(world.undecided().len(), 1, "nothing was decided by the refused call");
}

#[tokio::test(start_paused = true)]
async fn without_a_budget_nothing_is_bought_and_the_environment_says_so() {
    let mut world = World::started(Options { budget: None, ..Options::default() });
    world.declare("web", |_| {}).await;
    world.pass(2 * HOUR).await;
    assert_eq!(world.calls(OperationName::CreateInstance), 0);
    let environment = world.environment("web").unwrap();
    assert!(environment.status.message.contains("budget"), "{}", environment.status.message);
}

#[tokio::test(start_paused = true)]
async fn two_orders_that_fit_the_budget_only_singly_never_pass_side_by_side() {
    let mut world = World::started(Options { budget: Some(1_000), ..Options::default() });
    for name in ["a", "b", "c"] {
        world.declare(name, |_| {}).await;
    }
    world.pass(6 * HOUR).await;
    assert_eq!(world.purchases(), 1);
    assert_eq!(world.managed().iter().filter(|m| m.status.instance_id.is_some()).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_rate_of_purchases_is_limited_and_the_rest_follows_later() {
    let mut world = World::started(Options { purchases_per_hour: 2, ..Options::default() });
    for name in ["a", "b", "c"] {
        world.declare(name, |_| {}).await;
    }
    world.pass(50 * MINUTE).await;
    assert_eq!(world.purchases(), 2);
    for name in ["a", "b", "c"] {
        assert!(world.ready(name, 3 * HOUR).await, "{name}");
    }
    assert_eq!(world.purchases(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_environment_deleted_before_its_order_went_out_buys_nothing() {
    let mut world = World::started(Options { budget: None, ..Options::default() });
    world.declare("web", |_| {}).await;
    world.pass(10 * MINUTE).await;
    world.delete("web").await;
    assert!(world.until(HOUR, |w| w.environment("web").is_none()).await);
    assert!(world.until(HOUR, |w| w.managed().is_empty()).await, "{:#?}", world.managed());
    assert_eq!(world.calls(OperationName::CreateInstance), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refused_order_is_not_hammered() {
    let mut world = World::started(Options::default());
    world.fault(Fault::always(
        Target::One(OperationName::CreateInstance),
        FaultKind::Fail { how: Failure::Status(403) },
    ));
    world.declare("web", |_| {}).await;
    world.pass(12 * HOUR).await;
    assert_eq!(world.operations(Verb::Purchase).len(), 1);
    assert_eq!(world.calls(OperationName::CreateInstance), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_one_environment_or_of_everything_ends_by_itself() {
    use devpocket_specs::environment::Pause;
    use devpocket_specs::installation::Installation;
    use jiff::SignedDuration;
    let mut world = World::started(Options::default());
    let pause = |world: &World| Pause {
        until: world.now() + SignedDuration::from_hours(2),
        reason: Some("migration".into()),
    };
    let paused = pause(&world);
    world.declare("one", |spec| spec.paused = Some(paused)).await;
    world.pass(HOUR).await;
    assert_eq!(world.calls(OperationName::CreateInstance), 0);
    let status = world.environment("one").unwrap().status;
    let why = devpocket_specs::condition::find(&status.conditions, "Paused").unwrap();
    assert!(why.message.contains("paused until") && why.message.contains("(migration)"));
    world.pass(HOUR).await;
    assert!(world.ready("one", HOUR).await, "it ends by itself: {:#?}", world.environment("one"));

    let paused = pause(&world);
    let key = devpocket_controllers::manager::mirrors::installation_key();
    let change = |i: &mut Installation| i.spec.paused = Some(paused.clone());
    world.client("admin").edit(&key, change).await.unwrap();
    world.declare("two", |_| {}).await;
    world.pass(HOUR).await;
    assert_eq!(world.purchases(), 1);
    let message = world.environment("two").unwrap().status.message;
    assert!(message.contains("Everything is paused until"), "{message}");
    world.pass(HOUR).await;
    assert!(world.ready("two", HOUR).await, "{:#?}", world.environment("two"));
}
