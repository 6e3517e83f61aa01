//! Going through objects field by field: what fields they have, how two differ, merging, pruning.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::field_set::{FieldSet, PathElement, show};
use super::topology::{ListType, Node};

/// A value as ownership sees it.
enum View<'v> {
    /// Owned as one: scalars, null, atomic lists and objects.
    Leaf,
    Object(&'v Map<String, Value>),
    List(Vec<(PathElement, &'v Value)>),
}

/// How a value is owned here. A list whose items cannot be told apart is owned as one: it is
/// refused where somebody applies it, and must not stop everybody else where it is there already.
fn view<'v>(value: &'v Value, node: &Node) -> View<'v> {
    match value {
        Value::Object(members) if !node.atomic() => View::Object(members),
        Value::Array(items) => keyed(items, node.list()).map_or(View::Leaf, View::List),
        _ => View::Leaf,
    }
}

/// Items with the element that tells each apart; duplicates are left out after the first.
fn keyed<'v>(items: &'v [Value], list: &ListType) -> Option<Vec<(PathElement, &'v Value)>> {
    let mut seen = BTreeSet::new();
    let mut keyed = Vec::with_capacity(items.len());
    for item in items {
        let element = element(item, list)?;
        if seen.insert(element.clone()) {
            keyed.push((element, item));
        }
    }
    Some(keyed)
}

fn element(item: &Value, list: &ListType) -> Option<PathElement> {
    match list {
        ListType::Atomic => None,
        ListType::Set if item.is_object() || item.is_array() => None,
        ListType::Set => PathElement::value(item),
        ListType::Map { keys } => {
            let scalar = |v: &Value| !v.is_object() && !v.is_array() && !v.is_null();
            let pairs = keys.iter().map(|key| {
                let value = item.get(key).filter(|v| scalar(v))?;
                Some((key.clone(), value.clone()))
            });
            PathElement::key(&pairs.collect::<Option<BTreeMap<_, _>>>()?)
        }
    }
}

/// Refuses lists whose items cannot be told apart, naming the path and what is wrong.
pub(super) fn check_lists(value: &Value, node: &Node, at: &str) -> Result<(), (String, String)> {
    match value {
        Value::Object(members) if !node.atomic() => members
            .iter()
            .try_for_each(|(name, v)| check_lists(v, node.member(name), &format!("{at}.{name}"))),
        Value::Array(items) if *node.list() != ListType::Atomic => {
            let mut seen = BTreeSet::new();
            for (index, item) in items.iter().enumerate() {
                let place = format!("{at}[{index}]");
                let Some(element) = element(item, node.list()) else {
                    let reason = match node.list() {
                        ListType::Map { keys } => format!("has no {}", keys.join(", ")),
                        _ => "is not a plain value".to_owned(),
                    };
                    return Err((place, reason));
                };
                if !seen.insert(element.clone()) {
                    return Err((at.to_owned(), format!("duplicate entries for key {element}")));
                }
                check_lists(item, node.items(), &format!("{at}{element}"))?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// All fields of a value: leaves, empty objects and lists, and items of lists.
pub(super) fn fields(value: &Value, node: &Node) -> FieldSet {
    let mut set = FieldSet::default();
    collect(value, node, false, &mut Vec::new(), &mut set);
    set
}

/// `containers` also takes in what is no field of its own: needed where a whole subtree goes away.
fn collect(
    value: &Value,
    node: &Node,
    containers: bool,
    at: &mut Vec<PathElement>,
    set: &mut FieldSet,
) {
    let children: Vec<(PathElement, &Value, &Node)> = match view(value, node) {
        View::Leaf => Vec::new(),
        View::Object(members) => members
            .iter()
            .map(|(name, v)| (PathElement::Field(name.clone()), v, node.member(name)))
            .collect(),
        View::List(items) => items.into_iter().map(|(e, v)| (e, v, node.items())).collect(),
    };
    let item = matches!(at.last(), Some(PathElement::Key(_) | PathElement::Value(_)));
    if children.is_empty() || item || containers {
        set.insert(at);
    }
    for (element, child, node) in children {
        at.push(element);
        collect(child, node, containers, at, set);
        at.pop();
    }
}

/// How an object became another.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub added: FieldSet,
    pub modified: FieldSet,
    pub removed: FieldSet,
    /// Fields that are gone because something of another shape took their place (`x.y` when `x`
    /// became a number). Their owners lose them as surely as if they were modified.
    pub displaced: FieldSet,
}

impl Comparison {
    pub fn of(old: &Value, new: &Value, node: &Node) -> Self {
        let mut comparison = Self::default();
        comparison.visit(Some(old), Some(new), node, &mut Vec::new());
        comparison
    }

    /// Fields whose owners lose them to whoever made this change.
    pub fn changed(&self) -> FieldSet {
        self.added.union(&self.modified).union(&self.displaced)
    }

    pub fn each(&mut self, change: impl Fn(&mut FieldSet)) {
        for set in [&mut self.added, &mut self.modified, &mut self.removed, &mut self.displaced] {
            change(set);
        }
    }

    fn visit(
        &mut self,
        old: Option<&Value>,
        new: Option<&Value>,
        node: &Node,
        at: &mut Vec<PathElement>,
    ) {
        let (old, new) = match (old, new) {
            (None, None) => return,
            (None, Some(new)) => return collect(new, node, false, at, &mut self.added),
            (Some(old), None) => return collect(old, node, true, at, &mut self.removed),
            (Some(old), Some(new)) => (old, new),
        };
        match (view(old, node), view(new, node)) {
            (View::Leaf, View::Leaf) => {
                if old != new {
                    self.modified.insert(at);
                }
            }
            (View::Object(old), View::Object(new)) => {
                let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
                for name in names {
                    at.push(PathElement::Field(name.clone()));
                    self.visit(old.get(name), new.get(name), node.member(name), at);
                    at.pop();
                }
            }
            (View::List(old), View::List(new)) => {
                let old: BTreeMap<_, _> = old.into_iter().collect();
                let new: BTreeMap<_, _> = new.into_iter().collect();
                let elements: BTreeSet<_> = old.keys().chain(new.keys()).collect();
                for element in elements {
                    at.push(element.clone());
                    let (old, new) = (old.get(element).copied(), new.get(element).copied());
                    self.visit(old, new, node.items(), at);
                    at.pop();
                }
            }
            _ => {
                collect(old, node, true, at, &mut self.displaced);
                collect(new, node, false, at, &mut self.added);
                self.modified.insert(at);
            }
        }
    }
}

/// `live` with everything `applied` says laid over it. Nothing is removed, except what has another
/// shape than what is applied in its place.
pub(super) fn merge(live: &Value, applied: &Value, node: &Node) -> Value {
    match (view(live, node), view(applied, node)) {
        (View::Object(live), View::Object(applied)) => {
            let mut merged = live.clone();
            for (name, value) in applied {
                let value = match live.get(name) {
                    Some(old) => merge(old, value, node.member(name)),
                    None => value.clone(),
                };
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (View::List(live), View::List(applied)) => {
            Value::Array(merge_lists(&live, &applied, node.items()))
        }
        _ => applied.clone(),
    }
}

/// Items in the order of `applied`; the others stay where they are among those.
fn merge_lists(
    live: &[(PathElement, &Value)],
    applied: &[(PathElement, &Value)],
    node: &Node,
) -> Vec<Value> {
    let by_element: BTreeMap<_, _> = live.iter().map(|(e, v)| (e, *v)).collect();
    let item = |(element, value): &(PathElement, &Value)| match by_element.get(element) {
        Some(old) => merge(old, value, node),
        None => (*value).clone(),
    };
    let mut merged = Vec::with_capacity(live.len() + applied.len());
    let mut next = 0;
    for (element, value) in live {
        match applied.iter().position(|(e, _)| e == element) {
            None => merged.push((*value).clone()),
            Some(place) if place >= next => {
                merged.extend(applied[next..=place].iter().map(item));
                next = place + 1;
            }
            Some(_) => {}
        }
    }
    merged.extend(applied[next..].iter().map(item));
    merged
}

/// Removes what is in `last` and what nothing in `keep` is, or is below of; objects and lists that
/// become empty by that go too, unless they are kept themselves.
pub(super) fn prune(value: &mut Value, node: &Node, last: &FieldSet, keep: &FieldSet) {
    if matches!(view(value, node), View::Leaf) {
        return;
    }
    let nothing = FieldSet::default();
    let below = |element: &PathElement| keep.child(element).cloned().unwrap_or_default();
    match value {
        Value::Object(members) => members.retain(|name, child| {
            let element = PathElement::Field(name.clone());
            if last.has(&element) && !keep.touches(&element) {
                return false;
            }
            let was_empty = is_empty(child);
            let last = last.child(&element).unwrap_or(&nothing);
            if !last.is_empty() {
                prune(child, node.member(name), last, &below(&element));
            }
            was_empty || !is_empty(child) || keep.has(&element)
        }),
        Value::Array(items) => items.retain_mut(|item| {
            let Some(element) = element(item, node.list()) else { return true };
            if last.has(&element) && !keep.touches(&element) {
                return false;
            }
            let last = last.child(&element).unwrap_or(&nothing);
            if !last.is_empty() {
                let mut keep = below(&element);
                // An item somebody still has a part in keeps what tells it apart.
                if let ListType::Map { keys } = node.list() {
                    for key in keys {
                        keep.insert(&[PathElement::Field(key.clone())]);
                    }
                }
                prune(item, node.items(), last, &keep);
            }
            true
        }),
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// Drops members that are null: who applies them says nothing about them, and what is stored has
/// no nulls. Values inside atomic lists stay as they are.
pub(super) fn drop_nulls(value: &mut Value, node: &Node) {
    match value {
        Value::Object(members) if !node.atomic() => {
            members.retain(|_, v| !v.is_null());
            for (name, child) in members.iter_mut() {
                drop_nulls(child, node.member(name));
            }
        }
        Value::Array(items) if *node.list() != ListType::Atomic => {
            items.iter_mut().for_each(|item| drop_nulls(item, node.items()));
        }
        _ => {}
    }
}

/// All paths of a set as text.
pub(super) fn shown(set: &FieldSet) -> Vec<String> {
    set.paths().iter().map(|path| show(path)).collect()
}
