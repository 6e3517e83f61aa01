//! The store in memory, with the contract of the real one (`tests/store` runs the same suite over
//! both) and handles on everything that goes wrong with databases.
//!
//! A [`MemoryStore`] is a handle: clones share the data, so a store outlives the controllers that
//! are killed and started again around it. [`MemoryStore::probed`] gives a process a handle of its
//! own whose writes can be stopped before or after they happen.
//!
//! Deterministic: no clock, no randomness, ordered collections; a write yields to the scheduler
//! once before it is applied and once after, as a real one would, so that tasks interleave.

mod decisions;
mod link;
mod probe;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use devpocket_specs::admit::{Actor, Change};
use devpocket_specs::decision::DecisionRecord;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use tokio::sync::watch;

use crate::store::fanout::WATCH_BUFFER;
use crate::store::{
    Listing, Revision, Store, StoreError, Stored, Watch, WatchError, WatchEvent, Write,
};

use decisions::Decisions;
pub use link::Link;
pub use probe::{Verdict, WriteProbe};
use state::State;

/// Changes kept for watchers that start in the past.
const HISTORY_MAX: usize = 1_000_000;

/// Bounds of a store in memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Changes a watcher may leave unread before it is closed.
    pub watch_buffer: usize,
    /// Changes kept; older ones are compacted away.
    pub history: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { watch_buffer: WATCH_BUFFER, history: HISTORY_MAX }
    }
}

/// One committed write, for assertions such as "nothing is written at rest".
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    pub revision: Revision,
    pub actor: Actor,
    pub key: Key,
    pub change: Change,
    /// The term it was written in, for writes that carry a fence.
    pub epoch: Option<i32>,
}

/// What a `pg_dump` would hold: the objects and their revisions at one moment.
#[derive(Clone, Debug)]
pub struct Backup {
    revision: Revision,
    objects: Vec<Arc<Stored>>,
    decisions: Decisions,
}

/// A store in memory.
#[derive(Clone)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    probe: Option<Arc<dyn WriteProbe>>,
    link: Option<Link>,
}

impl Default for MemoryStore {
    fn default() -> MemoryStore {
        MemoryStore::new(Limits::default())
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new(limits: Limits) -> MemoryStore {
        MemoryStore { state: Arc::new(Mutex::new(State::new(limits))), probe: None, link: None }
    }

    /// A store that begins as the backup was taken: history is gone, as after a restore.
    pub fn restored(backup: &Backup, limits: Limits) -> MemoryStore {
        let mut state = State::restored(limits, backup.revision, &backup.objects);
        state.decisions.clone_from(&backup.decisions);
        MemoryStore { state: Arc::new(Mutex::new(state)), probe: None, link: None }
    }

    /// The same data through a handle whose writes the probe sees.
    pub fn probed(&self, probe: Arc<dyn WriteProbe>) -> MemoryStore {
        MemoryStore { state: self.state.clone(), probe: Some(probe), link: self.link.clone() }
    }

    /// The same data through a handle whose way can be cut.
    pub fn linked(&self, link: Link) -> MemoryStore {
        MemoryStore { state: self.state.clone(), probe: self.probe.clone(), link: Some(link) }
    }

    /// The objects as they are now.
    pub fn backup(&self) -> Backup {
        let state = self.lock();
        Backup {
            revision: state.revision,
            objects: state.objects.values().cloned().collect(),
            decisions: state.decisions.clone(),
        }
    }

    /// The objects of a kind as they are now, without a list's revision: for looking at a world
    /// from outside.
    pub fn objects_of(&self, kind: Kind) -> Vec<Arc<Stored>> {
        self.lock().list(kind, None).items
    }

    /// With a reason, every call fails and every watch ends until it is taken away.
    pub fn set_outage(&self, reason: Option<&str>) {
        let mut state = self.lock();
        if let Some(reason) = reason {
            state.fanout.close(&WatchError::Unavailable(reason.to_owned()));
        }
        state.outage = reason.map(str::to_owned);
    }

    /// Forgets the changes up to and including `revision`.
    pub fn compact(&self, revision: Revision) {
        self.lock().compact(revision);
    }

    /// Every committed write since the store was made, in order.
    pub fn journal(&self) -> Vec<Commit> {
        self.lock().journal.clone()
    }

    /// Every object of every kind, as of one revision.
    pub fn snapshot(&self) -> Result<Listing, StoreError> {
        let state = self.available()?;
        Ok(Listing { revision: state.revision, items: state.objects.values().cloned().collect() })
    }

    /// Changes of every kind after the cursor, and the revision up to which they are all.
    pub fn changes(&self, cursor: Revision) -> Result<(Vec<WatchEvent>, Revision), StoreError> {
        let state = self.available()?;
        Ok((state.changes(cursor)?, state.revision))
    }

    /// An object as it was written at a revision, if that is remembered.
    pub fn written(&self, key: &Key, revision: Revision) -> Option<Arc<Stored>> {
        self.lock().written(key, revision)
    }

    /// Every decision kept, about any environment, oldest first.
    pub fn all_decisions(&self) -> Vec<Arc<DecisionRecord>> {
        self.lock().decisions.all()
    }

    /// Objects and lists asked for since the store was made, by everybody.
    pub fn reads(&self) -> u64 {
        self.lock().reads
    }

    /// Moves with each commit.
    pub fn latest(&self) -> watch::Receiver<Revision> {
        self.lock().latest.subscribe()
    }

    /// Watchers that still listen.
    pub fn watchers(&self) -> usize {
        self.lock().fanout.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panicked while holding it has failed already; the others see whole writes.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn available(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        if let Some(link) = &self.link {
            link.check()?;
        }
        let state = self.lock();
        match &state.outage {
            Some(reason) => Err(StoreError::Unavailable(reason.clone())),
            None => Ok(state),
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &Key) -> Result<Option<Arc<Stored>>, StoreError> {
        let mut state = self.available()?;
        state.reads += 1;
        Ok(state.objects.get(key).cloned())
    }

    async fn list(&self, kind: Kind, namespace: Option<&str>) -> Result<Listing, StoreError> {
        let mut state = self.available()?;
        state.reads += 1;
        Ok(state.list(kind, namespace))
    }

    async fn write(&self, write: Write) -> Result<Arc<Stored>, StoreError> {
        if let Some(probe) = &self.probe {
            probe.before(&write).carry_out().await?;
        }
        tokio::task::yield_now().await;
        let stored = self.available()?.write(&write)?;
        tokio::task::yield_now().await;
        if let Some(probe) = &self.probe {
            probe.after(&write, &stored).carry_out().await?;
        }
        if let Some(link) = &self.link {
            link.answer()?;
        }
        Ok(stored)
    }

    async fn watch(&self, kind: Kind, after: Revision) -> Result<Watch, StoreError> {
        let watch = self.available()?.watch(kind, after)?;
        Ok(match &self.link {
            Some(link) => link.guard(watch),
            None => watch,
        })
    }

    async fn decisions(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Vec<Arc<DecisionRecord>>, StoreError> {
        Ok(self.available()?.decisions.of(namespace, name))
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        Ok(self.available()?.revision)
    }
}
