//! The control plane, through the client that the command line uses.

use devpocket::simulator::control::{
    ControlError, CreateInstance, Failure, Fault, FaultKind, OperationName, PanelAction, Target,
};

use super::*;

#[tokio::test]
async fn the_panel_stops_a_machine_and_no_audit_says_so() {
    let world = World::start().await;
    let id = world.bought("devpocket env-demo").await;
    let meant = world.control.panel("demo", PanelAction::Stop).await.unwrap();
    assert_eq!((meant.instance_id, meant.status.as_str()), (id, "stopped"));
    assert_eq!(world.instance(id).await["status"], "stopped");
    let actions = world.get("/v1/compute/instances/actions/audits").await;
    assert_eq!(actions["data"], json!([]));

    let other = CreateInstance {
        period: Some(1),
        display_name: Some("demo of somebody else".to_owned()),
        ..CreateInstance::default()
    };
    world.control.panel_purchase(&other).await.unwrap();
    match world.control.panel("dem", PanelAction::Start).await {
        Err(ControlError::Refused { status: 409, message }) => {
            assert!(message.contains(&id.to_string()) && message.contains("somebody"), "{message}");
        }
        ambiguous => panic!("{ambiguous:?}"),
    }
    world.control.panel(&id.to_string(), PanelAction::Start).await.unwrap();
    let nobody = world.control.panel("nobody", PanelAction::Stop).await;
    assert!(matches!(nobody, Err(ControlError::Refused { status: 404, .. })));
    assert_eq!(world.control.ledger().await.unwrap().total_cents, 1100);
}

#[tokio::test]
async fn the_clock_moves_contracts_and_is_shared() {
    let mut world = World::start().await;
    let id = world.bought("env-a").await;
    world.control.advance("62d").await.unwrap();
    assert_eq!(world.control.ledger().await.unwrap().entries.len(), 3, "two renewals");
    assert_eq!(*world.clock.0.lock().unwrap(), "2026-05-11T12:04:40Z".parse().unwrap());
    world.sign_in().await;
    world.send("POST", &format!("/v1/compute/instances/{id}/cancel"), Some(json!({}))).await;
    world.control.advance("35d").await.unwrap();
    world.sign_in().await;
    assert_eq!(world.send("GET", &format!("/v1/compute/instances/{id}"), None).await.0, 404);
    let wrong = world.control.advance("next tuesday").await;
    assert!(matches!(wrong, Err(ControlError::Refused { status: 400, .. })), "{wrong:?}");
}

#[tokio::test]
async fn faults_are_armed_shown_and_cleared() {
    let world = World::start().await;
    let outage = Fault::always(Target::Any, FaultKind::Fail { how: Failure::Status(503) });
    let id = world.control.arm(&outage).await.unwrap();
    assert_eq!(world.send_faulty("GET", "/v1/tags", None).await.0, 503);
    let armed = world.control.faults().await.unwrap();
    assert_eq!((armed.len(), armed[0].id, armed[0].fired), (1, id, 1));
    world.control.disarm(id).await.unwrap();
    assert!(world.control.disarm(id).await.is_err());
    world.get("/v1/tags").await;
    let senseless = Fault { probability: Some(7.0), ..outage };
    match world.control.arm(&senseless).await {
        Err(ControlError::Refused { status: 400, message }) => {
            assert!(message.contains("between 0 and 1"));
        }
        armed => panic!("{armed:?}"),
    }
}

#[tokio::test]
async fn calls_are_counted_and_settings_changed() {
    let world = World::start().await;
    world.bought("env-a").await;
    world.get("/v1/compute/instances").await;
    world.get("/v1/compute/instances").await;
    let calls = world.control.calls(1).await.unwrap();
    assert_eq!(calls.counts[&OperationName::ListInstances], 2);
    assert_eq!(calls.counts[&OperationName::CreateInstance], 1);
    assert_eq!(calls.calls.len(), 1);
    let changed = world.control.change_settings(&json!({ "speed": 30.0 })).await.unwrap();
    assert_eq!(changed.speed, 30.0);
    let slip = world.control.change_settings(&json!({ "sped": 30.0 })).await;
    assert!(matches!(slip, Err(ControlError::Refused { status: 400, .. })), "{slip:?}");
    assert_eq!(world.control.health().await.unwrap().status, "ok");

    let url = world.simulator.control_url();
    world.simulator.shutdown().await;
    let gone = ControlClient::new(&url).unwrap().health().await;
    assert!(matches!(gone, Err(ControlError::Unreachable { .. })), "{gone:?}");
}
