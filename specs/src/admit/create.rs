//! Creation: names, identity, and a status that starts empty.

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::draft::{Draft, within_size};
use super::{Admitted, Change, Context, Subresource, authority, change, kind_of, managed};
use crate::kind::Kind;
use crate::metadata::names::UNDELETE_OF;
use crate::object::Object;
use crate::status::{Reason, Status};
use crate::validation::names::MAX_LABEL;

/// Characters of the end of a generated name; those Kubernetes uses, among which no words form.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// How many of them.
const SUFFIX: usize = 5;

pub(super) fn create(document: Value, context: &Context<'_>) -> Result<Admitted, Status> {
    let kind = kind_of(&document)?;
    make(kind, document, false, context)
}

pub(super) fn apply(applied: &Value, context: &Context<'_>) -> Result<Admitted, Status> {
    let kind = kind_of(applied)?;
    let document = managed::apply(kind, None, applied, false, Subresource::None, context)?;
    make(kind, document, true, context)
}

fn make(
    kind: Kind,
    mut document: Value,
    applied: bool,
    context: &Context<'_>,
) -> Result<Admitted, Status> {
    let given = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or("");
    if !given("/metadata/resourceVersion").is_empty() {
        let message = "resourceVersion should not be set on objects to be created";
        return Err(Status::new(Reason::BadRequest, message));
    }
    if kind.info().has_status
        && let Some(members) = document.as_object_mut()
    {
        members.remove("status");
    }
    let mut draft = Draft::read(kind, &document)?;
    identify(&mut draft.object, context);
    authority::declare(&mut draft.object, None, context.actor);
    draft.complete(None, context);
    authority::may_create(&draft.object, context.actor)?;
    draft.judge(None, context);
    draft.add(change::on_create(&draft.object));
    let mut object = draft.finish()?;
    if !applied {
        // What comes back belongs to whom it belonged, and nothing in it is new.
        let before = taken_back(&object).then(|| object.clone());
        managed::track(before.as_ref(), &mut object, Subresource::None, context);
    }
    within_size(&object)?;
    Ok(Admitted { change: Change::Create, object, expected_revision: None })
}

/// Whether it comes back with who owned its fields.
fn taken_back(object: &Object) -> bool {
    object.metadata.annotations.contains_key(UNDELETE_OF)
        && !object.metadata.managed_fields.is_empty()
}

/// Sets what belongs to the server.
fn identify(object: &mut Object, context: &Context<'_>) {
    let metadata = &mut object.metadata;
    if let Some(prefix) = metadata.generate_name.as_deref().filter(|_| metadata.name.is_empty()) {
        metadata.name = generated_name(prefix, context.uid);
    }
    metadata.uid = Some(context.uid);
    metadata.resource_version = None;
    metadata.generation = i64::from(object.kind.info().has_status);
    metadata.creation_timestamp = Some(whole_seconds(context.now));
    metadata.deletion_timestamp = None;
    metadata.deletion_grace_period_seconds = None;
}

/// Kubernetes' clients read times in metadata to the second.
pub(super) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// The prefix, shortened where the name would get too long, and an end that follows from the uid.
fn generated_name(prefix: &str, uid: Uuid) -> String {
    let mut name: String = prefix.chars().take(MAX_LABEL - SUFFIX).collect();
    let mut rest = uid.as_u128();
    for _ in 0..SUFFIX {
        let index = (rest % ALPHABET.len() as u128) as usize;
        name.push(char::from(ALPHABET[index]));
        rest /= ALPHABET.len() as u128;
    }
    name
}
