//! The watch cache: one per process, between the store and everybody who lists and watches.
//!
//! # How it works
//! One tailer follows the log from a snapshot on and keeps two things: the current objects, in a
//! B-tree, and a window of recent changes. Lists come from the first, watches from the second and
//! then live; objects are shared and carry their serialised bytes, so a list of ten thousand is
//! ten thousand reference counts. However many watch, the database sees one reader.
//!
//! The tailer learns of changes in three ways, each sufficient: batches of this process are handed
//! over as they commit (nothing is read then), `NOTIFY` tells of others, and a poll tells of whatever
//! the first two missed: every five seconds, or every second while nothing is heard.
//!
//! # Guarantees
//! - A read through [`Store`] is as fresh as the store: it asks for the revision (one indexed row)
//!   and waits until the cache is there, or fails. It never answers from an older state.
//! - *List at R, then watch after R* is complete and in order, as in the store.
//! - A watcher that leaves too much unread is closed; the others do not notice.
//! - A watch that starts before the window is [`StoreError::Expired`]: list again.
//! - Should the database go back in time (a backup was restored under a running process), or the
//!   log be compacted past the tailer, the cache starts anew and closes every watch.
//!
//! # Caveats
//! - [`CachedStore::get_cached`] and [`CachedStore::list_cached`] answer from whatever is there.
//! - The whole store is held in memory. That is its size limit: about 400 MB at 100,000 objects.

mod source;
mod state;
mod tailer;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use devpocket_controllers::store::fanout::{Pace, WATCH_BUFFER};
use devpocket_controllers::store::{
    Listing, Revision, Store, StoreError, Stored, Watch, Write, commit,
};
use devpocket_specs::decision::DecisionRecord;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;

pub use source::Source;
use state::State;

/// Recent changes kept for watches that start in the past.
const WINDOW_EVENTS: usize = 100_000;
const WINDOW_BYTES: usize = 64 << 20;
/// How long a read waits for the cache to catch up, as in Kubernetes.
const FRESH_WAIT: Duration = Duration::from_secs(3);

/// Bounds of a cache.
#[derive(Clone, Copy, Debug)]
pub struct CacheOptions {
    pub window_events: usize,
    pub window_bytes: usize,
    /// Changes a watcher may leave unread before it is closed.
    pub watch_buffer: usize,
    /// How long a read waits for the cache to catch up.
    pub fresh_wait: Duration,
}

impl Default for CacheOptions {
    fn default() -> CacheOptions {
        CacheOptions {
            window_events: WINDOW_EVENTS,
            window_bytes: WINDOW_BYTES,
            watch_buffer: WATCH_BUFFER,
            fresh_wait: FRESH_WAIT,
        }
    }
}

/// What the tailer and the readers share.
struct Shared {
    source: Arc<dyn Source>,
    state: RwLock<State>,
    reached: watch::Sender<Revision>,
    /// A reader waits for a revision the tailer may not have heard of.
    poke: Notify,
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A store that reads from its cache and writes to its source.
pub struct CachedStore {
    shared: Arc<Shared>,
    options: CacheOptions,
    tailer: JoinHandle<()>,
}

impl Drop for CachedStore {
    fn drop(&mut self) {
        self.tailer.abort();
    }
}

impl CachedStore {
    /// Follows the log no longer, so that the store behind may be closed. What is here stays.
    pub fn stop_following(&self) {
        self.tailer.abort();
    }

    /// Loads everything and starts to follow.
    pub async fn open(
        source: Arc<dyn Source>,
        options: CacheOptions,
    ) -> Result<CachedStore, StoreError> {
        // Subscribed before the snapshot, so that no batch falls between the two.
        let committed = source.committed();
        let listing = source.snapshot().await?;
        let window = tailer::recent(&*source, listing.revision).await;
        let shared = Arc::new(Shared {
            reached: watch::Sender::new(listing.revision),
            state: RwLock::new(State::new(options, listing, window)),
            poke: Notify::new(),
            source,
        });
        let tailer = tokio::spawn(tailer::run(shared.clone(), committed));
        Ok(CachedStore { shared, options, tailer })
    }

    /// The revision the cache is at.
    pub fn current_revision(&self) -> Revision {
        self.shared.read().revision
    }

    /// The object as the cache has it now.
    pub fn get_cached(&self, key: &Key) -> Option<Arc<Stored>> {
        self.shared.read().objects.get(key).cloned()
    }

    /// The objects as the cache has them now.
    pub fn list_cached(&self, kind: Kind, namespace: Option<&str>) -> Listing {
        self.shared.read().list(kind, namespace)
    }

    /// A list that is at least as new as `min_revision`; waits for it, and fails if it does not
    /// come in time.
    pub async fn list_at_least(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        min_revision: Revision,
    ) -> Result<Listing, StoreError> {
        self.reach(min_revision).await?;
        Ok(self.list_cached(kind, namespace))
    }

    /// An object at least as new as `min_revision`.
    pub async fn get_at_least(
        &self,
        key: &Key,
        min_revision: Revision,
    ) -> Result<Option<Arc<Stored>>, StoreError> {
        self.reach(min_revision).await?;
        Ok(self.get_cached(key))
    }

    /// Watchers that still listen.
    pub fn watchers(&self) -> usize {
        self.shared.read().fanout.len()
    }

    /// Waits until the cache is as new as the store is now; answers where that is.
    pub async fn freshen(&self) -> Result<Revision, StoreError> {
        let revision = self.shared.source.revision().await?;
        self.reach(revision).await?;
        Ok(revision)
    }

    async fn reach(&self, revision: Revision) -> Result<(), StoreError> {
        let mut reached = self.shared.reached.subscribe();
        if *reached.borrow() >= revision {
            return Ok(());
        }
        self.shared.poke.notify_one();
        let waited = timeout(self.options.fresh_wait, reached.wait_for(|at| *at >= revision)).await;
        match waited {
            Ok(Ok(_)) => Ok(()),
            _ => Err(commit::ahead(revision, self.current_revision())),
        }
    }
}

#[async_trait]
impl Store for CachedStore {
    async fn get(&self, key: &Key) -> Result<Option<Arc<Stored>>, StoreError> {
        self.freshen().await?;
        Ok(self.get_cached(key))
    }

    async fn list(&self, kind: Kind, namespace: Option<&str>) -> Result<Listing, StoreError> {
        self.freshen().await?;
        Ok(self.list_cached(kind, namespace))
    }

    async fn write(&self, write: Write) -> Result<Arc<Stored>, StoreError> {
        self.shared.source.write(write).await
    }

    async fn watch(&self, kind: Kind, after: Revision) -> Result<Watch, StoreError> {
        self.reach(after).await?;
        self.shared.write().watch(kind, after, Pace::Leisurely)
    }

    async fn follow(&self, kind: Kind, after: Revision) -> Result<Watch, StoreError> {
        self.reach(after).await?;
        self.shared.write().watch(kind, after, Pace::Prompt)
    }

    async fn decisions(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Vec<Arc<DecisionRecord>>, StoreError> {
        self.shared.source.decisions(namespace, name).await
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        self.shared.source.revision().await
    }
}
