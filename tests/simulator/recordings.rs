//! Calls are recorded and played again; an account is saved and loaded; bad days have names.

use devpocket::simulator::control::{ControlError, PanelAction, Scenario};
use devpocket::simulator::{ReplayError, replay};

use super::*;

#[tokio::test]
async fn a_recording_is_answered_the_same_when_it_is_played_again() {
    let world = World::with(Settings::default(), None, TestClock::new()).await;
    world.control.scenario(Scenario::Throttled).await.unwrap();
    for number in 0..8 {
        let body = Some(order(&format!("env-{number}")));
        world.send_faulty("POST", "/v1/compute/instances", body).await;
        world.send_faulty("GET", "/v1/compute/instances?size=3", None).await;
        world.clock.advance(SignedDuration::from_secs(17));
    }
    world.control.scenario(Scenario::Normal).await.unwrap();
    let other = devpocket::simulator::control::CreateInstance {
        period: Some(1),
        display_name: Some("theirs".to_owned()),
        ..Default::default()
    };
    world.control.panel_purchase(&other).await.unwrap();
    world.control.advance("40d").await.unwrap();
    world.control.panel("theirs", PanelAction::Stop).await.unwrap();
    let journal = world.control.journal().await.unwrap();
    let replayed = replay(&journal).unwrap();
    let ledger = world.control.ledger().await.unwrap();
    assert_eq!(replayed.charges, ledger.entries.len());
    assert!(replayed.commands >= 20, "{replayed:?}");

    let differs = replay(&journal.replacen("\"seed\":1", "\"seed\":2", 1));
    assert!(matches!(differs, Err(ReplayError::Differs { .. })), "{differs:?}");
    let torn = replay(&journal[..journal.len() / 2]);
    assert!(matches!(torn, Err(ReplayError::Damaged { .. })), "{torn:?}");
    assert!(matches!(replay(""), Err(ReplayError::Damaged { line: 1, .. })));
}

#[tokio::test]
async fn a_saved_account_goes_on_elsewhere_as_if_nothing_had_happened() {
    let world = World::start().await;
    let id = world.bought("env-a").await;
    let snapshots = format!("/v1/compute/instances/{id}/snapshots");
    world.send("POST", &snapshots, Some(json!({ "name": "kept" }))).await;
    world.control.advance("3d").await.unwrap();
    let state = world.control.state().await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let mut other = World::with(Settings::prompt(), Some(folder.path()), TestClock::new()).await;
    other.bought("env-b").await;
    let clock = other.control.load(&state).await.unwrap();
    assert_eq!(clock.now, world.control.clock().await.unwrap().now, "the clock follows");
    other.sign_in().await;
    assert_eq!(other.instance(id).await["displayName"], "env-a");
    assert_eq!(other.get(&snapshots).await["data"][0]["name"], "kept");
    assert_eq!(other.control.ledger().await.unwrap(), world.control.ledger().await.unwrap());
    // It is on disk like everything else.
    let before = other.control.state().await.unwrap();
    let (clock, path) = (other.clock.clone(), folder.path().to_owned());
    other.simulator.shutdown().await;
    let again = World::with(Settings::prompt(), Some(&path), clock).await;
    assert_eq!(again.control.state().await.unwrap()["ledger"], before["ledger"]);

    let mut wrong = state.clone();
    wrong["ledger"]["totalCents"] = json!(1);
    match again.control.load(&wrong).await {
        Err(ControlError::Refused { status: 400, message }) => {
            assert!(message.contains("add up"), "{message}");
        }
        loaded => panic!("{loaded:?}"),
    }
    let nonsense = again.control.load(&json!({ "hello": 1 })).await;
    assert!(matches!(nonsense, Err(ControlError::Refused { status: 400, .. })), "{nonsense:?}");
}

#[tokio::test]
async fn bad_days_have_names_and_an_end() {
    let mut world = World::start().await;
    let list = "/v1/compute/instances";
    world.control.scenario(Scenario::Outage).await.unwrap();
    assert_eq!(world.send_faulty("GET", list, None).await.0, 503);
    world.control.advance("2h").await.unwrap();
    world.sign_in().await;
    assert_eq!(world.send("GET", list, None).await.0, 200, "it is over by itself");

    world.control.scenario(Scenario::TokenExpired).await.unwrap();
    assert_eq!(world.send("GET", list, None).await.0, 401);
    world.sign_in().await;
    for (scenario, status) in
        [(Scenario::InstallFails, "error"), (Scenario::PaymentPending, "pending_payment")]
    {
        world.control.scenario(scenario).await.unwrap();
        let id = world.bought("odd").await;
        assert_eq!(world.instance(id).await["status"], status, "{scenario}");
        world.sign_in().await;
    }
    world.control.scenario(Scenario::SlowInstall).await.unwrap();
    let id = world.bought("slow").await;
    assert_eq!(world.instance(id).await["status"], "installing");
    world.sign_in().await;
    world.control.scenario(Scenario::LostReply).await.unwrap();
    let request = world.request("POST", list).json(&order("lost"));
    request.send().await.expect_err("the reply is lost");
    assert_eq!(world.control.ledger().await.unwrap().purchases(), 4, "and the order is not");

    world.control.scenario(Scenario::Throttled).await.unwrap();
    world.control.scenario(Scenario::Normal).await.unwrap();
    assert!(world.control.faults().await.unwrap().is_empty());
    assert_eq!(world.control.settings().await.unwrap().installing, Settings::default().installing);
    let url = format!("{}/scenario", world.simulator.control_url());
    let reply = world.http.post(url).body(r#"{"name":"nice-day"}"#).send().await.unwrap();
    assert_eq!(reply.status(), 400);
    assert!(reply.text().await.unwrap().contains("slow-install"), "it says which there are");
}

#[tokio::test]
async fn only_its_own_page_and_programs_steer_the_simulator() {
    let world = World::start().await;
    let url = world.simulator.control_url();
    let page = world.http.get(&url).send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().contains("Contabo, simulated"));
    let post = |origin: &str| {
        let request = world.http.post(format!("{url}/scenario")).header("origin", origin);
        request.body(r#"{"name":"outage"}"#).send()
    };
    assert_eq!(post("https://example.com").await.unwrap().status(), 403);
    assert_eq!(post("null").await.unwrap().status(), 403);
    assert!(world.control.faults().await.unwrap().is_empty());
    assert_eq!(post(&url).await.unwrap().status(), 200);
    let foreign = world.http.get(&url).header("host", "rebound.example.com");
    assert_eq!(foreign.send().await.unwrap().status(), 403);
}
