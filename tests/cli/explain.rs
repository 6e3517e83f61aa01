//! `explain` from records: the story of a night, each decision by itself, and what is left of an
//! environment that was deleted.

use devpocket_specs::admit::Preconditions;
use devpocket_specs::condition::ConditionStatus;
use devpocket_specs::decision::DecisionRecord;
use devpocket_specs::environment::{Drift, Environment, Phase};
use devpocket_specs::metadata::{ObjectMeta, names};
use devpocket_specs::object::Resource;
use devpocket_specs::operation::{
    EnvironmentRef, Operation, OperationPhase, OperationSpec, OperationStatus, Verb,
};
use serde_json::{Value, json};

use crate::answers::{condition, running, two};
use crate::world::World;

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn decision(environment: &Environment, at: &str, more: &Value) -> DecisionRecord {
    let mut record = json!({
        "at": at,
        "environment": {
            "namespace": "main", "name": environment.metadata.name, "uid": environment.uid(),
            "generation": 1,
        },
        "version": "0.1.0", "plan": "0123456789ab", "digest": "0123456789abcdef",
        "inputs": [format!("Environment/{}@1", environment.metadata.name)],
    });
    json_patch::merge(&mut record, more);
    serde_json::from_value(record).expect("a record")
}

/// Records a decision with a status write, as the controllers do.
async fn decide(world: &World, name: &str, at: &str, more: &Value) {
    let mut environment = world.environment(name).await.unwrap();
    let record = decision(&environment, at, more);
    environment.status.message = format!("{} {at}", record.message);
    world.client.deciding(Some(record)).update_status(&environment).await.unwrap();
}

async fn start(world: &World, environment: &Environment) {
    let mut metadata = ObjectMeta::named("", "m-0-start-1");
    let uid = environment.uid();
    metadata.labels.insert(names::ENVIRONMENT_UID.into(), uid.to_string());
    let operation = Operation {
        metadata,
        spec: OperationSpec {
            verb: Verb::Start,
            machine: "m-0".into(),
            machine_uid: uid,
            instance_id: None,
            environment: Some(EnvironmentRef {
                namespace: "main".into(),
                name: environment.metadata.name.clone(),
                uid,
            }),
            reason: "vmi2563150 was stopped outside DevPocket, declared is Running".into(),
            fingerprint: None,
            spends: None,
            display_name: None,
            power: None,
            image: None,
            user_data_digest: None,
            template: None,
            parameters: None,
            install_generation: None,
            request: None,
            by_person: false,
        },
        status: OperationStatus::default(),
    };
    let mut operation = world.client.create(&operation).await.unwrap();
    operation.status.phase = OperationPhase::Succeeded;
    operation.status.issued_at = Some("2026-01-01T03:12:41Z".parse().unwrap());
    operation.status.ended_at = Some("2026-01-01T03:12:42Z".parse().unwrap());
    world.client.update_status(&operation).await.unwrap();
}

#[tokio::test]
async fn a_night_is_told_in_order_with_the_cause_the_deed_and_its_end() {
    let world = two().await;
    let db = world.environment("db").await.unwrap();
    start(&world, &db).await;
    world
        .stand("db", |status| {
            status.phase = Phase::Stopped;
            status.conditions[2] =
                condition("Ready", ConditionStatus::False, "NotRunning", "stopped");
            let drift = |since: &str, healed: Option<&str>, by: &str| Drift {
                what: "power".into(),
                message: "vmi2563150 was stopped outside DevPocket".into(),
                since: since.parse().unwrap(),
                by: by.into(),
                healed: healed.map(|at| at.parse().unwrap()),
            };
            status.drift = vec![
                drift("2026-01-01T03:12:40Z", Some("2026-01-01T03:13:22Z"), "unknown"),
                drift("2026-01-01T03:21:05Z", None, "ops@example.com"),
            ];
        })
        .await;
    let held = json!({
        "message": "the next start of vmi2563150 waits",
        "steps": [{"summary": "start vmi2563150", "hold": {
            "kind": "held", "code": "flapping", "message": "second time in 10 min",
        }}],
        "told": [{"reason": "Flapping", "message": "second time in 10 min, the next start waits"}],
    });
    decide(&world, "db", "2026-01-01T03:21:06Z", &held).await;
    let ended = world.run(&["explain", "env/db"]).await.done();
    let text = words(&ended.out);
    let places: Vec<usize> = [
        "was stopped outside DevPocket. Contabo's audits show no such call: it was the customer \
         panel, or the machine itself.",
        "Started again (request ",
        "running at ",
        "was stopped outside DevPocket. Contabo's audits name ops@example.com.",
        "second time in 10 min, the next start waits.",
        "You can: devpocket stop db (accept it)",
    ]
    .iter()
    .map(|part| text.find(part).unwrap_or_else(|| panic!("missing {part:?} in:\n{}", ended.out)))
    .collect();
    assert!(places.is_sorted(), "{}", ended.out);
    assert!(!text.contains("is as declared again"), "the end is told with the deed: {text}");
    let ended = world.run(&["explain", "env/db", "-o", "json"]).await.done();
    let document: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(document["decisions"][0]["steps"][0]["hold"]["code"], "flapping");
}

#[tokio::test]
async fn each_decision_is_told_with_what_was_seen_then() {
    let world = two().await;
    let seen = |value: &str| json!([{"name": "vmi2563150 of env/db", "value": value}]);
    let first = json!({"seen": seen("Running"), "message": "installing"});
    decide(&world, "db", "2026-01-01T03:00:00Z", &first).await;
    let second = json!({
        "seen": seen("Stopped"),
        "did": ["plans operation m-0-start-1: it was stopped outside DevPocket"],
    });
    decide(&world, "db", "2026-01-01T03:12:41Z", &second).await;
    let ended = world.run(&["explain", "env/db", "--decisions"]).await.done();
    let text = words(&ended.out);
    assert!(text.contains("Seen: vmi2563150 of env/db is Running. Noted: installing."), "{text}");
    let then = "Seen: vmi2563150 of env/db was Running and is Stopped. \
                Decided: plans operation m-0-start-1: it was stopped outside DevPocket.";
    assert!(text.contains(then), "{text}");
    let ended = world.run(&["explain", "env/api", "--decisions"]).await.done();
    assert_eq!(ended.out, "Nothing was decided about env/api yet.\n");
}

#[tokio::test]
async fn what_was_decided_about_a_deleted_environment_can_still_be_told() {
    let world = World::new().await;
    world.declare("web").await;
    world.stand("web", running).await;
    let told = json!({
        "told": [{"reason": "Released", "message": "released vmi2563150; its disk is kept"}],
    });
    decide(&world, "web", "2026-01-01T03:00:00Z", &told).await;
    world.client.delete(&world.key("web"), Preconditions::default()).await.unwrap();
    assert!(world.environment("web").await.is_none());
    let ended = world.run(&["explain", "env/web"]).await.done();
    assert!(ended.out.starts_with("env/web is not declared any more.\n"), "{}", ended.out);
    assert!(words(&ended.out).contains("released vmi2563150; its disk is kept."), "{}", ended.out);
    let ended = world.run(&["explain", "env/wob"]).await;
    ended.refused(1, "error[not-found]: there is no env/wob in main");
}
