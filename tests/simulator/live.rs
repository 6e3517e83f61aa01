//! The same descriptions against the real API, for a person with credentials. It only reads: every
//! request is a GET, and nothing here can be made to buy. Never in CI.

use super::openapi::{Document, Violation, published, relied};
use super::*;

const API: &str = "https://api.contabo.com";
const AUTH: &str = "https://auth.contabo.com/auth/realms/contabo/protocol/openid-connect/token";
/// Lists that every account has, though they may be empty.
const LISTS: [&str; 10] = [
    "/v1/compute/instances?size=5",
    "/v1/compute/images?size=5",
    "/v1/compute/instances/audits?size=5",
    "/v1/compute/instances/actions/audits?size=5",
    "/v1/compute/snapshots/audits?size=5",
    "/v1/secrets?size=5",
    "/v1/secrets/audits?size=5",
    "/v1/tags?size=5",
    "/v1/tags/audits?size=5",
    "/v1/data-centers?size=5",
];

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("set {name} to read a real account"))
}

/// Pauses between requests, so that nobody is throttled for looking.
const PAUSE: Duration = Duration::from_secs(1);

struct Account {
    http: reqwest::Client,
    token: String,
}

impl Account {
    async fn sign_in() -> Account {
        devpocket::crypto::install_provider();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        let values = [
            ("grant_type", "password".to_owned()),
            ("client_id", variable("CONTABO_CLIENT_ID")),
            ("client_secret", variable("CONTABO_CLIENT_SECRET")),
            ("username", variable("CONTABO_USERNAME")),
            ("password", variable("CONTABO_PASSWORD")),
        ];
        let reply = http.post(AUTH).form(&values).send().await.expect("the sign-in answers");
        assert_eq!(reply.status(), 200, "the credentials are accepted");
        let reply: Value = reply.json().await.expect("the sign-in answers JSON");
        let token = reply["access_token"].as_str().expect("a token").to_owned();
        Account { http, token }
    }

    /// Status and JSON of a read; there is no other kind of request here.
    async fn read(&self, path: &str) -> (u16, Value) {
        tokio::time::sleep(PAUSE).await;
        let request = self.http.get(format!("{API}{path}")).bearer_auth(&self.token);
        let request = request.header("x-request-id", Uuid::new_v4().to_string());
        let reply = request.send().await.unwrap_or_else(|error| panic!("{path}: {error}"));
        let status = reply.status().as_u16();
        (status, reply.json().await.unwrap_or(Value::Null))
    }
}

fn told(document: &Document, path: &str, status: u16, reply: &Value) -> Vec<Violation> {
    let bare = path.split('?').next().unwrap_or("");
    document.reply("GET", bare, status, Some(reply))
}

#[tokio::test]
#[ignore = "reads a real account: set CONTABO_CLIENT_ID, _CLIENT_SECRET, _USERNAME, _PASSWORD"]
async fn the_real_api_answers_as_relied_on() {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "never in CI");
    let account = Account::sign_in().await;
    let mut wrong = Vec::new();
    let mut paths: Vec<String> = LISTS.map(str::to_owned).to_vec();
    let (_, instances) = account.read(LISTS[0]).await;
    if let Some(id) = instances["data"][0]["instanceId"].as_i64() {
        paths.push(format!("/v1/compute/instances/{id}"));
        paths.push(format!("/v1/compute/instances/{id}/snapshots"));
    }
    for path in &paths {
        let (status, reply) = account.read(path).await;
        wrong.extend(told(relied(), path, status, &reply));
        // What is only documented otherwise is told, and breaks nothing.
        for violation in published().map_or_else(Vec::new, |all| told(all, path, status, &reply)) {
            eprintln!("not as documented: {violation}");
        }
    }
    assert!(wrong.is_empty(), "not as relied on: {wrong:#?}");
    let (status, _) = account.read("/v1/compute/instances/1").await;
    assert!(matches!(status, 403 | 404), "a machine that is not ours: {status}");
}
