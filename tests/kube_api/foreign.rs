//! What only stock clients send: strategic merge patches, protobuf, events in the newer group,
//! OpenAPI.

use k8s_openapi::api::core::v1::{ObjectReference, Secret};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use reqwest::Method;
use serde_json::json;

use super::world::{ADMIN_TOKEN, ENVIRONMENTS, World, answer};

const SECRETS: &str = "/kube/api/v1/namespaces/team-a/secrets";

#[tokio::test]
async fn a_strategic_merge_patch_is_for_kubernetes_own_kinds() {
    let world = World::new().await;
    let secrets: Api<Secret> = Api::namespaced(world.client(), "team-a");
    let secret = serde_json::from_value::<Secret>(json!({
        "metadata": {"name": "db", "finalizers": ["a.example/x"]},
        "stringData": {"pw": "hunter2", "user": "ann"},
    }));
    secrets.create(&PostParams::default(), &secret.unwrap()).await.unwrap();
    let patch = Patch::Strategic(json!({
        "metadata": {"finalizers": ["b.example/x"]},
        "data": {"pw": null},
        "stringData": {"more": "yes"},
    }));
    let patched = secrets.patch("db", &PatchParams::default(), &patch).await.unwrap();
    let mut finalizers = patched.metadata.finalizers.unwrap();
    finalizers.sort();
    assert_eq!(finalizers, ["a.example/x", "b.example/x"], "a list that is merged");
    let keys: Vec<String> = patched.data.unwrap().into_keys().collect();
    assert_eq!(keys, ["more", "user"]);

    world.environment("web").await;
    let media = "application/strategic-merge-patch+json";
    let path = format!("{ENVIRONMENTS}/web");
    let refused = world.send_as(Method::PATCH, &path, media, "{}".into()).await;
    assert_eq!((refused.code, refused.reason()), (415, "UnsupportedMediaType"));
    assert!(refused.message().contains("merge-patch+json"), "{}", refused.message());
}

/// One field of text or of a message in protobuf.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).ok().filter(|length| *length < 128).unwrap();
    [&[number << 3 | 2, length], bytes].concat()
}

fn protobuf(api_version: &str, kind: &str, object: &[u8]) -> Vec<u8> {
    let names = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
    [b"k8s\0".to_vec(), field(1, &names), field(2, object)].concat()
}

#[tokio::test]
async fn typed_clients_of_go_are_understood() {
    let world = World::new().await;
    let send = async |path: &str, body: Vec<u8>| {
        let request = world.request(Method::POST, path).bearer_auth(ADMIN_TOKEN);
        let request = request
            .header("content-type", "application/vnd.kubernetes.protobuf")
            .header("accept", "application/vnd.kubernetes.protobuf,application/json");
        answer(request.body(body)).await
    };
    let named = field(1, &field(1, b"team-b"));
    let made = send("/kube/api/v1/namespaces", protobuf("v1", "Namespace", &named)).await;
    assert_eq!((made.code, &made.body["metadata"]["name"]), (201, &json!("team-b")), "{made:?}");
    let pair = [field(1, b"pw"), field(2, b"hunter2")].concat();
    let secret = [field(1, &field(1, b"db")), field(2, &pair)].concat();
    let made = send(SECRETS, protobuf("v1", "Secret", &secret)).await;
    assert_eq!((made.code, &made.body["data"]["pw"]), (201, &json!("aHVudGVyMg==")), "{made:?}");
    let broken = send(SECRETS, b"k8s\0\xff\xff".to_vec()).await;
    assert_eq!(broken.reason(), "BadRequest");
    assert_eq!(send(SECRETS, protobuf("v1", "Pod", b"")).await.reason(), "BadRequest");
}

#[tokio::test]
async fn the_real_recorder_records_and_counts() {
    let world = World::new().await;
    let made = world.environment("web").await;
    let reporter = Reporter { controller: "tester".into(), instance: None };
    let recorder = Recorder::new(world.client(), reporter);
    let about = ObjectReference {
        api_version: Some("devpocket.dev/v1alpha1".into()),
        kind: Some("Environment".into()),
        namespace: Some("team-a".into()),
        name: Some("web".into()),
        uid: made.metadata.uid,
        ..ObjectReference::default()
    };
    let event = Event {
        type_: EventType::Warning,
        reason: "Tested".into(),
        note: Some("It was tested.".into()),
        action: "Test".into(),
        secondary: None,
    };
    recorder.publish(&event, &about).await.unwrap();
    recorder.publish(&event, &about).await.unwrap();

    let core = "/kube/api/v1/namespaces/team-a/events?fieldSelector=involvedObject.name%3Dweb";
    let core = world.get(core).await;
    let seen = &core.body["items"][0];
    assert_eq!(core.names().len(), 1, "the same again is counted: {core:?}");
    assert_eq!((&seen["kind"], &seen["apiVersion"]), (&json!("Event"), &json!("v1")));
    assert_eq!(seen["message"], "It was tested.");
    assert_eq!(seen["reportingComponent"], "tester");
    assert_eq!(seen["series"]["count"], 2);

    let base = "/kube/apis/events.k8s.io/v1/namespaces/team-a/events";
    let newer = world.get(&format!("{base}?fieldSelector=regarding.name%3Dweb")).await;
    assert_eq!(newer.body["apiVersion"], "events.k8s.io/v1");
    assert_eq!(newer.body["items"][0]["note"], "It was tested.");
    assert_eq!(newer.body["items"][0]["apiVersion"], "events.k8s.io/v1");
    let none = world.get(&format!("{base}?fieldSelector=regarding.name%3Dapi")).await;
    assert_eq!(none.names(), [""; 0]);
    let watched = world.get(&format!("{base}?watch=true&timeoutSeconds=1")).await;
    assert!(watched.body["object"]["note"].is_string(), "{watched:?}");
    let name = core.names()[0];
    let patch = json!([{"op": "replace", "path": "/note", "value": "Again."}]).to_string();
    let media = "application/json-patch+json";
    let patched = world.send_as(Method::PATCH, &format!("{base}/{name}"), media, patch).await;
    assert_eq!((patched.code, &patched.body["note"]), (200, &json!("Again.")), "{patched:?}");
}

#[tokio::test]
async fn openapi_leads_from_the_index_to_every_group() {
    let world = World::new().await;
    let index = world.get("/kube/openapi/v3").await;
    let paths = index.body["paths"].as_object().unwrap();
    assert!(paths.contains_key("apis/devpocket.dev/v1alpha1") && paths.contains_key("api/v1"));
    for (place, entry) in paths {
        let url = entry["serverRelativeURL"].as_str().unwrap();
        assert!(url.starts_with(&format!("/openapi/v3/{place}?hash=")), "{url}");
        let document = world.get(&format!("/kube{url}")).await;
        assert_eq!((document.code, &document.body["openapi"]), (200, &json!("3.0.0")), "{place}");
    }
    let own = world.get("/kube/openapi/v3/apis/devpocket.dev/v1alpha1").await;
    let environment =
        &own.body["components"]["schemas"]["dev.devpocket.v1alpha1.Environment"]["properties"];
    assert_eq!(environment["spec"]["properties"]["power"]["enum"], json!(["Running", "Stopped"]));
    assert_eq!(world.get("/kube/openapi/v3/apis/apps/v1").await.code, 404);
    let unsigned = answer(world.request(Method::GET, "/kube/openapi/v3")).await;
    assert_eq!(unsigned.reason(), "Unauthorized");
}

#[tokio::test]
async fn everybody_may_ask_what_they_may_do() {
    let world = World::new().await;
    let path = "/kube/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let rules = world.send(Method::POST, path, &json!({"spec": {"namespace": "team-a"}})).await;
    assert_eq!(rules.body["status"]["resourceRules"][0]["verbs"], json!(["*"]));
    let request = world.request(Method::POST, path).bearer_auth(super::world::GUEST_TOKEN);
    let guest = answer(request.json(&json!({"spec": {"namespace": "team-a"}}))).await;
    let rules = guest.body["status"]["resourceRules"].as_array().unwrap();
    let named = |word: &str| {
        rules.iter().any(|rule| rule["resources"].as_array().unwrap().contains(&json!(word)))
    };
    assert!(named("selfsubjectaccessreviews") && named("templates"), "{rules:?}");
    for tenants in ["environments", "secrets", "events", "namespaces", "*"] {
        assert!(!named(tenants), "{tenants} of a team somebody does not belong to: {rules:?}");
    }
}
