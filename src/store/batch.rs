//! A batch of writes, decided one after the other against what is known of the database.
//!
//! Pure: whoever calls says what is known, and sees to it that it still is when the batch is
//! committed. Each write is decided by itself, so a refused one costs the others nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use devpocket_controllers::store::{
    EventType, Guard, Revision, StoreError, Stored, WatchEvent, Write, commit,
};
use devpocket_specs::admit::{Actor, Change};
use devpocket_specs::decision::DecisionRecord;
use devpocket_specs::object::{Key, Object};

/// A write that was decided.
pub(super) struct Applied {
    pub event: WatchEvent,
    pub actor: Actor,
    pub decision: Option<Arc<DecisionRecord>>,
}

/// A batch as it will be once committed.
pub(super) struct Prepared {
    /// Names this transaction in the log, for finding out whether it was committed.
    pub batch: Uuid,
    /// The counter before and after. Numbers between that no change uses mean nothing.
    pub base: Revision,
    pub upto: Revision,
    pub answers: Vec<Result<Arc<Stored>, StoreError>>,
    pub events: Vec<WatchEvent>,
    /// What was loaded to decide it, as it was before.
    pub loaded: BTreeMap<Key, Arc<Stored>>,
}

/// What a write comes to.
pub(super) enum Verdict {
    /// Nothing: the object is like that already.
    Unchanged(Arc<Stored>),
    /// It replaces this, or nothing.
    Applies(Option<Arc<Stored>>),
}

pub(super) struct Batch {
    pub id: Uuid,
    next: Revision,
    /// The objects as they are after the writes so far.
    known: BTreeMap<Key, Arc<Stored>>,
    uids: BTreeMap<Uuid, Key>,
    /// Decided, and not yet sent to the database.
    pub pending: Vec<Applied>,
    /// The objects of those.
    touched: BTreeSet<Key>,
    pub events: Vec<WatchEvent>,
}

impl Batch {
    /// `known` holds every object of [`keys`] that exists, `uids` every taken one of [`new_uids`].
    pub fn new(
        base: Revision,
        known: BTreeMap<Key, Arc<Stored>>,
        uids: BTreeMap<Uuid, Key>,
    ) -> Batch {
        let (pending, touched, events) = (Vec::new(), BTreeSet::new(), Vec::new());
        Batch { id: Uuid::new_v4(), next: base + 1, known, uids, pending, touched, events }
    }

    /// Judges a write, except by guards that count.
    pub fn judge(&self, write: &Write) -> Result<Verdict, StoreError> {
        let key = write.admitted.key();
        let current = self.known.get(&key).cloned();
        if let Some(fence) = &write.fence {
            commit::check_fence(fence, self.object(&fence.lease))?;
        }
        commit::check(write, current.as_deref())?;
        if let (Change::None, Some(current)) = (write.admitted.change(), &current) {
            return Ok(Verdict::Unchanged(current.clone()));
        }
        if write.admitted.change() == Change::Create
            && let Some(other) = self.uids.get(&write.admitted.object().uid())
        {
            return Err(StoreError::AlreadyExists(other.clone()));
        }
        for guard in &write.guards {
            let holds = match guard {
                Guard::Exists { key } | Guard::Unchanged { key, .. } => {
                    commit::keyed_guard_holds(guard, self.object(key))
                }
                Guard::CountBelow { .. } | Guard::Unique { .. } => true,
            };
            if !holds {
                return Err(commit::refusal(guard));
            }
        }
        Ok(Verdict::Applies(current))
    }

    /// Adds a write that was judged to apply.
    pub fn apply(
        &mut self,
        write: &Write,
        current: Option<Arc<Stored>>,
    ) -> Result<Arc<Stored>, StoreError> {
        let event = commit::event(write, self.next, current)?;
        let (stored, key) = (event.object.clone(), event.object.key());
        self.next += 1;
        if event.event == EventType::Deleted {
            self.known.remove(&key);
            self.uids.remove(&stored.uid());
        } else {
            self.uids.insert(stored.uid(), key.clone());
            self.known.insert(key.clone(), stored.clone());
        }
        self.touched.insert(key);
        self.events.push(event.clone());
        let (actor, decision) = (write.actor.clone(), write.decision.clone());
        self.pending.push(Applied { event, actor, decision });
        Ok(stored)
    }

    /// Whether a write that is not yet sent is of this object.
    pub fn touches(&self, key: &Key) -> bool {
        self.touched.contains(key)
    }

    /// What is to be sent, to be sent now.
    pub fn take_pending(&mut self) -> Vec<Applied> {
        self.touched.clear();
        std::mem::take(&mut self.pending)
    }

    fn object(&self, key: &Key) -> Option<&Object> {
        self.known.get(key).map(|stored| &stored.object)
    }
}

/// Every object that deciding the writes takes.
pub(super) fn keys(writes: &[&Write]) -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    for write in writes {
        keys.insert(write.admitted.key());
        keys.extend(write.fence.iter().map(|fence| fence.lease.clone()));
        keys.extend(write.guards.iter().filter_map(|guard| match guard {
            Guard::Exists { key } | Guard::Unchanged { key, .. } => Some(key.clone()),
            Guard::CountBelow { .. } | Guard::Unique { .. } => None,
        }));
    }
    keys
}

/// Guards that the database counts.
pub(super) fn counting(write: &Write) -> impl Iterator<Item = &Guard> {
    let counts = |guard: &&Guard| matches!(guard, Guard::CountBelow { .. } | Guard::Unique { .. });
    write.guards.iter().filter(counts)
}

pub(super) fn new_uids(writes: &[&Write]) -> Vec<Uuid> {
    let creates = writes.iter().filter(|write| write.admitted.change() == Change::Create);
    creates.map(|write| write.admitted.object().uid()).collect()
}
