//! The Postgres that `up` runs, in a folder of its own: fsync on, as in production.

use std::path::PathBuf;
use std::sync::Arc;

use devpocket::cache::{CacheOptions, CachedStore};
use devpocket::embedded::{self, EmbeddedConfig, EmbeddedPostgres};
use devpocket::store::{self, PgOptions, PgStore};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};
use tempfile::TempDir;

/// A server and its folder.
pub struct Server {
    postgres: EmbeddedPostgres,
    _folder: TempDir,
}

impl Server {
    pub async fn start() -> Server {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // As root, Postgres runs as somebody else, who has to get in.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("the folder is ours");
        let config = EmbeddedConfig {
            data: folder.path().to_owned(),
            program: PathBuf::from(env!("CARGO_BIN_EXE_devpocket")),
        };
        let found = embedded::locate(&config, &|_| {}).await.expect("Postgres' programs");
        let postgres = EmbeddedPostgres::start(&config, &found, &|_| {}).await.expect("a Postgres");
        Server { postgres, _folder: folder }
    }

    pub fn url(&self) -> String {
        self.postgres.url()
    }

    /// An empty store in a database of its own.
    pub async fn store(&self, name: &str) -> Arc<PgStore> {
        let options = self.database(name).await;
        let pool = store::pool(&options.connect, 2).await.expect("a pool");
        store::migrate(&pool).await.expect("the schema");
        pool.close().await;
        Arc::new(PgStore::connect(options).await.expect("a store"))
    }

    /// A database of that name, empty.
    pub async fn database(&self, name: &str) -> PgOptions {
        let admin = PgPool::connect(&self.url()).await.expect("a connection");
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&admin)
            .await
            .expect("a database");
        admin.close().await;
        let mut options = PgOptions::from_url(&self.url()).expect("its own address");
        options.connect = options.connect.database(name);
        options
    }

    pub async fn stop(self) {
        self.postgres.stop().await.expect("it stops");
    }
}

/// As many connections as there are writers, opened before anything is measured.
pub async fn warm_pool(options: &PgOptions, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .min_connections(connections)
        .max_connections(connections)
        .connect_with(options.connect.clone())
        .await
        .expect("connections")
}

/// The cache as a process has it.
pub async fn cached(store: Arc<PgStore>) -> Arc<CachedStore> {
    let cached = CachedStore::open(store, CacheOptions::default()).await;
    Arc::new(cached.expect("the cache fills"))
}

/// A runtime as the program has it.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime")
}
