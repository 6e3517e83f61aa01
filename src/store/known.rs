//! What this process knows of the database without asking: the objects it read or wrote last.
//!
//! All of it is true as of one revision, the last this process committed. As long as the counter
//! still stands there, nobody wrote anything since, so all of it is still true.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use devpocket_controllers::store::{EventType, Revision, Stored};
use devpocket_specs::object::Key;

use super::batch::Prepared;

/// Objects of a generation; there are two. They are those the cache holds, so they cost little.
const GENERATION_MAX: usize = 2_048;
/// Bytes of documents of a generation.
const GENERATION_BYTES_MAX: usize = 8 * 1024 * 1024;

#[derive(Default)]
pub(super) struct Known {
    /// None: nothing is known.
    at: Option<Revision>,
    /// Used since the last turn of generations.
    young: HashMap<Key, Arc<Stored>>,
    young_bytes: usize,
    /// Forgotten at the next, unless used before.
    old: HashMap<Key, Arc<Stored>>,
}

impl Known {
    /// The revision as of which everything here is true.
    pub fn at(&self) -> Option<Revision> {
        self.at
    }

    pub fn get(&self, key: &Key) -> Option<&Arc<Stored>> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Somebody else wrote, or it is not known who did what.
    pub fn forget(&mut self) {
        *self = Known::default();
    }

    /// Takes in a batch that was committed, or decided without changing anything.
    pub fn learn(&mut self, prepared: &Prepared) {
        if self.at != Some(prepared.base) {
            self.forget();
        }
        for stored in prepared.loaded.values() {
            self.keep(stored.clone());
        }
        for event in &prepared.events {
            match event.event {
                EventType::Added | EventType::Modified => self.keep(event.object.clone()),
                EventType::Deleted => self.drop(&event.object.key()),
            }
        }
        let wrote = !prepared.events.is_empty();
        self.at = Some(if wrote { prepared.upto } else { prepared.base });
    }

    /// The objects of these keys that are known.
    pub fn among<'k>(&self, keys: impl Iterator<Item = &'k Key>) -> BTreeMap<Key, Arc<Stored>> {
        keys.filter_map(|key| Some((key.clone(), self.get(key)?.clone()))).collect()
    }

    fn keep(&mut self, stored: Arc<Stored>) {
        let key = stored.key();
        self.young_bytes += stored.bytes.len();
        self.old.remove(&key);
        if let Some(before) = self.young.insert(key, stored) {
            self.young_bytes -= before.bytes.len();
        }
        if self.young.len() >= GENERATION_MAX || self.young_bytes >= GENERATION_BYTES_MAX {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }

    fn drop(&mut self, key: &Key) {
        self.old.remove(key);
        if let Some(before) = self.young.remove(key) {
            self.young_bytes -= before.bytes.len();
        }
    }
}
