//! Server-side apply: many managers write one object, each owns the fields it wrote.
//!
//! The rules are Kubernetes' (structured-merge-diff), on JSON values and with a [`Topology`] in
//! place of a schema.
//!
//! # Guarantees
//! - An apply never changes a field somebody else owns, unless it is forced or sets the value the
//!   field has (then both own it). Every such field is named at once, with its owner.
//! - A field that a manager applied and leaves out of its next apply is removed, if nobody else
//!   owns it. Nothing else is ever removed by an apply.
//! - Whoever changes a field by another write owns it; the others lose it. An owner of nothing is
//!   not listed.
//! - An apply that changes nothing returns the object as it was, times included, so that a
//!   reconciler that applies every minute writes once.
//! - What the server sets (`metadata.uid`, `resourceVersion`, …) is owned by nobody, and an apply
//!   cannot change it.
//!
//! # Assumptions
//! An object has one version, so fields need no conversion. Defaults are added after an apply, by
//! admission, and are owned by nobody: applying another value to one is no conflict.
//!
//! # Caveats
//! A list whose items cannot be told apart (a missing key) is refused in what is applied; where it
//! is in an object already, it is owned as one.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

mod field_set;
mod managers;
mod topology;
mod walk;

pub use field_set::{FieldSet, PathElement};
pub use managers::{
    Conflict, Conflicts, MAX_MANAGER_LENGTH, MAX_UPDATE_MANAGERS, ManagerId, ManagerOperation,
};
pub use topology::{ListType, Topology};

use managers::{Managers, Owned};
use walk::Comparison;

/// Fields of `metadata` that belong to the server.
pub const UNOWNED_METADATA: [&str; 10] = [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
];

/// What of the above an apply that creates an object may say.
const CREATED_METADATA: [&str; 2] = ["name", "namespace"];

/// Owner of everything in an object that had no managers when it was first applied.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Why an apply was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Others own fields it would change (409).
    #[error("{0}")]
    Conflicts(Conflicts),
    /// 400.
    #[error("metadata.managedFields must be nil")]
    ManagedFields,
    /// 400.
    #[error("what is applied is not an object")]
    NotAnObject,
    /// 400.
    #[error("the field manager's name {0}")]
    Manager(&'static str),
    /// A list that needs keys lacks one, or has one twice (400).
    #[error("{path} {reason}")]
    List { path: String, reason: String },
}

/// Who writes, when, and how the kind's lists are owned.
#[derive(Debug, Clone, Copy)]
pub struct Write<'a> {
    /// Its `operation` is set by the function that is called.
    pub manager: &'a ManagerId,
    /// Stored in whole seconds.
    pub now: Timestamp,
    pub topology: &'a Topology,
}

/// Lays `applied` over `live` as a manager, and returns the whole object with its new managed
/// fields. With no `live` the object is created from what is applied.
///
/// Through the subresource `status` only `status` is applied; otherwise everything but `status`.
/// Null members count as not said. `metadata.uid` and `resourceVersion` in what is applied are
/// preconditions for the caller to check; here they are ignored.
///
/// # Errors
/// See [`ApplyError`]; `force` only avoids conflicts.
pub fn apply(
    live: Option<&Value>,
    applied: &Value,
    write: Write<'_>,
    force: bool,
) -> Result<Value, ApplyError> {
    let Write { now, topology, .. } = write;
    let manager = ManagerId { operation: ManagerOperation::Apply, ..write.manager.clone() };
    check_manager(&manager.name)?;
    let node = topology.root();
    let applied = said(live, applied, &manager, topology)?;
    let empty = Value::Object(Map::new());
    let old = live.unwrap_or(&empty);

    let mut managers = Managers::of(old);
    if live.is_some() && managers.owned.is_empty() {
        let mut fields = walk::fields(old, node);
        strip(&mut fields);
        let id = ManagerId::update(BEFORE_FIRST_APPLY, &manager.api_version, None);
        managers.owned.insert(id, Owned { fields, time: live.map(|_| to_second(now)) });
    }
    let mut fields = walk::fields(&applied, node);
    strip(&mut fields);
    let last = managers.owned.remove(&manager);

    let mut new = walk::merge(old, &applied, node);
    if let Some(last) = &last {
        let mut keep = fields.clone();
        managers.owned.values().for_each(|other| keep.add(&other.fields));
        walk::prune(&mut new, node, &last.fields, &keep);
    }
    let mut comparison = Comparison::of(old, &new, node);
    comparison.each(strip);
    if !force {
        refuse_conflicts(&managers, &comparison)?;
    }
    take_from_others(&mut managers, &comparison);

    let wrote = !comparison.added.is_empty()
        || !comparison.modified.is_empty()
        || !comparison.removed.is_empty();
    let time = match &last {
        Some(last) if last.fields == fields && !wrote => last.time,
        _ => Some(to_second(now)),
    };
    managers.owned.insert(manager, Owned { fields, time });
    set_managed_fields(&mut new, managers.encode());
    Ok(new)
}

/// The managed fields of `new` after a manager wrote it over `live` in another way than by apply:
/// it owns what it added or changed, others lose it, and nobody owns what is gone.
///
/// Managed fields in `new` count if they are there and can be read (so they can be edited like any
/// field, and cleared with one empty entry); else those of `live` do.
#[must_use]
pub fn track_update(live: Option<&Value>, new: &Value, write: Write<'_>) -> Vec<Value> {
    let Write { now, topology, .. } = write;
    let manager = ManagerId { operation: ManagerOperation::Update, ..write.manager.clone() };
    let empty = Value::Object(Map::new());
    let old = live.unwrap_or(&empty);
    let mut managers = written_managers(old, new);
    let mut comparison = Comparison::of(old, new, topology.root());
    comparison.each(strip);

    let before = managers.owned.remove(&manager);
    take_from_others(&mut managers, &comparison);
    let mut fields = before.as_ref().map(|b| b.fields.clone()).unwrap_or_default();
    fields = fields.difference(&comparison.removed).difference(&comparison.displaced);
    fields.add(&comparison.modified);
    fields.add(&comparison.added);
    let wrote = !comparison.added.is_empty() || !comparison.modified.is_empty();
    let time = match &before {
        Some(before) if before.fields == fields && !wrote => before.time,
        _ => Some(to_second(now)),
    };
    managers.owned.insert(manager, Owned { fields, time });
    managers.encode()
}

/// Names every field that changes and is owned by somebody in `managers`.
fn refuse_conflicts(managers: &Managers, comparison: &Comparison) -> Result<(), ApplyError> {
    let changed = comparison.changed();
    let mut conflicts = Vec::new();
    for (id, owned) in &managers.owned {
        for field in walk::shown(&owned.fields.intersection(&changed)) {
            conflicts.push(Conflict { manager: id.clone(), time: owned.time, field });
        }
    }
    if conflicts.is_empty() {
        return Ok(());
    }
    Err(ApplyError::Conflicts(Conflicts(conflicts)))
}

/// Takes from everybody in `managers` what changes or is gone.
fn take_from_others(managers: &mut Managers, comparison: &Comparison) {
    let gone = comparison.changed().union(&comparison.removed);
    for owned in managers.owned.values_mut() {
        owned.fields = owned.fields.difference(&gone);
    }
}

/// What an apply says, without what it may not: the server's metadata, nulls, and the part of the
/// object that its subresource does not reach.
fn said(
    live: Option<&Value>,
    applied: &Value,
    manager: &ManagerId,
    topology: &Topology,
) -> Result<Value, ApplyError> {
    let mut applied = applied.clone();
    let Value::Object(members) = &mut applied else { return Err(ApplyError::NotAnObject) };
    if manager.subresource.as_deref() == Some("status") {
        members.retain(|name, _| matches!(name.as_str(), "apiVersion" | "kind" | "status"));
    } else {
        members.remove("status");
    }
    if let Some(Value::Object(metadata)) = members.get_mut("metadata") {
        let managed = metadata.get("managedFields").and_then(Value::as_array);
        if managed.is_some_and(|entries| !entries.is_empty()) {
            return Err(ApplyError::ManagedFields);
        }
        metadata.retain(|name, _| {
            let created = live.is_none() && CREATED_METADATA.contains(&name.as_str());
            created || !UNOWNED_METADATA.contains(&name.as_str())
        });
        if metadata.is_empty() {
            members.remove("metadata");
        }
    }
    walk::drop_nulls(&mut applied, topology.root());
    walk::check_lists(&applied, topology.root(), "")
        .map_err(|(path, reason)| ApplyError::List { path, reason })?;
    Ok(applied)
}

fn written_managers(old: &Value, new: &Value) -> Managers {
    let entries = new.pointer("/metadata/managedFields").and_then(Value::as_array);
    match entries.map(Vec::as_slice) {
        // How Kubernetes lets people forget all managers.
        Some([Value::Object(entry)]) if entry.is_empty() => Managers::default(),
        _ => {
            let written = Managers::of(new);
            if written.owned.is_empty() { Managers::of(old) } else { written }
        }
    }
}

fn check_manager(name: &str) -> Result<(), ApplyError> {
    if name.is_empty() {
        return Err(ApplyError::Manager("is required for apply"));
    }
    if name.chars().count() > MAX_MANAGER_LENGTH {
        return Err(ApplyError::Manager("is longer than 128 characters"));
    }
    if name.chars().any(char::is_control) {
        return Err(ApplyError::Manager("has characters that cannot be printed"));
    }
    Ok(())
}

/// Takes out what nobody owns.
fn strip(set: &mut FieldSet) {
    let field = |name: &str| PathElement::Field(name.to_owned());
    set.remove(&field("apiVersion"));
    set.remove(&field("kind"));
    let metadata = field("metadata");
    set.below(&metadata, |below| {
        UNOWNED_METADATA.iter().for_each(|name| below.remove(&field(name)));
    });
    // The object always has metadata: it is no field anybody gave it.
    set.forget(&metadata);
}

/// Managed fields carry whole seconds, like all times of Kubernetes' metadata.
fn to_second(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

fn set_managed_fields(object: &mut Value, entries: Vec<Value>) {
    let Some(members) = object.as_object_mut() else { return };
    let metadata = members.entry("metadata").or_insert_with(|| json!({}));
    let Some(metadata) = metadata.as_object_mut() else { return };
    if entries.is_empty() {
        metadata.remove("managedFields");
    } else {
        metadata.insert("managedFields".to_owned(), Value::Array(entries));
    }
}

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
