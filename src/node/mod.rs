//! One DevPocket process: store, watch cache, API and controllers, wired together. `up` and
//! `serve` differ in where the database, Contabo and the keys come from, and in nothing else.
//!
//! Stopping goes from the outside in: the controllers finish what they issued, then the API ends
//! its watches, then the letter under way is sent, then the store flushes. An effect is never left between *issued* and *recorded*.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use devpocket_controllers::client::Client;
use devpocket_controllers::clock::{Clock, Ids};
use devpocket_controllers::cloud::Cloud;
use devpocket_controllers::guest::{Guest, Unobserved};
use devpocket_controllers::history::History;
use devpocket_controllers::manager::{Deps, Manager, Settings};
use devpocket_controllers::store::Store;
use devpocket_specs::admit::Actor;
use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::kind::Kind;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::access::seal::{SealError, Sealer};
use crate::access::{ByRole, TokenError, Tokens, User};
use crate::accounts::{AccountError, AccountSettings, Accounts, SignedIn};
use crate::bridge::{Authority, AuthorityError, Bridge, Dialer};
use crate::cache::{CacheOptions, CachedStore};
use crate::config::public_host;
use crate::contabo::Sensitive;
use crate::history::PgHistory;
use crate::keys::{Keys, KeysError};
use crate::lines::InstallLines;
use crate::mail::{Carrier, Outbox, Sender};
use crate::server::limiter::{Limiter, Rules, SharedWindows};
use crate::server::{
    AllowedHosts, AppState, Build, Edge, FileTls, MetricsText, Proxies, Server, StoreProbe,
};
use crate::store::{OpenError, PgOptions, PgStore, UrlError};

/// Name of the account the admin token belongs to.
pub const ADMIN: &str = "admin";

/// What a process is made of.
pub struct NodeConfig {
    pub database_url: Sensitive,
    pub cloud: Arc<dyn Cloud>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub catalogue: Arc<Catalogue>,
    pub admin_token: Sensitive,
    /// As [`Sealer::from_text`] reads it.
    pub seal_key: Sensitive,
    /// Where it is from, if it is followed.
    pub seal_key_file: Option<PathBuf>,
    pub accounts: AccountSettings,
    /// Ids of sealing keys that are gone for good: what they sealed is given up.
    pub lost_seal_keys: Vec<String>,
    /// Already bound, so that a taken port is known before anything else happens.
    pub server: Server,
    /// Names beside loopback the API answers to.
    pub hosts: Vec<String>,
    /// Origins beside those whose pages may ask; `*` for all.
    pub origins: Vec<String>,
    pub edge: EdgeParts,
    pub settings: Settings,
    /// How machines are reached; without this nobody looks at their operating systems.
    pub dialer: Option<Arc<dyn Dialer>>,
    pub metrics: Option<MetricsText>,
}

/// What stands between the network and the API.
#[derive(Default)]
pub struct EdgeParts {
    pub proxies: Proxies,
    /// None: nobody is limited.
    pub rules: Option<Rules>,
    /// Whether people reach it by https only.
    pub https: bool,
    /// Where people reach it.
    pub public_url: Option<String>,
    /// Who takes letters; none: no letters.
    pub carrier: Option<Arc<dyn Carrier>>,
}

impl EdgeParts {
    /// With limits that replicas on the same database share.
    fn edge(
        self,
        postgres: &PgStore,
        clock: &Arc<dyn Clock>,
        certificate: Option<FileTls>,
    ) -> Edge {
        let limiter = self.rules.map(|rules| {
            let shared = SharedWindows::new(postgres.pool().clone());
            Limiter::new(rules, clock.clone(), Some(shared))
        });
        let EdgeParts { proxies, https, public_url, .. } = self;
        Edge { proxies, limiter, https, certificate, public_url }
    }
}

/// Why a process does not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error("the database address: {0}")]
    Url(#[from] UrlError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the watch cache cannot be filled: {0}")]
    Cache(#[from] devpocket_controllers::store::StoreError),
    #[error("the sealing key: {0}")]
    Seal(#[from] SealError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error("the authority that opens machines: {0}")]
    Authority(#[from] AuthorityError),
    #[error("the admin token: {0}")]
    Token(#[from] TokenError),
    #[error("accounts: {0}")]
    Accounts(#[from] AccountError),
    /// `DEFAULT_TIER` names none of the tiers there are.
    #[error("DEFAULT_TIER is {tier:?}; there are {}", .known.join(", "))]
    DefaultTier { tier: String, known: Vec<String> },
}

/// What the parts of a process are made with.
struct Ports {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    catalogue: Arc<Catalogue>,
}

/// What stops a task, and the task if there is one.
type Stoppable = (CancellationToken, Option<JoinHandle<()>>);

impl Ports {
    fn client(&self, actor: Actor) -> Client {
        let (clock, ids) = (self.clock.clone(), self.ids.clone());
        Client::new(self.store.clone(), clock, ids, self.catalogue.clone(), actor)
    }

    fn keys(&self, sealer: &Arc<Sealer>, postgres: &Arc<PgStore>) -> Keys {
        Keys {
            sealer: sealer.clone(),
            store: self.store.clone(),
            postgres: postgres.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            catalogue: self.catalogue.clone(),
        }
    }

    fn deps(
        &self,
        cloud: Arc<dyn Cloud>,
        guest: Arc<dyn Guest>,
        lines: InstallLines,
        history: Arc<dyn History>,
    ) -> Deps {
        Deps {
            store: self.store.clone(),
            cloud,
            guest,
            lines: Arc::new(lines),
            history,
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            catalogue: self.catalogue.clone(),
        }
    }

    /// Sends letters, where there is somebody to take them.
    fn mail(
        &self,
        carrier: Option<Arc<dyn Carrier>>,
        outbox: &Outbox,
        postgres: &PgStore,
    ) -> Stoppable {
        let stop = CancellationToken::new();
        let task = carrier.map(|carrier| {
            let (outbox, pool) = (outbox.clone(), postgres.pool().clone());
            let sender = Sender { outbox, pool, carrier, ids: self.ids.clone() };
            tokio::spawn(sender.run(stop.clone()))
        });
        (stop, task)
    }
}

/// A running process.
pub struct Node {
    address: SocketAddr,
    store: Arc<CachedStore>,
    postgres: Arc<PgStore>,
    client: Client,
    controllers: (CancellationToken, JoinHandle<()>),
    api: (CancellationToken, JoinHandle<()>),
    mail: Stoppable,
}

impl Node {
    /// Opens the store and starts everything. The schema must be current.
    pub async fn start(config: NodeConfig) -> Result<Node, NodeError> {
        let sealer = Sealer::from_text(config.seal_key.reveal())?;
        let sealer = Arc::new(match config.seal_key_file {
            Some(file) => sealer.kept_in(file),
            None => sealer,
        });
        let tokens = Tokens::single(config.admin_token.reveal(), User::admin(ADMIN))?;
        let options = PgOptions::from_url(config.database_url.reveal())?;
        let postgres = Arc::new(PgStore::connect(options).await?);
        let cached = CachedStore::open(postgres.clone(), CacheOptions::default()).await?;
        let cached = Arc::new(cached);
        let ports = Ports {
            store: cached.clone(),
            clock: config.clock,
            ids: config.ids,
            catalogue: config.catalogue,
        };
        let keys = Arc::new(ports.keys(&sealer, &postgres));
        keys.check(&config.lost_seal_keys).await?;

        let bridge = match config.dialer {
            Some(dialer) => {
                let authority = Authority::open(postgres.clone(), sealer.clone()).await?;
                Some(Bridge::new(authority, dialer))
            }
            None => None,
        };
        let guest: Arc<dyn Guest> = match &bridge {
            Some(bridge) => Arc::new(bridge.clone()),
            None => Arc::new(Unobserved),
        };
        let outbox = match config.edge.carrier {
            Some(_) => Outbox::new(sealer.clone()),
            None => Outbox::default(),
        };
        if let Some(tier) = &config.accounts.default_tier {
            known_tier(&cached, tier).await?;
        }
        let mut settings = config.accounts;
        settings.mail = config.edge.carrier.is_some();
        let accounts = Arc::new(Accounts::new(
            postgres.pool().clone(),
            ports.clock.clone(),
            ports.ids.clone(),
            settings,
            ports.client(Actor::system("devpocket-accounts")),
            outbox.clone(),
        )?);
        let mut parts = config.edge;
        let mail = ports.mail(parts.carrier.take(), &outbox, &postgres);
        let mut hosts = config.hosts;
        hosts.extend(parts.public_url.as_deref().and_then(public_host));
        let api_stop = CancellationToken::new();
        tokio::spawn(accounts.clone().keep_tidy(api_stop.clone()));
        tokio::spawn(keys.clone().follow(config.lost_seal_keys, api_stop.clone()));
        let lines = InstallLines::new(postgres.pool().clone());
        tokio::spawn(lines.clone().keep_tidy(ports.clock.clone(), api_stop.clone()));
        let history = PgHistory::new(postgres.pool().clone());
        tokio::spawn(history.clone().keep_tidy(ports.clock.clone(), api_stop.clone()));
        let history: Arc<dyn History> = Arc::new(history);
        let address = config.server.address();
        let certificate = config.server.certificate().cloned();
        let state = Arc::new(AppState {
            store: ports.store.clone(),
            clock: ports.clock.clone(),
            ids: ports.ids.clone(),
            catalogue: ports.catalogue.clone(),
            sealer,
            authorizer: Arc::new(ByRole),
            authenticator: Arc::new(SignedIn::new(tokens, accounts.clone())),
            accounts: Some(accounts),
            bridge,
            lines: Some(lines.clone()),
            history: Some(history.clone()),
            sockets: Default::default(),
            hosts: AllowedHosts::new(&hosts).with_origins(&config.origins),
            edge: parts.edge(&postgres, &ports.clock, certificate),
            keys: Some(keys),
            outbox,
            plans: Default::default(),
            metrics: config.metrics,
            probes: vec![Arc::new(StoreProbe(ports.store.clone()))],
            shutdown: api_stop.clone(),
            build: Build::default(),
        });
        let api = tokio::spawn(config.server.serve(state));

        let controllers_stop = CancellationToken::new();
        let deps = ports.deps(config.cloud, guest, lines, history);
        let controllers =
            tokio::spawn(Manager::run(deps, config.settings, controllers_stop.clone()));
        let client = ports.client(Actor {
            user: ADMIN.into(),
            account: None,
            manager: "devpocket-up".into(),
            address: None,
            request_id: String::new(),
        });
        Ok(Node {
            address,
            store: cached,
            postgres,
            client,
            controllers: (controllers_stop, controllers),
            api: (api_stop, api),
            mail,
        })
    }

    /// Where the API listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Typed access to the records, as the admin.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The store behind the API.
    pub fn store(&self) -> &Arc<CachedStore> {
        &self.store
    }

    /// Stops in order; returns when everything that was begun is recorded.
    pub async fn stop(self) {
        self.controllers.0.cancel();
        let _ = self.controllers.1.await;
        self.api.0.cancel();
        let _ = self.api.1.await;
        self.mail.0.cancel();
        if let Some(mail) = self.mail.1 {
            let _ = mail.await;
        }
        self.store.stop_following();
        self.postgres.close().await;
    }
}

/// Refuses a tier that is not among those there are. Where there is none yet, only a server that runs
/// can be given one, so that is said and no more: until then new accounts spend nothing.
async fn known_tier(store: &CachedStore, tier: &str) -> Result<(), NodeError> {
    let tiers = store.list(Kind::Tier, None).await?.items;
    let known: Vec<String> = tiers.iter().map(|found| found.metadata.name.clone()).collect();
    if known.is_empty() {
        tracing::warn!(
            "DEFAULT_TIER is {tier:?} and there is no tier yet: new accounts spend nothing until one \
             of that name is applied"
        );
    } else if !known.iter().any(|name| name == tier) {
        return Err(NodeError::DefaultTier { tier: tier.to_owned(), known });
    }
    Ok(())
}
