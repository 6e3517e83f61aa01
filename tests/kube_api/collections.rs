//! Deleting many at once, and what becomes of dependents.

use std::sync::Arc;

use devpocket::clock::{RandomIds, SystemClock};
use devpocket_controllers::client::Client;
use devpocket_controllers::runtime::dependents;
use devpocket_specs::admit::Actor;
use devpocket_specs::catalogue::Catalogue;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, PropagationPolicy};
use reqwest::Method;
use serde_json::{Value, json};

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::world::{ENVIRONMENTS, PATIENCE, POLL, World, environment};

const SECRETS: &str = "/kube/api/v1/namespaces/team-a/secrets";

async fn labelled(world: &World, name: &str, tier: &str) {
    let mut object = environment(name);
    object.metadata.labels = Some([("tier".to_owned(), tier.to_owned())].into());
    world.environments().create(&PostParams::default(), &object).await.unwrap();
}

#[tokio::test]
async fn what_is_selected_is_deleted_and_nothing_else() {
    let world = World::new().await;
    for (name, tier) in [("a", "front"), ("b", "back"), ("c", "back")] {
        labelled(&world, name, tier).await;
    }
    let back = ListParams::default().labels("tier=back");
    let dry = DeleteParams { dry_run: true, ..DeleteParams::default() };
    world.environments().delete_collection(&dry, &back).await.unwrap();
    assert_eq!(world.get(ENVIRONMENTS).await.names(), ["a", "b", "c"], "a dry run");
    let deleted =
        world.environments().delete_collection(&DeleteParams::default(), &back).await.unwrap();
    let deleted: Vec<String> = deleted.left().unwrap().iter().map(|o| o.name_any()).collect();
    assert_eq!(deleted, ["b", "c"]);
    assert_eq!(world.get(ENVIRONMENTS).await.names(), ["a"]);
}

#[tokio::test]
async fn nothing_is_deleted_in_all_namespaces_at_once() {
    let world = World::new().await;
    world.environment("web").await;
    let everywhere = "/kube/apis/devpocket.dev/v1alpha1/environments";
    let refused = world.send(Method::DELETE, everywhere, &Value::Null).await;
    assert_eq!((refused.code, refused.reason()), (405, "MethodNotAllowed"));
    let unknown = format!("{ENVIRONMENTS}?propagationPolicy=background");
    let refused = world.send(Method::DELETE, &unknown, &Value::Null).await;
    assert_eq!(refused.reason(), "BadRequest", "a word that is not understood deletes nothing");
    assert_eq!(world.get(ENVIRONMENTS).await.names(), ["web"]);
}

#[tokio::test]
async fn one_refusal_and_none_of_them_goes() {
    let world = World::new().await;
    for name in ["team-b", "team-c"] {
        let object = json!({"metadata": {"name": name, "labels": {"of": "test"}}});
        let made = world.send(Method::POST, "/kube/api/v1/namespaces", &object).await;
        assert_eq!(made.code, 201);
    }
    let there = ENVIRONMENTS.replace("team-a", "team-c");
    let object =
        json!({"metadata": {"name": "web"}, "spec": {"size": "vps-10-nvme", "region": "EU"}});
    assert_eq!(world.send(Method::POST, &there, &object).await.code, 201);
    let namespaces = "/kube/api/v1/namespaces?labelSelector=of%3Dtest";
    let refused = world.send(Method::DELETE, namespaces, &Value::Null).await;
    assert_eq!(refused.code, 409, "{refused:?}");
    assert_eq!(world.get(namespaces).await.names(), ["team-b", "team-c"]);
}

#[tokio::test]
async fn an_owner_waits_for_the_collector_as_its_policy_says() {
    let world = World::new().await;
    let api = world.environments();
    for (policy, finalizer) in [
        (PropagationPolicy::Foreground, "foregroundDeletion"),
        (PropagationPolicy::Orphan, "orphan"),
    ] {
        world.environment("web").await;
        let params = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() };
        let marked = api.delete("web", &params).await.unwrap().left().unwrap();
        assert_eq!(marked.finalizers(), [finalizer]);
        assert!(marked.metadata.deletion_timestamp.is_some());
        // The collector's work, done here by hand.
        let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        api.patch("web", &PatchParams::default(), &patch).await.unwrap();
        assert!(api.get_opt("web").await.unwrap().is_none());
    }
    world.environment("web").await;
    let background = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Background),
        ..DeleteParams::default()
    };
    assert!(api.delete("web", &background).await.unwrap().is_right(), "at once");
}

/// Starts the collector; it ends with the token.
fn collecting(world: &World) -> CancellationToken {
    let stop = CancellationToken::new();
    let client = Client::new(
        world.store.clone(),
        Arc::new(SystemClock::new()),
        Arc::new(RandomIds),
        Arc::new(Catalogue::builtin().clone()),
        Actor::system("devpocket-controllers"),
    );
    let until = stop.clone();
    tokio::spawn(async move { dependents::collect(&client, &until).await });
    stop
}

/// A secret that belongs to these environments.
async fn owned(world: &World, name: &str, owners: &[&str], blocks: bool) {
    let mut references = Vec::new();
    for owner in owners {
        let owner = world.environments().get(owner).await.unwrap();
        references.push(json!({
            "apiVersion": "devpocket.dev/v1alpha1", "kind": "Environment",
            "name": owner.name_any(), "uid": owner.uid(), "blockOwnerDeletion": blocks,
        }));
    }
    let secret = json!({
        "metadata": {"name": name, "ownerReferences": references}, "stringData": {"a": "b"},
    });
    assert_eq!(world.send(Method::POST, SECRETS, &secret).await.code, 201);
}

async fn delete(world: &World, name: &str, policy: PropagationPolicy) {
    let params = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() };
    world.environments().delete(name, &params).await.unwrap();
}

/// Waits until there are exactly these.
async fn settles(world: &World, environments: &[&str], secrets: &[&str]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (left, kept) = (world.get(ENVIRONMENTS).await, world.get(SECRETS).await);
        if left.names() == environments && kept.names() == secrets {
            return;
        }
        assert!(Instant::now() < deadline, "{left:?}\n{kept:?}");
        sleep(POLL).await;
    }
}

#[tokio::test]
async fn dependents_go_with_the_last_of_their_owners() {
    let world = World::new().await;
    let _collector = collecting(&world).drop_guard();
    for name in ["a", "b"] {
        world.environment(name).await;
    }
    owned(&world, "both", &["a", "b"], false).await;
    owned(&world, "only-a", &["a"], false).await;
    world.send(Method::POST, SECRETS, &json!({"metadata": {"name": "free"}})).await;
    delete(&world, "a", PropagationPolicy::Background).await;
    settles(&world, &["b"], &["both", "free"]).await;
    delete(&world, "b", PropagationPolicy::Background).await;
    settles(&world, &[], &["free"]).await;
    // An environment of the same name is another owner.
    world.environment("a").await;
    let stale = json!({
        "metadata": {"name": "late", "ownerReferences": [{
            "apiVersion": "devpocket.dev/v1alpha1", "kind": "Environment", "name": "a",
            "uid": "00000000-0000-4000-8000-000000000000",
        }]},
    });
    assert_eq!(world.send(Method::POST, SECRETS, &stale).await.code, 201);
    settles(&world, &["a"], &["free"]).await;
}

#[tokio::test]
async fn an_owner_in_the_foreground_goes_after_what_blocks_it() {
    let world = World::new().await;
    world.environment("a").await;
    owned(&world, "held", &["a"], true).await;
    let hold = json!({"metadata": {"finalizers": ["a.example/hold"]}}).to_string();
    let held = format!("{SECRETS}/held");
    let media = "application/merge-patch+json";
    assert_eq!(world.send_as(Method::PATCH, &held, media, hold).await.code, 200);
    // What happened before the collector came is found all the same.
    delete(&world, "a", PropagationPolicy::Foreground).await;
    let _collector = collecting(&world).drop_guard();
    let deadline = Instant::now() + PATIENCE;
    while world.get(&held).await.body["metadata"]["deletionTimestamp"].is_null() {
        assert!(Instant::now() < deadline, "the dependent is deleted first");
        sleep(POLL).await;
    }
    assert_eq!(world.get(ENVIRONMENTS).await.names(), ["a"], "it waits");
    let free = json!({"metadata": {"finalizers": null}}).to_string();
    world.send_as(Method::PATCH, &held, media, free).await;
    settles(&world, &[], &[]).await;
}

#[tokio::test]
async fn orphans_stay_and_belong_to_nobody() {
    let world = World::new().await;
    let _collector = collecting(&world).drop_guard();
    world.environment("a").await;
    owned(&world, "kept", &["a"], true).await;
    delete(&world, "a", PropagationPolicy::Orphan).await;
    settles(&world, &[], &["kept"]).await;
    let kept = world.get(&format!("{SECRETS}/kept")).await;
    assert_eq!(kept.body["metadata"].get("ownerReferences"), None);
}
