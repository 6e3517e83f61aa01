//! What a reflector holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use devpocket_specs::object::{Key, Resource, SharedKey};

use crate::store::Stored;

/// Names the group an object belongs to, if it does to one.
pub(super) type Group<T> = fn(&T) -> Option<&str>;

pub(super) struct Mirrored<T> {
    /// As the store has it: to tell whether anything changed.
    pub stored: Arc<Stored>,
    /// The last state that could be read; none if there never was one.
    pub value: Option<Arc<T>>,
}

/// Never gone through as it lies, and hashed alike in every run.
type Hashed<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;
/// Objects that could be read, in order.
type Ordered<T> = BTreeMap<SharedKey, Arc<T>>;

pub(super) struct Mirror<T> {
    /// To find one: comparing names along a tree costs more than the rest of a look.
    objects: Hashed<SharedKey, Mirrored<T>>,
    ordered: Ordered<T>,
    unreadable: BTreeSet<Key>,
    group: Group<T>,
    groups: Hashed<String, Ordered<T>>,
    version: u64,
}

impl<T: Resource> Mirror<T> {
    pub fn new(group: Group<T>) -> Mirror<T> {
        Mirror {
            objects: Hashed::default(),
            ordered: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            group,
            groups: Hashed::default(),
            version: 0,
        }
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

    /// The same by a key that may be the mirror's own: then no name is compared.
    pub fn get_shared(&self, key: &SharedKey) -> Option<&Mirrored<T>> {
        self.objects.get(key)
    }

    pub fn values(&self) -> impl Iterator<Item = &Arc<T>> {
        self.ordered.values()
    }

    pub fn keys(&self) -> impl Iterator<Item = &SharedKey> {
        self.ordered.keys()
    }

    pub fn inside(&self, namespace: &str) -> impl Iterator<Item = &Arc<T>> {
        let from = Key::new(T::KIND, namespace, "");
        let inside = self.ordered.range::<Key, _>(from..);
        inside.take_while(move |(key, _)| key.namespace == namespace).map(|(_, value)| value)
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
        let key = SharedKey::new(key);
        if let Some(value) = &mirrored.value {
            self.ordered.insert(key.clone(), value.clone());
            if let Some(group) = (self.group)(value) {
                let group = self.groups.entry(group.to_owned()).or_default();
                group.insert(key.clone(), value.clone());
            }
        }
        self.objects.insert(key, mirrored);
    }

    /// Takes an object out, and what is noted about it.
    pub fn remove(&mut self, key: &Key) -> Option<Mirrored<T>> {
        self.version += 1;
        self.unreadable.remove(key);
        let mirrored = self.objects.remove(key)?;
        self.ordered.remove(key);
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

    /// Everything, by namespace and name.
    pub fn into_sorted(self) -> Vec<(SharedKey, Mirrored<T>)> {
        let mut all: Vec<_> = self.objects.into_iter().collect();
        all.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        all
    }
}
