//! What the handlers share.

use std::sync::Arc;

use async_trait::async_trait;
use devpocket_controllers::clock::{Clock, Ids};
use devpocket_controllers::history::History;
use devpocket_controllers::store::Store;
use devpocket_specs::catalogue::Catalogue;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{AllowedHosts, Edge};
use crate::access::seal::Sealer;
use crate::access::{Authenticator, Authorizer};
use crate::accounts::Accounts;
use crate::bridge::Bridge;
use crate::keys::Keys;
use crate::kube::PlansMade;
use crate::lines::InstallLines;
use crate::mail::Outbox;
use crate::rest::Sockets;

/// The metrics as Prometheus text, rendered when asked for.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// Something that must work before requests should be sent here.
#[async_trait]
pub trait Probe: Send + Sync + 'static {
    /// One word, such as `store`.
    fn name(&self) -> &str;

    /// A sentence about what is wrong, if anything is.
    async fn problem(&self) -> Option<String>;
}

/// The store answers.
pub struct StoreProbe(pub Arc<dyn Store>);

#[async_trait]
impl Probe for StoreProbe {
    fn name(&self) -> &str {
        "store"
    }

    async fn problem(&self) -> Option<String> {
        self.0.revision().await.err().map(|error| error.to_string())
    }
}

/// Which build this is, for `/version` and `/health`.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    pub version: &'static str,
    pub commit: &'static str,
    /// When this process began to serve.
    pub started: Instant,
}

impl Default for Build {
    fn default() -> Self {
        Build { version: env!("CARGO_PKG_VERSION"), commit: "", started: Instant::now() }
    }
}

/// Ports, keys and settings every handler uses. Shared behind an `Arc`.
pub struct AppState {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub catalogue: Arc<Catalogue>,
    pub sealer: Arc<Sealer>,
    pub authorizer: Arc<dyn Authorizer>,
    pub authenticator: Arc<dyn Authenticator>,
    /// Absent over a store that is not Postgres: `/api/v1` then knows nobody.
    pub accounts: Option<Arc<Accounts>>,
    /// The way into machines; absent where nobody looks at their operating systems.
    pub bridge: Option<Bridge>,
    /// What installations print; absent over a store that is not Postgres.
    pub lines: Option<InstallLines>,
    /// How machines were doing; absent where no history is kept.
    pub history: Option<Arc<dyn History>>,
    /// WebSockets that are open, by user.
    pub sockets: Sockets,
    pub hosts: AllowedHosts,
    /// Proxies, limits, and how people reach this server.
    pub edge: Edge,
    /// The sealing keys; absent over a store that is not Postgres.
    pub keys: Option<Arc<Keys>>,
    /// Where letters to people are posted.
    pub outbox: Outbox,
    /// Plans that were shown lately.
    pub plans: PlansMade,
    /// Absent where no recorder is installed: `/metrics` is then 404.
    pub metrics: Option<MetricsText>,
    pub probes: Vec<Arc<dyn Probe>>,
    /// Ends watches and the accept loop.
    pub shutdown: CancellationToken,
    pub build: Build,
}
