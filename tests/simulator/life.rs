//! One machine's life through the API, each reply held against what is relied on: ordered, found in
//! lists and audits, renamed, stopped, started, tagged, snapshotted, cancelled. It costs one month of
//! the product where money is real, and the cancellation comes whatever else happens.

use super::live::{Account, told};
use super::openapi::relied;
use super::*;

/// Longest wait for any step at the real Contabo.
pub const REAL_PATIENCE: Duration = Duration::from_secs(60 * 60);
/// Pause between two looks, as far as it counts towards the patience.
const LOOK: Duration = Duration::from_secs(15);

/// Everything that was not as it should be.
pub async fn lived(
    account: &Account,
    product: &str,
    patience: Duration,
    wait: impl AsyncFn(),
) -> Vec<String> {
    let mut life = Life { account, patience, wait, wrong: Vec::new() };
    let name = format!("devpocket-contract-test-{}", &Uuid::new_v4().simple().to_string()[..8]);
    match life.order(&name, product).await {
        None => life.wrong.push(format!("{name} was not ordered, or it is not known which it is")),
        Some(id) => {
            life.live(id, &name).await;
            let path = format!("/v1/compute/instances/{id}/cancel");
            let (status, reply) = life.send("POST", &path, Some(&json!({}))).await;
            let date = reply["data"][0]["cancelDate"].clone();
            eprintln!("{name}, instance {id}: cancelled with {status} to {date}");
            life.expect(status == 201 && date.is_string(), "it is cancelled to a date");
        }
    }
    life.wrong
}

struct Life<'a, W> {
    account: &'a Account,
    patience: Duration,
    wait: W,
    wrong: Vec<String>,
}

impl<W: AsyncFn()> Life<'_, W> {
    fn expect(&mut self, right: bool, what: &str) {
        if !right {
            self.wrong.push(format!("not so: {what}"));
        }
    }

    async fn send(&mut self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.send_as(method, path, body, Uuid::new_v4()).await
    }

    async fn send_as(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        id: Uuid,
    ) -> (u16, Value) {
        let (status, reply) = self.account.send(method, path, body, id).await;
        let violations = told(relied(), method, path, status, &reply);
        self.wrong.extend(violations.iter().map(ToString::to_string));
        (status, reply)
    }

    /// Waits until a read shows it.
    async fn until(&mut self, what: &str, path: &str, is: impl Fn(u16, &Value) -> bool) -> Value {
        let mut waited = Duration::ZERO;
        loop {
            let (status, reply) = self.send("GET", path, None).await;
            if is(status, &reply) {
                return reply;
            }
            if waited >= self.patience {
                self.wrong.push(format!("after {} s still not {what}: {reply}", waited.as_secs()));
                return reply;
            }
            (self.wait)().await;
            waited += LOOK;
        }
    }

    /// Orders once, whatever comes; the instance, where it can be told.
    async fn order(&mut self, name: &str, product: &str) -> Option<i64> {
        let (_, images) = self.send("GET", "/v1/compute/images?size=100", None).await;
        let images = images["data"].as_array().cloned().unwrap_or_default();
        let image = images.iter().find(|image| image["name"] == "ubuntu-24.04")?;
        let body = json!({
            "imageId": image["imageId"], "productId": product, "region": "EU", "period": 1,
            "displayName": name,
        });
        let id = Uuid::new_v4();
        eprintln!("ordering {product} as {name}, request {id}");
        let (status, reply) = self.send_as("POST", "/v1/compute/instances", Some(&body), id).await;
        self.expect(status == 201, "an order is answered with 201");
        let ordered = reply["data"][0]["instanceId"].as_i64();
        let audits = format!("/v1/compute/instances/audits?requestId={id}");
        let entry = self
            .until("in the audits", &audits, |_, r| r["data"][0]["instanceId"].as_i64() > Some(0))
            .await;
        let audited = entry["data"][0]["instanceId"].as_i64().filter(|id| *id > 0);
        self.expect(ordered == audited, "the audits name the machine of the reply");
        ordered.or(audited)
    }

    async fn live(&mut self, id: i64, name: &str) {
        let path = format!("/v1/compute/instances/{id}");
        let is = |wanted: &'static str| move |_: u16, r: &Value| r["data"][0]["status"] == wanted;
        let ready = self.until("running", &path, is("running")).await;
        if ready["data"][0]["status"] != "running" {
            return;
        }
        let list = format!("/v1/compute/instances?displayName={name}&size=100");
        let found = |_: u16, r: &Value| {
            let items = r["data"].as_array().into_iter().flatten();
            items.filter(|item| item["displayName"] == name).count() == 1
        };
        self.until("in the list by its name", &list, found).await;

        let other = json!({ "displayName": format!("{name}-renamed") });
        self.send("PATCH", &path, Some(&other)).await;
        let wanted = other["displayName"].clone();
        self.until("renamed", &path, |_, r| r["data"][0]["displayName"] == wanted).await;
        for (action, wanted) in [("stop", "stopped"), ("start", "running")] {
            self.send("POST", &format!("{path}/actions/{action}"), None).await;
            self.until(wanted, &path, is(wanted)).await;
        }
        self.tag(id, name).await;
        self.snapshot(&path).await;
    }

    async fn tag(&mut self, id: i64, name: &str) {
        let body = json!({ "name": name, "color": "#0A78C3" });
        let (_, made) = self.send("POST", "/v1/tags", Some(&body)).await;
        let Some(tag) = made["data"][0]["tagId"].as_i64() else {
            return self.wrong.push(format!("a tag was made and not told: {made}"));
        };
        let on = format!("/v1/tags/{tag}/assignments/instance/{id}");
        self.send("POST", &on, None).await;
        self.send("DELETE", &on, None).await;
        self.send("DELETE", &format!("/v1/tags/{tag}"), None).await;
    }

    async fn snapshot(&mut self, path: &str) {
        let snapshots = format!("{path}/snapshots");
        let body = json!({ "name": "contract-test" });
        let (status, made) = self.send("POST", &snapshots, Some(&body)).await;
        let Some(id) = made["data"][0]["snapshotId"].as_str() else {
            // 402: the plan has no slot.
            return self.expect(status == 402, "a snapshot is made, or there is no slot for it");
        };
        let one = format!("{snapshots}/{id}");
        self.until("known", &one, |status, _| status == 200).await;
        self.send("DELETE", &one, None).await;
    }
}
