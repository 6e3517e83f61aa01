//! A server with an edge of the test's choice.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use devpocket::access::seal::Sealer;
use devpocket::access::{ByRole, Tokens, User};
use devpocket::clock::{RandomIds, SystemClock};
use devpocket::server::limiter::{Limiter, Rules, SharedWindows};
use devpocket::server::{AllowedHosts, AppState, Build, Edge, Exposure, FileTls, Proxies, Server};
use devpocket_controllers::sim::store::MemoryStore;
use devpocket_controllers::store::Store;
use devpocket_specs::catalogue::Catalogue;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Longest wait for anything: a bound against hanging.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(50);

pub const ADMIN: &str = "admin-token-0123456789";
pub const BOB: &str = "bob-token-0123456789";

pub const NAMESPACES: &str = "/kube/api/v1/namespaces";

/// What the test chooses.
#[derive(Default)]
pub struct Setup {
    pub rules: Option<Rules>,
    pub proxies: &'static str,
    pub origins: Vec<&'static str>,
    pub https: bool,
    pub pool: Option<PgPool>,
    pub tls: Option<FileTls>,
}

pub struct World {
    pub address: SocketAddr,
    pub store: MemoryStore,
    pub http: reqwest::Client,
    shutdown: CancellationToken,
    served: JoinHandle<()>,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}"));
        value.to_str().unwrap()
    }
}

impl World {
    pub async fn start(setup: Setup) -> World {
        devpocket::crypto::install_provider();
        let clock = Arc::new(SystemClock::new());
        let store = MemoryStore::default();
        let shutdown = CancellationToken::new();
        let mut tokens = Tokens::single(ADMIN, User::admin("admin")).unwrap();
        tokens.add(BOB, User::admin("bob")).unwrap();
        let shared = setup.pool.map(SharedWindows::new);
        let limiter = setup.rules.map(|rules| Limiter::new(rules, clock.clone(), shared));
        let shared_store: Arc<dyn Store> = Arc::new(store.clone());
        let state = AppState {
            store: shared_store,
            clock,
            ids: Arc::new(RandomIds),
            catalogue: Arc::new(Catalogue::builtin().clone()),
            sealer: Arc::new(Sealer::new([7; 32])),
            authorizer: Arc::new(ByRole),
            authenticator: Arc::new(tokens),
            accounts: None,
            bridge: None,
            lines: None,
            history: None,
            sockets: Default::default(),
            hosts: AllowedHosts::new(["dev.example.com"]).with_origins(&setup.origins),
            edge: Edge {
                proxies: Proxies::read(setup.proxies).unwrap(),
                limiter,
                https: setup.https,
                certificate: setup.tls.clone(),
                public_url: None,
            },
            keys: None,
            outbox: Default::default(),
            plans: Default::default(),
            metrics: None,
            probes: Vec::new(),
            shutdown: shutdown.clone(),
            build: Build::default(),
        };
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::bind(any_port, Exposure::Loopback).await.unwrap();
        let address = server.address();
        let server = match setup.tls {
            Some(tls) => server.with_certificate(tls),
            None => server,
        };
        let served = tokio::spawn(server.serve(Arc::new(state)));
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        World { address, store, http, shutdown, served }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address))
    }

    pub async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    /// A list of namespaces, by somebody with a token.
    pub async fn list(&self, token: &str) -> Answer {
        answer(self.request(Method::GET, NAMESPACES).bearer_auth(token)).await
    }

    /// A new namespace, by the admin, with these headers.
    pub async fn create(&self, name: &str, headers: &[(&str, &str)]) -> Answer {
        let body = json!({"metadata": {"name": name}});
        let mut request = self.request(Method::POST, NAMESPACES).bearer_auth(ADMIN).json(&body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request).await
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.served).await.expect("it stops").unwrap();
    }
}

pub async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (code, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer { code, headers, body }
}

/// Waits until `look` has an answer.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = look().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "it did not come about: {what}");
        tokio::time::sleep(LOOK).await;
    }
}
