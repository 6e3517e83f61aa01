//! Changes of an object that is there: replaced, patched, applied.

use serde_json::Value;

use super::draft::{Draft, within_size};
use super::{Admitted, Change, Context, Subresource, authority, change, kind_of, managed};
use crate::kind::Kind;
use crate::object::Object;
use crate::patch::{PatchKind, json_patch, merge_patch};
use crate::schema::prune_unknown;
use crate::status::{Cause, Reason, Status};
use crate::template::keep_earlier;
use crate::validation::{Fault, quote};

/// How the new document came about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Via {
    Write,
    /// Its managed fields are made already.
    Apply,
}

pub(super) fn update(
    old: &Object,
    document: Value,
    subresource: Subresource,
    context: &Context<'_>,
) -> Result<Admitted, Status> {
    settle(old, document, subresource, Via::Write, context)
}

pub(super) fn patch(
    old: &Object,
    kind: PatchKind,
    patch: &Value,
    subresource: Subresource,
    context: &Context<'_>,
) -> Result<Admitted, Status> {
    let document = current(old);
    let patched = match kind {
        PatchKind::Json => json_patch(&document, patch),
        PatchKind::Merge | PatchKind::Apply => merge_patch(&document, patch),
    };
    let patched = patched.map_err(|error| error.status(&old.key()))?;
    settle(old, patched, subresource, Via::Write, context)
}

pub(super) fn apply(
    old: &Object,
    applied: &Value,
    force: bool,
    subresource: Subresource,
    context: &Context<'_>,
) -> Result<Admitted, Status> {
    is_same_kind(old, applied)?;
    is_current(old, applied)?;
    let live = (&old.key(), &current(old));
    let document = managed::apply(old.kind, Some(live), applied, force, subresource, context)?;
    settle(old, document, subresource, Via::Apply, context)
}

/// The stored document as this version writes it. A field of another version of DevPocket must
/// not turn every later edit into an error.
fn current(old: &Object) -> Value {
    let mut document = old.to_value();
    prune_unknown(old.kind, &mut document);
    document
}

fn settle(
    old: &Object,
    document: Value,
    subresource: Subresource,
    via: Via,
    context: &Context<'_>,
) -> Result<Admitted, Status> {
    is_same_kind(old, &document)?;
    is_current(old, &document)?;
    if subresource == Subresource::Status && !old.kind.info().has_status {
        let message = format!("a {} has no status of its own", old.kind);
        return Err(Status::new(Reason::NotFound, message).about(&old.key()));
    }
    let mut draft = Draft::read(old.kind, &only_its_part(old, document, subresource))?;
    match subresource {
        Subresource::None => write_main(old, &mut draft, context)?,
        Subresource::Status => write_status(old, &mut draft.object, context)?,
    }
    let mut object = draft.finish()?;
    if via == Via::Write {
        managed::track(Some(old), &mut object, subresource, context);
    }
    let expected_revision = Some(old.revision());
    let change = match &object.metadata {
        metadata if metadata.is_deleting() && metadata.finalizers.is_empty() => Change::Delete,
        _ if managed::is_unchanged(old, &object) => {
            return Ok(Admitted { change: Change::None, object: old.clone(), expected_revision });
        }
        _ => Change::Update,
    };
    within_size(&object)?;
    Ok(Admitted { change, object, expected_revision })
}

fn is_same_kind(old: &Object, document: &Value) -> Result<(), Status> {
    let said = |name: &str| document.get(name).is_some_and(|value| !value.is_null());
    if (said("apiVersion") || said("kind")) && kind_of(document)? != old.kind {
        let message = format!("the document is not of kind {}", old.kind);
        return Err(Status::new(Reason::BadRequest, message).about(&old.key()));
    }
    Ok(())
}

/// The uid and resourceVersion in a document are preconditions.
fn is_current(old: &Object, document: &Value) -> Result<(), Status> {
    let said = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or("");
    let uid = said("/metadata/uid");
    if !uid.is_empty() && uid != old.uid().to_string() {
        return Err(another_uid(old, uid));
    }
    let version = said("/metadata/resourceVersion");
    if !version.is_empty() && Some(version) != old.metadata.resource_version.as_deref() {
        return Err(Status::conflict(&old.key()));
    }
    Ok(())
}

/// The object of that name is another one than was meant.
pub(super) fn another_uid(old: &Object, uid: &str) -> Status {
    let mut status = Status::conflict(&old.key());
    status.message = format!(
        "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
        old.uid()
    );
    status
}

/// A write to the object leaves its status, a write to `/status` leaves everything else.
fn only_its_part(old: &Object, mut document: Value, subresource: Subresource) -> Value {
    if !old.kind.info().has_status {
        return document;
    }
    let (mut whole, status) = match subresource {
        Subresource::None => {
            let status = old.body.get("status").cloned();
            (document, status)
        }
        Subresource::Status => {
            let status = document.get_mut("status").map(Value::take);
            let mut whole = current(old);
            if let Some(managed) = document.pointer("/metadata/managedFields") {
                whole["metadata"]["managedFields"] = managed.clone();
            }
            (whole, status)
        }
    };
    if let Some(members) = whole.as_object_mut() {
        match status.filter(|status| !status.is_null()) {
            Some(status) => members.insert("status".into(), status),
            None => members.remove("status"),
        };
    }
    whole
}

fn write_status(old: &Object, object: &mut Object, context: &Context<'_>) -> Result<(), Status> {
    let status = object.body.remove("status");
    let managed = std::mem::take(&mut object.metadata.managed_fields);
    object.metadata = old.metadata.clone();
    object.metadata.managed_fields = managed;
    object.body = old.body.clone();
    match status {
        Some(status) => object.body.insert("status".into(), status),
        None => object.body.remove("status"),
    };
    authority::may_write_status(old, object, context)
}

fn write_main(old: &Object, draft: &mut Draft, context: &Context<'_>) -> Result<(), Status> {
    let faults = keep_identity(old, &mut draft.object);
    draft.add(faults);
    authority::declare(&mut draft.object, Some(old), context.actor);
    draft.complete(Some(old), context);
    let object = &mut draft.object;
    if object.kind.info().has_status {
        // As it was, also where this version would write it in another form.
        match old.body.get("status") {
            Some(status) => object.body.insert("status".into(), status.clone()),
            None => object.body.remove("status"),
        };
        object.metadata.generation = old.metadata.generation;
        if object.field("spec") != old.field("spec") {
            object.metadata.generation += 1;
        }
        if object.kind == Kind::Template {
            keep_earlier(old, object);
        }
    }
    authority::may_update(old, &draft.object, context.actor)?;
    let faults = change::on_update(old, &draft.object);
    draft.add(faults);
    draft.judge(Some(old), context);
    Ok(())
}

/// What never changes in metadata. What is left out is filled in, so that people need not carry
/// it around; what differs is a fault, because it shows that another object was meant.
fn keep_identity(old: &Object, object: &mut Object) -> Vec<Cause> {
    let (before, metadata) = (&old.metadata, &mut object.metadata);
    let mut faults = Vec::new();
    let mut immutable = |field: &str, was: Value, is: Value| {
        if was != is {
            let field = format!("metadata.{field}");
            let message = format!("is {}; it stays {}", quote(&field, &is), quote(&field, &was));
            faults.push(Fault::forbidden(field, message).cause());
        }
    };
    if metadata.name.is_empty() {
        metadata.name.clone_from(&before.name);
    }
    immutable("name", before.name.as_str().into(), metadata.name.as_str().into());
    if metadata.namespace.is_empty() {
        metadata.namespace.clone_from(&before.namespace);
    }
    let namespaces = (before.namespace.as_str(), metadata.namespace.as_str());
    immutable("namespace", namespaces.0.into(), namespaces.1.into());
    let text = |time: Option<jiff::Timestamp>| Value::from(time.map(|time| time.to_string()));
    for (field, was, is) in [
        ("creationTimestamp", before.creation_timestamp, metadata.creation_timestamp),
        ("deletionTimestamp", before.deletion_timestamp, metadata.deletion_timestamp),
    ] {
        if is.is_some() {
            immutable(field, text(was), text(is));
        }
    }
    metadata.creation_timestamp = before.creation_timestamp;
    metadata.deletion_timestamp = before.deletion_timestamp;
    metadata.deletion_grace_period_seconds = before.deletion_grace_period_seconds;
    metadata.uid = before.uid;
    metadata.generation = before.generation;
    metadata.generate_name.clone_from(&before.generate_name);
    metadata.resource_version.clone_from(&before.resource_version);
    if before.is_deleting() {
        for finalizer in metadata.finalizers.iter().filter(|f| !before.has_finalizer(f)) {
            let message =
                format!("has the new finalizer {finalizer:?}, and the object is being deleted");
            faults.push(Fault::forbidden("metadata.finalizers", message).cause());
        }
    }
    faults
}
