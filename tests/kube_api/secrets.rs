//! Secrets: readable for those who may read them, and nowhere else.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use devpocket_controllers::sim::store::MemoryStore;
use devpocket_controllers::store::Store;
use devpocket_specs::kind::Kind;
use reqwest::Method;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use super::world::{Answer, World};

pub const SECRETS: &str = "/kube/api/v1/namespaces/team-a/secrets";

/// Planted as text, and in the base64 in which the API carries it.
pub const PLANTED: [&str; 4] =
    ["hunter2-planted", "aHVudGVyMi1wbGFudGVk", "swordfish-planted", "c3dvcmRmaXNoLXBsYW50ZWQ="];

/// Everything logged in this process, at TRACE.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

impl Log {
    /// Of this thread: the tests' runtimes have one thread each.
    pub fn capture() -> (Log, tracing::subscriber::DefaultGuard) {
        // With one subscriber in the process, a line that another test's thread reaches first is
        // switched off for all: only the subscriber of that thread is asked. With two, all are.
        static SECOND: OnceLock<tracing::Dispatch> = OnceLock::new();
        let none = tracing::subscriber::NoSubscriber::default;
        SECOND.get_or_init(|| tracing::Dispatch::new(none()));
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

pub fn assert_clean(what: &str, text: &str) {
    for planted in PLANTED {
        assert!(!text.contains(planted), "{what} holds {planted}");
    }
}

/// Writes the planted values in every way there is, and reads them in every way there is.
pub async fn plant(world: &World) {
    let send = async |method: Method, path: &str, media: &str, body: Value| -> Answer {
        world.send_as(method, path, media, body.to_string()).await
    };
    let applied = "{\"stringData\":{\"pw\":\"hunter2-planted\"}}";
    let object = json!({
        "metadata": {
            "name": "db",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied},
        },
        "stringData": {"pw": PLANTED[0]},
        "data": {"other": PLANTED[3]},
    });
    let one = format!("{SECRETS}/db");
    let json_type = "application/json";
    assert_eq!(send(Method::POST, SECRETS, json_type, object.clone()).await.code, 201);
    assert_eq!(send(Method::PUT, &one, json_type, object.clone()).await.code, 200);
    let merge = json!({"stringData": {"new": PLANTED[2]}});
    let merged = send(Method::PATCH, &one, "application/merge-patch+json", merge).await;
    assert_eq!((merged.code, &merged.body["data"]["new"]), (200, &json!(PLANTED[3])));
    let patch = json!([
        {"op": "test", "path": "/data/new", "value": PLANTED[3]},
        {"op": "add", "path": "/data/third", "value": PLANTED[1]},
    ]);
    let patched = send(Method::PATCH, &one, "application/json-patch+json", patch).await;
    assert_eq!((patched.code, &patched.body["data"]["third"]), (200, &json!(PLANTED[1])));
    let strategic = json!({"stringData": {"fourth": PLANTED[2]}});
    let media = "application/strategic-merge-patch+json";
    let patched = send(Method::PATCH, &one, media, strategic).await;
    assert_eq!((patched.code, &patched.body["data"]["fourth"]), (200, &json!(PLANTED[3])));
    let apply = format!("{SECRETS}/applied?fieldManager=me");
    let object = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "applied"},
        "stringData": {"pw": PLANTED[0]},
    });
    let made = send(Method::PATCH, &apply, "application/apply-patch+yaml", object).await;
    assert_eq!(made.code, 201, "{made:?}");
    // Refused ones must not leave a trace either.
    let broken = json!({"metadata": {"name": "x"}, "data": {"pw": "hunter2-planted!"}});
    let refused = send(Method::POST, SECRETS, json_type, broken).await;
    assert_eq!((refused.code, refused.fields()), (422, vec!["data.pw"]));
    assert_clean("the refusal", &refused.body.to_string());
    let malformed = "{\"stringData\": {\"pw\": \"hunter2-planted\", hunter2-planted}}".to_owned();
    let refused = world.send_as(Method::POST, SECRETS, json_type, malformed).await;
    assert_clean("the refusal", &refused.body.to_string());
    read_back(world, &one).await;
}

async fn read_back(world: &World, one: &str) {
    let read = world.get(one).await;
    assert_eq!(read.body["data"]["pw"], PLANTED[1]);
    let annotation = "kubectl.kubernetes.io/last-applied-configuration";
    let applied = read.body["metadata"]["annotations"][annotation].as_str().unwrap();
    assert!(applied.contains(PLANTED[0]));
    let list = world.get(SECRETS).await;
    assert_eq!(list.names(), ["applied", "db"]);
    assert_eq!(list.body["items"][1]["data"]["pw"], PLANTED[1]);
    let watch = world.get(&format!("{SECRETS}?watch=true&timeoutSeconds=1")).await;
    assert!(watch.body.as_str().unwrap().contains(PLANTED[1]), "the watch tells the value");
}

#[tokio::test]
async fn a_planted_secret_is_in_no_record_and_no_log() {
    let (log, _guard) = Log::capture();
    let store = MemoryStore::default();
    let world = World::over(Arc::new(store.clone())).await;
    plant(&world).await;
    let logged = log.text();
    assert!(logged.contains("answered"), "the log was captured");
    assert_clean("the log", &logged);
    for stored in store.list(Kind::Secret, None).await.unwrap().items {
        assert_clean("the store", std::str::from_utf8(&stored.bytes).unwrap());
        assert_clean("the store", &format!("{:?}", stored.object));
    }
    assert_clean("the audit", &format!("{:?}", store.journal()));
}

#[tokio::test]
async fn the_same_secret_again_is_no_write() {
    let world = World::new().await;
    let object = json!({"metadata": {"name": "db"}, "stringData": {"pw": "x"}});
    let made = world.send(Method::POST, SECRETS, &object).await;
    let path = format!("{SECRETS}/db");
    let again = world.send(Method::PUT, &path, &object).await;
    let version = |answer: &Answer| answer.body["metadata"]["resourceVersion"].clone();
    assert_eq!(version(&again), version(&made));
    let gone = json!({"data": {"pw": null}});
    let media = "application/merge-patch+json";
    let removed = world.send_as(Method::PATCH, &path, media, gone.to_string()).await;
    assert_eq!(removed.body["data"].get("pw"), None, "{removed:?}");
}

#[tokio::test]
async fn a_generated_name_does_not_keep_a_secret_from_opening() {
    let world = World::new().await;
    let object = json!({"metadata": {"generateName": "db-"}, "stringData": {"pw": "x"}});
    let made = world.send(Method::POST, SECRETS, &object).await;
    assert_eq!(made.code, 201, "{made:?}");
    let name = made.body["metadata"]["name"].as_str().unwrap();
    assert_eq!(world.get(&format!("{SECRETS}/{name}")).await.body["data"]["pw"], "eA==");
}
