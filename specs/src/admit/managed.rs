//! Who owns which field: the bridge to [`crate::apply`].

use std::sync::LazyLock;

use serde_json::Value;

use super::{Context, Subresource};
use crate::apply::{ApplyError, ManagerId, Topology, Write, track_update};
use crate::kind::Kind;
use crate::object::{Key, Object};
use crate::status::{Cause, Reason, Status};

static TOPOLOGY: LazyLock<Topology> = LazyLock::new(Topology::default);

/// Lays what is applied over the live document.
pub(super) fn apply(
    kind: Kind,
    live: Option<(&Key, &Value)>,
    applied: &Value,
    force: bool,
    subresource: Subresource,
    context: &Context<'_>,
) -> Result<Value, Status> {
    let api_version = kind.api_version();
    let manager = ManagerId::apply(&context.actor.manager, &api_version, word(subresource));
    let write = Write { manager: &manager, now: context.now, topology: &TOPOLOGY };
    let document = live.map(|(_, document)| document);
    crate::apply::apply(document, applied, write, force).map_err(|error| match error {
        ApplyError::Conflicts(conflicts) => {
            let mut status = Status::new(Reason::Conflict, conflicts.to_string());
            if let Some((key, _)) = live {
                status = status.about(key);
            }
            let cause = |conflict: &crate::apply::Conflict| Cause {
                reason: "FieldManagerConflict".into(),
                message: conflict.message(),
                field: conflict.field.clone(),
                ..Cause::default()
            };
            status.details.causes = conflicts.0.iter().map(cause).collect();
            status.with_code("ownership")
        }
        other => Status::new(Reason::BadRequest, other.to_string()),
    })
}

/// Records who wrote what by a write other than apply.
pub(super) fn track(
    old: Option<&Object>,
    new: &mut Object,
    subresource: Subresource,
    context: &Context<'_>,
) {
    let api_version = new.kind.api_version();
    let manager = ManagerId::update(&context.actor.manager, &api_version, word(subresource));
    let write = Write { manager: &manager, now: context.now, topology: &TOPOLOGY };
    let live = old.map(Object::to_value);
    new.metadata.managed_fields = track_update(live.as_ref(), &new.to_value(), write).into();
}

/// Whether two objects differ in nothing but the times of their managers, and in what the store
/// sets: such a write is not worth a revision, which every watcher would have to look at.
pub(super) fn is_unchanged(old: &Object, new: &Object) -> bool {
    if old.body != new.body {
        return false;
    }
    let comparable = |object: &Object| {
        let mut metadata = object.metadata.clone();
        metadata.resource_version = None;
        let mut managers = std::mem::take(&mut metadata.managed_fields).entries();
        for entry in managers.iter_mut().filter_map(Value::as_object_mut) {
            entry.remove("time");
        }
        (metadata, managers)
    };
    comparable(old) == comparable(new)
}

fn word(subresource: Subresource) -> Option<&'static str> {
    match subresource {
        Subresource::None => None,
        Subresource::Status => Some("status"),
    }
}
