//! Which fields may be set and changed.
//!
//! A declaration that is taken and then ignored would be a lie: somebody who declares a snapshot
//! counts on it. So every field of an environment is in one table that says whether this version
//! acts on it when the environment is created, and when it is changed. What it does not act on is
//! refused with a message that says so. The transitions behind `NotYet` come with the features
//! that carry them out; lifting a rule is an edit of this table.

use serde_json::Value;

use super::draft::is_within;
use crate::kind::Kind;
use crate::metadata::names::UNDELETE_OF;
use crate::object::Object;
use crate::status::Cause;
use crate::validation::Fault;

/// What may be done with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It is acted on.
    Allowed,
    /// Not in this version; the text follows "not available yet: ".
    NotYet(&'static str),
    /// Never; the text says why.
    Never(&'static str),
}

use Rule::{Allowed, Never, NotYet};

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldRule {
    /// Path below `spec`; `[]` stands for every item of a list.
    pub field: &'static str,
    /// Setting it in a new environment.
    pub create: Rule,
    /// Setting, changing or removing it later.
    pub update: Rule,
}

const fn rule(field: &'static str, create: Rule, update: Rule) -> FieldRule {
    FieldRule { field, create, update }
}

const RESIZE: Rule = NotYet("moving an environment to another machine");
const SNAPSHOTS: Rule = NotYet("taking and keeping snapshots");
const AUTOMATION: Rule = NotYet("starting and stopping by activity or by the clock");
const LIFETIME: Rule = NotYet("ending an environment by the clock");
const MOVE: Rule = NotYet("moving data between machines");

/// Every field of an Environment's spec.
pub static FIELD_RULES: [FieldRule; 29] = [
    rule("displayName", Allowed, Allowed),
    rule("size", Allowed, RESIZE),
    rule("region", Allowed, RESIZE),
    rule("power", Allowed, Allowed),
    rule("template", Allowed, Allowed),
    rule("parameters", Allowed, Allowed),
    rule("image", Allowed, Allowed),
    rule("snapshots", SNAPSHOTS, SNAPSHOTS),
    rule("snapshotSchedule", SNAPSHOTS, SNAPSHOTS),
    rule("restore", SNAPSHOTS, SNAPSHOTS),
    rule("restart", Never("there is no machine to restart before there is one"), Allowed),
    rule("rebuild", Never("there is nothing to rebuild before there is a machine"), Allowed),
    rule("recover", Never("nothing has failed before there is a machine"), Allowed),
    rule("wake", AUTOMATION, AUTOMATION),
    rule("user.shell", Allowed, Allowed),
    rule("user.keys", Allowed, Allowed),
    rule("user.directSsh", Allowed, Allowed),
    rule("user.passwordSecret", Allowed, Allowed),
    rule("env", Allowed, Allowed),
    rule("env[].valueFrom", Allowed, Allowed),
    rule("dataPaths", MOVE, MOVE),
    rule("reclaim", Allowed, Allowed),
    rule("drift", Allowed, Allowed),
    rule("activity", AUTOMATION, AUTOMATION),
    rule("schedule", AUTOMATION, AUTOMATION),
    rule("lifetime", LIFETIME, LIFETIME),
    rule("paused", Allowed, Allowed),
    rule("autoApprove", Allowed, Allowed),
    rule(
        "contractMonths",
        Allowed,
        Never("the term belongs to the contract that was bought, and a contract keeps its term"),
    ),
];

/// Faults of fields that a new object sets and nothing acts on.
pub(super) fn on_create(object: &Object) -> Vec<Cause> {
    if object.kind != Kind::Environment {
        return Vec::new();
    }
    // What is taken back carries the requests it was let go with; they are done, or void.
    let taken_back = object.metadata.annotations.contains_key(UNDELETE_OF);
    let mut faults = Vec::new();
    for rule in &FIELD_RULES {
        let set = places(object.field("spec"), rule.field).into_iter().filter(|(_, v)| is_set(v));
        for (field, _) in set {
            let message = match rule.create {
                Allowed => continue,
                Never(_) if taken_back => continue,
                Never(why) => format!("cannot be set in a new environment: {why}"),
                NotYet(what) => format!("is not available yet: {what}"),
            };
            faults.push(refusal(&field, message));
        }
    }
    faults
}

/// Faults of fields that may not change, or not yet.
pub(super) fn on_update(old: &Object, new: &Object) -> Vec<Cause> {
    match old.kind {
        Kind::Environment => environment(old, new),
        Kind::Operation if old.field("spec") != new.field("spec") => {
            vec![refusal("spec", "cannot be changed: it is an intent, written before it is sent")]
        }
        Kind::Machine => order(old, new),
        Kind::Secret => secret(old, new),
        _ => Vec::new(),
    }
}

fn environment(old: &Object, new: &Object) -> Vec<Cause> {
    let mut faults: Vec<Cause> = Vec::new();
    for rule in &FIELD_RULES {
        let field = format!("spec.{}", rule.field);
        // A part of a field that is refused as a whole is not named again.
        let named = faults.iter().any(|fault| is_within(&field, &fault.field));
        let before = places(old.field("spec"), rule.field);
        if named || before == places(new.field("spec"), rule.field) {
            continue;
        }
        let message = match rule.update {
            Allowed => continue,
            Never(why) => format!("cannot be changed: {why}"),
            NotYet(what) => format!("cannot be changed in this version; not available yet: {what}"),
        };
        faults.push(refusal(&field, message));
    }
    faults
}

/// What is installed on a machine may change until the order is sent, and with each reinstall.
const INSTALLED: [&str; 4] = ["image", "userDataDigest", "template", "parameters"];

/// What was decided to be bought, for how much and for whom is decided once.
fn order(old: &Object, new: &Object) -> Vec<Cause> {
    let bought = |object: &Object| {
        let mut order = object.field("spec").get("order")?.clone();
        if let Some(members) = order.as_object_mut() {
            members.retain(|name, _| !INSTALLED.contains(&name.as_str()));
        }
        Some(order)
    };
    let before = bought(old);
    let changed = before.is_some() && before != bought(new);
    let message = "cannot be changed: it is what was, or may have been, bought";
    changed.then(|| refusal("spec.order", message)).into_iter().collect()
}

/// Kubernetes' rules: the type of a Secret is fixed, and an immutable one keeps its values.
fn secret(old: &Object, new: &Object) -> Vec<Cause> {
    let mut faults = Vec::new();
    if old.field("type") != new.field("type") {
        faults.push(refusal("type", "cannot be changed: it says what the values are for"));
    }
    if old.field("immutable") == &Value::Bool(true) {
        for field in ["data", "immutable"] {
            if old.field(field) != new.field(field) {
                faults.push(refusal(field, "cannot be changed: the Secret is immutable"));
            }
        }
    }
    faults
}

fn refusal(field: &str, message: impl Into<String>) -> Cause {
    Fault::forbidden(field, message).code("not-supported").cause()
}

fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    }
}

/// The values at a path of the table, with their paths in the object.
fn places<'v>(spec: &'v Value, path: &str) -> Vec<(String, &'v Value)> {
    let mut found = vec![("spec".to_owned(), spec)];
    for step in path.split('.') {
        let (name, each) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
        found = found
            .into_iter()
            .filter_map(|(at, value)| Some((format!("{at}.{name}"), value.get(name)?)))
            .collect();
        if each {
            found = found
                .into_iter()
                .flat_map(|(at, value)| {
                    let items = value.as_array().into_iter().flatten().enumerate();
                    items.map(move |(index, item)| (format!("{at}[{index}]"), item))
                })
                .collect();
        }
    }
    found
}
