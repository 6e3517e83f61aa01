//! Real Postgres for tests: a fresh database in about 50 ms, no set-up by hand, nothing left behind.
//!
//! ```ignore
//! let database = TestDatabase::new().await;   // migrated; dropped with the value
//! let pool = database.pool().await;
//! ```
//!
//! One throw-away cluster serves all test processes of a user on a machine, because test runners
//! such as nextest start one process per test and a cluster takes a second to make. Each process
//! holds a shared lock on a file while it lives; a watchdog waits for that lock and stops and
//! removes the cluster some seconds after the last process ended, however it ended. The cluster
//! listens on a Unix socket only, and has fsync off: tests kill backends and servers, not machines.
//!
//! Postgres comes from `DEVPOCKET_POSTGRES_BIN`, `PATH` or `/usr/lib/postgresql/*/bin`; without
//! one, or without `flock` (util-linux), tests panic and say so. It refuses to run as root: then
//! its programs run as `postgres`.

mod cluster;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sha2::{Digest, Sha256};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgPool};

pub use cluster::bin_dir;
use cluster::{Cluster, PORT, USER, own_uid};

/// A database of its own, dropped with this value.
pub struct TestDatabase {
    name: String,
    socket_dir: PathBuf,
    /// Empty where the server asks for none.
    password: String,
    shared: bool,
}

impl TestDatabase {
    /// A database with the current schema.
    pub async fn new() -> TestDatabase {
        let cluster = Shared::get();
        let template = cluster.template().await;
        cluster.create(&format!("TEMPLATE {template}")).await
    }

    /// A database with nothing in it, for tests of migrations and restores.
    pub async fn empty() -> TestDatabase {
        Shared::get().create("").await
    }

    /// As a person would write it in `DATABASE_URL`.
    pub fn url(&self) -> String {
        let host = self.socket_dir.to_string_lossy().replace('/', "%2F");
        let user = match self.password.as_str() {
            "" => USER.to_owned(),
            password => format!("{USER}:{password}"),
        };
        format!("postgres://{user}@{host}:{PORT}/{}", self.name)
    }

    pub fn options(&self) -> PgConnectOptions {
        options(&self.socket_dir, &self.name)
    }

    /// A pool for looking into the database from the side.
    pub async fn pool(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(4)
            .connect_with(self.options())
            .await
            .expect("the test's database accepts connections")
    }

    /// One of Postgres' client programs (`pg_dump`, `psql`), pointed at this database.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(bin_dir().join(name));
        command
            .env("PGHOST", &self.socket_dir)
            .env("PGPORT", PORT.to_string())
            .env("PGUSER", USER)
            .env("PGDATABASE", &self.name);
        command
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if !self.shared {
            return;
        }
        let admin = options(&self.socket_dir, "postgres");
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // On a thread of its own: a runtime cannot be blocked on from within a runtime. A failure
        // leaves a database in a cluster that is about to be thrown away.
        let _ = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a small runtime can be built").block_on(execute(admin, sql))
        })
        .join();
    }
}

/// A server of one test's own, which it may stop and start again. Takes a second to make.
pub struct OwnServer {
    cluster: Cluster,
    _folder: tempfile::TempDir,
}

impl OwnServer {
    pub async fn start() -> OwnServer {
        let folder = tempfile::Builder::new().prefix("dp-pg").tempdir().expect("a folder in /tmp");
        let cluster = Cluster { folder: folder.path().to_owned() };
        cluster.make();
        cluster.start();
        OwnServer { cluster, _folder: folder }
    }

    /// The server's one database, with the current schema.
    pub async fn database(&self) -> TestDatabase {
        let socket_dir = self.cluster.folder.clone();
        let (name, password) = ("postgres".into(), String::new());
        let database = TestDatabase { name, socket_dir, password, shared: false };
        migrate(database.options()).await;
        database
    }

    /// From now on nobody gets in without this password. Answers the server's one database, with
    /// nothing in it.
    pub async fn demand_password(&self, password: &str) -> TestDatabase {
        let folder = self.cluster.folder.clone();
        let admin = options(&folder, "postgres");
        let words = format!("ALTER ROLE {USER} PASSWORD '{password}'");
        execute(admin.clone(), words).await;
        let rules = self.cluster.data().join("pg_hba.conf");
        fs::write(rules, "local all all scram-sha-256\n").expect("the server's rules are ours");
        execute(admin.clone(), "SELECT pg_reload_conf()".into()).await;
        while admin.connect().await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let (name, password) = ("postgres".into(), password.to_owned());
        TestDatabase { name, socket_dir: folder, password, shared: false }
    }

    /// As a crash: no checkpoint, connections cut.
    pub fn kill(&self) {
        self.cluster.stop();
    }

    pub fn start_again(&self) {
        self.cluster.start();
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        if self.cluster.is_running() {
            self.cluster.stop();
        }
    }
}

/// The cluster all test processes use. Held for the life of the process.
struct Shared {
    cluster: Cluster,
    _in_use: File,
}

impl Shared {
    fn get() -> &'static Shared {
        static SHARED: OnceLock<Shared> = OnceLock::new();
        SHARED.get_or_init(Shared::open)
    }

    fn open() -> Shared {
        let folder = std::env::temp_dir().join(format!("devpocket-test-postgres-{}", own_uid()));
        fs::create_dir_all(&folder).expect("a folder in the temporary directory");
        let cluster = Cluster { folder };
        cluster.give_to_postgres();
        let in_use = cluster.lock_file("use.lock");
        in_use.lock_shared().expect("a lock on use.lock");
        let starting = cluster.lock_file("start.lock");
        starting.lock().expect("a lock on start.lock");
        if !cluster.is_running() {
            // What is left is from a machine that went down; it is not worth recovering.
            let _ = fs::remove_dir_all(cluster.data());
            cluster.make();
            cluster.start();
        }
        cluster.watch();
        Shared { cluster, _in_use: in_use }
    }

    async fn create(&self, how: &str) -> TestDatabase {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("t{}_{count}", std::process::id());
        let socket_dir = self.cluster.folder.clone();
        // A process of the same number may have been killed here before.
        let admin = || options(&socket_dir, "postgres");
        execute(admin(), format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        execute(admin(), format!("CREATE DATABASE {name} {how}")).await;
        TestDatabase { name, socket_dir, password: String::new(), shared: true }
    }

    /// A migrated database to copy; one per version of the migrations, since worktrees share this.
    async fn template(&self) -> String {
        let name = format!("template_{}", migrations_digest());
        let admin = options(&self.cluster.folder, "postgres");
        if exists(&admin, &name).await {
            return name;
        }
        // Blocks this thread for the moment another process needs to make the template.
        let making = self.cluster.lock_file("start.lock");
        making.lock().expect("a lock on start.lock");
        if !exists(&admin, &name).await {
            let draft = format!("{name}_draft");
            execute(admin.clone(), format!("DROP DATABASE IF EXISTS {draft} WITH (FORCE)")).await;
            execute(admin.clone(), format!("CREATE DATABASE {draft}")).await;
            migrate(options(&self.cluster.folder, &draft)).await;
            execute(admin, format!("ALTER DATABASE {draft} RENAME TO {name}")).await;
        }
        name
    }
}

fn options(socket_dir: &Path, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(socket_dir)
        .port(PORT)
        .username(USER)
        .database(database)
}

async fn execute(options: PgConnectOptions, sql: String) {
    let mut connection = options.connect().await.expect("the test cluster accepts connections");
    let outcome = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut connection).await;
    outcome.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let _ = connection.close().await;
}

async fn exists(admin: &PgConnectOptions, database: &str) -> bool {
    let mut connection = admin.connect().await.expect("the test cluster accepts connections");
    let row = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1")
        .bind(database)
        .fetch_optional(&mut connection)
        .await
        .expect("pg_database can be read");
    let _ = connection.close().await;
    row.is_some()
}

async fn migrate(options: PgConnectOptions) {
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await;
    let pool = pool.expect("the test's database accepts connections");
    devpocket::store::migrate(&pool).await.expect("the migrations fit an empty database");
    pool.close().await;
}

fn migrations_digest() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let entries = fs::read_dir(&folder).expect("the migrations folder");
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let mut digest = Sha256::new();
    for file in files {
        digest.update(fs::read(&file).expect("a migration can be read"));
    }
    digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
