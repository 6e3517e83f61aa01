//! Contabo on a loopback socket: the wire around the one model of it.
//!
//! [`controllers::sim::contabo`](devpocket_controllers::sim::contabo) decides everything; this
//! module gives it the token endpoint, `/v1/...` with its envelope and links, and failures that are
//! real on the wire: a connection that closes without a byte, an answer that never comes, half a
//! body. Nothing here is shared with DevPocket's client of Contabo.
//!
//! On another port, so that no client can take it for Contabo, is the control plane ([`control`]):
//! faults, clock, ledger, "somebody in the panel", the journal of calls.
//!
//! # Guarantees
//!
//! * With a data folder, what a client was told is on disk before it was told: state survives
//!   Ctrl-C and kill -9, and a torn last write is dropped, because nobody was told ([`durable`]).
//! * Time is handed in and only moves forward. If the saved state is ahead of the clock (a clock
//!   that was advanced, then a restart), the clock is advanced to it at the start.
//! * It serves who knows the documented credentials, and costs nothing.

mod api;
mod body;
pub mod control;
mod credentials;
mod durable;
mod engine;
mod envelope;
pub mod guests;
pub mod machine;
mod query;
mod recording;
mod route;
mod token;
mod twin;
mod wire;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use devpocket_controllers::clock::Clock as _;
use devpocket_controllers::sim::contabo::{Contabo, Settings};
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::SystemClock;
pub use credentials::{API_PASSWORD, API_USER, CLIENT_ID, CLIENT_SECRET, CUSTOMER_ID, TENANT_ID};
pub use durable::DataError;
use engine::Engine;
use guests::{GuestConfig, Guests};
pub use recording::{RECORDING_LIMIT, ReplayError, Replayed, replay};
pub use twin::twin;

/// Path of the token endpoint, as at Contabo's Keycloak.
pub const TOKEN_PATH: &str = "/auth/realms/contabo/protocol/openid-connect/token";
/// How long open connections may take to end at shutdown.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(2);

/// Where and how to serve.
#[derive(Clone, Debug)]
pub struct SimulatorConfig {
    /// Contabo's API and its token endpoint; port 0 takes a free one.
    pub api: SocketAddr,
    /// The control plane; port 0 takes a free one.
    pub control: SocketAddr,
    /// Folder of the state; without one it lives in memory only.
    pub data: Option<PathBuf>,
    /// A new account, if it is not to be an empty one; a saved one is kept as it is.
    pub account: Option<Box<Contabo>>,
    /// Seed of a new, empty account.
    pub seed: u64,
    /// Settings of a new account; a saved one keeps its own.
    pub settings: Settings,
    /// Pace that also a saved account gets.
    pub speed: Option<f64>,
    pub clock: SimulatorClock,
    /// How its machines are run; without this they serve nothing.
    pub guests: Option<GuestConfig>,
}

impl SimulatorConfig {
    /// Free loopback ports, state in memory.
    pub fn in_memory(settings: Settings, clock: SimulatorClock) -> SimulatorConfig {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        SimulatorConfig {
            api: any,
            control: any,
            data: None,
            account: None,
            seed: 1,
            settings,
            speed: None,
            clock,
            guests: None,
        }
    }
}

/// The time of the simulated world, shared with whoever lives in it.
#[derive(Clone)]
pub struct SimulatorClock {
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Moves the shared clock forward; called by `clock advance`.
    pub advance: Arc<dyn Fn(SignedDuration) + Send + Sync>,
}

impl From<SystemClock> for SimulatorClock {
    /// The clock of this process: what advances one advances the other.
    fn from(clock: SystemClock) -> SimulatorClock {
        let moved = clock.clone();
        SimulatorClock {
            now: Arc::new(move || clock.now()),
            advance: Arc::new(move |by| moved.advance(by.try_into().unwrap_or_default())),
        }
    }
}

impl fmt::Debug for SimulatorClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimulatorClock({})", (self.now)())
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    #[error("{role} cannot listen on {address}: the port is taken")]
    PortTaken { role: &'static str, address: SocketAddr },
    #[error("{role} cannot listen on {address}: {source}")]
    Bind { role: &'static str, address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Data(#[from] DataError),
    #[error("the simulator's thread cannot be started: {0}")]
    Thread(io::Error),
    #[error("the simulated machines have no place: {0}")]
    Guests(io::Error),
}

/// A running simulator; dropping it stops it without ceremony, as a crash would.
pub struct Simulator {
    api: SocketAddr,
    control: SocketAddr,
    stop: CancellationToken,
    servers: Vec<JoinHandle<()>>,
    engine: Engine,
}

impl Simulator {
    /// Binds both ports, loads the state and serves. When this returns, clients may connect.
    pub async fn start(config: SimulatorConfig) -> Result<Simulator, SimulatorError> {
        let api = bind("Contabo's simulated API", config.api).await?;
        let control = bind("the simulator's control plane", config.control).await?;
        let (api_address, control_address) =
            (local("API", &api, config.api)?, local("control plane", &control, config.control)?);
        let new = match config.account {
            Some(account) => *account,
            None => Contabo::new(config.seed, config.settings),
        };
        let engine = Engine::start(config.data, new, config.clock.clone(), config.speed)?;
        let stop = CancellationToken::new();
        let guests = match config.guests {
            Some(guests) => Some(Guests::new(guests).await.map_err(SimulatorError::Guests)?),
            None => None,
        };
        let steered = control::Steered {
            engine: engine.clone(),
            clock: config.clock.clone(),
            guests: guests.clone(),
        };
        let mut servers = vec![
            tokio::spawn(api::serve(api, engine.clone(), config.clock, stop.clone())),
            tokio::spawn(control::serve(control, steered, stop.clone())),
        ];
        if let Some(guests) = guests {
            servers.push(tokio::spawn(guests.follow(engine.clone(), stop.clone())));
        }
        Ok(Simulator { api: api_address, control: control_address, stop, servers, engine })
    }

    /// Base address of the API: requests go to `{api_url}/v1/...`.
    pub fn api_url(&self) -> String {
        format!("http://{}", self.api)
    }

    /// The token endpoint, in full.
    pub fn auth_url(&self) -> String {
        format!("http://{}{TOKEN_PATH}", self.api)
    }

    pub fn control_url(&self) -> String {
        format!("http://{}", self.control)
    }

    pub fn api_address(&self) -> SocketAddr {
        self.api
    }

    pub fn control_address(&self) -> SocketAddr {
        self.control
    }

    /// Looks at the model as it is now. Without sockets, for whoever started it.
    pub async fn inspect<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Contabo) -> T + Send + 'static,
    ) -> Option<T> {
        self.engine.look(look).await.ok()
    }

    /// Stops serving, ends hanging replies and writes a snapshot.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        for server in std::mem::take(&mut self.servers) {
            let abort = server.abort_handle();
            if tokio::time::timeout(SHUTDOWN_LIMIT, server).await.is_err() {
                abort.abort();
            }
        }
        self.engine.stop().await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.cancel();
        for server in &self.servers {
            server.abort();
        }
    }
}

async fn bind(role: &'static str, address: SocketAddr) -> Result<TcpListener, SimulatorError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => SimulatorError::PortTaken { role, address },
        _ => SimulatorError::Bind { role, address, source },
    })
}

fn local(
    role: &'static str,
    listener: &TcpListener,
    address: SocketAddr,
) -> Result<SocketAddr, SimulatorError> {
    listener.local_addr().map_err(|source| SimulatorError::Bind { role, address, source })
}
