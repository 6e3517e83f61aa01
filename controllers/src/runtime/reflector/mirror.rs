//! What a reflector holds.

use std::collections::btree_map::IntoIter;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use devpocket_specs::object::{Key, Resource};

use crate::store::Stored;

/// Names the group an object belongs to, if it does to one.
pub(super) type Group<T> = fn(&T) -> Option<&str>;

pub(super) struct Mirrored<T> {
    /// As the store has it: to tell whether anything changed.
    pub stored: Arc<Stored>,
    /// The last state that could be read; none if there never was one.
    pub value: Option<Arc<T>>,
}

/// Never gone through, and hashed alike in every run.
type Groups<T> = HashMap<String, BTreeMap<Key, Arc<T>>, BuildHasherDefault<DefaultHasher>>;

pub(super) struct Mirror<T> {
    objects: BTreeMap<Key, Mirrored<T>>,
    unreadable: BTreeSet<Key>,
    group: Group<T>,
    groups: Groups<T>,
    version: u64,
}

impl<T: Resource> Mirror<T> {
    pub fn new(group: Group<T>) -> Mirror<T> {
        let (objects, unreadable, groups) = (BTreeMap::new(), BTreeSet::new(), Groups::default());
        Mirror { objects, unreadable, group, groups, version: 0 }
    }

    /// An empty one to take this one's place.
    pub fn emptied(&self) -> Mirror<T> {
        Mirror { version: self.version + 1, ..Mirror::new(self.group) }
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn get(&self, key: &Key) -> Option<&Mirrored<T>> {
        self.objects.get(key)
    }

    pub fn values(&self) -> impl Iterator<Item = &Arc<T>> {
        self.objects.values().filter_map(|mirrored| mirrored.value.as_ref())
    }

    pub fn inside(&self, namespace: &str) -> impl Iterator<Item = &Arc<T>> {
        let from = Key::new(T::KIND, namespace, "");
        let inside = self.objects.range(from..).take_while(move |(k, _)| k.namespace == namespace);
        inside.filter_map(|(_, mirrored)| mirrored.value.as_ref())
    }

    pub fn group(&self, group: &str) -> impl Iterator<Item = &Arc<T>> {
        self.groups.get(group).into_iter().flat_map(BTreeMap::values)
    }

    pub fn unreadable(&self) -> impl Iterator<Item = &Key> {
        self.unreadable.iter()
    }

    pub fn note_unreadable(&mut self, key: Key) {
        self.unreadable.insert(key);
    }

    /// Adds an object that is not here.
    pub fn insert(&mut self, key: Key, mirrored: Mirrored<T>) {
        self.version += 1;
        if let Some(value) = &mirrored.value
            && let Some(group) = (self.group)(value)
        {
            let group = self.groups.entry(group.to_owned()).or_default();
            group.insert(key.clone(), value.clone());
        }
        self.objects.insert(key, mirrored);
    }

    /// Takes an object out, and what is noted about it.
    pub fn remove(&mut self, key: &Key) -> Option<Mirrored<T>> {
        self.version += 1;
        self.unreadable.remove(key);
        let mirrored = self.objects.remove(key)?;
        if let Some(group) = mirrored.value.as_deref().and_then(self.group)
            && let Some(members) = self.groups.get_mut(group)
        {
            members.remove(key);
            if members.is_empty() {
                self.groups.remove(group);
            }
        }
        Some(mirrored)
    }
}

impl<T> IntoIterator for Mirror<T> {
    type Item = (Key, Mirrored<T>);
    type IntoIter = IntoIter<Key, Mirrored<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.objects.into_iter()
    }
}
