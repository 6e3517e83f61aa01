//! Deletion: at once, or when the last finalizer is gone.

use super::create::whole_seconds;
use super::update::another_uid;
use super::{Admitted, Change, Context, Preconditions, authority};
use crate::object::Object;
use crate::status::Status;

pub(super) fn delete(
    old: &Object,
    preconditions: &Preconditions,
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
    let change = if old.metadata.finalizers.is_empty() {
        Change::Delete
    } else if old.metadata.is_deleting() {
        Change::None
    } else {
        object.metadata.deletion_timestamp = Some(whole_seconds(context.now));
        object.metadata.deletion_grace_period_seconds = Some(0);
        if object.metadata.generation > 0 {
            object.metadata.generation += 1;
        }
        Change::Update
    };
    Ok(Admitted { change, object, expected_revision: Some(old.revision()) })
}
