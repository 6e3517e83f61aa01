//! Another version of a template, over the API: what `plan` says, what is consented to, what is not
//! taken.

use devpocket::kube::EnvironmentPlan;
use devpocket_controllers::client::Client;
use devpocket_controllers::clock::Clock as _;
use devpocket_specs::environment::{Environment, Power, RenderedTemplate};
use devpocket_specs::kind::Kind;
use devpocket_specs::machine::{
    Claim, Demand, Machine, MachineSpec, MachineState, MachineStatus, Order, Seen, TemplateVersion,
};
use devpocket_specs::metadata::ObjectMeta;
use devpocket_specs::money::Money;
use devpocket_specs::object::{Key, Resource as _};
use devpocket_specs::plan::{RiskClass, StandstillKind};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use super::plans::{propose, system, world};
use super::world::{ENVIRONMENTS, World};

const TEMPLATES: &str = "/kube/apis/devpocket.dev/v1alpha1/templates";

fn declared(template: &str) -> Value {
    json!({
        "apiVersion": "devpocket.dev/v1alpha1", "kind": "Environment",
        "metadata": {"name": "web"},
        "spec": {"size": "vps-10-nvme", "region": "EU", "template": template},
    })
}

/// An environment whose machine was installed from version 1, and a version 2.
async fn installed(world: &World) -> Client {
    let template = json!({"metadata": {"name": "mine"}, "spec": {"packages": ["git"]}});
    assert_eq!(world.send(Method::POST, TEMPLATES, &template).await.code, 201);
    let path = format!("{ENVIRONMENTS}/web?fieldManager=cli");
    let body = declared("mine").to_string();
    let made = world.send_as(Method::PATCH, &path, "application/apply-patch+yaml", body).await;
    assert_eq!(made.code, 201, "{made:?}");
    let client = system(world);
    let key = Key::new(Kind::Environment, "team-a", "web");
    let mut environment: Environment = client.get(&key).await.unwrap().unwrap();
    bind(world, &client, &environment).await;
    environment.status.template = Some(RenderedTemplate {
        name: "mine".into(),
        generation: 1,
        digest: "d1".into(),
        newer: None,
    });
    client.update_status(&environment).await.unwrap();
    let patch = json!({"spec": {"packages": ["git", "cowsay"]}}).to_string();
    let path = format!("{TEMPLATES}/mine");
    let edited = world.send_as(Method::PATCH, &path, "application/merge-patch+json", patch).await;
    assert_eq!((edited.code, &edited.body["metadata"]["generation"]), (200, &json!(2)));
    client
}

async fn bind(world: &World, client: &Client, environment: &Environment) {
    let now = world.clock.now();
    let order = Order {
        size: "vps-10-nvme".into(),
        product_id: "V91".into(),
        region: "EU".into(),
        image: "ubuntu-24.04".into(),
        contract_months: 1,
        price: Money::eur(500),
        due: Money::eur(500),
        prices_of: jiff::civil::date(2026, 11, 1),
        user_data_digest: "d1".into(),
        template: Some(TemplateVersion { name: "mine".into(), generation: 1 }),
        parameters: Some(Default::default()),
        demand: Demand { environment_uid: environment.uid(), cause: "create".into() },
    };
    let machine = Machine {
        metadata: ObjectMeta::named("", "m-1"),
        spec: MachineSpec {
            managed: true,
            order: Some(order),
            claim: Some(Claim {
                uid: environment.uid(),
                namespace: "team-a".into(),
                name: "web".into(),
                at: now - SignedDuration::from_hours(1),
            }),
            install_generation: 1,
            display_name: "web".into(),
            ..MachineSpec::default()
        },
        status: MachineStatus::default(),
    };
    let mut machine = client.create(&machine).await.unwrap();
    machine.status = MachineStatus {
        instance_id: Some(7),
        instance_name: Some("vmi7".into()),
        state: MachineState::Running,
        seen: Some(Seen {
            provider_status: "running".into(),
            power: Some(Power::Running),
            display_name: "web".into(),
            product_id: "V91".into(),
            region: "EU".into(),
            image_id: None,
            address: Some("198.18.0.7".into()),
            address_v6: None,
            cancel_date: None,
            created: None,
            error_message: None,
            since: now,
        }),
        ..MachineStatus::default()
    };
    client.update_status(&machine).await.unwrap();
}

fn reinstall(plan: &EnvironmentPlan) -> Option<devpocket_specs::plan::Step> {
    plan.plan.steps.iter().find(|step| step.call == "reinstall").cloned()
}

#[tokio::test]
async fn a_newer_version_is_planned_when_named_and_taken_with_consent_to_exactly_that() {
    let world = world().await;
    installed(&world).await;
    let same = propose(&world, &declared("mine")).await;
    assert_eq!(reinstall(&same), None, "the newer version is nobody's until it is named");
    let never = propose_code(&world, "mine@3").await;
    assert_eq!(never, 422);

    let newer = propose(&world, &declared("mine@2")).await;
    let step = reinstall(&newer).unwrap();
    assert_eq!(step.summary, "wipe the disk and install mine@2, it has mine@1");
    assert_eq!((step.class, step.approved), (RiskClass::DataRisk, false));
    assert_eq!(step.hold.unwrap().kind, StandstillKind::Waiting);
    assert!(step.downtime_seconds.is_some() && step.monthly.is_none());

    let path = format!("{ENVIRONMENTS}/web?fieldManager=cli&planHash={}", newer.plan.hash);
    let body = declared("mine@2").to_string();
    let applied = world.send_as(Method::PATCH, &path, "application/apply-patch+yaml", body).await;
    assert_eq!(applied.code, 200, "admission takes it: {applied:?}");
    let stored = world.get(&format!("{ENVIRONMENTS}/web/plan")).await;
    let stored: EnvironmentPlan = serde_json::from_value(stored.body).unwrap();
    let waiting = reinstall(&stored).unwrap();
    assert!(!waiting.approved, "applying is no consent to wipe");
    let consent = json!({"fingerprints": [waiting.fingerprint]});
    let approved =
        world.send(Method::POST, &format!("{ENVIRONMENTS}/web/approval"), &consent).await;
    assert_eq!(approved.code, 200, "{approved:?}");
    let plan = async || {
        let answer = world.get(&format!("{ENVIRONMENTS}/web/plan")).await;
        reinstall(&serde_json::from_value(answer.body).unwrap()).unwrap()
    };
    assert!(plan().await.approved);

    // Another edit, another fingerprint: nobody consented to that.
    let back = json!({"spec": {"image": "debian-13"}}).to_string();
    let path = format!("{ENVIRONMENTS}/web?fieldManager=cli");
    let edited = world.send_as(Method::PATCH, &path, "application/merge-patch+json", back).await;
    assert_eq!(edited.code, 200, "{edited:?}");
    assert!(!plan().await.approved);
}

async fn propose_code(world: &World, template: &str) -> u16 {
    let path = format!("{ENVIRONMENTS}/web/plan?fieldManager=cli");
    world.send(Method::POST, &path, &declared(template)).await.code
}
