//! A database, a simulated Contabo on a socket, and processes of `serve` between them.

use std::path::Path;
use std::sync::Arc;

use devpocket::clock::{RandomIds, SystemClock};
use devpocket::simulator::control::ControlClient;
use devpocket::simulator::{
    API_PASSWORD, API_USER, CLIENT_ID, CLIENT_SECRET, Simulator, SimulatorConfig,
};
use devpocket::store::{PgOptions, PgStore};
use devpocket_controllers::client::Client;
use devpocket_controllers::sim::contabo::Settings;
use devpocket_specs::admit::Actor;
use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::condition;
use devpocket_specs::environment::{Environment, conditions};
use devpocket_specs::installation::{self, Installation, InstallationStatus};
use devpocket_specs::metadata::ObjectMeta;
use devpocket_specs::money::Money;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Ended, Process, Variables, call, eventually};
use crate::support::postgres::TestDatabase;

pub const TOKEN: &str = "adm1n-token-of-these-tests-0123456789";
/// 64 hex digits, as `openssl rand -hex 32` prints them.
pub const SEAL_KEY: &str = "c0ffee00c0ffee01c0ffee02c0ffee03c0ffee04c0ffee05c0ffee06c0ffee07";
/// What tokens are signed with.
pub const SECRET_KEY: &str = "s1gning-key-of-these-tests-0123456789";
/// How many times faster than Contabo machines are made.
const SPEED: f64 = 100.0;
pub const ENVIRONMENTS: &str = "/kube/apis/devpocket.dev/v1alpha1/namespaces/main/environments";
pub const INSTALLATION: &str = "/kube/apis/devpocket.dev/v1alpha1/installations/devpocket";

/// What is around the processes.
pub struct World {
    pub simulator: Simulator,
    pub control: ControlClient,
    /// Working folder of the processes, with `.env` if a test writes one.
    pub folder: TempDir,
    pub variables: Variables,
    /// Of the installation that [`World::leading`] makes.
    pub budget: Money,
}

impl World {
    /// Around a database at this address.
    pub async fn new(database_url: &str) -> World {
        devpocket::crypto::install_provider();
        let settings = Settings { speed: SPEED, ..Settings::prompt() };
        let config = SimulatorConfig::in_memory(settings, SystemClock::new().into());
        let simulator = Simulator::start(config).await.unwrap();
        let control = ControlClient::new(&simulator.control_url()).unwrap();
        let variables = [
            ("DATABASE_URL", database_url.to_owned()),
            ("CONTABO_CLIENT_ID", CLIENT_ID.to_owned()),
            ("CONTABO_CLIENT_SECRET", CLIENT_SECRET.to_owned()),
            ("CONTABO_USERNAME", API_USER.to_owned()),
            ("CONTABO_PASSWORD", API_PASSWORD.to_owned()),
            ("CONTABO_API_URL", simulator.api_url()),
            ("CONTABO_AUTH_URL", simulator.auth_url()),
            ("DEVPOCKET_ADMIN_TOKEN", TOKEN.to_owned()),
            ("DEVPOCKET_SEAL_KEY", SEAL_KEY.to_owned()),
            ("SECRET_KEY", SECRET_KEY.to_owned()),
            ("DEVPOCKET_MONTHLY_BUDGET", "300 EUR".to_owned()),
            ("DEVPOCKET_SWEEP_SECONDS", "1".to_owned()),
            ("PORT", "0".to_owned()),
            ("LOG_FORMAT", "json".to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
        let budget = Money::eur(30_000);
        World { simulator, control, folder: tempfile::tempdir().unwrap(), variables, budget }
    }

    /// Around a new, empty database.
    pub async fn empty() -> (World, TestDatabase) {
        let database = TestDatabase::empty().await;
        (World::new(&database.url()).await, database)
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.insert(name.to_owned(), value.into());
    }

    /// A `serve` that answers requests.
    pub async fn serve(&self) -> Serve {
        Serve::start(self, &[]).await
    }

    /// A `serve` that leads and has looked at the account, with the patience of these tests instead
    /// of a production's.
    pub async fn leading(&self) -> Serve {
        self.leading_with(&[]).await
    }

    /// The same with these flags.
    pub async fn leading_with(&self, flags: &[&str]) -> Serve {
        self.install().await;
        let serve = Serve::start(self, flags).await;
        eventually("a first look at the account", async || {
            let found: Option<Installation> = serve.find(INSTALLATION).await;
            found?.status.sweep.map(drop)
        })
        .await;
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "main"},
        });
        let (code, reply) =
            serve.send(Method::POST, "/kube/api/v1/namespaces", Some(&namespace)).await;
        assert!(matches!(code, 201 | 409), "{reply}");
        serve
    }

    /// Makes the schema and the record that a first start would make, but for its patience: how
    /// long lists may lag is fixed at the first start, and no flag changes it.
    async fn install(&self) {
        assert_eq!(self.call(&["migrate"]).await.code, 0);
        let options = PgOptions::from_url(&self.variables["DATABASE_URL"]).unwrap();
        let store = Arc::new(PgStore::connect(options).await.unwrap());
        let client = Client::new(
            store.clone(),
            Arc::new(SystemClock::new()),
            Arc::new(RandomIds),
            Arc::new(Catalogue::builtin().clone()),
            Actor::system("devpocket-controllers"),
        );
        let spec = json!({
            "id": "7e57ab1e", "monthlyBudget": self.budget,
            "lagAllowanceSeconds": 1, "settleSeconds": 5,
        });
        let record = Installation {
            metadata: ObjectMeta::named("", installation::NAME),
            spec: serde_json::from_value(spec).unwrap(),
            status: InstallationStatus::default(),
        };
        client.create(&record).await.unwrap();
        drop(client);
        store.close().await;
    }

    /// Runs another command of the program with these variables.
    pub async fn call(&self, arguments: &[&str]) -> Ended {
        call(self.path(), &self.variables, arguments).await
    }

    /// Purchases in the account's ledger.
    pub async fn purchases(&self) -> usize {
        self.control.ledger().await.unwrap().entries.len()
    }
}

/// A running `serve` and a client of it.
pub struct Serve {
    pub process: Process,
    pub url: String,
    http: reqwest::Client,
}

impl Serve {
    pub async fn start(world: &World, flags: &[&str]) -> Serve {
        let arguments = [&["serve"], flags].concat();
        let mut process = Process::start(world.path(), &world.variables, &arguments);
        let serving = process.entry("serving").await;
        let url = format!("http://{}", serving["address"].as_str().unwrap());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Serve { process, url, http }
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(TOKEN)
    }

    /// Code and JSON of a request that is answered.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let patch = method == Method::PATCH;
        let mut request = self.request(method, path);
        if let Some(body) = body {
            let kind = if patch { "application/merge-patch+json" } else { "application/json" };
            request = request.header("content-type", kind).body(body.to_string());
        }
        let reply = request.send().await.unwrap();
        let code = reply.status().as_u16();
        let text = reply.text().await.unwrap();
        (code, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.send(Method::GET, path, None).await
    }

    pub async fn find<T: DeserializeOwned>(&self, path: &str) -> Option<T> {
        let (code, found) = self.get(path).await;
        (code == 200).then(|| serde_json::from_value(found).unwrap())
    }

    pub async fn installation(&self) -> Installation {
        self.find(INSTALLATION).await.expect("there is an installation")
    }

    pub async fn environment(&self, name: &str) -> Option<Environment> {
        self.find(&format!("{ENVIRONMENTS}/{name}")).await
    }

    pub async fn create(&self, name: &str) {
        let environment = json!({
            "apiVersion": "devpocket.dev/v1alpha1", "kind": "Environment",
            "metadata": {"name": name},
            "spec": {"size": "vps-10-nvme", "region": "EU"},
        });
        let (code, reply) = self.send(Method::POST, ENVIRONMENTS, Some(&environment)).await;
        assert_eq!(code, 201, "{reply}");
    }

    pub async fn ready(&self, name: &str) -> Environment {
        let what = format!("{name} is ready");
        eventually(&what, async || self.environment(name).await.filter(is_ready)).await
    }

    /// The value of a metric, summed over the series whose labels hold `labels`.
    pub async fn metric(&self, name: &str, labels: &str) -> f64 {
        let text = self.metrics().await;
        let series = text.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']) && rest.contains(labels))
        });
        series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    pub async fn metrics(&self) -> String {
        let reply = self.request(Method::GET, "/metrics").send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 200);
        reply.text().await.unwrap()
    }

    /// What a person reads who types this.
    pub async fn devpocket(&self, world: &World, arguments: &[&str]) -> Ended {
        let mut variables = Variables::new();
        variables.insert("DEVPOCKET_SERVER".into(), self.url.clone());
        variables.insert("DEVPOCKET_TOKEN".into(), TOKEN.into());
        variables.insert("DEVPOCKET_NAMESPACE".into(), "main".into());
        call(world.path(), &variables, arguments).await
    }
}

pub fn is_ready(environment: &Environment) -> bool {
    condition::is_true(&environment.status.conditions, conditions::READY)
        && environment.status.observed_generation == environment.metadata.generation
}
