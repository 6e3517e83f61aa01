//! `devpocket up`: all of DevPocket on one machine, with a simulated Contabo, on real parts: a
//! Postgres of its own, real sockets, Contabo's wire protocol.
//!
//! It never reads `CONTABO_*`: whoever tries the product with production variables in the shell
//! must not find a machine on the bill.

mod args;
mod demo;
mod folder;
mod mail;
mod next;
mod screen;
mod settings;
mod stop;
mod story;
mod watch;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use devpocket_controllers::sim::contabo;
use devpocket_specs::catalogue::Catalogue;
use jiff::SignedDuration;
use tokio::time::Instant;

use crate::access::seal::{SealError, new_key};
use crate::access::{TokenError, new_token};
use crate::accounts::keys::SigningKeys;
use crate::accounts::{AccountSettings, Registration};
use crate::bridge::Simulated;
use crate::cli::output::ColorChoice;
use crate::clock::{RandomIds, SystemClock};
use crate::contabo::{
    ContaboClient, ContaboConfig, Credentials, READ_TIMEOUT, Sensitive, SetupError,
};
use crate::context::{self, Context, ContextError, Contexts};
use crate::embedded::{self, EmbeddedConfig, EmbeddedError, EmbeddedPostgres};
use crate::node::{EdgeParts, Node, NodeConfig, NodeError};
use crate::picture::{self, Picture, PictureError};
use crate::serve::ServeError;
use crate::server::{Exposure, LocalTls, Server, ServerError, TlsError};
use crate::simulator::guests::GuestConfig;
use crate::simulator::{self, Simulator, SimulatorClock, SimulatorConfig, SimulatorError};
use crate::store::{self, PgOptions, SchemaError, UrlError};
use crate::telemetry::{self, TelemetryError};

pub use args::UpArgs;
pub use folder::FolderError;
use folder::{Folder, SecretError};
use screen::Screen;
use stop::Ending;

/// What stops a start.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    #[error(transparent)]
    Listen(#[from] ServerError),
    #[error(transparent)]
    Simulator(#[from] SimulatorError),
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Contabo(#[from] SetupError),
    #[error(transparent)]
    Context(#[from] ContextError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("a secret cannot be made: {0}")]
    Secret(String),
    #[error("the database: {0}")]
    Url(#[from] UrlError),
    #[error("the database cannot be reached: {0}")]
    Connect(#[from] sqlx::Error),
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error(transparent)]
    Twin(#[from] PictureError),
    #[error("the demo cannot be applied: {0}")]
    Demo(#[from] demo::DemoError),
    #[error(transparent)]
    Signals(#[from] ServeError),
    #[error("nothing was deleted of what is kept in {0}")]
    NotReset(PathBuf),
    #[error("this program's own path is not known: {0}")]
    Program(std::io::Error),
}

impl From<SecretError<SealError>> for UpError {
    fn from(error: SecretError<SealError>) -> Self {
        UpError::Secret(error.to_string())
    }
}

impl From<SecretError<TokenError>> for UpError {
    fn from(error: SecretError<TokenError>) -> Self {
        UpError::Secret(error.to_string())
    }
}

/// Runs until Ctrl-C.
pub async fn run(args: UpArgs, color: ColorChoice) -> Result<(), UpError> {
    let mut ending = Ending::listen()?;
    telemetry::start_logs(Some(&args.log), None)?;
    let mut screen = Screen::new(color);
    screen.hello();
    // Known before anything is started, like a taken port.
    Contexts::load(&context::path()?)?;
    let twin = args.twin.as_deref().map(picture::read).transpose()?;
    let folder = take_folder(&args, &screen)?;
    match &args.twin {
        Some(file) => folder.begin_twin(file)?,
        None => folder.forget_unused_twin(),
    }
    let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let server = Server::bind(loopback(args.port), Exposure::Loopback).await?;
    let tls = LocalTls::open(&folder.path().join("tls"))?;
    let server = server.with_tls(tls.clone());
    let clock = SystemClock::ahead_by(folder.clock_offset());
    screen.follow(&clock);
    if let Some(twin) = &twin {
        screen.twin(twin);
    }
    let simulator = start_simulator(&args, &folder, &clock, twin.as_ref()).await?;
    let Some(postgres) = start_postgres(&folder, &screen, &mut ending).await? else {
        simulator.shutdown().await;
        screen.stopped(folder.path(), args.ephemeral);
        return Ok(());
    };
    let here = Here { args: &args, folder: &folder, screen: &screen, simulator: &simulator, tls };
    let worked = here.work(&postgres, server, clock, &mut ending).await;
    simulator.shutdown().await;
    let stopped = postgres.stop().await;
    worked?;
    stopped?;
    screen.stopped(folder.path(), args.ephemeral);
    Ok(())
}

/// What is there before the database is.
struct Here<'a> {
    args: &'a UpArgs,
    folder: &'a Folder,
    screen: &'a Screen,
    simulator: &'a Simulator,
    tls: LocalTls,
}

impl Here<'_> {
    /// Starts DevPocket itself and shows what happens, until it is asked to stop.
    async fn work(
        &self,
        postgres: &EmbeddedPostgres,
        server: Server,
        clock: SystemClock,
        ending: &mut Ending,
    ) -> Result<(), UpError> {
        let started = Instant::now();
        let edge = mail::edge(self.folder, server.address(), self.screen);
        let node = start_node(self.folder, postgres, server, self.simulator, clock, edge).await?;
        self.screen.devpocket(started, node.address(), self.simulator.api_address());
        let shown = tokio::select! {
            biased;
            () = ending.asked() => Ok(()),
            shown = self.show(&node) => shown,
        };
        if shown.is_ok() {
            self.screen.stopping();
        }
        node.stop().await;
        shown
    }

    /// Shows the demo, says what to type next, then tells what happens. Ends only by failing.
    async fn show(&self, node: &Node) -> Result<(), UpError> {
        let started = Instant::now();
        let contexts = self.write_context(node)?;
        let store = node.store();
        // A twin is somebody's account: nothing is bought in it that was not asked for.
        let is_twin = self.folder.is_twin();
        if demo::apply(node.client(), !is_twin).await? && !is_twin {
            watch::converge(&**store, self.screen).await;
        } else {
            let (kept, _) = watch::kept(&**store).await;
            self.screen.done(started, "kept", &kept);
        }
        let (_, one) = watch::kept(&**store).await;
        next::show(self.screen, self.args, &contexts, one.as_ref());
        watch::tell(store.clone(), self.screen).await;
        Ok(())
    }

    /// Lets the command line find this server, and what steers the simulator.
    fn write_context(&self, node: &Node) -> Result<Contexts, UpError> {
        let path = context::path()?;
        let token = self.folder.secret("admin-token", new_token)?;
        let mut contexts = Contexts::load(&path)?;
        contexts.contexts.insert(
            context::LOCAL.into(),
            Context {
                server: format!("http://{}", node.address()),
                token: Sensitive::new(token),
                refresh: None,
                namespace: context::DEFAULT_NAMESPACE.into(),
                authority: Some(self.tls.authority().to_owned()),
            },
        );
        contexts.current.get_or_insert_with(|| context::LOCAL.into());
        contexts.simulator = Some(format!("http://{}", self.simulator.control_address()));
        contexts.save(&path)?;
        Ok(contexts)
    }
}

/// The folder, cleared if that was asked for and meant.
fn take_folder(args: &UpArgs, screen: &Screen) -> Result<Folder, UpError> {
    let path = match (&args.data, args.ephemeral) {
        (_, true) => folder::fresh_path(),
        (Some(path), _) => path.clone(),
        (None, _) => folder::default_path()?,
    };
    let used = Folder::is_used(&path);
    let folder = Folder::take(path, args.ephemeral)?;
    if args.reset && used {
        if !args.yes && !screen.confirm_reset(folder.path()) {
            return Err(UpError::NotReset(folder.path().to_owned()));
        }
        folder.clear()?;
    }
    Ok(folder)
}

async fn start_simulator(
    args: &UpArgs,
    folder: &Folder,
    clock: &SystemClock,
    twin: Option<&Picture>,
) -> Result<Simulator, UpError> {
    let path = folder.path().to_owned();
    let account = twin.map(|picture| {
        let settings = contabo::Settings::at_speed(args.speed);
        Box::new(simulator::twin(picture, settings))
    });
    let moved = clock.clone();
    let shared = SimulatorClock::from(clock.clone());
    let config = SimulatorConfig {
        api: SocketAddr::from(([127, 0, 0, 1], args.simulator_port)),
        control: SocketAddr::from(([127, 0, 0, 1], args.control_port)),
        data: Some(folder.path().join("simulator")),
        account,
        speed: Some(args.speed),
        guests: Some(GuestConfig {
            disks: Some(folder.path().join("disks")),
            unsafe_host_shell: args.unsafe_host_shell,
            image: args.machine_image.clone(),
            ..GuestConfig::new(std::env::current_exe().map_err(UpError::Program)?)
        }),
        clock: SimulatorClock {
            now: shared.now,
            advance: Arc::new(move |by: SignedDuration| {
                (shared.advance)(by);
                // Kept at once: contracts must not grow younger after a kill -9.
                if let Err(error) = Folder::keep_clock_offset(&path, moved.offset()) {
                    tracing::warn!("the clock's offset cannot be kept: {error}");
                }
            }),
        },
        ..SimulatorConfig::in_memory(Default::default(), clock.clone().into())
    };
    Ok(Simulator::start(config).await?)
}

/// The database; none if it was asked to stop meanwhile.
async fn start_postgres(
    folder: &Folder,
    screen: &Screen,
    ending: &mut Ending,
) -> Result<Option<EmbeddedPostgres>, UpError> {
    let started = Instant::now();
    let config = EmbeddedConfig {
        data: folder.path().to_owned(),
        program: std::env::current_exe().map_err(UpError::Program)?,
    };
    let announce = |text: &str| screen.note(text);
    let found = tokio::select! {
        biased;
        () = ending.asked() => return Ok(None),
        found = embedded::locate(&config, &announce) => found?,
    };
    let mut starting = std::pin::pin!(EmbeddedPostgres::start(&config, &found, &announce));
    let postgres = tokio::select! {
        biased;
        () = ending.asked() => {
            screen.stopping();
            // Finished first, or a server could be left running. That Ctrl-C also ended a program
            // of Postgres', which the terminal sends it to as well, is no failure.
            if let Ok(postgres) = starting.await {
                postgres.stop().await?;
            }
            return Ok(None);
        }
        started = &mut starting => started?,
    };
    screen.postgres(started, postgres.major, folder.path());
    Ok(Some(postgres))
}

async fn start_node(
    folder: &Folder,
    postgres: &EmbeddedPostgres,
    server: Server,
    simulator: &Simulator,
    clock: SystemClock,
    edge: EdgeParts,
) -> Result<Node, UpError> {
    let url = postgres.url();
    let pool = store::pool(&PgOptions::from_url(&url)?.connect, 2).await?;
    store::migrate(&pool).await?;
    pool.close().await;

    let clock = Arc::new(clock);
    let ids = Arc::new(RandomIds);
    let contabo = ContaboConfig {
        api_url: simulator.api_url(),
        auth_url: simulator.auth_url(),
        credentials: Credentials {
            client_id: simulator::CLIENT_ID.into(),
            client_secret: Sensitive::new(simulator::CLIENT_SECRET),
            username: simulator::API_USER.into(),
            password: Sensitive::new(simulator::API_PASSWORD),
        },
        simulated: true,
        patience: READ_TIMEOUT,
    };
    let cloud = ContaboClient::new(contabo, clock.clone(), ids.clone())?;
    Ok(Node::start(NodeConfig {
        database_url: Sensitive::new(url),
        cloud: Arc::new(cloud),
        clock,
        ids,
        catalogue: Arc::new(Catalogue::builtin().clone()),
        admin_token: Sensitive::new(folder.secret("admin-token", new_token)?),
        seal_key: Sensitive::new(folder.secret("seal-key", new_key)?),
        seal_key_file: None,
        accounts: accounts(folder, &server)?,
        lost_seal_keys: Vec::new(),
        server,
        hosts: Vec::new(),
        origins: Vec::new(),
        edge,
        settings: settings::settings(folder),
        dialer: Some(Arc::new(Simulated::new(&simulator.control_url()))),
        metrics: Some(telemetry::start_metrics()?),
    })
    .await?)
}

/// Whoever reaches this computer may register; tokens are signed with a key of the folder's own.
fn accounts(folder: &Folder, server: &Server) -> Result<AccountSettings, UpError> {
    let secret = folder.secret("secret-key", new_token)?;
    let keys = SigningKeys::from_text(&secret, true)
        .map_err(|error| UpError::Secret(format!("the kept secret-key {error}")))?;
    Ok(AccountSettings {
        registration: Registration::Open,
        public_url: format!("http://{}", server.address()),
        ..AccountSettings::new(keys)
    })
}
