//! Who may write what, beyond what roles will say: parts of records that only DevPocket itself
//! writes, because money or a disk hangs on them. These refusals are 403 and name the field.
//!
//! People's finalizers, labels and annotations are theirs; those of the `devpocket.dev/` domain on
//! machines and operations are not: guards count purchases by them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Actor, Context};
use crate::environment::{Approval, EnvironmentStatus};
use crate::installation::InstallationStatus;
use crate::kind::{GROUP, Kind};
use crate::machine::{Machine, MachineState};
use crate::metadata::names::DECLARED_BY;
use crate::object::Object;
use crate::operation::{Operation, OperationPhase, OperationStatus};
use crate::schema::join;
use crate::status::{Cause, Reason, Status};
use crate::validation::Fault;
use crate::validation::names::is_reserved_namespace;

/// What of an Installation's spec an operator sets; the rest is written by DevPocket.
pub const INSTALLATION_FIELDS: [&str; 5] =
    ["monthlyBudget", "purchasesPerHour", "unknownPurchase", "reclaimAfterSeconds", "paused"];

/// What of a status people decide: consent to a plan, that a difference between account and
/// database was looked at, and what became of an operation nobody knows about.
fn decided_by_people(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Environment => &["approvals"],
        Kind::Installation => &["behindAccepted"],
        Kind::Operation => &["phase", "resolution", "instanceId", "endedAt", "message", "held"],
        _ => &[],
    }
}

/// Who declared an environment is written by the server, whatever a document says: purchases are
/// counted by it. It stays who it was, also when others edit.
pub(super) fn declare(object: &mut Object, old: Option<&Object>, actor: &Actor) {
    if object.kind != Kind::Environment || actor.is_system() {
        return;
    }
    let who = match old {
        Some(old) => old.metadata.labels.get(DECLARED_BY).cloned(),
        None => actor.account.map(|account| account.to_string()),
    };
    match who {
        Some(who) => object.metadata.labels.insert(DECLARED_BY.to_owned(), who),
        None => object.metadata.labels.remove(DECLARED_BY),
    };
}

pub(super) fn may_create(object: &Object, actor: &Actor) -> Result<(), Status> {
    if actor.is_system() {
        return Ok(());
    }
    let name = &object.metadata.name;
    let refusal = match object.kind {
        Kind::Machine => Some("a Machine is recorded by DevPocket when it orders or finds one"),
        Kind::Operation => Some("an Operation is written by DevPocket when a plan needs it"),
        Kind::Installation => Some("the Installation is written at the first start"),
        Kind::Namespace if is_reserved_namespace(name) => {
            Some("names that begin with kube- or devpocket-, and default, are reserved")
        }
        _ => None,
    };
    match refusal {
        Some(why) => Err(forbidden(object, why, Vec::new())),
        None => refuse(object, foreign_finalizers(&[], &object.metadata.finalizers)),
    }
}

pub(super) fn may_update(old: &Object, new: &Object, actor: &Actor) -> Result<(), Status> {
    if actor.is_system() {
        return Ok(());
    }
    let mut faults = foreign_finalizers(&old.metadata.finalizers, &new.metadata.finalizers);
    if matches!(old.kind, Kind::Machine | Kind::Operation) {
        faults.extend(own_labels(old, new));
    }
    let changed = changed_members(old.field("spec"), new.field("spec"));
    match old.kind {
        Kind::Machine | Kind::Operation => {
            faults.extend(changed.iter().map(|name| ours(&format!("spec.{name}"), "")));
        }
        Kind::Installation => {
            let theirs = |name: &&String| !INSTALLATION_FIELDS.contains(&name.as_str());
            let hint = format!("; operators set {}", INSTALLATION_FIELDS.join(", "));
            let foreign = changed.iter().filter(theirs);
            faults.extend(foreign.map(|name| ours(&format!("spec.{name}"), &hint)));
        }
        _ => {}
    }
    refuse(old, faults)
}

pub(super) fn may_write_status(
    old: &Object,
    new: &Object,
    context: &Context<'_>,
) -> Result<(), Status> {
    if context.actor.is_system() {
        return Ok(());
    }
    let theirs = decided_by_people(old.kind);
    let changed = changed_members(&status_of(old), &status_of(new));
    let foreign = changed.iter().filter(|name| !theirs.contains(&name.as_str()));
    let mut faults: Vec<Cause> = foreign.map(|name| ours(&format!("status.{name}"), "")).collect();
    match old.kind {
        Kind::Environment => faults.extend(others_approvals(old, new, context.actor)),
        Kind::Operation if !changed.is_empty() => faults.extend(unresolvable(old, new)),
        _ => {}
    }
    refuse(old, faults)
}

/// The status, or what an absent one stands for.
fn status_of(object: &Object) -> Value {
    let empty = match object.kind {
        _ if !object.field("status").is_null() => return object.field("status").clone(),
        Kind::Environment => serde_json::to_value(EnvironmentStatus::default()),
        Kind::Installation => serde_json::to_value(InstallationStatus::default()),
        Kind::Operation => serde_json::to_value(OperationStatus::default()),
        _ => return Value::Null,
    };
    empty.unwrap_or_default()
}

/// Deletion of a record that stands for money, an instance, or an effect under way. The same for
/// DevPocket itself: losing the record of a purchase is how something gets bought twice.
pub(super) fn may_delete(old: &Object, actor: &Actor) -> Result<(), Status> {
    let why = match old.kind {
        Kind::Machine => machine_stands(old),
        Kind::Operation => operation_stands(old, actor),
        Kind::Installation => {
            Some("it ties this database to its Contabo account and stays with it".to_owned())
        }
        Kind::Namespace if !actor.is_system() && is_reserved_namespace(&old.metadata.name) => {
            Some("it is reserved for DevPocket".to_owned())
        }
        _ => None,
    };
    match why {
        Some(why) => Err(forbidden(old, &why, Vec::new())),
        None => Ok(()),
    }
}

fn machine_stands(old: &Object) -> Option<String> {
    let Ok(machine) = old.to::<Machine>() else {
        return Some("its record cannot be read, so it may stand for a paid instance".to_owned());
    };
    let instance = match machine.status.instance_id {
        Some(id) => format!("instance {id}"),
        None => "its instance".to_owned(),
    };
    match machine.status.state {
        MachineState::Gone | MachineState::NotBought => None,
        // Whoever sends orders looks at the claim first: without one nothing is sent any more.
        MachineState::Planned if machine.spec.order.is_none() || machine.spec.claim.is_none() => {
            None
        }
        MachineState::Planned => {
            Some("its order is not settled yet; delete the environment it is for".to_owned())
        }
        MachineState::Ordering => Some("it is being bought, and that is not resolved".to_owned()),
        _ => Some(format!("{instance} exists and is paid for; delete the environment it is for")),
    }
}

fn operation_stands(old: &Object, actor: &Actor) -> Option<String> {
    if !actor.is_system() {
        return Some("the history of effects is kept by DevPocket, for 90 days".to_owned());
    }
    let open = old.to::<Operation>().map_or(true, |operation| operation.status.phase.is_open());
    open.then(|| "its outcome is not known yet".to_owned())
}

/// Approvals that were added in somebody else's name.
fn others_approvals(old: &Object, new: &Object, actor: &Actor) -> Vec<Cause> {
    let read = |object: &Object| -> Vec<Approval> {
        let status = object.field("status").clone();
        serde_json::from_value::<EnvironmentStatus>(status).unwrap_or_default().approvals
    };
    let before = read(old);
    let after = read(new);
    let added = after.iter().enumerate().filter(|(_, approval)| !before.contains(approval));
    let own = |approval: &Approval| approval.by == actor.user && approval.account == actor.account;
    let foreign = added.filter(|(_, approval)| !own(approval));
    let fault = |(index, approval): (usize, &Approval)| {
        let message = format!("is {:?}; approvals are given in one's own name", approval.by);
        Fault::forbidden(format!("status.approvals[{index}].by"), message).code("ownership").cause()
    };
    foreign.map(fault).collect()
}

/// A person may only say what became of an operation whose outcome is unknown.
fn unresolvable(old: &Object, new: &Object) -> Option<Cause> {
    let phase = |object: &Object| object.to::<Operation>().map(|operation| operation.status);
    let (Ok(before), Ok(after)) = (phase(old), phase(new)) else { return None };
    let resolves = before.phase == OperationPhase::Unknown
        && after.phase == OperationPhase::Resolved
        && after.resolution.is_some();
    let message = format!(
        "is {:?}; a person can only resolve an operation that is Unknown, as Happened or \
         NotHappened",
        before.phase
    );
    (!resolves).then(|| Fault::forbidden("status.phase", message).code("ownership").cause())
}

fn is_ours(name: &str) -> bool {
    name.strip_prefix(GROUP).is_some_and(|rest| rest.starts_with('/'))
}

fn foreign_finalizers(before: &[String], after: &[String]) -> Vec<Cause> {
    let ours = |list: &[String]| -> BTreeSet<String> {
        list.iter().filter(|name| is_ours(name)).cloned().collect()
    };
    let (before, after) = (ours(before), ours(after));
    let message = |name: &String| {
        let text = format!(
            "has or had {name}, which only DevPocket sets and removes: a paid machine hangs on it"
        );
        Fault::forbidden("metadata.finalizers", text).code("ownership").cause()
    };
    before.symmetric_difference(&after).map(message).collect()
}

fn own_labels(old: &Object, new: &Object) -> Vec<Cause> {
    let (before, after) = (&old.metadata.labels, &new.metadata.labels);
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed =
        keys.into_iter().filter(|key| is_ours(key) && before.get(*key) != after.get(*key));
    changed.map(|key| ours(&join("metadata.labels", key), "")).collect()
}

fn ours(field: &str, hint: &str) -> Cause {
    let message = format!("is written by DevPocket itself{hint}");
    Fault::forbidden(field, message).code("ownership").cause()
}

/// Names of the members in which two objects differ.
fn changed_members(before: &Value, after: &Value) -> BTreeSet<String> {
    let names = |value: &Value| -> Vec<String> {
        value.as_object().map(|members| members.keys().cloned().collect()).unwrap_or_default()
    };
    let all = names(before).into_iter().chain(names(after));
    all.filter(|name| before.get(name) != after.get(name)).collect()
}

fn refuse(object: &Object, faults: Vec<Cause>) -> Result<(), Status> {
    if faults.is_empty() {
        return Ok(());
    }
    let sentences: Vec<String> = faults.iter().map(Cause::sentence).collect();
    Err(forbidden(object, &sentences.join("; "), faults))
}

fn forbidden(object: &Object, why: &str, causes: Vec<Cause>) -> Status {
    let key = object.key();
    let info = key.kind.info();
    let resource = match info.group {
        "" => info.plural.to_owned(),
        group => format!("{}.{group}", info.plural),
    };
    let message = format!("{resource} {:?} is forbidden: {why}", key.name);
    let mut status = Status::new(Reason::Forbidden, message).about(&key).with_code("ownership");
    status.details.causes = causes;
    status
}
