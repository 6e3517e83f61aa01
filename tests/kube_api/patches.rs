use futures::future::join_all;
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use reqwest::Method;
use serde_json::json;

use super::world::{ENVIRONMENTS, World};

const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";

#[tokio::test]
async fn patches_that_race_all_arrive() {
    let world = World::new().await;
    world.environment("web").await;
    let api = world.environments();
    let patches = (0..8).map(|n| {
        let api = api.clone();
        async move {
            let patch = Patch::Merge(json!({"metadata": {"labels": {format!("l{n}"): "x"}}}));
            api.patch("web", &PatchParams::default(), &patch).await.unwrap();
        }
    });
    join_all(patches).await;
    assert_eq!(api.get("web").await.unwrap().labels().len(), 8);
}

#[tokio::test]
async fn a_patch_with_a_stale_version_or_a_failed_test_changes_nothing() {
    let world = World::new().await;
    world.environment("web").await;
    let path = format!("{ENVIRONMENTS}/web");
    let stale = json!({"metadata": {"resourceVersion": "1", "labels": {"a": "b"}}});
    let refused = world.send_as(Method::PATCH, &path, MERGE, stale.to_string()).await;
    assert_eq!(refused.reason(), "Conflict");
    let test = json!([
        {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}},
        {"op": "test", "path": "/spec/size", "value": "another"},
    ]);
    let refused = world.send_as(Method::PATCH, &path, JSON_PATCH, test.to_string()).await;
    assert_eq!(refused.reason(), "Invalid");
    assert!(world.environments().get("web").await.unwrap().labels().is_empty());
}

#[tokio::test]
async fn patches_of_nothing_and_of_other_kinds_are_refused() {
    let world = World::new().await;
    world.environment("web").await;
    let send = async |name: &str, media: &str, body: &str| {
        let path = format!("{ENVIRONMENTS}/{name}");
        let refused = world.send_as(Method::PATCH, &path, media, body.into()).await;
        refused.reason().to_owned()
    };
    assert_eq!(send("none", MERGE, "{}").await, "NotFound");
    let strategic = "application/strategic-merge-patch+json";
    assert_eq!(send("web", strategic, "{}").await, "UnsupportedMediaType");
    assert_eq!(send("web", "application/json", "{}").await, "UnsupportedMediaType");
    assert_eq!(send("web", MERGE, "[]").await, "BadRequest");
    assert_eq!(send("web", JSON_PATCH, "{}").await, "BadRequest");
    assert_eq!(send("web", JSON_PATCH, "[{\"op\":\"jump\"}]").await, "BadRequest");
}
