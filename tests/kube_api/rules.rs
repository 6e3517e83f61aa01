//! Rules over more than one object.

use std::time::Duration;

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::world::{Answer, ENVIRONMENTS, World};

const NAMESPACES: &str = "/kube/api/v1/namespaces";

fn environment(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"size": "vps-10-nvme", "region": "EU"}})
}

async fn post(world: &World, object: &Value) -> Answer {
    world.send(Method::POST, ENVIRONMENTS, object).await
}

async fn merged(world: &World, path: &str, patch: &Value) -> Answer {
    world.send_as(Method::PATCH, path, "application/merge-patch+json", patch.to_string()).await
}

#[tokio::test]
async fn a_namespace_must_exist_and_must_not_be_going() {
    let world = World::new().await;
    let elsewhere = ENVIRONMENTS.replace("team-a", "nowhere");
    let refused = world.send(Method::POST, &elsewhere, &environment("web")).await;
    assert_eq!((refused.code, refused.reason()), (404, "NotFound"));
    assert_eq!(refused.body["details"]["kind"], "namespaces");

    let going = json!({"metadata": {"name": "going", "finalizers": ["example.com/x"]}});
    world.send(Method::POST, NAMESPACES, &going).await;
    world.send(Method::DELETE, &format!("{NAMESPACES}/going"), &Value::Null).await;
    let elsewhere = ENVIRONMENTS.replace("team-a", "going");
    let refused = world.send(Method::POST, &elsewhere, &environment("web")).await;
    assert_eq!((refused.code, refused.reason()), (403, "Forbidden"));
    assert_eq!(refused.body["details"]["causes"][0]["reason"], "NamespaceTerminating");
}

#[tokio::test]
async fn a_namespace_goes_only_when_it_is_empty() {
    let world = World::new().await;
    post(&world, &environment("web")).await;
    let path = format!("{NAMESPACES}/team-a");
    let refused = world.send(Method::DELETE, &path, &Value::Null).await;
    assert_eq!((refused.code, refused.reason()), (409, "Conflict"));
    assert!(refused.message().contains("1 environment"), "{}", refused.message());
    world.send(Method::DELETE, &format!("{ENVIRONMENTS}/web"), &Value::Null).await;
    assert_eq!(world.send(Method::DELETE, &path, &Value::Null).await.code, 200);
}

#[tokio::test]
async fn what_an_environment_names_must_exist() {
    let world = World::new().await;
    let mut object = environment("web");
    object["spec"]["template"] = "none".into();
    let refused = post(&world, &object).await;
    assert_eq!((refused.code, refused.reason()), (422, "Invalid"));
    assert_eq!(refused.fields(), ["spec.template"]);
    assert!(refused.message().contains("no such template"), "{}", refused.message());
}

#[tokio::test]
async fn parameters_are_as_the_template_declares_them_and_versions_are_those_it_has() {
    const TEMPLATES: &str = "/kube/apis/devpocket.dev/v1alpha1/templates";
    let world = World::new().await;
    let template = json!({"metadata": {"name": "mine"}, "spec": {"parameters": {
        "node-version": {"default": "lts", "pattern": "lts|[0-9]+"}, "token": {"secret": true},
    }}});
    assert_eq!(world.send(Method::POST, TEMPLATES, &template).await.code, 201);
    let with = |name: &str, template: &str, parameters: Value| {
        let mut object = environment(name);
        object["spec"]["template"] = template.into();
        object["spec"]["parameters"] = parameters;
        object
    };
    let bad = json!({"node-version": "22; reboot", "token": "hunter2", "nod-version": "1"});
    let refused = post(&world, &with("web", "mine", bad)).await;
    assert_eq!((refused.code, refused.reason()), (422, "Invalid"));
    let fields = ["nod-version", "node-version", "token"].map(|n| format!("spec.parameters.{n}"));
    assert_eq!(refused.fields(), fields);
    assert!(!refused.body.to_string().contains("hunter2"), "a secret is not repeated");
    let refused = post(&world, &with("web", "mine@2", json!({}))).await;
    assert_eq!((refused.code, refused.fields()), (422, vec!["spec.template"]));
    let good = json!({"node-version": "22"});
    assert_eq!(post(&world, &with("web", "mine@1", good.clone())).await.code, 201);

    let old = json!({"spec": {"deprecated": true}});
    let path = format!("{TEMPLATES}/mine");
    assert_eq!(merged(&world, &path, &old).await.code, 200);
    let refused = post(&world, &with("next", "mine", good)).await;
    assert_eq!((refused.code, refused.fields()), (422, vec!["spec.template"]));
    let power = json!({"spec": {"power": "Stopped"}});
    let kept = format!("{ENVIRONMENTS}/web");
    let kept = merged(&world, &kept, &power).await;
    assert_eq!(kept.code, 200, "who has it keeps it: {kept:?}");
}

#[tokio::test]
async fn a_name_for_people_is_given_once_in_a_namespace_also_in_a_race() {
    let world = World::new().await;
    let named = |name: &str| {
        let mut object = environment(name);
        object["spec"]["displayName"] = "My site".into();
        object
    };
    let names: Vec<String> = (0..6).map(|n| format!("e{n}")).collect();
    let objects: Vec<Value> = names.iter().map(|name| named(name)).collect();
    let answers = join_all(objects.iter().map(|object| post(&world, object))).await;
    let codes = |code: u16| answers.iter().filter(|answer| answer.code == code).count();
    assert_eq!((codes(201), codes(422)), (1, 5), "{answers:?}");
    let refused = answers.iter().find(|answer| answer.code == 422).unwrap();
    assert_eq!(refused.fields(), ["spec.displayName"]);
    assert!(refused.message().contains("My site"), "{}", refused.message());
}

#[tokio::test]
async fn the_records_of_money_are_not_for_people_to_make() {
    let world = World::new().await;
    let machines = "/kube/apis/devpocket.dev/v1alpha1/machines";
    let machine = json!({"metadata": {"name": "m"}, "spec": {"managed": true}});
    let refused = world.send(Method::POST, machines, &machine).await;
    assert_eq!((refused.code, refused.reason()), (403, "Forbidden"));
}

#[tokio::test]
async fn a_clock_that_moves_does_not_end_watches() {
    let world = World::new().await;
    let from = world.store.revision().await.unwrap();
    let path = format!("{ENVIRONMENTS}?watch=true&timeoutSeconds=2&resourceVersion={from}");
    let (seen, made) = tokio::join!(world.get(&path), async {
        world.clock.advance(Duration::from_secs(3600));
        post(&world, &environment("web")).await
    });
    assert_eq!(made.code, 201);
    assert!(seen.body["type"] == "ADDED", "{seen:?}");
}
