//! Servers on sockets over one database, and people who use them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use devpocket::access::seal::Sealer;
use devpocket::access::{ByRole, Tokens, User};
use devpocket::accounts::keys::SigningKeys;
use devpocket::accounts::password::Cost;
use devpocket::accounts::{AccountSettings, Accounts, Registration, SignedIn};
use devpocket::cache::{CacheOptions, CachedStore};
use devpocket::clock::{RandomIds, SystemClock};
use devpocket::history::PgHistory;
use devpocket::lines::InstallLines;
use devpocket::mail::Outbox;
use devpocket::server::{AllowedHosts, AppState, Build, Exposure, Server, StoreProbe};
use devpocket::store::{PgOptions, PgStore};
use devpocket_controllers::client::Client;
use devpocket_controllers::store::Store;
use devpocket_specs::admit::Actor;
use devpocket_specs::catalogue::Catalogue;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::support::postgres::TestDatabase;

/// Longest that anything in these tests may take: a bound against hanging, not a measurement.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between looks at a condition that is waited for.
pub const POLL: Duration = Duration::from_millis(10);
pub const ADMIN_TOKEN: &str = "admin-token-0123456789";
pub const PASSWORD: &str = "Correct1";
/// A hash that costs next to nothing: what it costs is not what these tests are about.
pub const CHEAP: Cost = Cost { memory: 16, passes: 1, lanes: 1 };

/// A database and one server on it.
pub struct World {
    pub first: Replica,
    pub pool: PgPool,
    settings: AccountSettings,
    database: TestDatabase,
}

/// A server on a socket.
pub struct Replica {
    pub url: String,
    pub clock: SystemClock,
    pub accounts: Arc<Accounts>,
    pub authenticator: Arc<SignedIn>,
    pub store: Arc<dyn Store>,
    pub lines: InstallLines,
    pub history: PgHistory,
    shutdown: CancellationToken,
    http: reqwest::Client,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

/// Somebody who has signed in.
#[derive(Clone, Debug)]
pub struct Signed {
    pub access: String,
    pub refresh: String,
}

impl World {
    /// Where everybody may register.
    pub async fn new() -> World {
        World::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut AccountSettings)) -> World {
        devpocket::crypto::install_provider();
        let database = TestDatabase::new().await;
        let keys = SigningKeys::from_text("a signing key of these tests", false).unwrap();
        let mut settings = AccountSettings::new(keys);
        settings.registration = Registration::Open;
        settings.cost = CHEAP;
        // What failures wait for is not what most of these tests are about.
        settings.failure_step = Duration::ZERO;
        change(&mut settings);
        let first = Replica::start(&database, &settings, SystemClock::new()).await;
        let pool = database.pool().await;
        World { first, pool, settings, database }
    }

    /// Another server on the same database, whose clock is ahead by so much.
    pub async fn replica(&self, ahead: Duration) -> Replica {
        Replica::start(&self.database, &self.settings, SystemClock::ahead_by(ahead)).await
    }

    /// The same with other settings, as after a restart.
    pub async fn restarted(&self, change: impl FnOnce(&mut AccountSettings)) -> Replica {
        let mut settings = self.settings.clone();
        change(&mut settings);
        Replica::start(&self.database, &settings, SystemClock::new()).await
    }

    /// What the trail holds, as `verb subject name actor`, oldest first.
    pub async fn trail(&self) -> Vec<String> {
        let sql = "SELECT verb || ' ' || subject || ' ' || name || ' ' || actor \
                   FROM access_audit ORDER BY at, id";
        let rows: Vec<(String,)> = sqlx::query_as(sql).fetch_all(&self.pool).await.unwrap();
        rows.into_iter().map(|(line,)| line).collect()
    }

    /// Runs a statement from the side.
    pub async fn sql(&self, sql: &'static str) {
        sqlx::query(sql).execute(&self.pool).await.unwrap();
    }
}

impl std::ops::Deref for World {
    type Target = Replica;

    fn deref(&self) -> &Replica {
        &self.first
    }
}

impl Replica {
    async fn start(
        database: &TestDatabase,
        settings: &AccountSettings,
        clock: SystemClock,
    ) -> Replica {
        let source = PgStore::connect(PgOptions::new(database.options())).await.unwrap();
        let pool = source.pool().clone();
        let lines = InstallLines::new(pool.clone());
        let history = PgHistory::new(pool.clone());
        let store = CachedStore::open(Arc::new(source), CacheOptions::default()).await.unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let catalogue = Arc::new(Catalogue::builtin().clone());
        let (shared, ids) = (Arc::new(clock.clone()), Arc::new(RandomIds));
        let client = Client::new(
            store.clone(),
            shared.clone(),
            ids.clone(),
            catalogue.clone(),
            Actor::system("devpocket-accounts"),
        );
        let sealer = Arc::new(Sealer::new([7; 32]));
        let outbox = match settings.mail {
            true => Outbox::new(sealer.clone()),
            false => Outbox::default(),
        };
        let accounts = Accounts::new(
            pool,
            shared.clone(),
            ids.clone(),
            settings.clone(),
            client,
            outbox.clone(),
        );
        let accounts = Arc::new(accounts.unwrap());
        let tokens = Tokens::single(ADMIN_TOKEN, User::admin("admin")).unwrap();
        let authenticator = Arc::new(SignedIn::new(tokens, accounts.clone()));
        let shutdown = CancellationToken::new();
        let state = AppState {
            store: store.clone(),
            clock: shared,
            ids,
            catalogue,
            sealer,
            authorizer: Arc::new(ByRole),
            authenticator: authenticator.clone(),
            accounts: Some(accounts.clone()),
            bridge: None,
            lines: Some(lines.clone()),
            history: Some(Arc::new(history.clone())),
            sockets: Default::default(),
            hosts: AllowedHosts::default(),
            edge: Default::default(),
            keys: None,
            outbox,
            plans: Default::default(),
            metrics: None,
            probes: vec![Arc::new(StoreProbe(store.clone()))],
            shutdown: shutdown.clone(),
            build: Build::default(),
        };
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::bind(any_port, Exposure::Loopback).await.unwrap();
        let url = format!("http://{}", server.address());
        tokio::spawn(server.serve(Arc::new(state)));
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Replica { url, clock, accounts, authenticator, store, lines, history, shutdown, http }
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        let mut request = self.http.request(method, format!("{}/api/v1{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let (code, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { code, headers, body }
    }

    /// A request of nobody in particular.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, None, Some(body)).await
    }

    pub async fn post_as(&self, token: &str, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(token), Some(body)).await
    }

    pub async fn get(&self, token: &str, path: &str) -> Answer {
        self.send(Method::GET, path, Some(token), None).await
    }

    /// Whether the token is good for a request.
    pub async fn accepts(&self, token: &str) -> bool {
        let answer = self.get(token, "/auth/me").await;
        assert!(matches!(answer.code, 200 | 401), "{answer:?}");
        answer.code == 200
    }

    pub async fn register(&self, name: &str) -> Answer {
        let form = json!({
            "username": name, "email": format!("{name}@example.com"), "password": PASSWORD,
        });
        self.post("/auth/register", form).await
    }

    pub async fn login(&self, name: &str, password: &str) -> Answer {
        let form = json!({"username_or_email": name, "password": password});
        self.post("/auth/login", form).await
    }

    /// Registers somebody and signs them in.
    pub async fn person(&self, name: &str) -> Signed {
        let made = self.register(name).await;
        assert_eq!(made.code, 201, "{made:?}");
        self.login(name, PASSWORD).await.signed()
    }

    pub async fn refresh(&self, token: &str) -> Answer {
        self.post("/auth/refresh", json!({"refresh_token": token})).await
    }
}

impl Answer {
    pub fn signed(&self) -> Signed {
        assert_eq!(self.code, 200, "{self:?}");
        assert_eq!(self.body["token_type"], "bearer", "{self:?}");
        let text = |name: &str| self.body[name].as_str().unwrap().to_owned();
        Signed { access: text("access_token"), refresh: text("refresh_token") }
    }

    /// The sentence of a refusal, whose form is checked.
    pub fn detail(&self) -> &str {
        assert!(self.code >= 400, "{self:?}");
        assert!(self.body["errors"].is_array(), "{self:?}");
        let path = self.body["path"].as_str().unwrap();
        assert!(path.starts_with("/api/v1/"), "{self:?}");
        let at: Result<jiff::Timestamp, _> = self.body["timestamp"].as_str().unwrap().parse();
        assert!(at.is_ok(), "{self:?}");
        self.body["detail"].as_str().unwrap()
    }

    /// `field code` of each wrong field.
    pub fn faults(&self) -> Vec<String> {
        assert_eq!((self.code, self.detail()), (422, "Validation error"), "{self:?}");
        let errors = self.body["errors"].as_array().unwrap();
        let text = |error: &Value, name: &str| error[name].as_str().unwrap().to_owned();
        errors.iter().map(|e| format!("{} {}", text(e, "field"), text(e, "code"))).collect()
    }
}

/// Looks until a condition holds.
pub async fn eventually<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, looking).await;
    found.unwrap_or_else(|_| panic!("{what} did not come to be"))
}
