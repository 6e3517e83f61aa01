//! Every endpoint of the published document, and the project's own table of what it relies on.

use std::collections::BTreeSet;
use std::sync::Mutex;

use super::comparison::differences;
use super::deviations::{DEVIATIONS, allowed};
use super::openapi::{Document, Sent, Violation, published, relied};
use super::tap::Overheard;
use super::*;

const IMAGE: &str = "d64d5c6c-9dda-4e38-8174-0ee282474d8a";
/// Below these nothing is modelled: lists are empty, everything else is 404.
const ABSENT: [&str; 5] =
    ["/v1/vips", "/v1/users", "/v1/roles", "/v1/object-storages", "/v1/create-ticket"];

/// Deviations that were met, in any test of this program.
static MET: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

/// Holds a reply of the simulator against both descriptions; panics at what is not as described.
pub fn judge_reply(method: &str, target: &str, code: u16, body: Option<&Value>) {
    let path = target.split('?').next().unwrap_or("");
    let wrong = relied().reply(method, path, code, body);
    assert!(wrong.is_empty(), "not as relied on: {}", told(&wrong));
    let Some(document) = published() else { return };
    let mut wrong = document.reply(method, path, code, body);
    wrong.retain(|violation| match allowed(violation) {
        Some(number) => {
            MET.lock().unwrap().insert(number);
            false
        }
        None => true,
    });
    assert!(wrong.is_empty(), "not as documented: {}", told(&wrong));
}

/// Holds what DevPocket's client sent against both descriptions.
pub fn judge_requests(requests: &[Overheard]) {
    for one in requests.iter().filter(|one| one.path.starts_with("/v1/")) {
        let sent = Sent {
            method: &one.method,
            path: &one.path,
            query: &one.query,
            headers: one.headers.clone(),
            body: &one.body,
        };
        let wrong = relied().request(&sent);
        assert!(wrong.is_empty(), "not as relied on: {}", told(&wrong));
        let wrong = published().map_or_else(Vec::new, |document| document.request(&sent));
        assert!(wrong.is_empty(), "not as documented: {}", told(&wrong));
    }
}

fn told(wrong: &[Violation]) -> String {
    wrong.iter().map(|violation| format!("\n  {violation}")).collect()
}

/// A walk past every endpoint, and what it met.
struct Walk {
    world: World,
    /// Method and described path of each request that succeeded.
    succeeded: BTreeSet<(String, String)>,
}

impl Walk {
    async fn step(&mut self, method: &str, path: &str, body: Option<Value>, status: u16) -> Value {
        let (got, reply) = self.world.send(method, path, body).await;
        assert_eq!(got, status, "{method} {path}: {reply}");
        let bare = path.split('?').next().unwrap_or("");
        for document in [Some(relied()), published()].into_iter().flatten() {
            if let Some(template) = document.template(bare).filter(|_| status < 300) {
                self.succeeded.insert((method.to_owned(), template.to_owned()));
            }
        }
        reply
    }

    async fn instances(&mut self) -> i64 {
        let mut body = order("walk");
        body["productId"] = json!("V159");
        body["addOns"] = json!({ "privateNetworking": {} });
        let reply = self.step("POST", "/v1/compute/instances", Some(body), 201).await;
        let id = reply["data"][0]["instanceId"].as_i64().unwrap();
        let path = format!("/v1/compute/instances/{id}");
        self.step("GET", &path, None, 200).await;
        self.step("GET", "/v1/compute/instances", None, 200).await;
        self.step("POST", &format!("{path}/actions/start"), None, 400).await;
        self.world.clock.advance(SignedDuration::from_secs(250));
        self.step("GET", &path, None, 200).await;
        self.step("GET", "/v1/compute/instances?status=running&ipConfig=true", None, 200).await;
        self.step("PATCH", &path, Some(json!({ "displayName": "walked" })), 200).await;
        self.step("POST", &format!("{path}/upgrade"), Some(json!({ "backup": {} })), 200).await;
        self.step("POST", &format!("{path}/upgrade"), Some(json!({ "backup": {} })), 409).await;
        for action in ["stop", "start", "restart", "shutdown"] {
            self.step("POST", &format!("{path}/actions/{action}"), None, 201).await;
        }
        for action in ["rescue", "resetPassword"] {
            let path = format!("{path}/actions/{action}");
            self.step("POST", &path, Some(json!({})), 201).await;
        }
        self.world.renew(SignedDuration::from_secs(60)).await;
        for list in ["instances/audits", "instances/actions/audits"] {
            let path = format!("/v1/compute/{list}?instanceId={id}");
            let reply = self.step("GET", &path, None, 200).await;
            assert_ne!(reply["data"], json!([]), "{list}");
        }
        id
    }

    async fn snapshots(&mut self, id: i64) {
        let path = format!("/v1/compute/instances/{id}/snapshots");
        let list = self.step("GET", &path, None, 200).await;
        assert_eq!(list["_links"]["last"], "");
        let bodies = [json!({ "name": "one" }), json!({ "name": "two", "description": "d" })];
        let mut ids = Vec::new();
        for body in bodies {
            let reply = self.step("POST", &path, Some(body), 201).await;
            ids.push(reply["data"][0]["snapshotId"].as_str().unwrap().to_owned());
            self.world.clock.advance(SignedDuration::from_secs(1));
        }
        self.step("GET", &path, None, 200).await;
        let (one, two) = (format!("{path}/{}", ids[0]), format!("{path}/{}", ids[1]));
        self.step("GET", &one, None, 200).await;
        self.step("PATCH", &one, Some(json!({ "name": "first" })), 200).await;
        self.step("POST", &format!("{one}/rollback"), Some(json!({})), 200).await;
        self.step("GET", &two, None, 404).await;
        self.step("DELETE", &one, None, 204).await;
        let audits = format!("/v1/compute/snapshots/audits?instanceId={id}");
        assert_eq!(self.step("GET", &audits, None, 200).await["_pagination"]["totalElements"], 5);
        self.step("POST", &path, Some(json!({ "name": "_" })), 400).await;
    }

    async fn images(&mut self) -> String {
        let path = "/v1/compute/images";
        self.step("GET", "/v1/compute/images?standardImage=true&size=3", None, 200).await;
        self.step("GET", &format!("{path}/{IMAGE}"), None, 200).await;
        let body = json!({ "name": "own", "url": "https://example.com/a.iso", "osType": "Linux",
            "version": "1" });
        let reply = self.step("POST", path, Some(body.clone()), 201).await;
        let own = format!("{path}/{}", reply["data"][0]["imageId"].as_str().unwrap());
        self.step("GET", &own, None, 200).await;
        self.step("PATCH", &own, Some(json!({ "name": "mine", "description": "d" })), 200).await;
        self.step("GET", &format!("{path}/stats"), None, 200).await;
        let mut odd = body;
        odd["url"] = json!("https://example.com/a.vmdk");
        self.step("POST", path, Some(odd), 415).await;
        self.step("GET", &format!("{path}/audits"), None, 200).await;
        own
    }

    async fn secrets(&mut self) {
        let body = json!({ "name": "key", "type": "ssh", "value": "ssh-ed25519 AAAA me" });
        let reply = self.step("POST", "/v1/secrets", Some(body), 201).await;
        let path = format!("/v1/secrets/{}", reply["data"][0]["secretId"]);
        self.step("GET", "/v1/secrets?type=ssh&name=key", None, 200).await;
        self.step("GET", &path, None, 200).await;
        self.step("PATCH", &path, Some(json!({ "name": "laptop" })), 200).await;
        self.step("DELETE", &path, None, 204).await;
        self.step("DELETE", &path, None, 404).await;
        self.step("GET", "/v1/secrets/audits", None, 200).await;
    }

    async fn tags(&mut self, id: i64) {
        let body = json!({ "name": "walk", "color": "#0A78C3" });
        let reply = self.step("POST", "/v1/tags", Some(body.clone()), 201).await;
        self.step("POST", "/v1/tags", Some(body), 409).await;
        let path = format!("/v1/tags/{}", reply["data"][0]["tagId"]);
        self.step("GET", &path, None, 200).await;
        self.step("GET", "/v1/tags", None, 200).await;
        self.step("PATCH", &path, Some(json!({ "color": "#fff" })), 200).await;
        let on = format!("{path}/assignments/instance/{id}");
        self.step("POST", &on, None, 201).await;
        self.step("POST", &format!("{path}/assignments/image/{IMAGE}"), None, 201).await;
        self.step("GET", "/v1/compute/images?name=ubuntu-24.04", None, 200).await;
        self.step("GET", &on, None, 200).await;
        self.step("GET", &format!("{path}/assignments?resourceType=instance"), None, 200).await;
        self.step("DELETE", &path, None, 409).await;
        self.step("DELETE", &on, None, 204).await;
        self.step("DELETE", &format!("{path}/assignments/image/{IMAGE}"), None, 204).await;
        self.step("DELETE", &path, None, 204).await;
        self.step("GET", "/v1/tags/audits", None, 200).await;
        self.step("GET", "/v1/tags/assignments/audits", None, 200).await;
    }

    async fn networks(&mut self, id: i64) {
        let body = json!({ "name": "net", "region": "EU", "description": "d" });
        let reply = self.step("POST", "/v1/private-networks", Some(body), 201).await;
        let path = format!("/v1/private-networks/{}", reply["data"][0]["privateNetworkId"]);
        self.step("POST", &format!("{path}/instances/{id}"), None, 201).await;
        let mut early = order("early");
        early["addOns"] = json!({ "privateNetworking": {} });
        let reply = self.step("POST", "/v1/compute/instances", Some(early), 201).await;
        let early = &reply["data"][0]["instanceId"];
        self.step("POST", &format!("{path}/instances/{early}"), None, 201).await;
        self.step("GET", &path, None, 200).await;
        self.step("GET", "/v1/private-networks", None, 200).await;
        self.step("PATCH", &path, Some(json!({ "name": "other" })), 200).await;
        self.step("DELETE", &path, None, 409).await;
        self.step("DELETE", &format!("{path}/instances/{id}"), None, 201).await;
        self.step("DELETE", &format!("{path}/instances/{early}"), None, 201).await;
        self.step("DELETE", &path, None, 204).await;
        self.step("GET", "/v1/private-networks/audits", None, 200).await;
    }
}

#[tokio::test]
async fn every_endpoint_answers_as_described() {
    let world = World::start().await;
    let mut walk = Walk { world, succeeded: BTreeSet::new() };
    let id = walk.instances().await;
    walk.snapshots(id).await;
    let image = walk.images().await;
    walk.secrets().await;
    walk.tags(id).await;
    walk.networks(id).await;
    walk.step("GET", "/v1/data-centers?regionSlug=EU", None, 200).await;
    walk.step("DELETE", &image, None, 204).await;
    let path = format!("/v1/compute/instances/{id}");
    walk.world.renew(SignedDuration::from_secs(60)).await;
    walk.step("PUT", &path, Some(json!({ "imageId": IMAGE })), 200).await;
    walk.step("POST", &format!("{path}/cancel"), Some(json!({})), 201).await;
    walk.step("GET", &path, None, 200).await;
    walk.step("GET", "/v1/compute/instances?page=7", None, 200).await;

    let left = |document: &Document| -> Vec<(String, String)> {
        document.operations().into_iter().filter(|one| !walk.succeeded.contains(one)).collect()
    };
    assert_eq!(left(relied()), vec![], "everything relied on was tried");
    let Some(document) = published() else { return };
    for (method, path) in left(document) {
        assert!(ABSENT.iter().any(|part| path.starts_with(part)), "{method} {path} was not tried");
        let filled = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
        let filled = filled.collect::<Vec<_>>().join("/");
        let body = (method != "GET").then(|| json!({}));
        let (status, reply) = walk.world.send(&method, &filled, body).await;
        match status {
            200 => assert_eq!(reply["data"], json!([]), "{method} {path}"),
            _ => assert_eq!(status, 404, "{method} {path}: {reply}"),
        }
    }
    // A deviation that is not met any more is one that is not deliberate any more.
    let met = MET.lock().unwrap();
    let unmet: Vec<String> = (0..DEVIATIONS.len())
        .filter(|number| !met.contains(number))
        .map(|number| format!("{} {}", DEVIATIONS[number].place, DEVIATIONS[number].why))
        .collect();
    assert!(unmet.is_empty(), "not met: {unmet:#?}");
}

#[test]
fn what_is_relied_on_is_documented() {
    let Some(document) = published() else { return };
    let differing = differences(relied(), document);
    assert!(differing.is_empty(), "{differing:#?}");
}

#[test]
fn the_checker_finds_what_is_wrong() {
    let path = "/v1/compute/instances/5";
    let good = json!({ "data": [{ "instanceId": 5, "status": "running", "cancelDate": null,
        "displayName": "", "productId": "V91", "region": "EU" }] });
    let problems = |reply: Value| -> Vec<String> {
        let found = relied().reply("GET", path, 200, Some(&reply));
        found.iter().map(|v| format!("{} {}", v.place, v.problem)).collect()
    };
    assert_eq!(problems(good.clone()), Vec::<String>::new());
    let bent = |field: &str, value: Value| {
        let mut reply = good.clone();
        reply["data"][0][field] = value;
        reply
    };
    assert_eq!(problems(bent("instanceId", json!("5"))), ["data[].instanceId type"]);
    assert_eq!(problems(bent("instanceId", json!(0))), ["data[].instanceId range"]);
    assert_eq!(problems(bent("cancelDate", json!("soon"))), ["data[].cancelDate format"]);
    assert_eq!(problems(bent("region", Value::Null)), ["data[].region null"]);
    assert_eq!(problems(json!({ "data": [{}] })).len(), 6);
    assert_eq!(relied().reply("GET", path, 201, Some(&good))[0].problem, "undescribed");
    assert_eq!(relied().reply("GET", path, 500, Some(&json!({})))[0].problem, "type");
    let sent = |query: &'static str, body: &'static [u8]| {
        let headers = vec![("x-request-id".to_owned(), "no".to_owned())];
        let method = if body.is_empty() { "GET" } else { "POST" };
        let path = "/v1/compute/instances";
        relied().request(&Sent { method, path, query, headers, body })
    };
    let places = |found: Vec<Violation>| -> Vec<String> {
        found.iter().map(|v| format!("{} {}", v.place, v.problem)).collect()
    };
    assert_eq!(
        places(sent("size=1000&nope=1", b"")),
        ["size range", "nope undescribed", "x-request-id format"]
    );
    assert_eq!(
        places(sent("", br#"{"period":"1"}"#)),
        [
            "x-request-id format",
            "body.imageId missing",
            "body.productId missing",
            "body.region missing",
            "body.displayName missing",
            "body.period type",
        ]
    );
}
