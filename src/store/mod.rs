//! The store in Postgres.
//!
//! # How the order of writes is kept
//! One row, `store_revision`, is updated **first** in every transaction that writes and held to its
//! commit. Postgres makes a transaction visible before it releases its row locks, so whoever gets
//! the counter next has both the higher revision and the later moment of visibility: *when
//! revision R can be seen, every revision below R can be seen.* There is no gap logic, because
//! there are no gaps that mean anything: a number that was taken and not used is as if it had
//! never been, and nobody waits for it.
//!
//! The price is that one transaction writes at a time. It is paid back by batching: what is queued
//! while a commit waits for the disk goes out as one transaction (see [`writer`]), and as long as no
//! other process writes, that transaction is one statement (see [`foresight`]).
//!
//! # Guarantees
//! - Those of [`devpocket_controllers::store`], for every process on the same database together.
//! - An object's change, its log row and its audit row are one commit.
//! - A caller that hears [`StoreError::Unavailable`] may take the write for undone; one that hears
//!   [`StoreError::Ambiguous`] may not take it for anything.
//!
//! # Assumptions
//! - Every writer takes the counter row first. A row changed by hand while the store runs is
//!   noticed only if it is one that a batch is about to change.
//! - The session is this process's own: no pooler in transaction mode in between.
//!
//! # Caveats
//! - Correctness rests on no trigger, sequence, advisory lock, `NOTIFY` or transaction id, so that
//!   the same statements can run where those are missing. Partitions are made by plain DDL.
//! - [`PgStore::watch`] reads the log on its own for each watcher. Processes with many watchers put
//!   a [`crate::cache`] in front.

mod audit;
mod batch;
mod decisions;
mod fault;
mod foresight;
mod known;
mod log;
mod notify;
mod options;
mod partitions;
mod reach;
mod rows;
mod schema;
mod secrets;
mod statements;
mod transaction;
mod writer;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor, PgPool};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use devpocket_controllers::store::{
    Listing, Revision, Store, StoreError, Stored, Watch, Write, commit,
};
use devpocket_specs::admit::Change;
use devpocket_specs::decision::DecisionRecord;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;

use fault::Fault;
use known::Known;
use writer::{Queued, Writer};

pub use audit::{AuditFilter, AuditRow};
pub use log::{Committed, PAGE, Page};
pub use options::{After, PgOptions, UrlError};
pub use reach::{Place, Trouble, Unreachable, reach};
pub use schema::{
    Pending, SchemaError, SchemaStatus, UsedBy, migrate, newest_schema, pending_migrations,
    schema_status, settled_schema_status, used_by,
};
pub use secrets::SystemSecret;
pub use writer::{BATCH_MAX, QUEUE_MAX};

/// How long a read waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// Of sessions that read: long enough for a list of everything.
const READ_SESSION: &str = "SET statement_timeout = '30s'; \
     SET idle_in_transaction_session_timeout = '30s'";
/// Batches a cache may be behind before it has to read the log.
const HANDOFF_MAX: usize = 256;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the database cannot be reached: {0}")]
    Connect(#[source] sqlx::Error),
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error("the log's partitions cannot be made: {0}")]
    Partitions(String),
}

/// Objects, their history and the audit, in Postgres.
pub struct PgStore {
    pool: PgPool,
    options: PgOptions,
    /// None once closed.
    queue: Mutex<Option<mpsc::Sender<Queued>>>,
    committed: broadcast::Sender<Arc<Committed>>,
    latest: Arc<watch::Sender<Revision>>,
    poll: Arc<watch::Sender<Duration>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    background: Vec<JoinHandle<()>>,
}

/// A pool as the store uses it, for `migrate` and `schema_status` before there is a store.
pub async fn pool(connect: &PgConnectOptions, connections: u32) -> Result<PgPool, sqlx::Error> {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(READ_SESSION).await.map(|_| ()) })
        })
        .connect_with(connect.clone())
        .await
}

/// All objects of a kind, read without opening the store: for who may not write, not even that it
/// was there. The schema must be this binary's.
pub async fn peek(pool: &PgPool, kind: Kind) -> Result<Listing, StoreError> {
    Ok(log::list(pool, Some(kind), None).await?)
}

impl PgStore {
    /// Opens the store. Refuses a schema that is not this binary's and changes nothing then.
    pub async fn connect(options: PgOptions) -> Result<PgStore, OpenError> {
        let pool =
            pool(&options.connect, options.read_connections).await.map_err(OpenError::Connect)?;
        schema_status(&pool).await?.check()?;
        schema::note_use(&pool).await?;
        let partitions = |error: Fault| OpenError::Partitions(error.to_string());
        let counter = log::counter(&pool).await.map_err(partitions)?;
        let mut connection = pool.acquire().await.map_err(OpenError::Connect)?;
        let covered = partitions::ensure(&mut connection, 0, options.partition_revisions)
            .await
            .map_err(partitions)?;
        drop(connection);

        let latest = Arc::new(watch::Sender::new(counter.revision));
        let committed = broadcast::Sender::new(HANDOFF_MAX);
        let own = Arc::new(watch::Sender::new(counter.revision));
        let (queue, queued) = mpsc::channel(QUEUE_MAX);
        let writer = Writer {
            options: options.clone(),
            connection: None,
            used: Instant::now(),
            covered,
            known: Known::default(),
            committed: committed.clone(),
            latest: latest.clone(),
            own: own.clone(),
        };
        let writer = tokio::spawn(writer.run(queued));
        let poll = Arc::new(watch::Sender::new(options.poll));
        let mut background = Vec::new();
        if options.notify {
            background.push(tokio::spawn(notify::send(options.clone(), own.subscribe())));
            let hear = notify::hear(pool.clone(), options.clone(), latest.clone(), poll.clone());
            background.push(tokio::spawn(hear));
        }
        if let Some(every) = options.maintenance {
            background.push(tokio::spawn(maintain(pool.clone(), options.clone(), every)));
        }
        Ok(PgStore {
            pool,
            options,
            queue: Mutex::new(Some(queue)),
            committed,
            latest,
            poll,
            writer: Mutex::new(Some(writer)),
            background,
        })
    }

    /// The pool that reads use.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Every object of every kind, as of one revision.
    pub async fn snapshot(&self) -> Result<Listing, StoreError> {
        Ok(log::list(&self.pool, None, None).await?)
    }

    /// The next changes of any kind after the cursor, and up to where they are all.
    pub async fn changes(&self, cursor: Revision) -> Result<Page, StoreError> {
        log::page(&self.pool, None, cursor, self.options.after).await
    }

    /// Batches this process commits, as they are committed.
    pub fn committed(&self) -> broadcast::Receiver<Arc<Committed>> {
        self.committed.subscribe()
    }

    /// Moves when anybody is known to have written: a hint.
    pub fn latest(&self) -> watch::Receiver<Revision> {
        self.latest.subscribe()
    }

    /// How long a reader may sleep without a hint. Changes when notifications begin or end to be
    /// heard; those in between were not.
    pub fn poll(&self) -> watch::Receiver<Duration> {
        self.poll.subscribe()
    }

    /// Who changed what, newest first.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
        audit::read(&self.pool, filter).await
    }

    /// A secret of the installation, sealed.
    pub async fn system_secret(&self, name: &str) -> Result<Option<SystemSecret>, StoreError> {
        secrets::get(&self.pool, name).await
    }

    /// Keeps a sealed secret if the version kept is still `replaces` (0: none yet), and answers
    /// what is kept now: whoever loses a race uses the winner's.
    pub async fn put_system_secret(
        &self,
        name: &str,
        sealed: &str,
        replaces: i64,
    ) -> Result<SystemSecret, StoreError> {
        secrets::put(&self.pool, name, sealed, replaces).await
    }

    /// All secrets of the installation by name, sealed.
    pub async fn system_secrets(&self) -> Result<Vec<(String, SystemSecret)>, StoreError> {
        secrets::all(&self.pool).await
    }

    /// Forgets a secret of the installation.
    pub async fn remove_system_secret(&self, name: &str) -> Result<(), StoreError> {
        secrets::remove(&self.pool, name).await
    }

    /// How many former states of Secrets in the log are sealed with this key.
    pub async fn sealed_history(&self, key_id: &str) -> Result<u64, StoreError> {
        secrets::history(&self.pool, &crate::access::seal::mark(key_id)).await
    }

    /// Forgets changes up to `revision`: publishes that, then drops what lies wholly below.
    pub async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await.map_err(Fault::from)?;
        partitions::publish(&mut connection, revision).await?;
        partitions::drop_published(&mut connection).await?;
        Ok(())
    }

    /// One pass of maintenance: partitions ahead, compaction behind, old audit rows.
    pub async fn maintain(&self) -> Result<(), StoreError> {
        Ok(maintain_once(&self.pool, &self.options).await?)
    }

    /// Finishes what is queued, then ends. Later writes fail.
    pub async fn close(&self) {
        drop(lock(&self.queue).take());
        let writer = lock(&self.writer).take();
        if let Some(writer) = writer {
            let _ = writer.await;
        }
        self.background.iter().for_each(JoinHandle::abort);
        self.pool.close().await;
    }
}

impl Drop for PgStore {
    /// The writer ends by itself once its queue is empty.
    fn drop(&mut self) {
        self.background.iter().for_each(JoinHandle::abort);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn maintain(pool: PgPool, options: PgOptions, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        if let Err(error) = maintain_once(&pool, &options).await {
            tracing::warn!(%error, "maintenance of the store failed, it will be tried again");
        }
    }
}

async fn maintain_once(pool: &PgPool, options: &PgOptions) -> Result<(), Fault> {
    let mut connection = pool.acquire().await?;
    partitions::ensure(&mut connection, 0, options.partition_revisions).await?;
    // What the last pass published goes now, so readers had that long to notice.
    partitions::drop_published(&mut connection).await?;
    let upto = partitions::compactable(&mut connection, options).await?;
    partitions::publish(&mut connection, upto).await?;
    partitions::prune_audit(&mut connection).await?;
    decisions::prune(&mut connection).await?;
    Ok(())
}

#[async_trait]
impl Store for PgStore {
    async fn get(&self, key: &Key) -> Result<Option<Arc<Stored>>, StoreError> {
        if key.name.contains('\0') || key.namespace.contains('\0') {
            return Ok(None); // Postgres has no such text, so no such object.
        }
        Ok(log::get(&self.pool, key).await?)
    }

    async fn list(&self, kind: Kind, namespace: Option<&str>) -> Result<Listing, StoreError> {
        Ok(log::list(&self.pool, Some(kind), namespace).await?)
    }

    async fn write(&self, write: Write) -> Result<Arc<Stored>, StoreError> {
        if write.admitted.change() == Change::None {
            let mut connection = self.pool.acquire().await.map_err(Fault::from)?;
            return transaction::unchanged(&mut connection, &write).await;
        }
        let closed = || StoreError::Unavailable("the store was closed".into());
        let queue = lock(&self.queue).clone().ok_or_else(closed)?;
        let deadline = Instant::now() + self.options.write_deadline;
        let place = tokio::time::timeout(self.options.write_deadline, queue.reserve_owned())
            .await
            .map_err(|_| StoreError::Unavailable("too many writes are waiting".into()))?
            .map_err(|_| closed())?;
        let (reply, answer) = oneshot::channel();
        place.send(Queued { write, deadline, reply });
        // The writer answers everything it took; without an answer it was torn down with its
        // runtime, at a moment nobody knows.
        answer.await.unwrap_or_else(|_| Err(StoreError::Ambiguous("the writer ended".into())))
    }

    async fn watch(&self, kind: Kind, after: Revision) -> Result<Watch, StoreError> {
        let latest = self.latest.subscribe();
        let counter = log::counter(&self.pool).await?;
        if after < counter.compacted {
            return Err(StoreError::Expired { requested: after, oldest: counter.compacted });
        }
        if after > counter.revision {
            return Err(commit::ahead(after, counter.revision));
        }
        Ok(log::watch_log(self.pool.clone(), kind, after, latest, self.options.clone()))
    }

    async fn decisions(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Vec<Arc<DecisionRecord>>, StoreError> {
        if namespace.contains('\0') || name.contains('\0') {
            return Ok(Vec::new());
        }
        Ok(decisions::read(&self.pool, namespace, name).await?)
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        Ok(log::counter(&self.pool).await?.revision)
    }
}
