//! Tables and metadata: objects in another form than their own.

use futures::{StreamExt as _, TryStreamExt as _};
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt as _, watcher};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::world::{
    ADMIN_TOKEN, Answer, ENVIRONMENTS, PATIENCE, World, answer, environment_resource,
};

/// What kubectl sends with `get`.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,\
                     application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";

async fn table(world: &World, path: &str) -> Answer {
    let request = world.request(Method::GET, path).bearer_auth(ADMIN_TOKEN);
    answer(request.header("accept", TABLE)).await
}

/// The cell of the first row under a head.
fn cell<'a>(table: &'a Value, head: &str) -> &'a Value {
    let heads = table["columnDefinitions"].as_array().unwrap();
    let index = heads.iter().position(|column| column["name"] == head).unwrap();
    &table["rows"][0]["cells"][index]
}

#[tokio::test]
async fn a_list_is_a_table_of_what_matters() {
    let world = World::new().await;
    world.environment("web").await;
    world.environment("api").await;
    let list = table(&world, ENVIRONMENTS).await;
    assert_eq!(list.body["kind"], "Table");
    assert_eq!(list.body["apiVersion"], "meta.k8s.io/v1");
    let shown = |priority: i64| -> Vec<&str> {
        let heads = list.body["columnDefinitions"].as_array().unwrap().iter();
        heads
            .filter(|head| head["priority"] == priority)
            .filter_map(|h| h["name"].as_str())
            .collect()
    };
    let heads = ["Name", "Ready", "Phase", "Size", "Region", "Power", "Address", "Cost", "Age"];
    assert_eq!(shown(0), heads);
    let wide = ["Machine", "Template", "Paid-Until", "Snapshots", "Drift", "Last-Used", "Owners"];
    assert_eq!(shown(1), wide);
    assert_eq!(cell(&list.body, "Name"), "api");
    assert_eq!(cell(&list.body, "Size"), "vps-10-nvme");
    assert_eq!(cell(&list.body, "Address"), &Value::Null);
    let row = &list.body["rows"][0]["object"];
    assert_eq!(row["kind"], "PartialObjectMetadata");
    assert_eq!(row["metadata"]["name"], "api");
    assert_eq!(row.get("spec"), None);

    let page = table(&world, &format!("{ENVIRONMENTS}?limit=1&includeObject=Object")).await;
    assert_eq!(page.body["rows"].as_array().unwrap().len(), 1);
    assert_eq!(page.body["rows"][0]["object"]["spec"]["region"], "EU");
    assert!(page.body["metadata"]["continue"].is_string());
    let bare = table(&world, &format!("{ENVIRONMENTS}/web?includeObject=None")).await;
    assert_eq!(cell(&bare.body, "Name"), "web");
    assert_eq!(bare.body["rows"][0].get("object"), None);
    assert_eq!(table(&world, &format!("{ENVIRONMENTS}/none")).await.reason(), "NotFound");
}

#[tokio::test]
async fn every_kind_has_a_table() {
    let world = World::new().await;
    for kind in devpocket_specs::kind::Kind::all() {
        let info = kind.info();
        let base = match info.group {
            "" => format!("/kube/api/{}", info.version),
            group => format!("/kube/apis/{group}/{}", info.version),
        };
        let list = table(&world, &format!("{base}/{}", info.plural)).await;
        assert_eq!(list.body["kind"], "Table", "{kind}: {list:?}");
    }
}

#[tokio::test]
async fn a_table_of_secrets_tells_no_value() {
    let world = World::new().await;
    let secrets = "/kube/api/v1/namespaces/team-a/secrets";
    let secret = json!({"metadata": {"name": "db"}, "stringData": {"pw": "hunter2"}});
    assert_eq!(world.send(Method::POST, secrets, &secret).await.code, 201);
    let list = table(&world, secrets).await;
    assert_eq!(cell(&list.body, "Keys"), 1);
    for planted in ["hunter2", "aHVudGVyMg==", "sealed:"] {
        assert!(!list.body.to_string().contains(planted), "{planted}");
    }
    // Unless the whole object is asked for, as kubectl does with a label column.
    let whole = table(&world, &format!("{secrets}?includeObject=Object")).await;
    assert_eq!(whole.body["rows"][0]["object"]["data"]["pw"], "aHVudGVyMg==");
}

#[tokio::test]
async fn a_watched_table_says_its_columns_once() {
    let world = World::new().await;
    world.environment("web").await;
    world.environment("api").await;
    let path = format!("{ENVIRONMENTS}?watch=true&timeoutSeconds=1&allowWatchBookmarks=true");
    let request = world.request(Method::GET, &path).bearer_auth(ADMIN_TOKEN);
    let text = request.header("accept", TABLE).send().await.unwrap().text().await.unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let heads: Vec<usize> = lines
        .iter()
        .map(|line| line["object"]["columnDefinitions"].as_array().unwrap().len())
        .collect();
    assert!(heads[0] > 5 && heads[1..].iter().all(|count| *count == 0), "{heads:?}");
    assert!(lines.iter().all(|line| line["object"]["kind"] == "Table"), "{lines:?}");
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_acceptable() {
    let world = World::new().await;
    let request = world.request(Method::GET, ENVIRONMENTS).bearer_auth(ADMIN_TOKEN);
    let refused = answer(request.header("accept", "text/html")).await;
    assert_eq!((refused.code, refused.reason()), (406, "NotAcceptable"));
}

#[tokio::test]
async fn the_real_client_reads_and_patches_metadata_alone() {
    let world = World::new().await;
    let api = world.environments();
    world.environment("web").await;
    let one = api.get_metadata("web").await.unwrap();
    assert_eq!(one.name_any(), "web");
    let patch = Patch::Merge(json!({"metadata": {"labels": {"tier": "front"}}}));
    let patched = api.patch_metadata("web", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(patched.labels()["tier"], "front");
    let list = api.list_metadata(&ListParams::default()).await.unwrap();
    assert_eq!(list.iter().map(|o| o.name_any()).collect::<Vec<_>>(), ["web"]);
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        let resource = environment_resource();
        let partial: Api<PartialObjectMeta<DynamicObject>> =
            Api::namespaced_with(world.client(), "team-a", &resource);
        let stream = watcher(partial, config).applied_objects();
        let first = timeout(PATIENCE, stream.boxed().try_next()).await.unwrap().unwrap();
        assert_eq!(first.unwrap().name_any(), "web");
    }
}
