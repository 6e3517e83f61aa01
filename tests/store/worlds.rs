//! The implementations that pass the suite, and what it may do to them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use devpocket::cache::{CacheOptions, CachedStore};
use devpocket::store::{After, PgOptions, PgStore};
use devpocket_controllers::sim::store::{Limits, MemoryStore};
use devpocket_controllers::store::{Revision, Store};

use crate::support::postgres::TestDatabase;

/// Unread changes after which a watcher is closed: few, so that a test gets there, but more than
/// one poll can bring a watcher that reads.
pub const WATCH_BUFFER: usize = 256;

/// One store, as several processes see it.
#[async_trait]
pub trait World: Send + Sync {
    /// The store of one process.
    fn store(&self) -> Arc<dyn Store>;

    /// The same data through another process.
    async fn other(&self) -> Arc<dyn Store>;

    /// The process ends, and starts again.
    async fn restart(&mut self);

    /// Forgets the changes up to this revision.
    async fn compact(&self, revision: Revision);

    /// Whether watchers are pushed to and therefore closed when slow; the others read at their
    /// own speed.
    fn pushes(&self) -> bool;
}

pub struct Memory(MemoryStore);

impl Memory {
    pub async fn new() -> Memory {
        Memory(MemoryStore::new(Limits { watch_buffer: WATCH_BUFFER, ..Limits::default() }))
    }
}

#[async_trait]
impl World for Memory {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }

    async fn other(&self) -> Arc<dyn Store> {
        self.store()
    }

    async fn restart(&mut self) {
        let limits = Limits { watch_buffer: WATCH_BUFFER, ..Limits::default() };
        self.0 = MemoryStore::restored(&self.0.backup(), limits);
    }

    async fn compact(&self, revision: Revision) {
        self.0.compact(revision);
    }

    fn pushes(&self) -> bool {
        true
    }
}

/// Postgres read straight from its tables.
pub struct Postgres {
    pub database: TestDatabase,
    pub options: PgOptions,
    pub store: Arc<PgStore>,
}

/// Options for tests: partitions so small that every test crosses their bounds.
pub fn options(database: &TestDatabase) -> PgOptions {
    PgOptions {
        partition_revisions: 200,
        read_connections: 4,
        poll: Duration::from_millis(50),
        maintenance: None,
        ..PgOptions::new(database.options())
    }
}

pub async fn open(options: &PgOptions) -> Arc<PgStore> {
    Arc::new(PgStore::connect(options.clone()).await.expect("the test's database can be opened"))
}

impl Postgres {
    pub async fn new() -> Postgres {
        Postgres::with(|_| ()).await
    }

    pub async fn with(change: impl FnOnce(&mut PgOptions)) -> Postgres {
        let database = TestDatabase::new().await;
        let mut options = options(&database);
        change(&mut options);
        let store = open(&options).await;
        Postgres { database, options, store }
    }
}

#[async_trait]
impl World for Postgres {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn other(&self) -> Arc<dyn Store> {
        open(&self.options).await
    }

    async fn restart(&mut self) {
        self.store.close().await;
        self.store = open(&self.options).await;
    }

    async fn compact(&self, revision: Revision) {
        self.store.compact(revision).await.expect("compaction");
    }

    fn pushes(&self) -> bool {
        false
    }
}

/// Postgres behind the watch cache, as the server runs it.
pub struct Cached {
    postgres: Postgres,
    cache: Arc<CachedStore>,
}

/// Small enough that a test can fall out of the window.
pub fn cache_options() -> CacheOptions {
    CacheOptions {
        watch_buffer: WATCH_BUFFER,
        window_events: 2_000,
        fresh_wait: Duration::from_secs(3),
        ..CacheOptions::default()
    }
}

pub async fn cache(store: Arc<PgStore>) -> Arc<CachedStore> {
    Arc::new(CachedStore::open(store, cache_options()).await.expect("a cache can be filled"))
}

impl Cached {
    pub async fn new() -> Cached {
        Cached::with(|_| ()).await
    }

    pub async fn with(change: impl FnOnce(&mut PgOptions)) -> Cached {
        let postgres = Postgres::with(change).await;
        let cache = cache(postgres.store.clone()).await;
        Cached { postgres, cache }
    }

    /// No `NOTIFY`: only the poll tells of other processes.
    pub async fn deaf() -> Cached {
        Cached::with(|options| options.notify = false).await
    }

    /// With a wrong comparison in the reader of the log.
    pub async fn mutated(after: After) -> Cached {
        Cached::with(|options| {
            options.after = after;
            options.notify = false;
        })
        .await
    }
}

#[async_trait]
impl World for Cached {
    fn store(&self) -> Arc<dyn Store> {
        self.cache.clone()
    }

    async fn other(&self) -> Arc<dyn Store> {
        cache(open(&self.postgres.options).await).await
    }

    async fn restart(&mut self) {
        self.postgres.restart().await;
        self.cache = cache(self.postgres.store.clone()).await;
    }

    async fn compact(&self, revision: Revision) {
        // The window of a running process may still reach further back than the log; one that
        // starts now knows the log only.
        self.postgres.compact(revision).await;
    }

    fn pushes(&self) -> bool {
        true
    }
}
