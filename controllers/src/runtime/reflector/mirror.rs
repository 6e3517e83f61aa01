//! What a reflector holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use devpocket_specs::object::{Key, Resource, SharedKey};
use rustc_hash::FxBuildHasher;

use crate::store::Stored;

/// Which objects are at hand without looking at the others.
#[derive(Debug)]
pub struct Index<T> {
    /// Names the group an object belongs to, if it does to one: see
    /// [`list_group`](super::Reflector::list_group).
    pub group: fn(&T) -> Option<&str>,
    /// Whether it is one of those that are asked for together: see
    /// [`marked_keys`](super::Reflector::marked_keys).
    pub mark: fn(&T) -> bool,
}

impl<T> Default for Index<T> {
    fn default() -> Self {
        Index { group: |_| None, mark: |_| false }
    }
}

impl<T> Clone for Index<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Index<T> {}

/// The objects of a group, by namespace and name. Handed out as it is, and copied only if it changes
/// while somebody holds it.
pub(super) type Members<T> = Arc<Vec<Arc<T>>>;

pub(super) struct Mirrored<T> {
    /// As the store has it: to tell whether anything changed.
    pub stored: Arc<Stored>,
    /// The last state that could be read; none if there never was one.
    pub value: Option<Arc<T>>,
}

/// Never gone through as it lies, and hashed alike in every run.
type Hashed<K, V> = HashMap<K, V, FxBuildHasher>;
/// Objects that could be read, in order.
type Ordered<T> = BTreeMap<SharedKey, Arc<T>>;

pub(super) struct Mirror<T> {
    /// To find one: comparing names along a tree costs more than the rest of a look.
    objects: Hashed<SharedKey, Mirrored<T>>,
    ordered: Ordered<T>,
    unreadable: BTreeSet<Key>,
    index: Index<T>,
    groups: Hashed<String, Members<T>>,
    marked: BTreeSet<SharedKey>,
    version: u64,
}

impl<T: Resource> Mirror<T> {
    pub fn new(index: Index<T>) -> Mirror<T> {
        Mirror {
            objects: Hashed::default(),
            ordered: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            index,
            groups: Hashed::default(),
            marked: BTreeSet::new(),
            version: 0,
        }
    }

    /// An empty one to take this one's place.
    pub fn emptied(&self) -> Mirror<T> {
        Mirror { version: self.version + 1, ..Mirror::new(self.index) }
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn get(&self, key: &Key) -> Option<&Mirrored<T>> {
        self.objects.get(key)
    }

    /// The same with the mirror's own key.
    pub fn entry(&self, key: &Key) -> Option<(&SharedKey, &Mirrored<T>)> {
        self.objects.get_key_value(key)
    }

    /// The same by a key that may be the mirror's own: then no name is compared.
    pub fn get_shared(&self, key: &SharedKey) -> Option<&Mirrored<T>> {
        self.objects.get(key)
    }

    /// The objects that could be read with their keys, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&SharedKey, &Arc<T>)> {
        self.ordered.iter()
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

    pub fn group(&self, group: &str) -> Members<T> {
        self.groups.get(group).cloned().unwrap_or_default()
    }

    pub fn marked(&self) -> impl Iterator<Item = &SharedKey> {
        self.marked.iter()
    }

    pub fn unreadable(&self) -> impl Iterator<Item = &Key> {
        self.unreadable.iter()
    }

    pub fn note_unreadable(&mut self, key: Key) {
        self.unreadable.insert(key);
    }

    /// Adds an object that is not here. Who has its key, such as from taking it out, hands that on:
    /// its copies are all over the queues.
    pub fn insert(&mut self, key: SharedKey, mirrored: Mirrored<T>) {
        self.version += 1;
        if let Some(value) = &mirrored.value {
            self.ordered.insert(key.clone(), value.clone());
            if (self.index.mark)(value) {
                self.marked.insert(key.clone());
            }
            if let Some(group) = (self.index.group)(value) {
                let members = Arc::make_mut(self.groups.entry(group.to_owned()).or_default());
                let place = members.partition_point(|other| place(&**other) < place(&**value));
                members.insert(place, value.clone());
            }
        }
        self.objects.insert(key, mirrored);
    }

    /// Takes an object out, and what is noted about it.
    pub fn remove(&mut self, key: &Key) -> Option<(SharedKey, Mirrored<T>)> {
        self.version += 1;
        self.unreadable.remove(key);
        let (key, mirrored) = self.objects.remove_entry(key)?;
        self.ordered.remove(&key);
        self.marked.remove(&key);
        if let Some(value) = &mirrored.value
            && let Some(group) = (self.index.group)(value)
            && let Some(members) = self.groups.get_mut(group)
        {
            Arc::make_mut(members).retain(|member| !Arc::ptr_eq(member, value));
            if members.is_empty() {
                self.groups.remove(group);
            }
        }
        Some((key, mirrored))
    }

    /// Everything, by namespace and name.
    pub fn into_sorted(self) -> Vec<(SharedKey, Mirrored<T>)> {
        let mut all: Vec<_> = self.objects.into_iter().collect();
        all.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        all
    }
}

/// Where it stands among those of its kind.
fn place<T: Resource>(object: &T) -> (&str, &str) {
    let metadata = object.metadata();
    (&metadata.namespace, &metadata.name)
}
