//! How lists and objects are owned: item by item, or as one.

use std::collections::BTreeMap;

/// How a list is owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListType {
    /// As one: whoever sets it sets all of it.
    Atomic,
    /// Value by value; each value once. For scalars.
    Set,
    /// Item by item, told apart by the values of these members.
    Map { keys: Vec<String> },
}

impl ListType {
    /// A map-like list whose items are told apart by one member.
    #[must_use]
    pub fn by(key: &str) -> Self {
        Self::Map { keys: vec![key.to_owned()] }
    }
}

/// Which lists of a kind are sets or maps, and which objects are owned as one. Everything not
/// named is as in Kubernetes without a schema: objects member by member, lists as one.
///
/// Paths are member names joined by dots, `[]` after a list's name for its items:
/// `spec.rules[].ports`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    root: Node,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Node {
    list: Option<ListType>,
    atomic: bool,
    members: BTreeMap<String, Node>,
    items: Option<Box<Node>>,
}

impl Topology {
    /// Nothing named: all objects by member, all lists as one.
    #[must_use]
    pub fn empty() -> Self {
        Self { root: Node::default() }
    }

    /// Names how the list at `path` is owned.
    #[must_use]
    pub fn with_list(mut self, path: &str, list: ListType) -> Self {
        self.root.at(path).list = Some(list);
        self
    }

    /// Makes the object at `path` owned as one.
    #[must_use]
    pub fn with_atomic(mut self, path: &str) -> Self {
        self.root.at(path).atomic = true;
        self
    }

    pub(super) fn root(&self) -> &Node {
        &self.root
    }
}

/// The lists all kinds share, and those of an environment's spec.
impl Default for Topology {
    fn default() -> Self {
        Self::empty()
            .with_list("metadata.finalizers", ListType::Set)
            .with_list("metadata.ownerReferences", ListType::by("uid"))
            .with_list("status.conditions", ListType::by("type"))
            .with_list("spec.env", ListType::by("name"))
            .with_list("spec.snapshots", ListType::by("name"))
    }
}

/// What is known about a place nobody named anything for.
static UNNAMED: Node = Node { list: None, atomic: false, members: BTreeMap::new(), items: None };

impl Node {
    fn at(&mut self, path: &str) -> &mut Self {
        path.split('.').fold(self, |node, name| {
            let (name, items) = match name.strip_suffix("[]") {
                Some(name) => (name, true),
                None => (name, false),
            };
            let member = node.members.entry(name.to_owned()).or_default();
            if items { member.items.get_or_insert_default() } else { member }
        })
    }

    pub fn member(&self, name: &str) -> &Self {
        self.members.get(name).unwrap_or(&UNNAMED)
    }

    pub fn items(&self) -> &Self {
        self.items.as_deref().unwrap_or(&UNNAMED)
    }

    pub fn list(&self) -> &ListType {
        self.list.as_ref().unwrap_or(&ListType::Atomic)
    }

    pub fn atomic(&self) -> bool {
        self.atomic
    }
}
