//! What was deleted comes back: with its machine, its disk, and whose its fields were.

use std::time::Duration;

use devpocket::kube::EnvironmentPlan;
use devpocket_controllers::clock::Clock as _;
use devpocket_specs::environment::Reclaim;
use devpocket_specs::machine::{Machine, MachineSpec, MachineStatus, Release};
use devpocket_specs::metadata::{ObjectMeta, names};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::plans::{environment, system, world};
use super::roles;
use super::world::{ADMIN_TOKEN, ENVIRONMENTS, World, answer};

const APPLY: &str = "application/apply-patch+yaml";

/// The record of a machine that `web` was deleted with.
async fn released(world: &World, name: &str, uid: u128, spec: Value) {
    let now = world.clock.now();
    let entry = json!({
        "manager": "files", "operation": "Apply", "apiVersion": "devpocket.dev/v1alpha1",
        "time": now.to_string(), "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:size": {}, "f:region": {}}},
    });
    let release = Release {
        uid: Uuid::from_u128(uid),
        namespace: "team-a".into(),
        name: "web".into(),
        at: now,
        until: now + SignedDuration::from_hours(24),
        reclaim: Reclaim::Pool,
        spec,
        managed_fields: vec![entry].into(),
    };
    let machine = Machine {
        metadata: ObjectMeta::named("", name),
        spec: MachineSpec { managed: true, release: Some(release), ..MachineSpec::default() },
        status: MachineStatus::default(),
    };
    let client = system(world);
    let mut machine = client.create(&machine).await.unwrap();
    machine.status.instance_id = Some(uid as i64);
    machine.status.instance_name = Some(format!("vmi{uid}"));
    client.update_status(&machine).await.unwrap();
}

/// Breaks without it: whose file an environment is from is refused its own fields once it was brought back.
#[tokio::test]
async fn what_comes_back_belongs_to_whom_it_belonged_and_asks_for_no_template() {
    let world = world().await;
    let mut spec = environment("vps-10-nvme")["spec"].clone();
    spec["template"] = json!("gone-since");
    released(&world, "m-1", 7, spec).await;
    let path = format!("{ENVIRONMENTS}/web");
    let back = world.send(Method::POST, &format!("{path}/undelete"), &Value::Null).await;
    assert_eq!(back.code, 201, "{back:?}");
    assert_eq!(back.body["spec"]["template"], "gone-since");
    let managers = &back.body["metadata"]["managedFields"];
    assert_eq!((managers[0]["manager"].as_str(), managers[1].as_str()), (Some("files"), None));
    let mut file = environment("vps-10-nvme");
    file["spec"]["power"] = json!("Stopped");
    let request = world.request(Method::PATCH, &format!("{path}?fieldManager=files"));
    let request = request.bearer_auth(ADMIN_TOKEN).header("content-type", APPLY);
    let applied = answer(request.body(file.to_string())).await;
    assert_eq!(
        (applied.code, &applied.body["spec"]["power"]),
        (200, &json!("Stopped")),
        "{applied:?}"
    );
}

/// Breaks without it: a second machine is bought under a deleted name without a word, and no command
/// leads to the first one's disk.
#[tokio::test]
async fn a_deleted_namesakes_machine_is_told_of_and_can_be_named() {
    let world = world().await;
    let spec = environment("vps-10-nvme")["spec"].clone();
    released(&world, "m-1", 7, spec.clone()).await;
    let path = format!("{ENVIRONMENTS}/web");
    let plan = world.send(Method::POST, &format!("{path}/plan"), &environment("vps-10-nvme")).await;
    let plan: EnvironmentPlan = serde_json::from_value(plan.body).unwrap();
    let [note] = plan.notes.as_slice() else { panic!("{:?}", plan.notes) };
    assert!(
        note.contains("vmi7 ") && note.contains("`devpocket undelete web --machine vmi7`"),
        "{note}"
    );
    let made = world.send(Method::POST, ENVIRONMENTS, &environment("vps-10-nvme")).await;
    assert_eq!(made.code, 201, "{made:?}");
    let warned = made.headers["warning"].to_str().unwrap();
    assert!(warned.contains("undelete web-before --machine vmi7"), "{warned}");

    released(&world, "m-2", 8, spec).await;
    let other = format!("{ENVIRONMENTS}/web-before/undelete");
    let unknown = world.send(Method::POST, &other, &json!({"machine": "vmi9"})).await;
    assert_eq!(
        (unknown.code, unknown.message()),
        (404, "vmi9 is not kept for an environment that was deleted in team-a")
    );
    let odd = world.send(Method::POST, &other, &json!({"machine": 7})).await;
    assert_eq!(odd.code, 400, "{odd:?}");
    let first = world.send(Method::POST, &other, &json!({"machine": "vmi7"})).await;
    assert_eq!(first.code, 201, "{first:?}");
    let of = &first.body["metadata"]["annotations"][names::UNDELETE_OF];
    assert_eq!(*of, Uuid::from_u128(7).to_string());
}

#[tokio::test]
async fn a_released_machine_leads_back_to_its_environment() {
    let world = world().await;
    let path = format!("{ENVIRONMENTS}/web/undelete");
    let nothing = world.send(Method::POST, &path, &Value::Null).await;
    assert_eq!((nothing.code, nothing.reason()), (404, "NotFound"));
    let uid = Uuid::from_u128(0x0000_4000_8000_0000_0000_0000_0007);
    let now = world.clock.now();
    let release = Release {
        uid,
        namespace: "team-a".into(),
        name: "web".into(),
        at: now,
        until: now + SignedDuration::from_hours(24),
        reclaim: Reclaim::Pool,
        spec: environment("vps-10-nvme")["spec"].clone(),
        managed_fields: Default::default(),
    };
    let machine = Machine {
        metadata: ObjectMeta::named("", "m-1"),
        spec: MachineSpec { managed: true, release: Some(release), ..MachineSpec::default() },
        status: MachineStatus::default(),
    };
    system(&world).create(&machine).await.unwrap();
    let dry = world.send(Method::POST, &format!("{path}?dryRun=All"), &Value::Null).await;
    assert_eq!(dry.code, 201, "{dry:?}");
    let back = world.send(Method::POST, &path, &Value::Null).await;
    assert_eq!(back.code, 201, "{back:?}");
    assert_eq!(back.body["metadata"]["annotations"][names::UNDELETE_OF], uid.to_string());
    assert_eq!(back.body["spec"]["size"], "vps-10-nvme");
    let again = world.send(Method::POST, &path, &Value::Null).await;
    assert_eq!(again.reason(), "AlreadyExists");
    world.send(Method::DELETE, &format!("{ENVIRONMENTS}/web"), &Value::Null).await;
    world.clock.advance(Duration::from_secs(25 * 60 * 60));
    let late = world.send(Method::POST, &path, &Value::Null).await;
    assert!(late.message().contains("until"), "{late:?}");
}

/// A released machine of `web` in the namespace `mine`, whose environment approved in advance.
async fn released_with_consent(world: &World) {
    let mut spec = environment("vps-10-nvme")["spec"].clone();
    spec["autoApprove"] = json!({"classes": ["data-risk"]});
    let now = world.clock.now();
    let release = Release {
        uid: Uuid::from_u128(0x0000_4000_8000_0000_0000_0000_0009),
        namespace: "mine".into(),
        name: "old".into(),
        at: now,
        until: now + SignedDuration::from_hours(24),
        reclaim: Reclaim::Pool,
        spec,
        managed_fields: Default::default(),
    };
    let machine = Machine {
        metadata: ObjectMeta::named("", "m-9"),
        spec: MachineSpec { managed: true, release: Some(release), ..MachineSpec::default() },
        status: MachineStatus::default(),
    };
    system(world).create(&machine).await.unwrap();
}

#[tokio::test]
async fn who_may_not_approve_brings_it_back_without_consent_in_advance() {
    let world = roles::world().await;
    released_with_consent(&world).await;
    let path = "/kube/apis/devpocket.dev/v1alpha1/namespaces/mine/environments/old";
    let undelete = async |token: &str| {
        let request = world.request(Method::POST, &format!("{path}/undelete"));
        answer(request.bearer_auth(token)).await
    };
    let refused = undelete(roles::VIEWER).await;
    assert_eq!(refused.code, 403, "{refused:?}");
    let back = undelete(roles::EDITOR).await;
    assert_eq!(back.code, 201, "{back:?}");
    assert!(back.body["spec"]["autoApprove"].is_null(), "{back:?}");
    let told = back.headers["warning"].to_str().unwrap();
    assert!(told.contains("spec.autoApprove") && told.contains("owner"), "{told}");
    assert_eq!(world.send(Method::DELETE, path, &Value::Null).await.code, 200);
    let whole = undelete(roles::OWNER).await;
    assert_eq!(whole.code, 201, "{whole:?}");
    assert_eq!(whole.body["spec"]["autoApprove"]["classes"][0], "data-risk");
    assert!(!whole.headers.contains_key("warning"), "{whole:?}");
}
