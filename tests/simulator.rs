//! The simulator over real sockets: what a client of Contabo meets, and what the control plane
//! shows of it.

#[path = "simulator/account.rs"]
mod account;
#[path = "simulator/client.rs"]
mod client;
#[path = "simulator/commands.rs"]
mod commands;
#[path = "simulator/comparison.rs"]
mod comparison;
#[path = "simulator/contract.rs"]
mod contract;
#[path = "simulator/control.rs"]
mod control;
#[path = "simulator/deviations.rs"]
mod deviations;
#[path = "simulator/durable.rs"]
mod durable;
#[path = "simulator/fuzz.rs"]
mod fuzz;
#[path = "simulator/independent.rs"]
mod independent;
#[path = "simulator/life.rs"]
mod life;
#[path = "simulator/live.rs"]
mod live;
#[path = "simulator/lost.rs"]
mod lost;
#[path = "simulator/openapi.rs"]
mod openapi;
#[path = "simulator/outcomes.rs"]
mod outcomes;
#[path = "simulator/page.rs"]
mod page;
#[path = "simulator/pictures.rs"]
mod pictures;
#[path = "simulator/programs.rs"]
mod programs;
#[path = "simulator/recordings.rs"]
mod recordings;
#[path = "simulator/spoiled.rs"]
mod spoiled;
#[path = "simulator/tap.rs"]
mod tap;
#[path = "simulator/tokens.rs"]
mod tokens;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use devpocket::simulator::control::ControlClient;
use devpocket::simulator::{
    API_PASSWORD, API_USER, CLIENT_ID, CLIENT_SECRET, Simulator, SimulatorClock, SimulatorConfig,
};
use devpocket_controllers::sim::contabo::Settings;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

/// A clock that only the test moves.
#[derive(Clone)]
struct TestClock(Arc<Mutex<Timestamp>>);

impl TestClock {
    fn new() -> TestClock {
        TestClock(Arc::new(Mutex::new("2026-03-10T12:00:00Z".parse().unwrap())))
    }

    fn advance(&self, by: SignedDuration) {
        *self.0.lock().unwrap() += by;
    }

    fn handle(&self) -> SimulatorClock {
        let (now, moved) = (self.clone(), self.clone());
        SimulatorClock {
            now: Arc::new(move || *now.0.lock().unwrap()),
            advance: Arc::new(move |by| moved.advance(by)),
        }
    }
}

/// A simulator, its clock, and a signed-in client of each port.
struct World {
    simulator: Simulator,
    clock: TestClock,
    http: reqwest::Client,
    control: ControlClient,
    token: String,
}

impl World {
    async fn start() -> World {
        World::with(Settings::prompt(), None, TestClock::new()).await
    }

    async fn with(settings: Settings, data: Option<&Path>, clock: TestClock) -> World {
        let config = SimulatorConfig {
            data: data.map(Path::to_owned),
            ..SimulatorConfig::in_memory(settings, clock.handle())
        };
        let simulator = Simulator::start(config).await.unwrap();
        devpocket::crypto::install_provider();
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(20))
            // A lost reply must stay lost: no second attempt on another connection.
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        let control = ControlClient::new(&simulator.control_url()).unwrap();
        let mut world = World { simulator, clock, http, control, token: String::new() };
        world.sign_in().await;
        world
    }

    async fn sign_in(&mut self) {
        let (status, reply) = self.grant(&password_grant()).await;
        assert_eq!(status, 200, "{reply}");
        self.token = reply["access_token"].as_str().unwrap().to_owned();
    }

    async fn grant(&self, form: &[(&str, &str)]) -> (u16, Value) {
        let request = self.http.post(self.simulator.auth_url()).form(form);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().unwrap();
        self.http
            .request(method, format!("{}{path}", self.simulator.api_url()))
            .bearer_auth(&self.token)
            .header("x-request-id", Uuid::new_v4().to_string())
    }

    /// Status and JSON of a request that is answered as described, in Contabo's document and in the
    /// project's own table.
    async fn send(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let (status, reply) = self.send_faulty(method, path, body).await;
        let sent = Some(&reply).filter(|reply| !reply.is_null());
        contract::judge_reply(method, path, status, sent);
        (status, reply)
    }

    /// Lets time pass, and signs in again: tokens live shorter than installations take.
    async fn renew(&mut self, by: SignedDuration) {
        self.clock.advance(by);
        self.sign_in().await;
    }

    /// The same where a fault spoils the answer.
    async fn send_faulty(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.bytes().await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, reply) = self.send("GET", path, None).await;
        assert_eq!(status, 200, "{path}: {reply}");
        reply
    }

    /// Buys a machine and lets it become `running`; its id.
    async fn bought(&self, name: &str) -> i64 {
        let (status, reply) = self.send("POST", "/v1/compute/instances", Some(order(name))).await;
        assert_eq!(status, 201, "{reply}");
        let id = reply["data"][0]["instanceId"].as_i64().unwrap();
        // The API token must outlive the wait.
        self.clock.advance(SignedDuration::from_secs(280));
        id
    }

    async fn instance(&self, id: i64) -> Value {
        self.get(&format!("/v1/compute/instances/{id}")).await["data"][0].clone()
    }
}

fn order(name: &str) -> Value {
    json!({
        "imageId": "d64d5c6c-9dda-4e38-8174-0ee282474d8a",
        "productId": "V91",
        "region": "EU",
        "period": 1,
        "displayName": name,
    })
}

fn password_grant() -> [(&'static str, &'static str); 5] {
    [
        ("grant_type", "password"),
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("username", API_USER),
        ("password", API_PASSWORD),
    ]
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
