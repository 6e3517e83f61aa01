//! Deletion: at once, or when the last finalizer is gone.

use super::create::whole_seconds;
use super::update::another_uid;
use super::{
    Admitted, Change, Context, FOREGROUND_FINALIZER, ORPHAN_FINALIZER, Preconditions, Propagation,
    authority,
};
use crate::object::Object;
use crate::status::Status;

pub(super) fn delete(
    old: &Object,
    preconditions: &Preconditions,
    propagation: Option<Propagation>,
    context: &Context<'_>,
) -> Result<Admitted, Status> {
    if let Some(uid) = preconditions.uid.filter(|uid| *uid != old.uid()) {
        return Err(another_uid(old, &uid.to_string()));
    }
    let version = preconditions.resource_version.as_deref();
    if version.is_some() && version != old.metadata.resource_version.as_deref() {
        return Err(Status::conflict(&old.key()));
    }
    authority::may_delete(old, context.actor)?;
    let mut object = old.clone();
    object.metadata.finalizers = finalizers(old, propagation);
    let change = if object.metadata.finalizers.is_empty() {
        Change::Delete
    } else if !old.metadata.is_deleting() {
        object.metadata.deletion_timestamp = Some(whole_seconds(context.now));
        object.metadata.deletion_grace_period_seconds = Some(0);
        if object.metadata.generation > 0 {
            object.metadata.generation += 1;
        }
        Change::Update
    } else if object.metadata.finalizers != old.metadata.finalizers {
        Change::Update
    } else {
        Change::None
    };
    Ok(Admitted { change, object, expected_revision: Some(old.revision()) })
}

/// The finalizers after a deletion was asked for: those of the garbage collector follow the last
/// word, the others stay.
fn finalizers(old: &Object, propagation: Option<Propagation>) -> Vec<String> {
    let mut finalizers = old.metadata.finalizers.clone();
    let Some(propagation) = propagation else { return finalizers };
    finalizers.retain(|name| name != FOREGROUND_FINALIZER && name != ORPHAN_FINALIZER);
    match propagation {
        Propagation::Background => {}
        Propagation::Foreground => finalizers.push(FOREGROUND_FINALIZER.to_owned()),
        Propagation::Orphan => finalizers.push(ORPHAN_FINALIZER.to_owned()),
    }
    finalizers
}
