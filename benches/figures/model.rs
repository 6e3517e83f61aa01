//! The simulated Contabo: the model alone, and behind its socket.

use std::hint::black_box;
use std::io::Read as _;
use std::time::Instant;

use devpocket::clock::SystemClock;
use devpocket::simulator::{
    API_PASSWORD, API_USER, CLIENT_ID, CLIENT_SECRET, Simulator, SimulatorConfig,
};
use devpocket_controllers::sim::contabo::{
    Call, Contabo, CreateInstance, InstanceFilter, Page, Request, Settings,
};
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use uuid::Uuid;

use super::child::Task;
use super::cpu;
use super::postgres::runtime;
use super::stats::{median, millis};
use super::table::{Row, Scale};

/// Instances to a page.
const PAGE: i64 = 100;
/// Requests that are under way at once.
const CONNECTIONS: usize = 8;
/// When every account begins.
const BEGIN: &str = "2026-03-02T08:00:00Z";

pub fn measure(scale: Scale) -> Vec<Row> {
    let many = scale.pick(300, 10_000);
    let mut rows = vec![due_at_once(many), year(scale.pick(20, 1_000))];
    let account = running(many);
    rows.push(pages(&account, scale.pick(3, 201)));
    rows.push(gets(account, scale.pick(100, 5_000)));
    rows.extend(runtime().block_on(socket(scale, many)));
    rows
}

fn begin() -> Timestamp {
    BEGIN.parse().expect("a constant in RFC 3339")
}

fn call(request: Request) -> Call {
    Call { request_id: Uuid::new_v4().to_string(), trace_id: None, request }
}

/// An account that has just ordered so many.
fn ordered(instances: usize) -> Contabo {
    let mut account = Contabo::new(1, Settings::default());
    account.advance(begin());
    for number in 0..instances {
        let body = CreateInstance {
            product_id: Some("V91".to_owned()),
            period: Some(1),
            display_name: Some(format!("env-{number} dp-0a1b2c3d-m-{number:016x}")),
            ..CreateInstance::default()
        };
        let reply = account.step(&call(Request::CreateInstance(Box::new(body))), begin());
        assert_eq!(reply.status, 201);
    }
    account
}

/// The same when all of them run.
fn running(instances: usize) -> Contabo {
    let mut account = ordered(instances);
    account.advance(begin() + SignedDuration::from_hours(2));
    account
}

/// Orders that all fall due in one step of the clock.
fn due_at_once(instances: usize) -> Row {
    let mut account = ordered(instances);
    let started = Instant::now();
    account.advance(begin() + SignedDuration::from_hours(2));
    let took = millis(started.elapsed());
    let what = format!("simulator: {instances} orders provisioned and installed in one clock step");
    Row::new(what, format!("{took:.1} ms"), "-")
}

/// A year in steps of an hour, every contract renewed each month.
fn year(instances: usize) -> Row {
    let started = Instant::now();
    let mut account = ordered(instances);
    for hour in 1..=365 * 24 {
        account.advance(begin() + SignedDuration::from_hours(hour));
    }
    let took = started.elapsed().as_secs_f64();
    assert_eq!(account.ledger().entries.len(), instances * 13, "the order and twelve renewals");
    let what = format!("simulator: a year of {instances} machines, model alone, hour by hour");
    Row::new(what, format!("{took:.2} s"), "<= 20 s")
}

fn pages(account: &Contabo, rounds: usize) -> Row {
    let mut account = account.clone();
    let now = account.now();
    let count = account.instances().count();
    let pages = count.div_ceil(PAGE as usize) as i64;
    let took: Vec<f64> = (0..rounds)
        .map(|round| {
            let page = Page::of(round as i64 % pages + 1, PAGE);
            let list = Request::ListInstances { filter: Box::new(InstanceFilter::default()), page };
            let started = Instant::now();
            let reply = black_box(account.step(&call(list), now));
            let took = millis(started.elapsed());
            assert_eq!(reply.status, 200);
            took
        })
        .collect();
    let what = format!("simulator: list page of {PAGE} at {count} instances, model alone");
    Row::new(what, format!("{:.2} ms", median(&took)), "<= 5 ms")
}

fn gets(mut account: Contabo, rounds: usize) -> Row {
    let ids: Vec<i64> = account.instances().map(|instance| instance.instance_id).collect();
    let now = account.now();
    let started = Instant::now();
    for round in 0..rounds {
        let get = Request::GetInstance { instance_id: ids[round * 7 % ids.len()] };
        assert_eq!(black_box(account.step(&call(get), now)).status, 200);
    }
    let rate = rounds as f64 / started.elapsed().as_secs_f64();
    let what = format!("simulator: GETs of one instance at {}, model alone", ids.len());
    Row::new(what, format!("{rate:.0}/s"), ">= 5,000/s on one core")
}

/// The simulator in a process of its own: what its memory grows by, and how fast it answers.
async fn socket(scale: Scale, many: usize) -> Vec<Row> {
    let few = many / 10;
    let small = tokio::task::block_in_place(|| Serving::start(few));
    let small_bytes = small.bytes;
    tokio::task::block_in_place(|| small.end());
    let serving = tokio::task::block_in_place(|| Serving::start(many));
    let each = (serving.bytes as f64 - small_bytes as f64) / (many - few) as f64;
    let memory = Row::new(
        format!("simulator: memory for each instance, {few} to {many}, all of the process"),
        format!("{:.2} KiB", each / 1024.0),
        "<= 4 KiB",
    );
    let client = Client::new(&serving).await;
    let lists: Vec<f64> = {
        let pages = many.div_ceil(PAGE as usize);
        let mut took = Vec::new();
        for round in 0..scale.pick(3, 101) {
            let path = format!("/v1/compute/instances?page={}&size={PAGE}", round % pages + 1);
            let started = Instant::now();
            client.get(&path).await;
            took.push(millis(started.elapsed()));
        }
        took
    };
    let page = Row::new(
        format!("simulator: list page of {PAGE} at {many} instances, over the socket"),
        format!("{:.2} ms", median(&lists)),
        "<= 5 ms",
    );
    let gets = client.gets(&serving, scale.pick(200, 20_000)).await;
    tokio::task::block_in_place(|| serving.end());
    vec![memory, page, gets]
}

/// A child that serves an account.
struct Serving {
    worker: super::child::Worker,
    api: String,
    auth: String,
    pid: u32,
    /// Memory in use once the account is there.
    bytes: u64,
    ids: Vec<i64>,
}

impl Serving {
    fn start(instances: usize) -> Serving {
        let mut worker = Task::Simulator { instances }.spawn();
        let told: Value = serde_json::from_str(&worker.line()).expect("the child tells JSON");
        let text = |name: &str| told[name].as_str().expect("it is told").to_owned();
        let ids = told["ids"].as_array().expect("ids").iter().filter_map(Value::as_i64);
        Serving {
            api: text("api"),
            auth: text("auth"),
            pid: told["pid"].as_u64().expect("a pid") as u32,
            bytes: told["bytes"].as_u64().expect("bytes"),
            ids: ids.collect(),
            worker,
        }
    }

    fn end(self) {
        self.worker.finish();
    }
}

struct Client {
    http: reqwest::Client,
    api: String,
    token: String,
}

impl Client {
    async fn new(serving: &Serving) -> Client {
        let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        let form = [
            ("grant_type", "password"),
            ("client_id", CLIENT_ID),
            ("client_secret", CLIENT_SECRET),
            ("username", API_USER),
            ("password", API_PASSWORD),
        ];
        let reply = http.post(&serving.auth).form(&form).send().await.expect("a token");
        let reply: Value = reply.json().await.expect("a token");
        let token = reply["access_token"].as_str().expect("a token").to_owned();
        Client { http, api: serving.api.clone(), token }
    }

    async fn get(&self, path: &str) {
        let request = self.http.get(format!("{}{path}", self.api)).bearer_auth(&self.token);
        let request = request.header("x-request-id", Uuid::new_v4().to_string());
        let reply = request.send().await.expect("an answer");
        assert_eq!(reply.status().as_u16(), 200);
        black_box(reply.bytes().await.expect("a body"));
    }

    /// Single GETs, counted against the CPU time of the process that answers them.
    async fn gets(&self, serving: &Serving, rounds: usize) -> Row {
        let before = cpu::process_seconds(serving.pid);
        let started = Instant::now();
        let calls = (0..rounds).map(|round| {
            let id = serving.ids[round * 7 % serving.ids.len()];
            async move { self.get(&format!("/v1/compute/instances/{id}")).await }
        });
        futures::stream::iter(calls).buffer_unordered(CONNECTIONS).count().await;
        let wall = rounds as f64 / started.elapsed().as_secs_f64();
        let core = rounds as f64 / (cpu::process_seconds(serving.pid) - before);
        Row::new(
            format!("simulator: GETs of one instance at {}, over the socket", serving.ids.len()),
            format!("{core:.0} a second of one core ({wall:.0}/s with the client beside it)"),
            ">= 5,000/s on one core",
        )
    }
}

/// In the child: serves the account until its input ends.
pub fn serve(instances: usize) {
    runtime().block_on(async {
        let account = running(instances);
        let ids: Vec<i64> = account.instances().map(|instance| instance.instance_id).collect();
        let clock = SystemClock::new();
        let config = SimulatorConfig {
            account: Some(Box::new(account)),
            ..SimulatorConfig::in_memory(Settings::default(), clock.into())
        };
        let simulator = Simulator::start(config).await.expect("it starts");
        let pid = std::process::id();
        let told = serde_json::json!({
            "api": simulator.api_url(), "auth": simulator.auth_url(), "pid": pid,
            "bytes": cpu::anonymous_bytes(pid), "ids": ids,
        });
        println!("{told}");
        let _ = tokio::task::block_in_place(|| std::io::stdin().read(&mut [0]));
        simulator.shutdown().await;
    });
}
