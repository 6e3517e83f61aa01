//! Sets of fields, and the form Kubernetes writes them in (`FieldsV1`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

/// One step of a path to a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathElement {
    /// `f:name`: a member of an object.
    Field(String),
    /// `k:{"name":"x"}`: the item of a map-like list that has these key values, as JSON with
    /// sorted members.
    Key(String),
    /// `v:"x"`: a value of a set-like list, as JSON.
    Value(String),
    /// `i:0`: a place in a list. Read from others' sets, never made here.
    Index(u64),
}

impl PathElement {
    fn encode(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(json) => format!("k:{json}"),
            Self::Value(json) => format!("v:{json}"),
            Self::Index(index) => format!("i:{index}"),
        }
    }

    fn decode(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "f" => Some(Self::Field(rest.to_owned())),
            "k" => {
                let key: BTreeMap<String, Value> = serde_json::from_str(rest).ok()?;
                Some(Self::Key(canonical(&key)?))
            }
            "v" => {
                let value: Value = serde_json::from_str(rest).ok()?;
                Some(Self::Value(serde_json::to_string(&value).ok()?))
            }
            "i" => rest.parse().ok().map(Self::Index),
            _ => None,
        }
    }

    /// The element of a map-like list's item with these keys.
    pub(super) fn key(values: &BTreeMap<String, Value>) -> Option<Self> {
        canonical(values).map(Self::Key)
    }

    /// The element of a set-like list's value.
    pub(super) fn value(value: &Value) -> Option<Self> {
        serde_json::to_string(value).ok().map(Self::Value)
    }
}

/// Sorted members and no spaces, so that equal keys are equal texts.
fn canonical(values: &BTreeMap<String, Value>) -> Option<String> {
    serde_json::to_string(values).ok()
}

/// As Kubernetes prints it: `.spec`, `[name="x"]`, `[="x"]`, `[0]`.
impl fmt::Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Value(json) => write!(f, "[={json}]"),
            Self::Index(index) => write!(f, "[{index}]"),
            Self::Key(json) => {
                let key: BTreeMap<String, Value> = serde_json::from_str(json).unwrap_or_default();
                let pairs: Vec<_> = key.iter().map(|(k, v)| format!("{k}={v}")).collect();
                write!(f, "[{}]", pairs.join(","))
            }
        }
    }
}

/// A set of paths, as a tree. A path can be in the set without what is below it, and the other
/// way round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSet {
    members: BTreeSet<PathElement>,
    /// Never holds an empty set.
    children: BTreeMap<PathElement, FieldSet>,
}

impl FieldSet {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.is_empty()
    }

    /// Puts a path in; the empty path is no field and is ignored.
    pub fn insert(&mut self, path: &[PathElement]) {
        match path {
            [] => {}
            [last] => {
                self.members.insert(last.clone());
            }
            [first, rest @ ..] => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    /// Whether the path itself is in the set.
    #[must_use]
    pub fn contains(&self, path: &[PathElement]) -> bool {
        match path {
            [] => false,
            [last] => self.members.contains(last),
            [first, rest @ ..] => self.children.get(first).is_some_and(|c| c.contains(rest)),
        }
    }

    pub(super) fn has(&self, element: &PathElement) -> bool {
        self.members.contains(element)
    }

    /// Whether the element or anything below it is in the set.
    pub(super) fn touches(&self, element: &PathElement) -> bool {
        self.has(element) || self.children.contains_key(element)
    }

    pub(super) fn child(&self, element: &PathElement) -> Option<&FieldSet> {
        self.children.get(element)
    }

    /// Everything in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        all.add(other);
        all
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.members.extend(other.members.iter().cloned());
        for (element, child) in &other.children {
            self.children.entry(element.clone()).or_default().add(child);
        }
    }

    /// Everything in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.combine(other, |mine, theirs| mine.intersection(theirs), false)
    }

    /// Everything in this one that is not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.combine(other, |mine, theirs| mine.difference(theirs), true)
    }

    fn combine(&self, other: &Self, below: fn(&Self, &Self) -> Self, keep: bool) -> Self {
        let members = self.members.iter().filter(|m| other.members.contains(*m) != keep);
        let mut result = Self { members: members.cloned().collect(), children: BTreeMap::new() };
        for (element, mine) in &self.children {
            let child = match other.children.get(element) {
                Some(theirs) => below(mine, theirs),
                None if keep => mine.clone(),
                None => continue,
            };
            if !child.is_empty() {
                result.children.insert(element.clone(), child);
            }
        }
        result
    }

    /// Takes an element out, with all that is below it.
    pub(super) fn remove(&mut self, element: &PathElement) {
        self.members.remove(element);
        self.children.remove(element);
    }

    /// Lets `change` work on what is below an element.
    pub(super) fn below(&mut self, element: &PathElement, change: impl FnOnce(&mut Self)) {
        if let Some(child) = self.children.get_mut(element) {
            change(child);
            if child.is_empty() {
                self.children.remove(element);
            }
        }
    }

    /// Takes the element itself out; what is below it stays.
    pub(super) fn forget(&mut self, element: &PathElement) {
        self.members.remove(element);
    }

    /// All paths, in order.
    #[must_use]
    pub fn paths(&self) -> Vec<Vec<PathElement>> {
        let mut paths = Vec::new();
        self.collect(&mut Vec::new(), &mut paths);
        paths
    }

    fn collect(&self, at: &mut Vec<PathElement>, paths: &mut Vec<Vec<PathElement>>) {
        let elements: BTreeSet<_> = self.members.iter().chain(self.children.keys()).collect();
        for element in elements {
            at.push(element.clone());
            if self.members.contains(element) {
                paths.push(at.clone());
            }
            if let Some(child) = self.children.get(element) {
                child.collect(at, paths);
            }
            at.pop();
        }
    }

    /// The `fieldsV1` of a managed-fields entry.
    #[must_use]
    pub fn encode(&self) -> Value {
        let mut object = Map::new();
        for member in &self.members {
            object.insert(member.encode(), Value::Object(Map::new()));
        }
        for (element, child) in &self.children {
            let mut below = child.encode();
            if let (true, Some(below)) = (self.members.contains(element), below.as_object_mut()) {
                below.insert(".".to_owned(), Value::Object(Map::new()));
            }
            object.insert(element.encode(), below);
        }
        Value::Object(object)
    }

    /// Reads a `fieldsV1`; `None` if it is not in that form.
    #[must_use]
    pub fn decode(fields: &Value) -> Option<Self> {
        let mut set = Self::default();
        for (key, below) in fields.as_object()? {
            if key == "." {
                continue;
            }
            let element = PathElement::decode(key)?;
            let object = below.as_object()?;
            if object.is_empty() || object.contains_key(".") {
                set.members.insert(element.clone());
            }
            let child = Self::decode(below)?;
            if !child.is_empty() {
                set.children.insert(element, child);
            }
        }
        Some(set)
    }
}

/// A path as Kubernetes prints it: `.spec.env[name="A"].value`.
pub(super) fn show(path: &[PathElement]) -> String {
    path.iter().map(ToString::to_string).collect()
}
