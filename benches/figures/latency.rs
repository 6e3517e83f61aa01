//! How long after a change of a spec the first call to Contabo leaves, while everything is being
//! looked at again without pause.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use devpocket::clock::{RandomIds, SystemClock};
use devpocket_controllers::client::Client;
use devpocket_controllers::clock::{Clock, Ids};
use devpocket_controllers::cloud::{
    Action, Audit, AuditLog, AuditQuery, Call, Cloud, CloudError, Image, Instance, Order, Ordered,
    Page, Reinstall, Tag,
};
use devpocket_controllers::guest::Unobserved;
use devpocket_controllers::manager::{Deps, Manager, Settings};
use devpocket_controllers::sim::cloud::SimCloud;
use devpocket_controllers::sim::contabo::{self, Contabo};
use devpocket_controllers::store::Store;
use devpocket_specs::admit::Actor;
use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::condition;
use devpocket_specs::environment::{Environment, EnvironmentSpec, Power, conditions};
use devpocket_specs::installation::Account;
use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::ObjectMeta;
use devpocket_specs::money::Money;
use devpocket_specs::object::Key;
use jiff::civil::Date;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::objects;
use super::postgres::{Server, cached, runtime};
use super::stats::{median, millis, percentile};
use super::table::{Row, Scale};

const NAMESPACE: &str = "bench";
/// From the last machine's readiness to a world at rest: the lag allowance, and two sweeps.
const REST: Duration = Duration::from_secs(4);
/// Longest wait for anything here.
const PATIENCE: Duration = Duration::from_secs(600);

pub fn measure(scale: Scale) -> Vec<Row> {
    let (environments, changes) = scale.pick((5, 3), (300, 200));
    let (latencies, commits) = runtime().block_on(async {
        let server = Server::start().await;
        let store: Arc<dyn Store> = cached(server.store("latency").await).await;
        let lab = Lab::new(store.clone());
        let stop = CancellationToken::new();
        let running = tokio::spawn(Manager::run(lab.deps(), settings(), stop.clone()));
        lab.converge(environments).await;
        let mut latencies = Vec::new();
        for index in 0..changes {
            latencies.push(lab.change(&name(index % environments)).await);
        }
        let commits = commits(&store, changes).await;
        stop.cancel();
        running.await.expect("the controllers drain");
        server.stop().await;
        (latencies, commits)
    });
    let (p50, p99) = (percentile(&latencies, 50.0), percentile(&latencies, 99.0));
    vec![Row::new(
        format!(
            "spec change to first cloud call, {environments} environments resynced all the time"
        ),
        format!("p50 {p50:.1} ms, p99 {p99:.1} ms; a commit takes {commits:.1} ms, 2 are in it"),
        "p99 <= 20 ms + commits",
    )]
}

fn name(index: usize) -> String {
    format!("e{index:05}")
}

fn settings() -> Settings {
    let mut settings = Settings::new("bench");
    settings.resync_period = Duration::from_millis(1);
    settings.sweep_period = Duration::from_secs(1);
    settings.transition_period = Duration::from_millis(100);
    settings.first.monthly_budget = Some(Money::eur(100_000_000));
    settings.first.purchases_per_hour = Some(1_000);
    settings.first.lag_allowance_seconds = Some(1);
    settings
}

/// Milliseconds that a lone write takes here, in the middle.
async fn commits(store: &Arc<dyn Store>, count: usize) -> f64 {
    let mut lease = store.write(objects::creating(objects::lease(NAMESPACE, "pace", "0"))).await;
    let mut took = Vec::new();
    for number in 0..count {
        let write = objects::holding(lease.as_ref().expect("a write"), &number.to_string());
        let started = Instant::now();
        lease = store.write(write).await;
        took.push(millis(started.elapsed()));
    }
    median(&took)
}

struct Lab {
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    cloud: Arc<Timed>,
    client: Client,
}

impl Lab {
    fn new(store: Arc<dyn Store>) -> Lab {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let ids: Arc<dyn Ids> = Arc::new(RandomIds);
        // Fast enough that hundreds of machines are there within a minute.
        let settings = contabo::Settings { speed: 1_000.0, ..contabo::Settings::default() };
        let model = Arc::new(Mutex::new(Contabo::new(1, settings)));
        let inner = SimCloud::new(model, clock.clone(), ids.clone(), Arc::default());
        let cloud = Arc::new(Timed { inner, called: Mutex::default(), news: Notify::new() });
        let actor = Actor { user: "bench".into(), ..Actor::system("bench") };
        let catalogue = Arc::new(Catalogue::builtin().clone());
        let client = Client::new(store.clone(), clock.clone(), ids, catalogue, actor);
        Lab { clock, store, cloud, client }
    }

    fn deps(&self) -> Deps {
        Deps {
            store: self.store.clone(),
            cloud: self.cloud.clone(),
            guest: Arc::new(Unobserved),
            clock: self.clock.clone(),
            ids: Arc::new(RandomIds),
            catalogue: Arc::new(Catalogue::builtin().clone()),
        }
    }

    async fn converge(&self, environments: usize) {
        for index in 0..environments {
            let environment = Environment {
                metadata: ObjectMeta::named(NAMESPACE, name(index)),
                spec: EnvironmentSpec {
                    size: "vps-10-nvme".into(),
                    region: "EU".into(),
                    contract_months: 1,
                    ..EnvironmentSpec::default()
                },
                status: Default::default(),
            };
            self.client.create(&environment).await.expect("a valid environment");
        }
        let until = Instant::now() + PATIENCE;
        loop {
            let all: Vec<Environment> = self.client.list(None).await.expect("a list");
            let ready =
                |e: &&Environment| condition::is_true(&e.status.conditions, conditions::READY);
            if all.iter().filter(ready).count() == environments {
                // What was looked at less than the allowance after its purchase is not trusted.
                tokio::time::sleep(REST).await;
                return;
            }
            assert!(Instant::now() < until, "the environments never became ready");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Milliseconds from the acknowledgement of a changed power to the call it leads to.
    async fn change(&self, name: &str) -> f64 {
        let key = Key::new(Kind::Environment, NAMESPACE, name);
        let environment: Environment =
            self.client.get(&key).await.expect("a read").expect("it is there");
        let machine = environment.status.machine.as_ref();
        let instance = machine.and_then(|m| m.instance_id).expect("it has a machine");
        self.cloud.forget(instance);
        let turn = |environment: &mut Environment| {
            environment.spec.power = match environment.spec.power {
                Power::Running => Power::Stopped,
                Power::Stopped => Power::Running,
            };
        };
        self.client.edit(&key, turn).await.expect("an edit");
        let acknowledged = Instant::now();
        let called = self.cloud.called(instance).await;
        millis(called.saturating_duration_since(acknowledged))
    }
}

/// The model's cloud, with the moment of the latest power action on each instance.
struct Timed {
    inner: SimCloud,
    called: Mutex<HashMap<i64, Instant>>,
    news: Notify,
}

impl Timed {
    fn forget(&self, instance: i64) {
        self.called.lock().expect("no panic").remove(&instance);
    }

    async fn called(&self, instance: i64) -> Instant {
        let wait = async {
            loop {
                let news = self.news.notified();
                if let Some(at) = self.called.lock().expect("no panic").get(&instance) {
                    return *at;
                }
                news.await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the call is made")
    }
}

#[async_trait]
impl Cloud for Timed {
    async fn account(&self) -> Result<Account, CloudError> {
        self.inner.account().await
    }

    async fn instances(&self, page: u32) -> Result<Page<Instance>, CloudError> {
        self.inner.instances(page).await
    }

    async fn instance(&self, id: i64) -> Result<Option<Instance>, CloudError> {
        self.inner.instance(id).await
    }

    async fn images(&self, page: u32) -> Result<Page<Image>, CloudError> {
        self.inner.images(page).await
    }

    async fn audits(&self, log: AuditLog, query: &AuditQuery) -> Result<Page<Audit>, CloudError> {
        self.inner.audits(log, query).await
    }

    async fn order(&self, order: &Order, call: &Call) -> Result<Ordered, CloudError> {
        self.inner.order(order, call).await
    }

    async fn rename(&self, id: i64, display_name: &str, call: &Call) -> Result<(), CloudError> {
        self.inner.rename(id, display_name, call).await
    }

    async fn reinstall(&self, id: i64, how: &Reinstall, call: &Call) -> Result<(), CloudError> {
        self.inner.reinstall(id, how, call).await
    }

    async fn cancel(&self, id: i64, call: &Call) -> Result<Option<Date>, CloudError> {
        self.inner.cancel(id, call).await
    }

    async fn act(&self, id: i64, action: Action, call: &Call) -> Result<(), CloudError> {
        self.called.lock().expect("no panic").insert(id, Instant::now());
        self.news.notify_waiters();
        self.inner.act(id, action, call).await
    }

    async fn tags(&self, page: u32) -> Result<Page<Tag>, CloudError> {
        self.inner.tags(page).await
    }

    async fn create_tag(&self, name: &str, call: &Call) -> Result<Tag, CloudError> {
        self.inner.create_tag(name, call).await
    }

    async fn rename_tag(&self, id: i64, name: &str, call: &Call) -> Result<(), CloudError> {
        self.inner.rename_tag(id, name, call).await
    }
}
