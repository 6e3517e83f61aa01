//! The parts only DevPocket has: plans, approvals, undelete, resolve, the catalogue.

use std::sync::Arc;

use devpocket::clock::RandomIds;
use devpocket::kube::{CatalogueView, EnvironmentPlan};
use devpocket_controllers::client::Client;
use devpocket_controllers::clock::Clock as _;
use devpocket_specs::admit::Actor;
use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::environment::Environment;
use devpocket_specs::installation::{
    Installation, InstallationSpec, InstallationStatus, NAME, Sweep,
};
use devpocket_specs::metadata::{ObjectMeta, names};
use devpocket_specs::money::Money;
use devpocket_specs::operation::{Operation, OperationPhase, OperationSpec, OperationStatus, Verb};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{Answer, ENVIRONMENTS, World};

const APPLY: &str = "application/apply-patch+yaml";

/// DevPocket itself, writing what people may not.
pub fn system(world: &World) -> Client {
    let (store, clock) = (world.store.clone(), Arc::new(world.clock.clone()));
    let catalogue = Arc::new(Catalogue::builtin().clone());
    Client::new(store, clock, Arc::new(RandomIds), catalogue, Actor::system("test"))
}

/// A world whose installation may buy.
pub async fn world() -> World {
    let world = World::new().await;
    let installation = Installation {
        metadata: ObjectMeta::named("", NAME),
        spec: InstallationSpec {
            id: "0a1b2c3d".into(),
            monthly_budget: Some(Money::eur(100_000)),
            purchases_per_hour: 3,
            reclaim_after_seconds: 86_400,
            lag_allowance_seconds: 60,
            settle_seconds: 1_800,
            ..InstallationSpec::default()
        },
        status: InstallationStatus::default(),
    };
    let client = system(&world);
    let mut installation = client.create(&installation).await.unwrap();
    installation.status.sweep = Some(Sweep {
        as_of: world.clock.now(),
        instances: 0,
        complete: true,
        trusted: true,
        count: 1,
    });
    client.update_status(&installation).await.unwrap();
    world
}

pub fn environment(size: &str) -> Value {
    json!({
        "apiVersion": "devpocket.dev/v1alpha1", "kind": "Environment",
        "metadata": {"name": "web"},
        "spec": {"size": size, "region": "EU"},
    })
}

pub async fn propose(world: &World, object: &Value) -> EnvironmentPlan {
    let path = format!("{ENVIRONMENTS}/web/plan?fieldManager=cli");
    let answer = world.send(Method::POST, &path, object).await;
    assert_eq!(answer.code, 200, "{answer:?}");
    serde_json::from_value(answer.body).unwrap()
}

async fn apply(world: &World, hash: &str, object: &Value) -> Answer {
    let path = format!("{ENVIRONMENTS}/web?fieldManager=cli&planHash={hash}");
    world.send_as(Method::PATCH, &path, APPLY, object.to_string()).await
}

#[tokio::test]
async fn the_plan_of_something_new_is_the_apply() {
    let world = world().await;
    let before = world.store.revision().await.unwrap();
    let proposed = propose(&world, &environment("vps-10-nvme")).await;
    assert_eq!(proposed.change, "Create");
    let purchase = proposed.plan.steps.iter().find(|step| step.call == "purchase").unwrap();
    assert!(purchase.fingerprint.is_some() && purchase.due.is_some(), "{purchase:?}");
    assert_eq!(world.store.revision().await.unwrap(), before, "planning writes nothing");

    let stale = apply(&world, &proposed.plan.hash, &environment("vps-20-nvme")).await;
    assert_eq!((stale.code, stale.reason()), (409, "Conflict"));
    assert_eq!(stale.body["details"]["code"], "plan-stale");
    assert!(stale.message().contains("vps-20-nvme"), "says what moved: {}", stale.message());
    assert_eq!(world.get(&format!("{ENVIRONMENTS}/web")).await.code, 404);

    let made = apply(&world, &proposed.plan.hash, &environment("vps-10-nvme")).await;
    assert_eq!(made.code, 201, "{made:?}");
    let again = propose(&world, &environment("vps-10-nvme")).await;
    assert_eq!(again.change, "None");
    let stored = world.get(&format!("{ENVIRONMENTS}/web/plan")).await;
    let stored: EnvironmentPlan = serde_json::from_value(stored.body).unwrap();
    assert_eq!(stored.plan, again.plan);
    assert!(stored.metadata.uid.is_some());
}

#[tokio::test]
async fn a_hash_in_an_annotation_is_checked_by_the_write_that_sets_it() {
    let world = world().await;
    let proposed = propose(&world, &environment("vps-10-nvme")).await;
    let with = |hash: &str| {
        let mut object = environment("vps-10-nvme");
        object["metadata"]["annotations"] = json!({names::PLAN_HASH: hash});
        object
    };
    let path = format!("{ENVIRONMENTS}/web?fieldManager=cli");
    let send =
        async |object: Value| world.send_as(Method::PATCH, &path, APPLY, object.to_string()).await;
    assert_eq!(send(with("000000000000")).await.code, 409);
    assert_eq!(send(with(&proposed.plan.hash)).await.code, 201);
    let label = json!({"metadata": {"labels": {"a": "b"}}}).to_string();
    let later = world.send_as(Method::PATCH, &path, "application/merge-patch+json", label).await;
    assert_eq!(later.code, 200, "a later edit is not held to it: {later:?}");
}

#[tokio::test]
async fn a_plan_is_refused_for_what_an_apply_would_refuse() {
    let world = world().await;
    let path = format!("{ENVIRONMENTS}/web/plan?fieldManager=cli");
    let refused = world.send(Method::POST, &path, &environment("vps-11")).await;
    assert_eq!((refused.code, refused.fields()), (422, vec!["spec.size"]));
    assert_eq!(world.get(&format!("{ENVIRONMENTS}/web/plan")).await.reason(), "NotFound");
}

#[tokio::test]
async fn a_merge_patch_has_a_plan_that_its_write_is_held_to() {
    let world = world().await;
    let made = world.send(Method::POST, ENVIRONMENTS, &environment("vps-10-nvme")).await;
    let version = made.body["metadata"]["resourceVersion"].as_str().unwrap();
    let path = format!("{ENVIRONMENTS}/web/plan?patch=true&fieldManager=editor");
    let patch = json!({
        "metadata": {"resourceVersion": version},
        "spec": {"power": "Stopped", "displayName": null},
    });
    let answer = world.send(Method::POST, &path, &patch).await;
    assert_eq!(answer.code, 200, "{answer:?}");
    let plan: EnvironmentPlan = serde_json::from_value(answer.body).unwrap();
    assert_eq!(
        (plan.change.as_str(), &plan.environment["spec"]["power"]),
        ("Update", &json!("Stopped"))
    );
    let stored = world.get(&format!("{ENVIRONMENTS}/web")).await;
    assert_eq!(stored.body["spec"]["power"], "Running", "a plan writes nothing");
    let write = async |hash: &str| {
        let path = format!("{ENVIRONMENTS}/web?fieldManager=editor&planHash={hash}");
        let body = patch.to_string();
        world.send_as(Method::PATCH, &path, "application/merge-patch+json", body).await
    };
    assert_eq!(write("000000000000").await.body["details"]["code"], "plan-stale");
    assert_eq!(write(&plan.plan.hash).await.code, 200);
    // Somebody was faster: the revision of the patch is not the record's any more.
    let late = world.send(Method::POST, &path, &patch).await;
    assert_eq!((late.code, late.reason()), (409, "Conflict"));
    let nobody = format!("{ENVIRONMENTS}/nobody/plan?patch=true");
    assert_eq!(world.send(Method::POST, &nobody, &json!({"spec": {}})).await.code, 404);
    let wrong = json!({"spec": {"power": "Off"}});
    let refused = world.send(Method::POST, &path, &wrong).await;
    assert_eq!((refused.code, refused.fields()), (422, vec!["spec.power"]));
}

#[tokio::test]
async fn an_approval_records_who_and_until_when() {
    let world = world().await;
    world.send(Method::POST, ENVIRONMENTS, &environment("vps-10-nvme")).await;
    let path = format!("{ENVIRONMENTS}/web/approval");
    let stored = world.get(&format!("{ENVIRONMENTS}/web/plan")).await;
    let plan: EnvironmentPlan = serde_json::from_value(stored.body).unwrap();
    let stale = world.send(Method::POST, &path, &json!({"hash": "000000000000"})).await;
    assert_eq!((stale.code, stale.body["details"]["code"].as_str()), (409, Some("plan-stale")));
    let foreign = world.send(Method::POST, &path, &json!({"fingerprints": ["ff"]})).await;
    assert_eq!(foreign.body["details"]["code"], "plan-stale");
    for body in [json!({}), json!({"hash": "x", "fingerprints": ["y"]}), json!({"hsah": "x"})] {
        assert_eq!(world.send(Method::POST, &path, &body).await.reason(), "BadRequest");
    }
    let long = json!({"hash": plan.plan.hash, "expiresSeconds": 10_000_000});
    assert_eq!(world.send(Method::POST, &path, &long).await.fields(), ["expiresSeconds"]);

    let body = json!({"hash": plan.plan.hash, "expiresSeconds": 60});
    let approved = world.send(Method::POST, &path, &body).await;
    assert_eq!(approved.code, 200, "{approved:?}");
    let environment: Environment = serde_json::from_value(approved.body).unwrap();
    let [approval] = environment.status.approvals.as_slice() else { panic!("{environment:?}") };
    let risky: Vec<_> = plan.plan.steps.iter().filter_map(|s| s.fingerprint.clone()).collect();
    assert_eq!((approval.by.as_str(), &approval.fingerprints), ("admin", &risky));
    assert_eq!(approval.expires.duration_since(approval.at), SignedDuration::from_secs(60));
}

#[tokio::test]
async fn a_person_resolves_what_nobody_else_can() {
    let world = world().await;
    let client = system(&world);
    let operation = Operation {
        metadata: ObjectMeta::named("", "m-1-start-0"),
        spec: OperationSpec {
            verb: Verb::Start,
            machine: "m-1".into(),
            machine_uid: Uuid::from_u128(0x0000_4000_8000_0000_0000_0000_0007),
            instance_id: Some(7),
            environment: None,
            reason: "it shall run".into(),
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
    let mut operation = client.create(&operation).await.unwrap();
    let path = "/kube/apis/devpocket.dev/v1alpha1/operations/m-1-start-0/resolve";
    let said = json!({"resolution": "NotHappened"});
    let early = world.send(Method::POST, path, &said).await;
    assert_eq!((early.code, early.reason()), (409, "Conflict"), "it is not unknown yet");
    operation.status.phase = OperationPhase::Unknown;
    client.update_status(&operation).await.unwrap();
    let before = world.store.revision().await.unwrap();
    let dry = world.send(Method::POST, &format!("{path}?dryRun=All"), &said).await;
    assert_eq!((dry.code, &dry.body["status"]["phase"]), (200, &json!("Resolved")), "{dry:?}");
    assert_eq!(world.store.revision().await.unwrap(), before);
    let resolved = world.send(Method::POST, path, &said).await;
    assert_eq!(resolved.body["status"]["resolution"], "NotHappened", "{resolved:?}");
    assert!(resolved.body["status"]["message"].as_str().unwrap().contains("admin"));
    let wrong = world.send(Method::POST, path, &json!({"resolution": "Perhaps"})).await;
    assert_eq!(wrong.reason(), "BadRequest");
}

#[tokio::test]
async fn the_catalogue_says_what_can_be_had_and_what_it_costs() {
    let world = World::new().await;
    let answer = world.get("/kube/apis/devpocket.dev/v1alpha1/catalogue").await;
    let view: CatalogueView = serde_json::from_value(answer.body).unwrap();
    let size = view.sizes.iter().find(|size| size.size.name == "vps-10-nvme").unwrap();
    assert!(size.prices.iter().any(|price| price.region == "EU" && price.price.term_months == 1));
    assert!(view.regions.iter().any(|region| region.slug == "EU"));
}

#[tokio::test]
async fn decisions_are_a_part_of_their_environment_and_outlive_it() {
    let world = world().await;
    let unknown = world.get(&format!("{ENVIRONMENTS}/web/decisions")).await;
    assert_eq!((unknown.code, unknown.reason()), (404, "NotFound"));
    world.environment("web").await;
    let none = world.get(&format!("{ENVIRONMENTS}/web/decisions")).await;
    assert_eq!((none.code, &none.body["items"]), (200, &json!([])), "{none:?}");

    let client = system(&world);
    let key = devpocket_specs::object::Key::new(
        devpocket_specs::kind::Kind::Environment,
        "team-a",
        "web",
    );
    let mut environment: Environment = client.get(&key).await.unwrap().unwrap();
    let record = serde_json::from_value(json!({
        "at": "2026-11-22T12:00:00Z",
        "environment": {
            "namespace": "team-a", "name": "web", "uid": environment.metadata.uid, "generation": 1,
        },
        "version": "0.1.0", "plan": "0123456789ab", "digest": "0", "inputs": ["Environment/web@1"],
    }));
    environment.status.message = "decided".into();
    client.deciding(Some(record.unwrap())).update_status(&environment).await.unwrap();
    client.delete(&key, Default::default()).await.unwrap();
    let kept = world.get(&format!("{ENVIRONMENTS}/web/decisions")).await;
    assert_eq!(kept.body["items"][0]["plan"], "0123456789ab", "{kept:?}");
    assert_eq!(kept.body["kind"], "EnvironmentDecisions");

    let write =
        world.send(Method::POST, &format!("{ENVIRONMENTS}/web/decisions"), &json!({})).await;
    assert_eq!(write.code, 405, "nobody writes history");
    let stranger = world.request(Method::GET, &format!("{ENVIRONMENTS}/web/decisions"));
    assert_eq!(super::world::answer(stranger).await.code, 401);
    let discovery = world.get("/kube/apis/devpocket.dev/v1alpha1").await;
    let resources = discovery.body["resources"].as_array().unwrap().clone();
    let part = resources.iter().find(|r| r["name"] == "environments/decisions");
    assert_eq!(part.map(|part| &part["verbs"]), Some(&json!(["get"])));
}
