//! One DevPocket process: store, watch cache, API and controllers, wired together. `up` and
//! `serve` differ in where the database, Contabo and the keys come from, and in nothing else.
//!
//! Stopping goes from the outside in: the controllers finish what they issued, then the API ends
//! its watches, then the store flushes. An effect is never left between *issued* and *recorded*.

use std::net::SocketAddr;
use std::sync::Arc;

use devpocket_controllers::client::Client;
use devpocket_controllers::clock::{Clock, Ids};
use devpocket_controllers::cloud::Cloud;
use devpocket_controllers::guest::Unobserved;
use devpocket_controllers::manager::{Deps, Manager, Settings};
use devpocket_controllers::store::Store;
use devpocket_specs::admit::Actor;
use devpocket_specs::catalogue::Catalogue;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::access::seal::{SealError, Sealer};
use crate::access::{ByRole, TokenError, Tokens, User};
use crate::accounts::{AccountError, AccountSettings, Accounts, SignedIn};
use crate::cache::{CacheOptions, CachedStore};
use crate::contabo::Sensitive;
use crate::mail::Outbox;
use crate::server::{AllowedHosts, AppState, Build, MetricsText, Server, StoreProbe};
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
    pub accounts: AccountSettings,
    /// Already bound, so that a taken port is known before anything else happens.
    pub server: Server,
    /// Names beside loopback the API answers to.
    pub hosts: Vec<String>,
    /// Origins beside those whose pages may ask; `*` for all.
    pub origins: Vec<String>,
    pub settings: Settings,
    pub metrics: Option<MetricsText>,
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
    #[error("the admin token: {0}")]
    Token(#[from] TokenError),
    #[error("accounts: {0}")]
    Accounts(#[from] AccountError),
}

/// A running process.
pub struct Node {
    address: SocketAddr,
    store: Arc<CachedStore>,
    postgres: Arc<PgStore>,
    client: Client,
    controllers: (CancellationToken, JoinHandle<()>),
    api: (CancellationToken, JoinHandle<()>),
}

impl Node {
    /// Opens the store and starts everything. The schema must be current.
    pub async fn start(config: NodeConfig) -> Result<Node, NodeError> {
        let sealer = Arc::new(Sealer::from_text(config.seal_key.reveal())?);
        let tokens = Tokens::single(config.admin_token.reveal(), User::admin(ADMIN))?;
        let options = PgOptions::from_url(config.database_url.reveal())?;
        let postgres = Arc::new(PgStore::connect(options).await?);
        let cached = CachedStore::open(postgres.clone(), CacheOptions::default()).await?;
        let cached = Arc::new(cached);
        let store: Arc<dyn Store> = cached.clone();

        let accounts = Accounts::new(
            postgres.pool().clone(),
            config.clock.clone(),
            config.ids.clone(),
            config.accounts,
            Client::new(
                store.clone(),
                config.clock.clone(),
                config.ids.clone(),
                config.catalogue.clone(),
                Actor::system("devpocket-accounts"),
            ),
            Outbox::default(),
        )?;
        let accounts = Arc::new(accounts);
        if !accounts.settings.mail {
            tracing::warn!(
                "no mail is sent: addresses are not verified, and a forgotten password is set by \
                 the link of `devpocket admin reset-link NAME`"
            );
        }
        let api_stop = CancellationToken::new();
        tokio::spawn(accounts.clone().keep_tidy(api_stop.clone()));
        let address = config.server.address();
        let state = Arc::new(AppState {
            store: store.clone(),
            clock: config.clock.clone(),
            ids: config.ids.clone(),
            catalogue: config.catalogue.clone(),
            sealer,
            authorizer: Arc::new(ByRole),
            authenticator: Arc::new(SignedIn::new(tokens, accounts.clone())),
            accounts: Some(accounts),
            hosts: AllowedHosts::new(&config.hosts).with_origins(&config.origins),
            plans: Default::default(),
            metrics: config.metrics,
            probes: vec![Arc::new(StoreProbe(store.clone()))],
            shutdown: api_stop.clone(),
            build: Build::default(),
        });
        let api = tokio::spawn(config.server.serve(state));

        let controllers_stop = CancellationToken::new();
        let deps = Deps {
            store: store.clone(),
            cloud: config.cloud,
            guest: Arc::new(Unobserved),
            clock: config.clock.clone(),
            ids: config.ids.clone(),
            catalogue: config.catalogue.clone(),
        };
        let controllers =
            tokio::spawn(Manager::run(deps, config.settings, controllers_stop.clone()));
        let client = Client::new(
            store,
            config.clock,
            config.ids,
            config.catalogue,
            Actor {
                user: ADMIN.into(),
                manager: "devpocket-up".into(),
                address: None,
                request_id: String::new(),
            },
        );
        Ok(Node {
            address,
            store: cached,
            postgres,
            client,
            controllers: (controllers_stop, controllers),
            api: (api_stop, api),
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
        self.store.stop_following();
        self.postgres.close().await;
    }
}
