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
mod download;
mod postmaster;
mod privileges;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use postgresql_embedded::{PostgreSQL, Settings};
use tokio::time::{Instant, sleep};

pub use discover::{DiscoverError, Found, OLDEST_MAJOR, VARIABLE, find};
use postmaster::{Running, orphans_gone, running};
pub use privileges::{PostgresUser, run_as};

/// Longest wait for one Postgres command (initdb on a slow disk takes some seconds).
const COMMAND_TIMEOUT: Duration = Duration::from_secs(120);
/// Name of the database.
const DATABASE: &str = "devpocket";
/// A Unix socket's path cannot be longer than this, `.s.PGSQL.5432` included.
const SOCKET_PATH_MAX: usize = 107;
/// Part of the socket's name only; no port is opened.
const SOCKET_PORT: u16 = 5432;

/// How long a server that was taken over may still be recovering, or ending.
const TAKE_OVER_PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
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
    #[error(transparent)]
    Discover(#[from] DiscoverError),
    #[error("the folder {path} cannot be prepared: {source}")]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("{folder} cannot be entered by the user Postgres runs as; choose another with --data")]
    Unreachable { folder: PathBuf },
    #[error("{0} is too long for a socket's path; choose a shorter folder with --data")]
    SocketPath(PathBuf),
    /// There is none on this machine, and fetching one failed.
    #[error("this machine has no Postgres {OLDEST_MAJOR} or newer, and none could be downloaded")]
    Download { because: String },
    #[error("Postgres cannot be set up: {0}")]
    Setup(#[source] postgresql_embedded::Error),
    #[error("what is left of an earlier Postgres still runs on {folder}: kill {pids}")]
    Orphans { folder: PathBuf, pids: String },
    #[error("Postgres does not start: {source}{log}")]
    Start { source: postgresql_embedded::Error, log: String },
    #[error("Postgres does not stop: {0}")]
    Stop(#[source] postgresql_embedded::Error),
    #[error("the Postgres that runs on {0} does not answer")]
    Silent(PathBuf),
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

impl EmbeddedConfig {
    fn home(&self) -> PathBuf {
        self.data.join("postgres")
    }

    fn data_dir(&self) -> PathBuf {
        self.home().join("data")
    }
}

/// A running server.
pub struct EmbeddedPostgres {
    server: PostgreSQL,
    /// Major version, such as 15.
    pub major: u32,
}

/// Which Postgres to use; downloads one if there is none. `announce` is told before that begins.
/// May be dropped at any time.
pub async fn locate(
    config: &EmbeddedConfig,
    announce: &(dyn Fn(&str) + Sync),
) -> Result<Found, EmbeddedError> {
    prepare_folder(&config.data, None)?;
    let made_by = discover::data_major(&config.data_dir());
    match discover::find(made_by, &download::folder(&config.data))? {
        discover::Search::Found(found) => Ok(found),
        discover::Search::Nothing { too_old } => {
            download::download(&config.data, too_old, announce).await
        }
    }
}

impl EmbeddedPostgres {
    /// Starts the server, or takes over the one that a killed predecessor left. `announce` is told
    /// before anything slow is done. Not to be dropped half-way: a server could be left running.
    pub async fn start(
        config: &EmbeddedConfig,
        found: &Found,
        announce: &(dyn Fn(&str) + Sync),
    ) -> Result<EmbeddedPostgres, EmbeddedError> {
        let (home, data_dir) = (config.home(), config.data_dir());
        let user = PostgresUser::needed();
        prepare_folder(&home, user)?;
        if user.is_some() {
            privileges::check_reachable(&home)?;
        }
        let mut settings = settings(&home, &data_dir, user)?;
        settings.trust_installation_dir = true;
        settings.installation_dir = match user {
            Some(user) => privileges::shims(&home, found, user, &config.program)?,
            None => found.installation.clone(),
        };
        if !data_dir.join("PG_VERSION").exists() {
            announce("Preparing a database for the first time, a few seconds.");
            initialise(&home, &data_dir, &settings).await?;
        }
        let mut server = PostgreSQL::new(settings);
        run_server(&mut server, &data_dir).await?;
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
        self.server.stop().await.map_err(EmbeddedError::Stop)
    }
}

/// Makes the database files aside and moves them into place: a start that is killed here leaves no
/// half of them behind.
async fn initialise(
    home: &Path,
    data_dir: &Path,
    settings: &Settings,
) -> Result<(), EmbeddedError> {
    let prefix = "data.new-";
    let leftovers = fs::read_dir(home).into_iter().flatten().flatten();
    for left in leftovers.filter(|l| l.file_name().to_string_lossy().starts_with(prefix)) {
        // Of a start that was killed; whoever still writes there does not hurt.
        let _ = fs::remove_dir_all(left.path());
    }
    let fresh = home.join(format!("{prefix}{}", uuid::Uuid::new_v4().simple()));
    let mut server = PostgreSQL::new(Settings { data_dir: fresh.clone(), ..settings.clone() });
    server.setup().await.map_err(EmbeddedError::Setup)?;
    fs::rename(&fresh, data_dir)
        .map_err(|source| EmbeddedError::Folder { path: data_dir.to_owned(), source })
}

/// Starts the server unless one runs that answers.
async fn run_server(server: &mut PostgreSQL, data_dir: &Path) -> Result<(), EmbeddedError> {
    let deadline = Instant::now() + TAKE_OVER_PATIENCE;
    while running(data_dir) == Running::Server {
        if server.database_exists(DATABASE).await.is_ok() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(EmbeddedError::Silent(data_dir.to_owned()));
        }
        sleep(LOOK_AGAIN).await;
    }
    let left = orphans_gone(data_dir).await;
    if !left.is_empty() {
        let pids: Vec<String> = left.iter().map(u32::to_string).collect();
        return Err(EmbeddedError::Orphans { folder: data_dir.to_owned(), pids: pids.join(" ") });
    }
    if let Some(folder) = &server.settings().socket_dir {
        postmaster::forget(data_dir, &folder.join(format!(".s.PGSQL.{SOCKET_PORT}.lock")));
    }
    server.start().await.map_err(|source| EmbeddedError::Start {
        source,
        log: last_lines(&data_dir.join("start.log")),
    })
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

/// Makes the folder if it is missing, and its user's. As root also so that Postgres' user can pass
/// through it, whatever the umask is.
fn prepare_folder(path: &Path, user: Option<PostgresUser>) -> Result<(), EmbeddedError> {
    let prepare = || {
        let fresh = !path.exists();
        fs::create_dir_all(path)?;
        if fresh && PostgresUser::needed().is_some() {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
        }
        if let Some(user) = user {
            std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid))?;
        }
        Ok(())
    };
    prepare().map_err(|source| EmbeddedError::Folder { path: path.to_owned(), source })
}

/// The end of a log, for the error that names it.
fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().map(|line| format!("\n  {line}")).collect()
}
