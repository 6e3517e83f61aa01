//! Signing in to Contabo: refused, expired, revoked. And Contabo silent.

use std::sync::Arc;
use std::time::Duration;

use devpocket::clock::{RandomIds, SystemClock};
use devpocket::contabo::{ContaboClient, ContaboConfig, Credentials, READ_TIMEOUT, Sensitive};
use devpocket::simulator::{CLIENT_ID, CLIENT_SECRET};
use devpocket_controllers::cloud::{Cloud, CloudError};
use devpocket_controllers::sim::contabo::OperationName;
use devpocket_specs::condition::{self, ConditionStatus};
use devpocket_specs::installation::conditions;
use serde_json::json;

use crate::process::eventually;
use crate::world::{Serve, World};

async fn grants(world: &World) -> u64 {
    let calls = world.control.calls(0).await.unwrap();
    calls.counts.get(&OperationName::Grant).copied().unwrap_or(0)
}

/// Status, reason and message of the condition about Contabo.
async fn reachable(serve: &Serve) -> Option<(ConditionStatus, String, String)> {
    let installation = serve.installation().await;
    let found = condition::find(&installation.status.conditions, conditions::CONTABO_REACHABLE)?;
    Some((found.status, found.reason.clone(), found.message.clone()))
}

/// Waits until the condition says this, and answers its message.
async fn condition(serve: &Serve, status: ConditionStatus, reason: &str) -> String {
    eventually(&format!("ContaboReachable is {status:?}, {reason}"), async || {
        let (is, why, message) = reachable(serve).await?;
        (is == status && (reason.is_empty() || why == reason)).then_some(message)
    })
    .await
}

/// How often events with this reason happened, repeats included.
async fn events(serve: &Serve, reason: &str) -> u64 {
    let (code, list) = serve.get("/kube/api/v1/events").await;
    assert_eq!(code, 200, "{list}");
    let items = list["items"].as_array().unwrap().iter();
    let counts = items.filter(|event| event["reason"] == reason);
    counts.map(|event| event["count"].as_u64().unwrap_or(1)).sum()
}

#[tokio::test]
async fn wrong_credentials_are_a_condition_and_are_asked_once() {
    let (mut world, _database) = World::empty().await;
    world.set("CONTABO_PASSWORD", "the-panel-passw0rd");
    let serve = world.serve().await;
    eventually("the installation is there", async || {
        (serve.get(crate::world::INSTALLATION).await.0 == 200).then_some(())
    })
    .await;
    let message = condition(&serve, ConditionStatus::False, "ContaboSignIn").await;
    assert!(message.starts_with("Contabo does not accept these credentials"), "{message}");
    for part in ["invalid_grant", "CONTABO_USERNAME", "API password set in the customer panel"] {
        assert!(message.contains(part), "{message}");
    }
    let status = serve.devpocket(&world, &["status"]).await;
    assert_eq!(status.code, 0, "{}", status.err);
    assert!(status.out.contains("(contabo-sign-in)"), "{}", status.out);
    assert!(status.out.contains("Contabo does not accept these credentials"), "{}", status.out);

    // Work that would have to ask Contabo does not make it ask more often.
    let namespace = json!({"metadata": {"name": "main"}});
    let namespaces = "/kube/api/v1/namespaces";
    assert_eq!(serve.send(reqwest::Method::POST, namespaces, Some(&namespace)).await.0, 201);
    serve.create("demo").await;
    eventually("the environment says what it waits for", async || {
        let environment = serve.environment("demo").await?;
        environment.status.message.contains("credentials").then_some(())
    })
    .await;
    let before = serve.metric("devpocket_reconciles_total", "").await;
    let path = format!("{}/demo", crate::world::ENVIRONMENTS);
    let mut power = ["Stopped", "Running"].into_iter().cycle();
    eventually("the controllers worked on", async || {
        let patch = json!({"spec": {"power": power.next()}});
        let (code, reply) = serve.send(reqwest::Method::PATCH, &path, Some(&patch)).await;
        assert_eq!(code, 200, "{reply}");
        (serve.metric("devpocket_reconciles_total", "").await > before + 10.0).then_some(())
    })
    .await;
    assert_eq!(grants(&world).await, 1, "asked again with credentials that were refused");
    assert_eq!(serve.metric("devpocket_cloud_sign_ins_total", "refused").await, 1.0);
    assert_eq!(serve.metric("devpocket_contabo_reachable", "").await, 0.0);
    assert_eq!(events(&serve, "ContaboSignIn").await, 1);
    assert_eq!(world.purchases().await, 0);
    assert!(!serve.process.log().join("\n").contains("the-panel-passw0rd"));
}

/// The same over two hours, with a clock that only this test moves.
#[tokio::test]
async fn refused_credentials_are_tried_again_every_five_minutes_at_most() {
    let (world, _database) = World::empty().await;
    let clock = SystemClock::new();
    let credentials = Credentials {
        client_id: CLIENT_ID.into(),
        client_secret: Sensitive::new(CLIENT_SECRET),
        username: "somebody@example.com".into(),
        password: Sensitive::new("wrong"),
    };
    let config = ContaboConfig {
        api_url: world.simulator.api_url(),
        auth_url: world.simulator.auth_url(),
        credentials,
        simulated: true,
        patience: READ_TIMEOUT,
    };
    let client = ContaboClient::new(config, Arc::new(clock.clone()), Arc::new(RandomIds)).unwrap();
    for _ in 0..720 {
        let refused = client.instances(1).await.unwrap_err();
        assert!(matches!(refused, CloudError::SignIn { .. }), "{refused:?}");
        clock.advance(Duration::from_secs(10));
    }
    let asked = grants(&world).await;
    assert!((20..=25).contains(&asked), "asked {asked} times in two hours");
}

#[tokio::test]
async fn tokens_that_expire_or_are_revoked_are_replaced_without_anybody_noticing() {
    let (world, _database) = World::empty().await;
    world.control.change_settings(&json!({"tokenSeconds": 2})).await.unwrap();
    let serve = world.leading().await;
    serve.create("demo").await;
    serve.ready("demo").await;
    let before = grants(&world).await;
    world.control.revoke_tokens().await.unwrap();
    let sweeps = serve.installation().await.status.sweep.unwrap().count;
    eventually("three more lists", async || {
        let sweep = serve.installation().await.status.sweep?;
        (sweep.count >= sweeps + 3).then_some(())
    })
    .await;
    assert!(grants(&world).await >= before + 2, "no token was renewed: the test proves nothing");
    let (status, _, message) = reachable(&serve).await.unwrap();
    assert_eq!(status, ConditionStatus::True, "{message}");
    assert_eq!(events(&serve, "ContaboSignIn").await + events(&serve, "ContaboSilent").await, 0);
    assert_eq!(world.purchases().await, 1);
}

#[tokio::test]
async fn a_silent_contabo_is_one_condition_and_one_event_and_ready_keeps_its_value() {
    let (world, _database) = World::empty().await;
    let serve = world.leading().await;
    serve.create("demo").await;
    let before = serve.ready("demo").await;
    let outage = json!({"on": "any", "kind": "fail", "how": "reset"});
    world.control.arm(&serde_json::from_value(outage).unwrap()).await.unwrap();
    let message = condition(&serve, ConditionStatus::False, "ContaboSilent").await;
    assert!(message.contains("since "), "{message}");
    let failed = async || serve.metric("devpocket_sweeps_total", "failed").await;
    let count = failed().await;
    let first = serve.installation().await;
    eventually("three more looks fail", async || (failed().await >= count + 3.0).then_some(()))
        .await;
    let later = serve.installation().await;
    assert_eq!(first.status.conditions, later.status.conditions, "it was told more than once");
    assert_eq!(events(&serve, "ContaboSilent").await, 1);
    let during = serve.environment("demo").await.unwrap();
    assert!(crate::world::is_ready(&during), "{during:?}");
    let ready = |e: &devpocket_specs::environment::Environment| {
        let name = devpocket_specs::environment::conditions::READY;
        condition::find(&e.status.conditions, name).unwrap().last_transition_time
    };
    assert_eq!(ready(&before), ready(&during), "Ready flipped in between");
    assert_eq!(serve.metric("devpocket_contabo_reachable", "").await, 0.0);
    let status = serve.devpocket(&world, &["status"]).await;
    assert!(status.out.contains("(contabo-silent)"), "{}", status.out);

    world.control.disarm_all().await.unwrap();
    condition(&serve, ConditionStatus::True, "").await;
    assert_eq!(serve.metric("devpocket_contabo_reachable", "").await, 1.0);
    assert_eq!(world.purchases().await, 1);
}

/// Answers that begin and never end: headers and nothing, half a body and nothing.
#[tokio::test]
async fn answers_that_never_end_are_given_up_and_cost_nothing() {
    let (mut world, _database) = World::empty().await;
    world.set("CONTABO_TIMEOUT_SECONDS", "2");
    let mut serve = world.leading().await;
    serve.create("demo").await;
    serve.ready("demo").await;
    for how in ["hang", "stalled", "half"] {
        let stall = json!({"on": "reads", "kind": "lose", "how": how});
        world.control.arm(&serde_json::from_value(stall).unwrap()).await.unwrap();
        let message = condition(&serve, ConditionStatus::False, "ContaboSilent").await;
        assert!(message.contains("no answer in time"), "{how}: {message}");
        let (code, _) = serve.get("/health/live").await;
        assert_eq!(code, 200, "{how}");
        let during = serve.environment("demo").await.unwrap();
        assert!(crate::world::is_ready(&during), "{how}: {during:?}");
        world.control.disarm_all().await.unwrap();
        condition(&serve, ConditionStatus::True, "").await;
    }
    assert!(serve.process.is_running());
    serve.create("next").await;
    serve.ready("next").await;
    assert_eq!(world.purchases().await, 2);
}
