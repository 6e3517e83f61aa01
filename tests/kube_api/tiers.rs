//! What a tier lets a namespace declare.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::world::{Answer, ENVIRONMENTS, World};

const TIERS: &str = "/kube/apis/devpocket.dev/v1alpha1/tiers";
const TEAM: &str = "/kube/api/v1/namespaces/team-a";

async fn limited(spec: Value) -> World {
    let world = World::new().await;
    let tier = json!({"metadata": {"name": "starter"}, "spec": spec});
    let made = world.send(Method::POST, TIERS, &tier).await;
    assert_eq!(made.code, 201, "{made:?}");
    label(&world, json!({"devpocket.dev/tenant": "team", "devpocket.dev/tier": "starter"})).await;
    world
}

async fn label(world: &World, labels: Value) {
    let patch = json!({"metadata": {"labels": labels}}).to_string();
    let labelled = world.send_as(Method::PATCH, TEAM, "application/merge-patch+json", patch).await;
    assert_eq!(labelled.code, 200, "{labelled:?}");
}

async fn declare(world: &World, name: &str, size: &str) -> Answer {
    let object = json!({"metadata": {"name": name}, "spec": {"size": size, "region": "EU"}});
    world.send(Method::POST, ENVIRONMENTS, &object).await
}

fn code(answer: &Answer) -> &str {
    answer.body["details"]["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn as_many_as_the_tier_allows_also_in_a_race() {
    let world = limited(json!({"maxMachines": 3})).await;
    let names: Vec<String> = (0..8).map(|n| format!("e{n}")).collect();
    let answers = join_all(names.iter().map(|name| declare(&world, name, "vps-10-nvme"))).await;
    let made = answers.iter().filter(|answer| answer.code == 201).count();
    assert_eq!(made, 3, "{answers:?}");
    let refused = answers.iter().find(|answer| answer.code != 201).unwrap();
    assert_eq!((refused.code, code(refused)), (403, "quota"));
    assert_eq!(refused.message(), "tier starter allows 3 machines, team-a has 3");
    let cause = &refused.body["details"]["causes"][0];
    assert!(cause["try"][0].as_str().unwrap().starts_with("devpocket delete env/e"), "{cause}");
    let plan = format!("{ENVIRONMENTS}/more/plan");
    let object =
        json!({"metadata": {"name": "more"}, "spec": {"size": "vps-10-nvme", "region": "EU"}});
    let planned = world.send(Method::POST, &plan, &object).await;
    assert_eq!((planned.code, code(&planned)), (403, "quota"), "the plan says so as well");
    let gone = world.get(ENVIRONMENTS).await.names()[0].to_owned();
    world.send(Method::DELETE, &format!("{ENVIRONMENTS}/{gone}"), &Value::Null).await;
    assert_eq!(declare(&world, "more", "vps-10-nvme").await.code, 201, "one place is free");
}

#[tokio::test]
async fn the_sizes_of_the_tier_and_no_others() {
    let world = limited(json!({"sizes": ["vps-10-nvme"]})).await;
    assert_eq!(declare(&world, "web", "vps-10-nvme").await.code, 201);
    let refused = declare(&world, "big", "vps-20-nvme").await;
    assert_eq!((refused.code, code(&refused)), (403, "size-not-in-tier"));
    assert_eq!(refused.message(), "tier starter has no vps-20-nvme");
}

#[tokio::test]
async fn without_a_tier_nothing_is_declared_in_a_namespace_of_an_account() {
    let world = World::new().await;
    assert_eq!(declare(&world, "before", "vps-10-nvme").await.code, 201, "made by hand: no limits");
    label(&world, json!({"devpocket.dev/tenant": "person"})).await;
    let refused = declare(&world, "web", "vps-10-nvme").await;
    assert_eq!((refused.code, code(&refused)), (403, "no-tier"));
    // What is there already can be changed.
    let stop = json!({"spec": {"power": "Stopped"}}).to_string();
    let path = format!("{ENVIRONMENTS}/before");
    let media = "application/merge-patch+json";
    assert_eq!(world.send_as(Method::PATCH, &path, media, stop).await.code, 200);
    label(&world, json!({"devpocket.dev/tier": "gone"})).await;
    assert_eq!(code(&declare(&world, "web", "vps-10-nvme").await), "no-tier");
}
