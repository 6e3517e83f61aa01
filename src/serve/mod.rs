//! `devpocket serve` and `devpocket migrate`: production.

use std::sync::Arc;
use std::time::Duration;

use devpocket_controllers::clock::{Clock, Ids};
use devpocket_controllers::manager::Settings;
use devpocket_specs::template::SHIPPED;
use futures::future::OptionFuture;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::bridge::{Direct, Simulated};
use crate::clock::{RandomIds, SystemClock};
use crate::config::{ConfigErrors, Database, GuestSsh, MigrateArgs, ServeArgs, ServeConfig};
use crate::contabo::{ContaboClient, SetupError};
use crate::mail::{Carrier, MailError, SmtpCarrier};
use crate::node::{EdgeParts, Node, NodeConfig, NodeError};
use crate::server::{CertificateError, Exposure, FileTls, Server, ServerError};
use crate::store::{
    self, Pending, PgOptions, Place, SchemaError, SchemaStatus, Unreachable, UrlError, UsedBy,
};
use crate::telemetry::{self, MetricsExport, MetricsText, TelemetryError, Traces};

/// How often a machine on which something is under way is looked at between two lists.
const LOOKS: u32 = 6;
/// Shortest time between two of these looks: all calls share one limit of five a second.
const LOOK_LEAST: Duration = Duration::from_millis(500);

/// What stops a start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Listen(#[from] ServerError),
    #[error(transparent)]
    Contabo(#[from] SetupError),
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error("TLS_CERT, TLS_KEY: {0}")]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Mail(#[from] MailError),
    #[error("signals cannot be heard: {0}")]
    Signals(std::io::Error),
    #[error("DATABASE_URL: {0}")]
    Url(#[from] UrlError),
    #[error("{at}: {error}")]
    Unreachable {
        error: Unreachable,
        /// Where the address was configured.
        at: String,
    },
    #[error("the database cannot be used: {0}")]
    Connect(sqlx::Error),
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error("{}", .0.error)]
    OtherSchema(Box<OtherSchema>),
}

/// The database belongs to another version.
#[derive(Debug)]
pub struct OtherSchema {
    pub error: SchemaError,
    /// Where the address was configured.
    pub at: String,
    pub place: Place,
    pub used_by: Option<UsedBy>,
}

/// Serves until SIGTERM or Ctrl-C.
pub async fn run(args: ServeArgs) -> Result<(), ServeError> {
    let mut stop = Stop::listen()?;
    let clock = SystemClock::new();
    let today = clock.now().to_zoned(TimeZone::UTC).date();
    let (config, warnings) = ServeConfig::load(&args, today)?;
    let clock = Arc::new(clock);
    let ids = Arc::new(RandomIds);
    let instance = ids.uid().to_string();
    let telemetry = Telemetry::start(&config, clock.clone(), &instance)?;
    let server = listen(&config).await?;
    prepare_schema(&config).await?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }

    let cloud = ContaboClient::new(config.contabo.clone(), clock.clone(), ids.clone())?;
    let node = Node::start(NodeConfig {
        database_url: config.database.url.clone(),
        cloud: Arc::new(cloud),
        clock,
        catalogue: Arc::new(config.catalogue.clone()),
        admin_token: config.admin_token.clone(),
        seal_key: config.seal_key.clone(),
        seal_key_file: config.seal_key_file.clone(),
        accounts: config.accounts.clone().expect("a configuration without faults has keys"),
        lost_seal_keys: config.edge.lost_seal_keys.clone(),
        server,
        hosts: config.allowed_hosts.clone(),
        origins: config.allowed_origins.clone(),
        edge: edge(&config)?,
        settings: settings(&config, &instance),
        dialer: match &config.guest_ssh {
            GuestSsh::Direct => Some(Arc::new(Direct)),
            GuestSsh::Simulated(control) => Some(Arc::new(Simulated::new(control))),
            GuestSsh::Off => None,
        },
        metrics: Some(telemetry.text.clone()),
        ids,
    })
    .await?;
    tracing::info!(address = %node.address(), "serving");
    stop.asked().await;
    tracing::info!("stopping: what was begun is finished first");
    node.stop().await;
    telemetry.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// What is told of this process while it runs.
struct Telemetry {
    /// What `/metrics` answers.
    text: MetricsText,
    traces: Option<Traces>,
    metrics: Option<MetricsExport>,
}

impl Telemetry {
    fn start(
        config: &ServeConfig,
        clock: Arc<SystemClock>,
        instance: &str,
    ) -> Result<Telemetry, TelemetryError> {
        let (filter, json) = (config.log_filter.as_deref(), config.log_json);
        let traces = config.traces.as_ref();
        let traces = telemetry::start_logs_and_traces(filter, json, traces, instance)?;
        let text = telemetry::start_metrics()?;
        let metrics = config.metrics.as_ref();
        let metrics = metrics
            .map(|metrics| MetricsExport::start(metrics, text.clone(), clock, instance))
            .transpose()?;
        Ok(Telemetry { text, traces, metrics })
    }

    /// Sends what is left, both at a time: a collector that is silent is waited for once.
    async fn stop(self) {
        let traces = self.traces.map(Traces::stop);
        let metrics = self.metrics.map(MetricsExport::stop);
        tokio::join!(OptionFuture::from(traces), OptionFuture::from(metrics));
    }
}

/// Takes the address, with TLS where a certificate is configured.
async fn listen(config: &ServeConfig) -> Result<Server, ServeError> {
    let edge = &config.edge;
    let exposure = match (edge.behind_proxy, &edge.tls) {
        (true, _) => Exposure::BehindProxy,
        (false, Some(_)) => Exposure::Tls,
        (false, None) => Exposure::Loopback,
    };
    let tls = edge.tls.clone().map(FileTls::open).transpose()?;
    let server = Server::bind((config.host, config.port).into(), exposure).await?;
    Ok(match tls {
        Some(tls) => server.with_certificate(tls),
        None => server,
    })
}

/// The edge's parts, made from its settings.
fn edge(config: &ServeConfig) -> Result<EdgeParts, ServeError> {
    let edge = &config.edge;
    let carrier = match &edge.mail {
        Some(mail) => Some(Arc::new(SmtpCarrier::new(mail.clone())?) as Arc<dyn Carrier>),
        None => {
            tracing::warn!(
                "no mail can be sent (SMTP_URL, SMTP_HOST or RESEND_API_KEY): nobody is asked to \
                 verify an address, and devpocket admin gives out links"
            );
            None
        }
    };
    Ok(EdgeParts {
        proxies: edge.proxies.clone(),
        rules: Some(edge.rules),
        https: edge.behind_proxy || edge.tls.is_some(),
        public_url: edge.public_url.clone(),
        carrier,
    })
}

/// Limits of a new installation, and this process's name in the lease.
fn settings(config: &ServeConfig, instance: &str) -> Settings {
    let mut settings = Settings::new(format!("devpocket-{instance}"));
    settings.templates = SHIPPED.map(|(_, yaml)| yaml).to_vec();
    settings.sweep_period = config.sweep;
    settings.install_timeout = SignedDuration::from_mins(config.install_timeout_minutes.into());
    let usual = settings.transition_period;
    settings.transition_period = (config.sweep / LOOKS).clamp(LOOK_LEAST, usual);
    settings.first.monthly_budget = config.monthly_budget.clone();
    settings.first.unknown_purchase = config.unknown_purchase;
    settings
}

/// An empty database is set up; one of another version is refused, unchanged.
async fn prepare_schema(config: &ServeConfig) -> Result<(), ServeError> {
    let (pool, place) = open(&config.database).await?;
    let mut status = store::schema_status(&pool).await?;
    if matches!(status, SchemaStatus::Old { .. }) {
        // Perhaps another process is setting it up at this moment.
        status = store::settled_schema_status(&pool).await?;
    }
    if status == SchemaStatus::Empty {
        store::migrate(&pool).await?;
        tracing::info!("the database was empty and has its schema now");
    } else if let Err(error) = status.check() {
        return Err(refusal(error, &config.database, &pool, place).await);
    }
    pool.close().await;
    Ok(())
}

/// A refused schema, with what is known of whose it is.
async fn refusal(
    error: SchemaError,
    database: &Database,
    pool: &sqlx::PgPool,
    place: Place,
) -> ServeError {
    let used_by = store::used_by(pool).await;
    ServeError::OtherSchema(Box::new(OtherSchema {
        error,
        at: database.place.clone(),
        place,
        used_by,
    }))
}

async fn open(database: &Database) -> Result<(sqlx::PgPool, Place), ServeError> {
    let options = PgOptions::from_url(database.url.reveal())?;
    let at = &database.place;
    let failed = |error| ServeError::Unreachable { error, at: at.clone() };
    store::reach(&options.connect).await.map_err(failed)?;
    let pool = store::pool(&options.connect, 2).await.map_err(ServeError::Connect)?;
    Ok((pool, Place::of(&options.connect)))
}

/// SIGTERM and Ctrl-C, heard from the moment this is made: what comes during a start waits until
/// there is something to stop in order, instead of killing half of it.
pub struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    pub fn listen() -> Result<Stop, ServeError> {
        Ok(Stop {
            terminate: signal(SignalKind::terminate()).map_err(ServeError::Signals)?,
            interrupt: signal(SignalKind::interrupt()).map_err(ServeError::Signals)?,
        })
    }

    /// Waits for the first of either.
    pub async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What `migrate` did or would do.
#[derive(Debug, PartialEq, Eq)]
pub enum Migration {
    AlreadyCurrent,
    Done,
    WouldRun {
        /// 0 for an empty database.
        at: i64,
        steps: Vec<Pending>,
    },
}

/// Brings the schema of the database up to this version.
pub async fn migrate(args: &MigrateArgs) -> Result<Migration, ServeError> {
    let database = args.database()?;
    let (pool, place) = open(&database).await?;
    let status = store::schema_status(&pool).await?;
    let outcome = match status {
        SchemaStatus::Current => Migration::AlreadyCurrent,
        SchemaStatus::New { at, knows } => {
            let error = SchemaError::New { at, knows };
            return Err(refusal(error, &database, &pool, place).await);
        }
        SchemaStatus::Empty | SchemaStatus::Old { .. } if args.dry_run => Migration::WouldRun {
            at: if let SchemaStatus::Old { at, .. } = status { at } else { 0 },
            steps: store::pending_migrations(status),
        },
        SchemaStatus::Empty | SchemaStatus::Old { .. } => {
            store::migrate(&pool).await?;
            Migration::Done
        }
    };
    pool.close().await;
    Ok(outcome)
}
