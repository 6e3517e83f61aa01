//! A key that many hold.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use super::Key;

/// A [`Key`] whose copies are one in memory. Looking one up reads no name: its hash is known, and
/// copies of it are known to be the same. In maps it stands for the key and the key for it.
#[derive(Clone)]
pub struct SharedKey(Arc<Known>);

struct Known {
    digest: u64,
    key: Key,
}

impl SharedKey {
    pub fn new(key: Key) -> SharedKey {
        SharedKey(Arc::new(Known { digest: digest(&key), key }))
    }
}

/// The same in every run and process of one build; of no meaning outside.
fn digest(key: &Key) -> u64 {
    let mut hasher = DefaultHasher::new();
    (key.kind, &key.namespace, &key.name).hash(&mut hasher);
    hasher.finish()
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(digest(self));
    }
}

impl Hash for SharedKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.digest);
    }
}

impl Deref for SharedKey {
    type Target = Key;

    fn deref(&self) -> &Key {
        &self.0.key
    }
}

impl Borrow<Key> for SharedKey {
    fn borrow(&self) -> &Key {
        self
    }
}

impl From<Key> for SharedKey {
    fn from(key: Key) -> SharedKey {
        SharedKey::new(key)
    }
}

impl PartialEq for SharedKey {
    fn eq(&self, other: &SharedKey) -> bool {
        // Where the names differ the digests do too, and names lie elsewhere in memory.
        Arc::ptr_eq(&self.0, &other.0) || (self.0.digest == other.0.digest && **self == **other)
    }
}

impl Eq for SharedKey {}

impl PartialOrd for SharedKey {
    fn partial_cmp(&self, other: &SharedKey) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SharedKey {
    fn cmp(&self, other: &SharedKey) -> std::cmp::Ordering {
        (**self).cmp(other)
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::kind::Kind;

    #[test]
    fn a_shared_key_is_found_by_its_copies_by_others_like_it_and_by_the_key() {
        let key = Key::new(Kind::Environment, "dev", "web");
        let shared = SharedKey::new(key.clone());
        let map = HashMap::from([(shared.clone(), 1)]);
        assert_eq!(map.get(&shared), Some(&1));
        assert_eq!(map.get(&SharedKey::new(key.clone())), Some(&1));
        assert_eq!(map.get(&key), Some(&1));
        for other in [
            Key::new(Kind::Environment, "de", "vweb"),
            Key::new(Kind::Environment, "dev", "we"),
            Key::new(Kind::Secret, "dev", "web"),
        ] {
            assert_eq!(map.get(&other), None, "{other}");
            assert_eq!(shared.cmp(&SharedKey::new(other.clone())), key.cmp(&other));
        }
    }
}
