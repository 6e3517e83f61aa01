//! A server on a socket over a store in memory, and clients of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use devpocket::access::seal::Sealer;
use devpocket::access::{Authenticator, ByRole, Tokens, User};
use devpocket::clock::{RandomIds, SystemClock};
use devpocket::server::{AllowedHosts, AppState, Build, Exposure, LocalTls, Server, StoreProbe};
use devpocket_controllers::sim::store::MemoryStore;
use devpocket_controllers::store::Store;
use devpocket_specs::catalogue::Catalogue;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longest that anything in these tests may take: a bound against hanging, not a measurement.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Pause between looks at a condition that is waited for.
pub const POLL: Duration = Duration::from_millis(10);

pub const ADMIN_TOKEN: &str = "admin-token-0123456789";
/// Signed in, but allowed nothing.
pub const GUEST_TOKEN: &str = "guest-token-0123456789";

pub const ENVIRONMENTS: &str = "/kube/apis/devpocket.dev/v1alpha1/namespaces/team-a/environments";

pub struct World {
    pub address: SocketAddr,
    pub store: Arc<dyn Store>,
    pub clock: SystemClock,
    pub shutdown: CancellationToken,
    pub served: JoinHandle<()>,
    http: reqwest::Client,
    /// Whom to trust for TLS, as PEM.
    pub authority: String,
}

/// What was answered over plain HTTP.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl World {
    /// With the namespace `team-a`.
    pub async fn new() -> World {
        World::over(Arc::new(MemoryStore::default())).await
    }

    pub async fn over(store: Arc<dyn Store>) -> World {
        let world = World::empty(store).await;
        let namespace = json!({"metadata": {"name": "team-a"}});
        let made = world.send(Method::POST, "/kube/api/v1/namespaces", &namespace).await;
        assert_eq!(made.code, 201, "{made:?}");
        world
    }

    pub async fn empty(store: Arc<dyn Store>) -> World {
        let mut tokens = Tokens::single(ADMIN_TOKEN, User::admin("admin")).unwrap();
        let guest = User::configured("guest", &["system:authenticated"]);
        tokens.add(GUEST_TOKEN, guest).unwrap();
        World::known(store, Arc::new(tokens)).await
    }

    /// With these people, and no namespace.
    pub async fn known(store: Arc<dyn Store>, authenticator: Arc<dyn Authenticator>) -> World {
        devpocket::crypto::install_provider();
        let clock = SystemClock::new();
        let shutdown = CancellationToken::new();
        let state = AppState {
            store: store.clone(),
            clock: Arc::new(clock.clone()),
            ids: Arc::new(RandomIds),
            catalogue: Arc::new(Catalogue::builtin().clone()),
            sealer: Arc::new(Sealer::new([7; 32])),
            authorizer: Arc::new(ByRole),
            authenticator,
            accounts: None,
            bridge: None,
            lines: None,
            history: None,
            sockets: Default::default(),
            hosts: AllowedHosts::new(["pocket.example"]),
            edge: Default::default(),
            keys: None,
            outbox: Default::default(),
            plans: Default::default(),
            metrics: Some(Arc::new(|| "devpocket_up 1\n".to_owned())),
            probes: vec![Arc::new(StoreProbe(store.clone()))],
            shutdown: shutdown.clone(),
            build: Build::default(),
        };
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::bind(any_port, Exposure::Loopback).await.unwrap();
        let address = server.address();
        let keys = tempfile::tempdir().unwrap();
        let tls = LocalTls::open(keys.path()).unwrap();
        let authority = tls.authority().to_owned();
        let served = tokio::spawn(server.with_tls(tls).serve(Arc::new(state)));
        // Making one takes long: it reads the system's certificates.
        let http = reqwest::Client::new();
        World { address, store, clock, shutdown, served, http, authority }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The real client, signed in as the admin.
    pub fn client(&self) -> Client {
        let mut config = kube::Config::new(self.url("/kube").parse().unwrap());
        config.auth_info.token = Some(ADMIN_TOKEN.to_owned().into());
        config.default_namespace = "team-a".into();
        Client::try_from(config).unwrap()
    }

    pub fn environments(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client(), "team-a", &environment_resource())
    }

    pub async fn environment(&self, name: &str) -> DynamicObject {
        let object = environment(name);
        self.environments().create(&PostParams::default(), &object).await.unwrap()
    }

    /// A request of the admin with a JSON body; none for null.
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.send_as(method, path, "application/json", text).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &Value::Null).await
    }

    pub async fn send_as(&self, method: Method, path: &str, media: &str, body: String) -> Answer {
        let request = self.request(method, path).bearer_auth(ADMIN_TOKEN);
        answer(request.header("content-type", media).body(body)).await
    }

    /// A request without a token.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, self.url(path)).timeout(PATIENCE)
    }
}

pub async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (code, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer { code, headers, body }
}

impl Answer {
    /// The refusal's reason, code in the body checked against the HTTP status.
    pub fn reason(&self) -> &str {
        assert_eq!(self.body["kind"], "Status", "{self:?}");
        assert_eq!(self.body["status"], "Failure", "{self:?}");
        assert_eq!(self.body["code"], self.code, "{self:?}");
        self.body["reason"].as_str().unwrap()
    }

    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap()
    }

    /// Fields of the causes.
    pub fn fields(&self) -> Vec<&str> {
        let causes = self.body["details"]["causes"].as_array().into_iter().flatten();
        causes.map(|cause| cause["field"].as_str().unwrap_or_default()).collect()
    }

    pub fn names(&self) -> Vec<&str> {
        let items = self.body["items"].as_array().unwrap_or_else(|| panic!("{self:?}"));
        items.iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
    }
}

pub fn environment_resource() -> ApiResource {
    let kind = GroupVersionKind::gvk("devpocket.dev", "v1alpha1", "Environment");
    ApiResource::from_gvk_with_plural(&kind, "environments")
}

pub fn environment(name: &str) -> DynamicObject {
    DynamicObject::new(name, &environment_resource())
        .within("team-a")
        .data(json!({"spec": {"size": "vps-10-nvme", "region": "EU"}}))
}

/// The code and reason of a refusal, as the real client read them.
pub fn refusal(error: kube::Error) -> (u16, String) {
    match error {
        kube::Error::Api(status) => (status.code, status.reason),
        other => panic!("not a Status: {other}"),
    }
}
