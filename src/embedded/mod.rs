//! The Postgres that `devpocket up` brings along: found on this machine, or downloaded once, run
//! on a socket in our own folder, kept between starts.
//!
//! # Guarantees
//! - Nothing is downloaded without saying so first, and nothing at all when a Postgres 14 or newer
//!   is in `DEVPOCKET_POSTGRES_BIN`, on `PATH` or in a distribution's folder.
//! - It listens on a Unix socket only; no port is opened.
//! - Writes reach the disk before they are acknowledged. The crate starts its servers with fsync
//!   off, which is for tests; it is turned on again here.
//! - After `kill -9` of `devpocket` the server may still be running: the next start takes it over.
//!
//! # Why the detour as root
//! Postgres refuses to run as root, and root is what people are in containers. Only the Postgres
//! children change user then: the two programs that are called stand behind shims which call this
//! binary again (see [`run_as`]), it drops its privileges and becomes the real program.

mod discover;
mod privileges;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use postgresql_embedded::{PostgreSQL, Settings, VersionReq};

pub use discover::{Found, OLDEST_MAJOR, find};
pub use privileges::{PostgresUser, run_as};

/// Longest wait for one Postgres command (initdb on a slow disk takes some seconds).
const COMMAND_TIMEOUT: Duration = Duration::from_secs(120);
/// Name of the database.
const DATABASE: &str = "devpocket";
/// A Unix socket's path cannot be longer than this, `.s.PGSQL.5432` included.
const SOCKET_PATH_MAX: usize = 107;
/// Part of the socket's name only; no port is opened.
const SOCKET_PORT: u16 = 5432;

/// Downloaded when there is no other.
const DOWNLOADED_VERSION: &str = "=17";
/// Server settings, given on the command line so that they hold for old data folders too.
const CONFIGURATION: [(&str, &str); 4] = [
    // The crate passes -F (no fsync); the later setting wins.
    ("fsync", "on"),
    ("listen_addresses", "''"),
    ("max_connections", "60"),
    ("unix_socket_permissions", "0777"),
];

/// What can go wrong, by step.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error("{0}")]
    Discover(#[from] discover::DiscoverError),
    #[error("the folder {path} cannot be prepared: {source}")]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("{folder} cannot be entered by the user Postgres runs as; choose another with --data")]
    Unreachable { folder: PathBuf },
    #[error("{0} is too long for a socket's path; choose a shorter folder with --data")]
    SocketPath(PathBuf),
    #[error("the Postgres in {0} cannot be used")]
    NotUsable(PathBuf),
    #[error("Postgres cannot be set up: {0}")]
    Setup(#[source] postgresql_embedded::Error),
    #[error("Postgres does not start: {source}{log}")]
    Start { source: postgresql_embedded::Error, log: String },
    #[error("the database cannot be made: {0}")]
    Database(#[source] postgresql_embedded::Error),
}

/// Where the server keeps its data, and which binary the shims call.
#[derive(Clone, Debug)]
pub struct EmbeddedConfig {
    /// Folder of ours; the server's own is `postgres` in it.
    pub data: PathBuf,
    /// The `devpocket` binary.
    pub program: PathBuf,
}

/// A running server.
pub struct EmbeddedPostgres {
    server: PostgreSQL,
    /// Major version, such as 15.
    pub major: u32,
}

impl EmbeddedPostgres {
    /// Starts the server, or takes over the one that a killed predecessor left. `announce` is told
    /// before anything slow or surprising is done.
    pub async fn start(
        config: &EmbeddedConfig,
        announce: &(dyn Fn(&str) + Sync),
    ) -> Result<EmbeddedPostgres, EmbeddedError> {
        let home = config.data.join("postgres");
        let user = PostgresUser::needed();
        prepare_folder(&config.data, None)?;
        prepare_folder(&home, user)?;
        if user.is_some() {
            privileges::check_reachable(&home)?;
        }
        let data_dir = home.join("data");
        let found = match discover::find(discover::data_major(&data_dir))? {
            Some(found) => found,
            None => download(&config.data, announce).await?,
        };
        let mut settings = settings(&home, &data_dir, user)?;
        settings.trust_installation_dir = true;
        settings.installation_dir = match user {
            Some(user) => privileges::shims(&home, &found, user, &config.program)?,
            None => found.installation.clone(),
        };
        if !data_dir.join("PG_VERSION").exists() {
            announce("Preparing a database for the first time, a few seconds.");
        }
        let mut server = PostgreSQL::new(settings);
        server.setup().await.map_err(EmbeddedError::Setup)?;
        if !is_alive(&data_dir) {
            server.start().await.map_err(|source| EmbeddedError::Start {
                source,
                log: last_lines(&data_dir.join("start.log")),
            })?;
        }
        if !server.database_exists(DATABASE).await.map_err(EmbeddedError::Database)? {
            server.create_database(DATABASE).await.map_err(EmbeddedError::Database)?;
        }
        Ok(EmbeddedPostgres { server, major: found.major })
    }

    /// The connection string.
    pub fn url(&self) -> String {
        self.server.settings().url(DATABASE)
    }

    /// Stops the server; its data stays.
    pub async fn stop(&self) -> Result<(), EmbeddedError> {
        self.server
            .stop()
            .await
            .map_err(|source| EmbeddedError::Start { source, log: String::new() })
    }
}

/// Fetches a Postgres with the crate's own downloader. Only its download is wanted here, so it is
/// shown a data folder that looks initialised.
async fn download(data: &Path, announce: &(dyn Fn(&str) + Sync)) -> Result<Found, EmbeddedError> {
    announce("No Postgres 14 or newer is on this machine: downloading one, about 15 MB.");
    let folder = data.join("postgres-download");
    let blank = folder.join("blank");
    prepare_folder(&folder, None)?;
    prepare_folder(&blank, None)?;
    fs::write(blank.join("postgresql.conf"), "")
        .map_err(|source| EmbeddedError::Folder { path: blank.clone(), source })?;
    let mut server = PostgreSQL::new(Settings {
        installation_dir: folder.clone(),
        version: VersionReq::parse(DOWNLOADED_VERSION)
            .map_err(|error| EmbeddedError::Setup(error.into()))?,
        data_dir: blank,
        password_file: folder.join("unused"),
        temporary: false,
        timeout: Some(COMMAND_TIMEOUT),
        ..Settings::default()
    });
    server.setup().await.map_err(EmbeddedError::Setup)?;
    discover::inspect(&server.settings().binary_dir())
        .ok_or_else(|| EmbeddedError::NotUsable(server.settings().binary_dir()))
}

fn settings(
    home: &Path,
    data_dir: &Path,
    user: Option<PostgresUser>,
) -> Result<Settings, EmbeddedError> {
    let socket_dir = home.join("socket");
    if socket_dir.join(format!(".s.PGSQL.{SOCKET_PORT}")).as_os_str().len() > SOCKET_PATH_MAX {
        return Err(EmbeddedError::SocketPath(socket_dir));
    }
    prepare_folder(&socket_dir, user)?;
    let password_file = home.join("password");
    let failed = |source| EmbeddedError::Folder { path: password_file.clone(), source };
    if !password_file.exists() {
        let password = uuid::Uuid::new_v4().simple().to_string();
        privileges::write_private(&password_file, &password, user).map_err(failed)?;
    }
    let password = fs::read_to_string(&password_file).map_err(failed)?.trim().to_owned();
    let configuration = CONFIGURATION.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    Ok(Settings {
        password_file,
        data_dir: data_dir.to_owned(),
        port: SOCKET_PORT,
        password,
        temporary: false,
        timeout: Some(COMMAND_TIMEOUT),
        configuration,
        socket_dir: Some(socket_dir),
        ..Settings::default()
    })
}

/// Makes the folder if it is missing, private, and its user's.
fn prepare_folder(path: &Path, user: Option<PostgresUser>) -> Result<(), EmbeddedError> {
    let prepare = || {
        fs::create_dir_all(path)?;
        if let Some(user) = user {
            std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid))?;
        }
        Ok(())
    };
    prepare().map_err(|source| EmbeddedError::Folder { path: path.to_owned(), source })
}

/// Whether the process named in `postmaster.pid` is alive and a Postgres. The file alone says
/// nothing: it stays behind when the machine goes down.
fn is_alive(data_dir: &Path) -> bool {
    let Ok(file) = fs::read_to_string(data_dir.join("postmaster.pid")) else { return false };
    let Some(pid) = file.lines().next().and_then(|line| line.trim().parse::<u32>().ok()) else {
        return false;
    };
    match fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => name.trim_start().starts_with("postgres") || name.starts_with("postmaster"),
        // No /proc here: let pg_ctl find out, it refuses a second start by itself.
        Err(_) => false,
    }
}

/// The end of a log, for the error that names it.
fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().map(|line| format!("\n  {line}")).collect()
}
