//! What a tier lets a namespace declare.

use std::collections::BTreeMap;
use std::sync::Arc;

use devpocket::access::{Role, Tokens, User};
use devpocket_controllers::sim::store::MemoryStore;
use devpocket_specs::metadata::names::DECLARED_BY;
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{ADMIN_TOKEN, Answer, ENVIRONMENTS, World, answer};

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

const ANN: &str = "ann-token-0123456789";
const BOB: &str = "bob-token-0123456789";
const PLACES: [&str; 2] = ["ann-own", "platform"];

fn account(token: &str) -> Uuid {
    Uuid::from_u128(if token == ANN { 0xa } else { 0xb })
}

/// Two namespaces of one tier, in which ann and bob are owners.
async fn shared(spec: Value) -> World {
    let mut tokens = Tokens::single(ADMIN_TOKEN, User::admin("admin")).unwrap();
    for (token, name) in [(ANN, "ann"), (BOB, "bob")] {
        let roles = PLACES.map(|place| (place.to_owned(), Role::Owner));
        let roles = Arc::new(BTreeMap::from(roles));
        let user = User::configured(name, &["system:authenticated"]);
        tokens.add(token, User { roles, account: Some(account(token)), ..user }).unwrap();
    }
    let world = World::known(Arc::new(MemoryStore::default()), Arc::new(tokens)).await;
    let tier = json!({"metadata": {"name": "starter"}, "spec": spec});
    assert_eq!(world.send(Method::POST, TIERS, &tier).await.code, 201);
    for place in PLACES {
        let labels = json!({"devpocket.dev/tenant": "team", "devpocket.dev/tier": "starter"});
        let namespace = json!({"metadata": {"name": place, "labels": labels}});
        let made = world.send(Method::POST, "/kube/api/v1/namespaces", &namespace).await;
        assert_eq!(made.code, 201, "{made:?}");
    }
    world
}

fn path(place: &str) -> String {
    format!("/kube/apis/devpocket.dev/v1alpha1/namespaces/{place}/environments")
}

async fn declares(world: &World, who: &str, place: &str, name: &str, labels: Value) -> Answer {
    let object = json!({
        "metadata": {"name": name, "labels": labels}, "spec": {"size": "vps-10-nvme", "region": "EU"},
    });
    let request = world.request(Method::POST, &path(place)).bearer_auth(who);
    answer(request.json(&object)).await
}

#[tokio::test]
async fn a_person_buys_no_more_in_two_namespaces_than_in_one() {
    let world = shared(json!({"maxPurchasesPerMonth": 2})).await;
    let [own, team] = PLACES;
    let first = declares(&world, ANN, own, "a", Value::Null).await;
    assert_eq!(first.code, 201, "{first:?}");
    assert_eq!(first.body["metadata"]["labels"][DECLARED_BY], account(ANN).to_string());
    // In somebody else's name, it says.
    let forged = json!({DECLARED_BY: account(BOB)});
    let second = declares(&world, ANN, team, "b", forged.clone()).await;
    assert_eq!(second.code, 201, "{second:?}");
    assert_eq!(second.body["metadata"]["labels"][DECLARED_BY], account(ANN).to_string());
    for labels in [forged.clone(), json!({DECLARED_BY: null})] {
        let patch =
            json!({"metadata": {"labels": labels}, "spec": {"power": "Stopped"}}).to_string();
        let request = world.request(Method::PATCH, &format!("{}/b", path(team))).bearer_auth(ANN);
        let request = request.header("content-type", "application/merge-patch+json").body(patch);
        let patched = answer(request).await;
        assert_eq!(patched.body["metadata"]["labels"][DECLARED_BY], account(ANN).to_string());
    }
    for place in PLACES {
        let third = declares(&world, ANN, place, "c", Value::Null).await;
        assert_eq!((third.code, code(&third)), (403, "purchase-limit"), "{third:?}");
        let said = "tier starter buys at most 2 machines a month, you have 2 this month";
        assert_eq!(third.message(), said);
        let why = third.body["details"]["causes"][0]["message"].as_str().unwrap();
        assert!(why.contains("in whichever namespace") && why.contains("next begins at"), "{why}");
    }
    // It is ann's limit, and the namespace has one of its own.
    assert_eq!(declares(&world, BOB, team, "d", Value::Null).await.code, 201);
    let full = declares(&world, BOB, team, "e", Value::Null).await;
    let said = "tier starter buys at most 2 machines a month, platform has 2 this month";
    assert_eq!((code(&full), full.message()), ("purchase-limit", said));
    // What an admin declares counts for the namespace and for nobody.
    let by_admin = declares(&world, ADMIN_TOKEN, own, "f", Value::Null).await;
    assert_eq!(by_admin.code, 201, "{by_admin:?}");
    assert!(by_admin.body["metadata"]["labels"][DECLARED_BY].is_null(), "{by_admin:?}");
}

/// Posts as somebody.
async fn posts(world: &World, who: &str, path: &str, body: &Value) -> Answer {
    answer(world.request(Method::POST, path).bearer_auth(who).json(body)).await
}

#[tokio::test]
async fn an_approval_that_is_a_purchase_too_many_for_who_gives_it_is_refused() {
    let world = shared(json!({"maxPurchasesPerMonth": 2})).await;
    let [own, team] = PLACES;
    for name in ["a", "c"] {
        assert_eq!(declares(&world, ANN, own, name, Value::Null).await.code, 201);
    }
    assert_eq!(declares(&world, BOB, team, "b", Value::Null).await.code, 201);
    let plan = world.get(&format!("{}/b/plan", path(team))).await;
    let consent = json!({"hash": plan.body["plan"]["hash"]});
    let approval = format!("{}/b/approval", path(team));
    let refused = posts(&world, ANN, &approval, &consent).await;
    assert_eq!((refused.code, code(&refused)), (403, "purchase-limit"), "{refused:?}");
    let said = "tier starter buys at most 2 machines a month, you have 2 this month";
    assert_eq!(refused.message(), said);
    let left = world.get(&format!("{}/b", path(team))).await;
    assert!(left.body["status"]["approvals"].is_null(), "{left:?}");
    // Whoever has a purchase left may; so may who declared it, for whom it is not one more.
    let given = posts(&world, BOB, &approval, &consent).await;
    assert_eq!(given.code, 200, "{given:?}");
    let own_plan = world.get(&format!("{}/a/plan", path(own))).await;
    let consent = json!({"hash": own_plan.body["plan"]["hash"]});
    let given = posts(&world, ANN, &format!("{}/a/approval", path(own)), &consent).await;
    assert_eq!(given.code, 200, "{given:?}");
}

#[tokio::test]
async fn what_costs_more_than_the_tier_has_is_refused_in_the_write() {
    let world = limited(json!({"monthlyBudget": {"cents": 600, "currency": "EUR"}})).await;
    let refused = declare(&world, "big", "vps-20-nvme").await;
    assert_eq!((refused.code, code(&refused)), (403, "tier-budget"), "{refused:?}");
    let said =
        "team-a would cost 7.50 EUR this month, tier starter has 6.00 EUR. It costs 7.50 EUR";
    assert_eq!(refused.message(), said);
    let cause = &refused.body["details"]["causes"][0];
    assert_eq!(
        cause["message"],
        "what is bought in a month counts, and a month of each machine \
                                  there was before"
    );
    let plan = format!("{ENVIRONMENTS}/big/plan");
    let object =
        json!({"metadata": {"name": "big"}, "spec": {"size": "vps-20-nvme", "region": "EU"}});
    let planned = world.send(Method::POST, &plan, &object).await;
    assert_eq!((planned.code, code(&planned)), (403, "tier-budget"), "the plan says so as well");
    assert!(world.get(ENVIRONMENTS).await.names().is_empty(), "nothing was made");
    assert_eq!(declare(&world, "small", "vps-10-nvme").await.code, 201);
}

#[tokio::test]
async fn who_declares_everywhere_at_once_is_counted_all_the_same() {
    let world = shared(json!({"maxPurchasesPerMonth": 3})).await;
    let names: Vec<String> = (0..12).map(|n| format!("e{n}")).collect();
    let all = names
        .iter()
        .enumerate()
        .map(|(n, name)| declares(&world, ANN, PLACES[n % 2], name, Value::Null));
    let answers = join_all(all).await;
    let made = answers.iter().filter(|answer| answer.code == 201).count();
    assert_eq!(made, 3, "{answers:?}");
    assert!(answers.iter().all(|answer| answer.code == 201 || code(answer) == "purchase-limit"));
}
