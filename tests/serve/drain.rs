//! Ends and beginnings: SIGTERM, kill -9, and who leads next.

use std::time::Duration;

use devpocket_controllers::runtime::leader::LEASE_DURATION;
use devpocket_controllers::sim::contabo::{Fault, FaultKind, OperationName, Target};
use devpocket_specs::operation::{Operation, OperationPhase, Resolution, Verb};
use jiff::SignedDuration;

use crate::process::{eventually, within};
use crate::world::{Serve, World};

const OPERATIONS: &str = "/kube/apis/devpocket.dev/v1alpha1/operations";

/// From now on the answer to an order takes this long; the order itself is carried out at once.
async fn slow_order(world: &World, by: SignedDuration) {
    let on = Target::One(OperationName::CreateInstance);
    world.control.arm(&Fault::once(on, FaultKind::Delay { by })).await.unwrap();
}

async fn ordered(world: &World) {
    eventually("the order arrives", async || (world.purchases().await == 1).then_some(())).await;
}

async fn purchase(serve: &Serve) -> Operation {
    let (code, list) = serve.get(OPERATIONS).await;
    assert_eq!(code, 200, "{list}");
    let items = list["items"].as_array().unwrap().iter();
    let operations = items.map(|item| serde_json::from_value::<Operation>(item.clone()).unwrap());
    let mut purchases: Vec<Operation> =
        operations.filter(|operation| operation.spec.verb == Verb::Purchase).collect();
    assert_eq!(purchases.len(), 1, "{purchases:?}");
    purchases.remove(0)
}

#[tokio::test]
async fn sigterm_in_the_middle_of_a_purchase_waits_for_it_and_lets_the_next_one_lead_at_once() {
    let (world, _database) = World::empty().await;
    let mut serve = world.leading().await;
    slow_order(&world, SignedDuration::from_secs(3)).await;
    serve.create("demo").await;
    ordered(&world).await;
    let status = serve.process.terminate().await;
    assert_eq!(status.code(), Some(0), "{status}");
    let log = serve.process.log().join("\n");
    assert!(log.contains("ordered instance"), "the answer was not waited for:\n{log}");
    assert!(log.contains("the lease was released"), "{log}");

    let mut serve = world.serve().await;
    let leading = serve.process.entry("leading: ").await;
    assert_eq!(leading["message"], "leading: Released", "it waited for a lease nobody holds");
    assert_eq!(purchase(&serve).await.status.phase, OperationPhase::Succeeded);
    serve.ready("demo").await;
    assert_eq!(world.purchases().await, 1);
    assert_eq!(serve.process.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn ctrl_c_is_as_good_as_sigterm() {
    let (world, _database) = World::empty().await;
    let mut serve = world.serve().await;
    serve.process.entry("leading: ").await;
    serve.process.signal("-INT");
    assert_eq!(serve.process.end().await.code(), Some(0));
    assert!(serve.process.log().join("\n").contains("the lease was released"));
}

/// The leader is killed after its order arrived and before the answer did. It is started again at
/// once, and a second replica was there all the time: whoever leads next buys nothing.
#[tokio::test]
async fn kill_9_in_the_middle_of_a_purchase_hands_over_and_buys_nothing_twice() {
    let (world, _database) = World::empty().await;
    let mut first = world.leading().await;
    let second = world.serve().await;
    slow_order(&world, SignedDuration::from_secs(8)).await;
    first.create("demo").await;
    ordered(&world).await;
    assert_eq!(purchase(&second).await.status.phase, OperationPhase::Issued);
    first.process.kill();
    let again = world.serve().await;

    let leads = async |serve: &Serve| serve.metric("devpocket_leader", "").await;
    let patience = 2 * LEASE_DURATION + Duration::from_secs(120);
    within(patience, "another one leads", async || {
        (leads(&second).await + leads(&again).await == 1.0).then_some(())
    })
    .await;
    let outcome = within(patience, "it is known what became of the order", async || {
        Some(purchase(&again).await).filter(|operation| !operation.status.phase.is_open())
    })
    .await;
    assert_eq!(outcome.status.phase, OperationPhase::Resolved, "{outcome:?}");
    assert_eq!(outcome.status.resolution, Some(Resolution::Happened), "{outcome:?}");
    let ready = again.ready("demo").await;
    assert!(ready.status.machine.is_some());
    assert_eq!(world.purchases().await, 1, "bought twice");
    let resolved = "devpocket_operations_resolved_total";
    let counted = second.metric(resolved, "yes").await + again.metric(resolved, "yes").await;
    assert_eq!(counted, 1.0);
}
