//! A typed mirror of one kind, in memory.
//!
//! # Guarantees
//! - Once [`Reflector::ready`] has completed, the mirror holds every object of the kind as of some
//!   revision of the store, and follows. It changes at once from one complete list to the next:
//!   no reader sees half a list.
//! - A change is visible in the mirror before the handlers hear of it, so a reconcile started by
//!   a change sees at least that change.
//! - When the watch ends, for whatever reason, it lists again and reports what differs. Watching
//!   on from the last revision would be cheaper, but would wait for ever on a store that was
//!   restored to an earlier state.
//! - An object that cannot be read as its kind never stops the mirror. It is logged, counted and
//!   named by [`Reflector::unreadable`]; the mirror keeps the last state that could be read,
//!   because leaving it out would look like absence.
//!
//! # Assumptions
//! The future of [`Reflector::run`] is polled. The mirror lives in it; dropping it stops the
//! mirror, nothing else.
//!
//! # Caveats
//! - The mirror trails the store. Whoever must see its own write waits for
//!   [`Reflector::reached`], or relies on the store to refuse what is stale.
//! - Handlers may hear of a change twice, never not at all.

mod mirror;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use devpocket_specs::metadata::ObjectMeta;
use devpocket_specs::object::{Key, Resource, SharedKey};
use fastrand::Rng;
use futures::StreamExt;
use tokio::sync::watch;

pub use self::mirror::Index;
use self::mirror::{Mirror, Mirrored};
use super::backoff::STORE as BACKOFF;
use super::workqueue::Priority;
use crate::clock::Clock;
use crate::store::{
    EventType, Listing, Revision, Store, StoreError, Stored, WatchError, WatchEvent, WatchItem,
};

/// After this time without failure the back-off starts anew.
pub const CALM: Duration = Duration::from_secs(60);

/// Objects of a list read before other work gets a turn.
pub const CHUNK: usize = 256;

/// How an object came to be as it is in the mirror.
#[derive(Debug)]
pub struct Change<T> {
    /// Whose: the mirror's own key, which [`Reflector::get_shared`] finds fastest.
    pub key: SharedKey,
    /// Before; none for a new object.
    pub old: Option<Arc<T>>,
    /// Now; none for one that is gone.
    pub new: Option<Arc<T>>,
    /// Whether it was found by listing (a start, a reconnect) rather than heard of.
    pub listed: bool,
}

impl<T: Resource> Change<T> {
    /// The object now, or its last state.
    pub fn object(&self) -> Option<&Arc<T>> {
        self.new.as_ref().or(self.old.as_ref())
    }

    /// Low for what a list brought, so that a resync delays nobody.
    pub fn priority(&self) -> Priority {
        if self.listed { Priority::Low } else { Priority::Normal }
    }

    /// Nothing but the status differs: for a reconciler that would otherwise be woken by its own
    /// status writes.
    pub fn is_status_only(&self) -> bool {
        let (Some(old), Some(new)) = (&self.old, &self.new) else { return false };
        let (old, new) = (old.metadata(), new.metadata());
        old.resource_version != new.resource_version && intent(old) == intent(new)
    }
}

/// What people and other controllers say about an object, generation standing for the spec.
fn intent(metadata: &ObjectMeta) -> impl PartialEq + '_ {
    (
        (metadata.uid, metadata.generation, metadata.deletion_timestamp),
        (&metadata.labels, &metadata.annotations),
        (&metadata.finalizers, &metadata.owner_references),
    )
}

type Handler<T> = Arc<dyn Fn(&Change<T>) + Send + Sync>;

struct Inner<T> {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    seed: u64,
    mirror: RwLock<Mirror<T>>,
    handlers: RwLock<Vec<Handler<T>>>,
    /// The revision the mirror has reached; none before the first list.
    revision: watch::Sender<Option<Revision>>,
}

/// The mirror. Clones are handles to the same one.
pub struct Reflector<T> {
    inner: Arc<Inner<T>>,
}

impl<T> Clone for Reflector<T> {
    fn clone(&self) -> Self {
        Reflector { inner: Arc::clone(&self.inner) }
    }
}

#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error("list: {0}")]
    List(StoreError),
    #[error("watch: {0}")]
    Open(StoreError),
    #[error("watch: {0}")]
    Watch(WatchError),
    #[error("the watch ended")]
    Ended,
}

impl<T: Resource> Reflector<T> {
    /// An empty mirror; `seed` decides the jitter of its back-off (see [`crate::clock::seed`]).
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, seed: u64) -> Self {
        Reflector::indexed(store, clock, seed, Index::default())
    }

    /// The same, with some objects at hand.
    pub fn indexed(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        seed: u64,
        index: Index<T>,
    ) -> Self {
        let mirror = RwLock::new(Mirror::new(index));
        let handlers = RwLock::new(Vec::new());
        let revision = watch::Sender::new(None);
        Reflector { inner: Arc::new(Inner { store, clock, seed, mirror, handlers, revision }) }
    }

    /// Lists and follows for as long as it is polled. One call at a time.
    pub async fn run(&self) -> Infallible {
        let mut rng = Rng::with_seed(self.inner.seed);
        let mut failures: u32 = 0;
        loop {
            let started = self.inner.clock.monotonic();
            let Err(error) = self.follow().await;
            if self.inner.clock.monotonic().saturating_sub(started) >= CALM {
                failures = 0;
            }
            failures = failures.saturating_add(1);
            tracing::warn!(kind = %T::KIND, "listing again: {error}");
            metrics::counter!("devpocket_reflector_relists_total", "kind" => T::KIND.info().name)
                .increment(1);
            self.inner.clock.sleep(BACKOFF.delay(failures, &mut rng)).await;
        }
    }

    /// The object, as last seen.
    pub fn get(&self, key: &Key) -> Option<Arc<T>> {
        self.read().get(key).and_then(|mirrored| mirrored.value.clone())
    }

    /// The same by a key that may be one of [`Reflector::keys`]: then no name is compared.
    pub fn get_shared(&self, key: &SharedKey) -> Option<Arc<T>> {
        self.read().get_shared(key).and_then(|mirrored| mirrored.value.clone())
    }

    /// All objects, by namespace and name.
    pub fn list(&self) -> Vec<Arc<T>> {
        self.read().values().cloned().collect()
    }

    /// The keys of all objects, in order; cheap to hand on.
    pub fn keys(&self) -> Vec<SharedKey> {
        self.read().keys().cloned().collect()
    }

    /// The objects of a group, by namespace and name, without looking at the others.
    pub fn list_group(&self, group: &str) -> Arc<Vec<Arc<T>>> {
        self.read().group(group)
    }

    /// The keys of the marked objects, in order, without looking at any object.
    pub fn marked_keys(&self) -> Vec<SharedKey> {
        self.read().marked().cloned().collect()
    }

    /// Grows with each change of what is mirrored, and with nothing else: unlike the revision it
    /// stands still while others write.
    pub fn version(&self) -> u64 {
        self.read().version()
    }

    /// Objects in one namespace, by name.
    pub fn list_in(&self, namespace: &str) -> Vec<Arc<T>> {
        self.read().inside(namespace).cloned().collect()
    }

    /// Objects that exist but cannot be read as their kind. What counts or compares all objects
    /// must take them for unknown, not for absent.
    pub fn unreadable(&self) -> Vec<Key> {
        self.read().unreadable().cloned().collect()
    }

    /// The revision reached; none before the first list.
    pub fn revision(&self) -> Option<Revision> {
        *self.inner.revision.borrow()
    }

    /// Completes once the first list is in.
    pub async fn ready(&self) {
        self.reached(0).await;
    }

    /// Completes once everything up to `revision` is in. Waits for ever on a mirror that is not
    /// run.
    pub async fn reached(&self, revision: Revision) {
        let mut reached = self.inner.revision.subscribe();
        // Fails only without a sender, and `self` holds it.
        let _ = reached.wait_for(|now| now.is_some_and(|now| now >= revision)).await;
    }

    /// Calls `handler` with each change from now on, and at once with each object that is here.
    /// Handlers run inside the mirror: they put keys into queues and return.
    pub fn on_change(&self, handler: impl Fn(&Change<T>) + Send + Sync + 'static) {
        let handler: Handler<T> = Arc::new(handler);
        let mut handlers = self.inner.handlers.write().unwrap_or_else(PoisonError::into_inner);
        handlers.push(Arc::clone(&handler));
        drop(handlers);
        let here: Vec<_> = self.read().entries().map(|(k, v)| (k.clone(), v.clone())).collect();
        for (key, value) in here {
            handler(&Change { key, old: None, new: Some(value), listed: true });
        }
    }

    async fn follow(&self) -> Result<Infallible, FollowError> {
        let store = &self.inner.store;
        let listing = store.list(T::KIND, None).await.map_err(FollowError::List)?;
        let after = listing.revision;
        self.replace(listing).await;
        let mut changes = store.follow(T::KIND, after).await.map_err(FollowError::Open)?;
        while let Some(item) = changes.next().await {
            match item.map_err(FollowError::Watch)? {
                WatchItem::Event(event) => self.apply(event),
                WatchItem::Progress(revision) => self.advance(revision),
            }
        }
        Err(FollowError::Ended)
    }

    /// Takes over a complete list at once.
    async fn replace(&self, listing: Listing) {
        if self.revision().is_some_and(|before| before > listing.revision) {
            tracing::warn!(kind = %T::KIND, "the store went back to {}", listing.revision);
        }
        let mut next = self.read().emptied();
        let mut changes = Vec::new();
        for (index, stored) in listing.items.into_iter().enumerate() {
            if index % CHUNK == CHUNK - 1 {
                tokio::task::yield_now().await;
            }
            let key = stored.key();
            let (key, old, same) = match self.read().entry(&key) {
                Some((key, mirrored)) => {
                    let same = mirrored.stored.bytes == stored.bytes;
                    (key.clone(), mirrored.value.clone(), same)
                }
                None => (SharedKey::new(key), None, false),
            };
            let value = if same && old.is_some() {
                old
            } else {
                self.read_value(&key, &stored, old, &mut next, &mut changes)
            };
            next.insert(key, Mirrored { stored, value });
        }
        let previous = std::mem::replace(&mut *self.write(), next);
        {
            let now = self.read();
            let gone = previous.into_sorted().into_iter().filter(|(key, _)| now.get(key).is_none());
            changes.extend(gone.filter_map(|(key, mirrored)| {
                mirrored.value.map(|old| Change { key, old: Some(old), new: None, listed: true })
            }));
        }
        self.inner.revision.send_replace(Some(listing.revision));
        self.tell(&changes);
    }

    fn read_value(
        &self,
        key: &SharedKey,
        stored: &Stored,
        old: Option<Arc<T>>,
        next: &mut Mirror<T>,
        changes: &mut Vec<Change<T>>,
    ) -> Option<Arc<T>> {
        match decode::<T>(stored) {
            Some(new) => {
                let new = Some(Arc::new(new));
                changes.push(Change { key: key.clone(), old, new: new.clone(), listed: true });
                new
            }
            None => {
                next.note_unreadable(stored.key());
                old.filter(|old| old.uid() == stored.uid())
            }
        }
    }

    fn apply(&self, event: WatchEvent) {
        let key = event.object.key();
        let change = {
            let mut mirror = self.write();
            let (key, old) = match mirror.remove(&key) {
                Some((key, mirrored)) => (key, mirrored.value),
                None => (SharedKey::new(key), None),
            };
            if event.event == EventType::Deleted {
                Change { key, old, new: None, listed: false }
            } else {
                let read = decode::<T>(&event.object).map(Arc::new);
                let new = read.or_else(|| {
                    mirror.note_unreadable(Key::clone(&key));
                    old.clone().filter(|old| old.uid() == event.object.uid())
                });
                let mirrored = Mirrored { stored: event.object, value: new.clone() };
                mirror.insert(key.clone(), mirrored);
                Change { key, old, new, listed: false }
            }
        };
        self.advance(event.revision);
        if change.object().is_some() {
            self.tell(&[change]);
        }
    }

    fn advance(&self, revision: Revision) {
        self.inner.revision.send_replace(Some(revision));
    }

    fn tell(&self, changes: &[Change<T>]) {
        let handlers = self.inner.handlers.read().unwrap_or_else(PoisonError::into_inner).clone();
        for change in changes {
            for handler in &handlers {
                handler(change);
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Mirror<T>> {
        self.inner.mirror.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Mirror<T>> {
        self.inner.mirror.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn decode<T: Resource>(stored: &Stored) -> Option<T> {
    match stored.to::<T>() {
        Ok(value) => Some(value),
        Err(error) => {
            tracing::error!(key = %stored.key(), "skipped, it cannot be read: {error}");
            metrics::counter!(
                "devpocket_reflector_unreadable_total",
                "kind" => T::KIND.info().name
            )
            .increment(1);
            None
        }
    }
}
