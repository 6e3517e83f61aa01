//! Replies that are lost are really lost, and what was done is done.

use devpocket::simulator::control::{Failure, Fault, FaultKind, OperationName, Target};

use super::*;

const CREATE: Target = Target::One(OperationName::CreateInstance);

#[tokio::test]
async fn a_lost_reply_is_lost_and_the_ledger_shows_the_purchase() {
    let world = World::start().await;
    for (count, how) in [Failure::Reset, Failure::Truncated].into_iter().enumerate() {
        world.control.arm(&Fault::once(CREATE, FaultKind::Lose { how })).await.unwrap();
        let request = world.request("POST", "/v1/compute/instances").json(&order("lost"));
        let lost = match request.send().await {
            Err(error) => error,
            Ok(response) => {
                assert_eq!((how, response.status().as_u16()), (Failure::Truncated, 201));
                response.bytes().await.expect_err("half a body is no body")
            }
        };
        assert!(!lost.is_timeout(), "the connection closes at once: {lost:?}");
        let ledger = world.control.ledger().await.unwrap();
        assert_eq!(ledger.purchases(), count + 1, "{how}");
    }
    let fail = FaultKind::Fail { how: Failure::Reset };
    world.control.arm(&Fault::once(CREATE, fail)).await.unwrap();
    let request = world.request("POST", "/v1/compute/instances").json(&order("not bought"));
    request.send().await.expect_err("the same to the client");
    assert_eq!(world.control.ledger().await.unwrap().purchases(), 2, "but nothing was bought");
}

#[tokio::test]
async fn a_hanging_reply_never_comes_and_does_not_hold_up_the_shutdown() {
    let world = World::start().await;
    let hang = FaultKind::Lose { how: Failure::Hang };
    world.control.arm(&Fault::once(CREATE, hang)).await.unwrap();
    let request = world.request("POST", "/v1/compute/instances").json(&order("hung"));
    let impatient = request.timeout(Duration::from_millis(300)).send().await;
    assert!(impatient.expect_err("no reply").is_timeout());
    assert_eq!(world.control.ledger().await.unwrap().purchases(), 1);

    world.control.arm(&Fault::once(CREATE, FaultKind::Lose { how: Failure::Hang })).await.unwrap();
    let request = world.request("POST", "/v1/compute/instances").json(&order("hung"));
    let patient = tokio::spawn(request.send());
    while world.control.ledger().await.unwrap().purchases() < 2 {}
    tokio::time::timeout(Duration::from_secs(10), world.simulator.shutdown()).await.unwrap();
    assert!(patient.await.unwrap().is_err());
}

#[tokio::test]
async fn failing_statuses_and_broken_json_arrive_as_such() {
    let world = World::start().await;
    for status in [429, 500, 502, 504] {
        let how = Failure::Status(status);
        world.control.arm(&Fault::once(CREATE, FaultKind::Lose { how })).await.unwrap();
        let (got, _) =
            world.send_faulty("POST", "/v1/compute/instances", Some(order("lost"))).await;
        assert_eq!(got, status);
    }
    let mistyped = FaultKind::Lose { how: Failure::Mistyped };
    world.control.arm(&Fault::once(CREATE, mistyped)).await.unwrap();
    let (status, reply) =
        world.send_faulty("POST", "/v1/compute/instances", Some(order("odd"))).await;
    assert_eq!(status, 201);
    assert!(reply["data"][0]["instanceId"].is_string(), "{reply}");
    assert_eq!(world.control.ledger().await.unwrap().purchases(), 5);

    let grant = Fault::once(
        Target::One(OperationName::Grant),
        FaultKind::Fail { how: Failure::Status(503) },
    );
    world.control.arm(&grant).await.unwrap();
    let request = world.http.post(world.simulator.auth_url()).form(&password_grant());
    assert_eq!(request.send().await.unwrap().status(), 503);
    assert_eq!(world.grant(&password_grant()).await.0, 200);
}
