//! A server on a socket over a store in memory, and the program that talks to it.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use devpocket::access::seal::Sealer;
use devpocket::access::{ByRole, Role, Scope, Tokens, User};
use devpocket::clock::{RandomIds, SystemClock};
use devpocket::context::{Context, Contexts};
use devpocket::server::{AllowedHosts, AppState, Build, Exposure, LocalTls, Server, StoreProbe};
use devpocket_controllers::client::Client;
use devpocket_controllers::sim::history::SimHistory;
use devpocket_controllers::sim::store::MemoryStore;
use devpocket_controllers::store::Store;
use devpocket_specs::admit::Actor;
use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::environment::{Environment, EnvironmentStatus};
use devpocket_specs::installation::{Account, Installation, InstallationSpec, NAME, Sweep};
use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::ObjectMeta;
use devpocket_specs::money::Money;
use devpocket_specs::namespace::Namespace;
use devpocket_specs::object::Key;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout};
use tokio_util::sync::CancellationToken;

/// Longest that a call may take: a bound against hanging, not a measurement.
const PATIENCE: Duration = Duration::from_secs(60);

pub const TOKEN: &str = "admin-token-0123456789";
/// Of an editor in `main` who is nobody else.
pub const TENANT: &str = "tenant-token-0123456789";
/// Of an admin, for what a pipeline needs of environments and secrets, and nothing else.
pub const NARROW: &str = "narrow-token-0123456789";

/// A server, and a home for the program.
pub struct World {
    pub address: SocketAddr,
    pub client: Client,
    /// The server's clock.
    pub clock: SystemClock,
    /// How its machines were doing.
    pub history: SimHistory,
    pub home: TempDir,
    shutdown: CancellationToken,
}

/// A call that has not ended yet.
pub struct Running {
    pub child: Child,
    pub out: Lines<BufReader<ChildStdout>>,
    pub err: Lines<BufReader<ChildStderr>>,
}

impl Running {
    /// The next line of the answer.
    pub async fn answer(&mut self) -> Option<String> {
        let line = tokio::time::timeout(PATIENCE, self.out.next_line()).await;
        line.expect("no line was printed").unwrap()
    }

    /// The next line around the answer.
    pub async fn note(&mut self) -> Option<String> {
        let line = tokio::time::timeout(PATIENCE, self.err.next_line()).await;
        line.expect("no line was printed").unwrap()
    }

    /// Its exit code and what it still says on stderr.
    pub async fn end(mut self) -> (i32, Vec<String>) {
        let mut lines = Vec::new();
        while let Some(line) = self.note().await {
            lines.push(line);
        }
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        (status.expect("it does not end").unwrap().code().unwrap_or(-1), lines)
    }
}

/// How a call ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl World {
    /// With the namespace `main` and a simulated account with a budget.
    pub async fn new() -> World {
        let world = World::bare().await;
        world.account(true).await;
        world
    }

    /// Without an account.
    pub async fn bare() -> World {
        World::served(None).await
    }

    /// With TLS on the same port. The context stays as it is: over plain HTTP.
    pub async fn with_tls(tls: LocalTls) -> World {
        let world = World::served(Some(tls)).await;
        world.account(true).await;
        world
    }

    async fn served(tls: Option<LocalTls>) -> World {
        devpocket::crypto::install_provider();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let clock = SystemClock::new();
        let catalogue = Arc::new(Catalogue::builtin().clone());
        let shutdown = CancellationToken::new();
        let history = SimHistory::default();
        let state = AppState {
            store: store.clone(),
            clock: Arc::new(clock.clone()),
            ids: Arc::new(RandomIds),
            catalogue: catalogue.clone(),
            sealer: Arc::new(Sealer::new([7; 32])),
            authorizer: Arc::new(ByRole),
            authenticator: Arc::new(tokens()),
            accounts: None,
            bridge: None,
            lines: None,
            history: Some(Arc::new(history.clone())),
            sockets: Default::default(),
            hosts: AllowedHosts::new(Vec::<String>::new()),
            edge: Default::default(),
            keys: None,
            outbox: Default::default(),
            plans: Default::default(),
            metrics: None,
            probes: vec![Arc::new(StoreProbe(store.clone()))],
            shutdown: shutdown.clone(),
            build: Build::default(),
        };
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::bind(any, Exposure::Loopback).await.unwrap();
        let server = match tls {
            Some(tls) => server.with_tls(tls),
            None => server,
        };
        let address = server.address();
        tokio::spawn(server.serve(Arc::new(state)));
        let actor = Actor::system("test");
        let client =
            Client::new(store, Arc::new(clock.clone()), Arc::new(RandomIds), catalogue, actor);
        let namespace = Namespace { metadata: ObjectMeta::named("", "main"), ..empty() };
        client.create(&namespace).await.unwrap();
        let home = tempfile::tempdir().unwrap();
        let world = World { address, client, clock, history, home, shutdown };
        world.sign_in();
        world
    }

    /// Records which Contabo account this is.
    pub async fn account(&self, simulated: bool) {
        let account = Account {
            api: "http://127.0.0.1:1".into(),
            tenant: "DE".into(),
            customer: "54321".into(),
            simulated,
        };
        let spec = InstallationSpec {
            id: "0123abcd".into(),
            account: Some(account),
            monthly_budget: Some(Money::eur(30_000)),
            purchases_per_hour: 3,
            reclaim_after_seconds: 86_400,
            lag_allowance_seconds: 60,
            settle_seconds: 1_800,
            ..InstallationSpec::default()
        };
        let metadata = ObjectMeta::named("", NAME);
        let installation = Installation { metadata, spec, status: Default::default() };
        self.client.create(&installation).await.unwrap();
        // An account nobody has looked at yet is held for that reason alone.
        let sweep = Sweep {
            as_of: self.client.now(),
            instances: 0,
            complete: true,
            trusted: true,
            count: 1,
        };
        let key = Key::cluster(Kind::Installation, NAME);
        let seen = self.client.edit_status(&key, |installation: &mut Installation| {
            installation.status.sweep = Some(sweep.clone());
        });
        seen.await.unwrap();
    }

    fn sign_in(&self) {
        self.sign_in_at(&format!("http://{}", self.address), None);
    }

    /// Makes this the server of the context in use.
    pub fn sign_in_at(&self, server: &str, authority: Option<&str>) {
        let context = Context {
            server: server.to_owned(),
            token: devpocket::contabo::Sensitive::new(TOKEN),
            refresh: None,
            namespace: "main".into(),
            authority: authority.map(str::to_owned),
        };
        let contexts = Contexts {
            current: Some("local".into()),
            contexts: [("local".into(), context)].into(),
            simulator: None,
        };
        contexts.save(&self.config()).unwrap();
    }

    pub fn config(&self) -> PathBuf {
        self.home.path().join("config.yaml")
    }

    /// Writes a file into the program's folder.
    pub fn file(&self, name: &str, text: &str) {
        let path = self.home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The program, in its folder, with nothing of the environment it runs in.
    pub fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_devpocket"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.home.path())
            .env("TMPDIR", self.home.path())
            .env("DEVPOCKET_CONFIG", self.config())
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC")
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, &[]).await
    }

    pub async fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        let mut command = self.program(arguments);
        command.envs(variables.iter().copied());
        let mut command = tokio::process::Command::from(command);
        let output = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output()).await;
        let output = output.unwrap_or_else(|_| panic!("{arguments:?} does not end"));
        Ended::of(output.unwrap())
    }

    /// Starts it and goes on.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut command = tokio::process::Command::from(self.program(arguments));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        let err = BufReader::new(child.stderr.take().unwrap()).lines();
        Running { child, out, err }
    }

    /// Declares an environment, as if with `create`.
    pub async fn declare(&self, name: &str) {
        let arguments = ["create", name, "--size", "vps-10-nvme", "--region", "EU", "--yes"];
        self.run(&arguments).await.done();
    }

    pub fn key(&self, name: &str) -> Key {
        Key::new(Kind::Environment, "main", name)
    }

    pub async fn environment(&self, name: &str) -> Option<Environment> {
        self.client.get(&self.key(name)).await.unwrap()
    }

    /// Writes a status, as the controllers would.
    pub async fn stand(&self, name: &str, change: impl Fn(&mut EnvironmentStatus) + Send + Sync) {
        let key = self.key(name);
        let edited = self.client.edit_status(&key, |environment: &mut Environment| {
            environment.status.observed_generation = environment.metadata.generation;
            change(&mut environment.status);
        });
        edited.await.unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn tokens() -> Tokens {
    let mut tokens = Tokens::single(TOKEN, User::admin("admin")).unwrap();
    let roles = Arc::new([("main".to_owned(), Role::Editor)].into());
    let tenant = User { roles, ..User::configured("ann", &["system:authenticated"]) };
    tokens.add(TENANT, tenant).unwrap();
    let words = |text: &str| text.split(',').map(str::to_owned).collect();
    let scope = Scope {
        verbs: words("get,list,create,patch"),
        kinds: words("environments,secrets"),
        namespace: None,
    };
    let narrow = User { scope: Some(Arc::new(scope)), ..User::admin("pipeline") };
    tokens.add(NARROW, narrow).unwrap();
    tokens
}

/// A namespace without anything in it.
fn empty() -> Namespace {
    serde_json::from_value(serde_json::json!({"metadata": {}})).unwrap()
}

impl Ended {
    pub fn of(output: Output) -> Ended {
        Ended {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// It must have done what it was asked to.
    pub fn done(self) -> Ended {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// It must have ended with this code and this first line on stderr.
    pub fn refused(self, code: i32, first_line: &str) -> Ended {
        assert_eq!(self.code, code, "{}", self.err);
        assert_eq!(self.err.lines().next().unwrap_or_default(), first_line, "{}", self.err);
        self
    }

    /// stderr has these lines, among others, in this order.
    pub fn says(self, lines: &[&str]) -> Ended {
        let mut rest = self.err.lines();
        for line in lines {
            assert!(rest.any(|other| other == *line), "missing {line:?} in:\n{}", self.err);
        }
        self
    }
}
