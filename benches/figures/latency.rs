//! How long after a change of a spec the first call to Contabo leaves, while everything is being
//! looked at again without pause.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use devpocket::clock::{RandomIds, SystemClock};
use devpocket_controllers::client::Client;
use devpocket_controllers::clock::{Clock, Ids};
use devpocket_controllers::guest::Unobserved;
use devpocket_controllers::history::Forgotten;
use devpocket_controllers::install::Unkept;
use devpocket_controllers::manager::{Deps, Manager, Settings};
use devpocket_controllers::sim::cloud::SimCloud;
use devpocket_controllers::sim::contabo::{self, Contabo};
use devpocket_specs::admit::Actor;
use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::condition;
use devpocket_specs::environment::{Environment, EnvironmentSpec, Power, conditions};
use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::ObjectMeta;
use devpocket_specs::money::Money;
use devpocket_specs::namespace::Namespace;
use devpocket_specs::object::Key;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::postgres::{Server, cached, runtime};
use super::stats::{millis, percentile};
use super::table::{Row, Scale};
use super::timed::{TimedCloud, TimedStore};

const NAMESPACE: &str = "bench";
/// From the last machine's readiness to a world at rest: the lag allowance, and two sweeps.
const REST: Duration = Duration::from_secs(4);
/// Longest wait for anything here.
const PATIENCE: Duration = Duration::from_secs(600);

pub fn measure(scale: Scale) -> Vec<Row> {
    let (environments, changes) = scale.pick((5, 3), (300, 200));
    let changes = runtime().block_on(async {
        let server = Server::start().await;
        let store = TimedStore::new(cached(server.store("latency").await).await);
        let lab = Lab::new(Arc::new(store));
        let stop = CancellationToken::new();
        let running = tokio::spawn(Manager::run(lab.deps(), settings(), stop.clone()));
        lab.converge(environments).await;
        let mut measured = Vec::new();
        for index in 0..changes {
            measured.push(lab.change(&name(index % environments)).await);
        }
        stop.cancel();
        running.await.expect("the controllers drain");
        server.stop().await;
        measured
    });
    let whole: Vec<f64> = changes.iter().map(|change| change.whole).collect();
    let commits: Vec<f64> = changes.iter().map(|change| change.commits).collect();
    let rest: Vec<f64> = changes.iter().map(|change| change.whole - change.commits).collect();
    let told = |values: &[f64]| {
        format!("p50 {:.1}, p99 {:.1} ms", percentile(values, 50.0), percentile(values, 99.0))
    };
    vec![Row::new(
        format!(
            "spec change to first cloud call, {environments} environments resynced all the time"
        ),
        format!(
            "{} beyond its commits ({}); all in all {}",
            told(&rest),
            told(&commits),
            told(&whole)
        ),
        "p99 <= 20 ms + commits",
    )]
}

/// One change, in milliseconds.
struct Measured {
    /// From the acknowledgement of the change to the call it leads to.
    whole: f64,
    /// Of these, until the operation was on disk, and that it is sent.
    commits: f64,
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

struct Lab {
    clock: Arc<dyn Clock>,
    store: Arc<TimedStore>,
    cloud: Arc<TimedCloud>,
    client: Client,
}

impl Lab {
    fn new(store: Arc<TimedStore>) -> Lab {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let ids: Arc<dyn Ids> = Arc::new(RandomIds);
        // Fast enough that hundreds of machines are there within a minute.
        let settings = contabo::Settings { speed: 1_000.0, ..contabo::Settings::default() };
        let model = Arc::new(Mutex::new(Contabo::new(1, settings)));
        let inner = SimCloud::new(model, clock.clone(), ids.clone(), Arc::default());
        let cloud = Arc::new(TimedCloud { inner, called: Mutex::default(), news: Notify::new() });
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
            lines: Arc::new(Unkept),
            history: Arc::new(Forgotten),
            clock: self.clock.clone(),
            ids: Arc::new(RandomIds),
            catalogue: Arc::new(Catalogue::builtin().clone()),
        }
    }

    async fn converge(&self, environments: usize) {
        let namespace = Namespace {
            metadata: ObjectMeta::named("", NAMESPACE),
            spec: Default::default(),
            status: Default::default(),
        };
        self.client.create(&namespace).await.expect("a new namespace");
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

    async fn change(&self, name: &str) -> Measured {
        let key = Key::new(Kind::Environment, NAMESPACE, name);
        let environment: Environment =
            self.client.get(&key).await.expect("a read").expect("it is there");
        let machine = environment.status.machine.as_ref().expect("it has a machine");
        let instance = machine.instance_id.expect("it was bought");
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
        Measured {
            whole: millis(called.saturating_duration_since(acknowledged)),
            commits: millis(self.store.between(&machine.name, acknowledged, called)),
        }
    }
}
