//! One batch of writes inside one transaction.
//!
//! The counter row is taken first and held to the commit, so between here and there nobody else
//! writes: what is read is what will be true. Each write is therefore decided by reading, and a
//! refused one costs the others nothing; no statement is expected to fail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sqlx::PgConnection;
use uuid::Uuid;

use devpocket_controllers::store::{
    EventType, Guard, Revision, StoreError, Stored, WatchEvent, Write, commit,
};
use devpocket_specs::admit::{Actor, Change};
use devpocket_specs::object::{Key, Object};

use super::fault::Fault;
use super::statements::{self, Applied};

/// A batch as it will be once committed.
pub(super) struct Prepared {
    /// Names this transaction in the log, for finding out whether it was committed.
    pub batch: Uuid,
    /// The counter before and after. Numbers between that no change uses mean nothing.
    pub base: Revision,
    pub upto: Revision,
    pub answers: Vec<Result<Arc<Stored>, StoreError>>,
    pub events: Vec<WatchEvent>,
}

/// Why a batch did not get as far as its commit.
pub(super) enum Stop {
    Fault(Fault),
    /// The log has no partition for revisions up to this one yet.
    Uncovered(Revision),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        Stop::Fault(fault)
    }
}

/// Decides and applies the writes. `covered` is the first revision without a partition.
pub(super) async fn prepare(
    connection: &mut PgConnection,
    writes: &[&Write],
    covered: Revision,
) -> Result<Prepared, Stop> {
    let count = writes.len() as Revision;
    let upto = statements::take_counter(connection, count).await?;
    if upto >= covered {
        return Err(Stop::Uncovered(upto));
    }
    let base = upto - count;
    let mut batch = Batch {
        id: Uuid::new_v4(),
        next: base + 1,
        known: statements::load(connection, &keys(writes)).await?,
        uids: statements::uids(connection, &new_uids(writes)).await?,
        pending: Vec::new(),
        events: Vec::with_capacity(writes.len()),
        connection,
    };
    let mut answers = Vec::with_capacity(writes.len());
    for write in writes {
        answers.push(match batch.write(write).await {
            Ok(stored) => Ok(stored),
            Err(Refusal::Store(error)) => Err(error),
            Err(Refusal::Fault(fault)) => return Err(fault.into()),
        });
    }
    batch.flush().await?;
    Ok(Prepared { batch: batch.id, base, upto, answers, events: batch.events })
}

/// Answers a write that changes nothing without taking the counter.
pub(super) async fn unchanged(
    connection: &mut PgConnection,
    write: &Write,
) -> Result<Arc<Stored>, StoreError> {
    let known = statements::load(connection, &keys(&[write])).await?;
    if let Some(fence) = &write.fence {
        commit::check_fence(fence, known.get(&fence.lease).map(|lease| &lease.object))?;
    }
    let current = known.get(&write.admitted.key());
    commit::check(write, current.map(Arc::as_ref))?;
    current.cloned().ok_or_else(|| StoreError::NotFound(write.admitted.key()))
}

/// Every object that deciding the writes takes.
fn keys(writes: &[&Write]) -> BTreeSet<Key> {
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

fn new_uids(writes: &[&Write]) -> Vec<Uuid> {
    let creates = writes.iter().filter(|write| write.admitted.change() == Change::Create);
    creates.map(|write| write.admitted.object().uid()).collect()
}

enum Refusal {
    /// Of this write.
    Store(StoreError),
    /// Of the transaction.
    Fault(Fault),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        Refusal::Store(error)
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Refusal {
        Refusal::Fault(fault)
    }
}

struct Batch<'c> {
    id: Uuid,
    next: Revision,
    /// The loaded objects as they are after the writes so far.
    known: BTreeMap<Key, Arc<Stored>>,
    uids: BTreeMap<Uuid, Key>,
    /// Decided, and not yet sent to the database.
    pending: Vec<Applied>,
    events: Vec<WatchEvent>,
    connection: &'c mut PgConnection,
}

impl Batch<'_> {
    async fn write(&mut self, write: &Write) -> Result<Arc<Stored>, Refusal> {
        let key = write.admitted.key();
        let current = self.known.get(&key).cloned();
        if let Some(fence) = &write.fence {
            commit::check_fence(fence, self.object(&fence.lease))?;
        }
        commit::check(write, current.as_deref())?;
        if let (Change::None, Some(current)) = (write.admitted.change(), &current) {
            return Ok(current.clone());
        }
        commit::storable(write)?;
        if write.admitted.change() == Change::Create
            && let Some(other) = self.uids.get(&write.admitted.object().uid())
        {
            return Err(StoreError::AlreadyExists(other.clone()).into());
        }
        for guard in &write.guards {
            if !self.holds(guard, &key).await? {
                return Err(commit::refusal(guard).into());
            }
        }
        let event = commit::event(write, self.next, current)?;
        Ok(self.apply(event, &write.actor).await?)
    }

    async fn apply(&mut self, event: WatchEvent, actor: &Actor) -> Result<Arc<Stored>, Fault> {
        let stored = event.object.clone();
        let key = stored.key();
        if self.pending.iter().any(|applied| applied.event.object.key() == key) {
            // The statements are per kind of event; only a flush keeps a delete before a create.
            self.flush().await?;
        }
        self.next += 1;
        if event.event == EventType::Deleted {
            self.known.remove(&key);
            self.uids.remove(&stored.uid());
        } else {
            self.uids.insert(stored.uid(), key.clone());
            self.known.insert(key, stored.clone());
        }
        self.events.push(event.clone());
        self.pending.push(Applied { event, actor: actor.clone() });
        Ok(stored)
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        let pending = std::mem::take(&mut self.pending);
        statements::apply(self.connection, self.id, &pending).await
    }

    async fn holds(&mut self, guard: &Guard, written: &Key) -> Result<bool, Fault> {
        match guard {
            Guard::Exists { key } | Guard::Unchanged { key, .. } => {
                Ok(commit::keyed_guard_holds(guard, self.object(key)))
            }
            Guard::CountBelow { .. } | Guard::Unique { .. } => {
                // Counted by the database, which must know the writes before this one.
                self.flush().await?;
                statements::set_guard_holds(self.connection, guard, written).await
            }
        }
    }

    fn object(&self, key: &Key) -> Option<&Object> {
        self.known.get(key).map(|stored| &stored.object)
    }
}
