//! The data behind a store in memory, changed under one lock.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use devpocket_specs::admit::Change;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use tokio::sync::watch;

use super::decisions::Decisions;
use super::{Commit, Limits};
use crate::store::fanout::{Fanout, Pace};
use crate::store::{
    EventType, Guard, Listing, Revision, StoreError, Stored, Watch, WatchEvent, Write, commit,
};

pub(super) struct State {
    limits: Limits,
    pub revision: Revision,
    /// Changes up to here are forgotten.
    compacted: Revision,
    pub objects: BTreeMap<Key, Arc<Stored>>,
    log: VecDeque<WatchEvent>,
    pub journal: Vec<Commit>,
    pub decisions: Decisions,
    pub fanout: Fanout,
    pub outage: Option<String>,
    pub reads: u64,
    pub latest: watch::Sender<Revision>,
}

impl State {
    pub fn new(limits: Limits) -> State {
        State::restored(limits, 0, &[])
    }

    pub fn restored(limits: Limits, revision: Revision, objects: &[Arc<Stored>]) -> State {
        State {
            limits,
            revision,
            compacted: revision,
            objects: objects.iter().map(|o| (o.key(), o.clone())).collect(),
            log: VecDeque::new(),
            journal: Vec::new(),
            decisions: Decisions::default(),
            fanout: Fanout::new(limits.watch_buffer),
            outage: None,
            reads: 0,
            latest: watch::Sender::new(revision),
        }
    }

    pub fn list(&self, kind: Kind, namespace: Option<&str>) -> Listing {
        let from = Key::new(kind, namespace.unwrap_or_default(), "");
        let items = self
            .objects
            .range((Bound::Included(from), Bound::Unbounded))
            .take_while(|(key, _)| key.kind == kind && namespace.is_none_or(|n| n == key.namespace))
            .map(|(_, object)| object.clone())
            .collect();
        Listing { revision: self.revision, items }
    }

    pub fn write(&mut self, write: &Write) -> Result<Arc<Stored>, StoreError> {
        let key = write.admitted.key();
        let current = self.objects.get(&key).cloned();
        if let Some(fence) = &write.fence {
            commit::check_fence(fence, self.objects.get(&fence.lease).map(|l| &l.object))?;
        }
        commit::check(write, current.as_deref())?;
        if let (Change::None, Some(current)) = (write.admitted.change(), &current) {
            return Ok(current.clone());
        }
        self.check_uid(write)?;
        for guard in &write.guards {
            if !self.holds(guard, &key) {
                return Err(commit::refusal(guard));
            }
        }
        let event = commit::event(write, self.revision + 1, current)?;
        self.apply(write, event)
    }

    fn apply(&mut self, write: &Write, event: WatchEvent) -> Result<Arc<Stored>, StoreError> {
        let stored = event.object.clone();
        self.revision = event.revision;
        self.latest.send_replace(event.revision);
        match event.event {
            EventType::Deleted => self.objects.remove(&stored.key()),
            EventType::Added | EventType::Modified => {
                self.objects.insert(stored.key(), stored.clone())
            }
        };
        self.journal.push(Commit {
            revision: event.revision,
            actor: write.actor.clone(),
            key: stored.key(),
            change: write.admitted.change(),
            epoch: write.fence.as_ref().map(|fence| fence.epoch),
        });
        if let Some(decision) = &write.decision {
            self.decisions.keep(event.revision, decision);
        }
        self.fanout.publish(&event);
        self.fanout.progress(event.revision);
        self.log.push_back(event);
        while self.log.len() > self.limits.history {
            if let Some(gone) = self.log.pop_front() {
                self.compacted = gone.revision;
            }
        }
        Ok(stored)
    }

    fn check_uid(&self, write: &Write) -> Result<(), StoreError> {
        let uid = write.admitted.object().uid();
        if write.admitted.change() != Change::Create {
            return Ok(());
        }
        match self.objects.values().find(|o| o.uid() == uid) {
            Some(other) => Err(StoreError::AlreadyExists(other.key())),
            None => Ok(()),
        }
    }

    fn holds(&self, guard: &Guard, written: &Key) -> bool {
        match guard {
            Guard::CountBelow { kind, namespace, labels, limit, .. } => {
                let has =
                    |o: &Stored| labels.iter().all(|(k, v)| o.metadata.labels.get(k) == Some(v));
                let listing = self.list(*kind, namespace.as_deref());
                let others = listing.items.iter().filter(|o| o.key() != *written && has(o));
                others.count() < *limit as usize
            }
            Guard::Unique { kind, namespace, pointer, value, except } => {
                let same = |o: &Stored| commit::text_at(o, pointer).as_ref() == Some(value);
                let listing = self.list(*kind, Some(namespace));
                !listing.items.iter().any(|o| o.uid() != *except && same(o))
            }
            Guard::Exists { key } | Guard::Unchanged { key, .. } => {
                commit::keyed_guard_holds(guard, self.objects.get(key).map(|o| &o.object))
            }
        }
    }

    /// Changes of every kind after the cursor.
    pub fn changes(&self, cursor: Revision) -> Result<Vec<WatchEvent>, StoreError> {
        if cursor < self.compacted {
            return Err(StoreError::Expired { requested: cursor, oldest: self.compacted });
        }
        let from = self.log.partition_point(|event| event.revision <= cursor);
        Ok(self.log.range(from..).cloned().collect())
    }

    /// The object as it was written at the revision, if the log reaches back to it.
    pub fn written(&self, key: &Key, revision: Revision) -> Option<Arc<Stored>> {
        let place = self.log.binary_search_by_key(&revision, |event| event.revision).ok()?;
        let object = &self.log[place].object;
        (object.key() == *key).then(|| object.clone())
    }

    pub fn watch(&mut self, kind: Kind, after: Revision) -> Result<Watch, StoreError> {
        if after < self.compacted {
            return Err(StoreError::Expired { requested: after, oldest: self.compacted });
        }
        if after > self.revision {
            return Err(commit::ahead(after, self.revision));
        }
        let from = self.log.partition_point(|event| event.revision <= after);
        let replay =
            self.log.range(from..).filter(|event| event.object.kind == kind).cloned().collect();
        // There are only a handful of watches here, and each hears of every commit.
        Ok(self.fanout.subscribe(kind, after, replay, self.revision, Pace::Prompt))
    }

    pub fn compact(&mut self, revision: Revision) {
        let upto = revision.min(self.revision);
        while self.log.front().is_some_and(|event| event.revision <= upto) {
            self.log.pop_front();
        }
        self.compacted = self.compacted.max(upto);
    }
}
