//! The one write path: every change of every object passes [`admit`].
//!
//! # Guarantees
//! - Pure: the same old object, request and context give the same answer. The API, the
//!   controllers and the simulation therefore obey the same rules.
//! - What leaves here is defaulted, valid, and keeps the line between spec and status: a write to
//!   the object cannot touch `status`, a write to `/status` cannot touch anything else.
//! - `metadata.generation` counts changes of `spec`; managed fields are kept.
//! - A request that changes nothing becomes [`Change::None`] and is not written: the cheapest way
//!   to stop two managers from fighting over timestamps.
//! - All faults are reported at once, each with its path, the value and what is allowed.
//!
//! # Assumptions
//! The store compares [`Admitted::expected_revision`] with what it holds when it writes, so a
//! decision made on a stale object is refused there and never half-applied.
//!
//! # Caveats
//! Rules that need other objects (does the template exist, is the display name free in the
//! namespace) are not here: [`references`] names what must exist, and the writer adds guards that
//! the store checks in the same transaction.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::catalogue::Catalogue;
use crate::kind::Kind;
use crate::object::{Key, Object};
use crate::patch::PatchKind;
use crate::status::{Reason, Status};

mod authority;
mod change;
mod create;
mod delete;
mod draft;
mod managed;
mod references;
mod reseal;
pub mod secret;
mod update;

pub use change::{FIELD_RULES, FieldRule, Rule};
pub use references::{Reference, references};

/// Who writes, through what, and from where. Stored with the write's audit row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    /// Account or component, such as `admin` or `system:controllers`.
    pub user: String,
    /// Id of the account whose purchases are counted; none for components, admins and tokens of the
    /// configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Uuid>,
    /// Field manager, such as `devpocket-cli` or `environment-controller`.
    pub manager: String,
    /// Peer address, for writes that came over a socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Ties log lines, audit rows and replies together.
    pub request_id: String,
}

impl Actor {
    /// A component of DevPocket itself.
    pub fn system(component: &str) -> Actor {
        Actor {
            user: "system:devpocket".into(),
            account: None,
            manager: component.into(),
            address: None,
            request_id: String::new(),
        }
    }

    /// Whether this is DevPocket itself: only it may set what people may not, such as a machine's
    /// claim or an operation.
    pub fn is_system(&self) -> bool {
        self.user == "system:devpocket"
    }
}

/// Which part of the object a write is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subresource {
    #[default]
    None,
    Status,
}

/// What must hold for a delete.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Preconditions {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
}

/// What becomes of the objects whose owner is deleted. Carried out by the garbage collector, which
/// finds the finalizers [`FOREGROUND_FINALIZER`] and [`ORPHAN_FINALIZER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// The owner goes at once, they go after it.
    Background,
    /// They go first; the owner stays, marked for deletion, until they are gone.
    Foreground,
    /// They stay, and belong to nobody.
    Orphan,
}

/// On an owner that is deleted in the foreground.
pub const FOREGROUND_FINALIZER: &str = "foregroundDeletion";
/// On an owner whose dependents shall stay.
pub const ORPHAN_FINALIZER: &str = "orphan";

/// What is asked for.
#[derive(Clone, Debug)]
pub enum Request {
    Create {
        object: Value,
    },
    /// Replace the object (or its status) as a whole.
    Update {
        object: Value,
        subresource: Subresource,
    },
    /// RFC 6902 or RFC 7386.
    Patch {
        kind: crate::patch::PatchKind,
        patch: Value,
        subresource: Subresource,
    },
    /// Server-side apply; creates the object when there is none.
    Apply {
        object: Value,
        force: bool,
        subresource: Subresource,
    },
    Delete {
        preconditions: Preconditions,
        /// What becomes of the objects that belong to it; none leaves it to what was asked before.
        propagation: Option<Propagation>,
    },
    /// Put other sealed texts in the place of those of a Secret, by the key of a value and the name
    /// of an annotation. Whoever asks has made sure that they hold the same.
    Reseal {
        values: BTreeMap<String, String>,
        annotations: BTreeMap<String, String>,
    },
}

/// What admission needs to know beyond the objects.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub actor: &'a Actor,
    pub now: Timestamp,
    /// Uid for the object, should this create one.
    pub uid: Uuid,
    pub catalogue: &'a Catalogue,
}

/// What the store has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Create,
    Update,
    /// Remove the object now: deletion without finalizers, or the last finalizer went.
    Delete,
    /// Nothing differs; nothing is written.
    None,
}

/// A change that passed admission. Only [`admit`] makes one; stores accept nothing else.
#[derive(Clone, Debug)]
pub struct Admitted {
    change: Change,
    object: Object,
    expected_revision: Option<u64>,
}

/// Judges a request. `old` is the object as the store has it, none if there is none.
///
/// # Errors
/// A refusal in the Kubernetes shape: 400 for a request that makes no sense, 403 for what this
/// actor may not write, 404 and 409 where the object is not (or is already) there or has changed,
/// 413 beyond a limit, 422 with every fault of the object at once.
pub fn admit(
    old: Option<&Object>,
    request: Request,
    context: &Context<'_>,
) -> Result<Admitted, Status> {
    match request {
        Request::Create { object } => match old {
            Some(old) => Err(Status::already_exists(&old.key())),
            None => create::create(object, context),
        },
        Request::Update { object, subresource } => {
            let old = old.ok_or_else(|| nothing_there(&object))?;
            update::update(old, object, subresource, context)
        }
        Request::Patch { kind: PatchKind::Apply, patch, subresource } => {
            apply(old, &patch, false, subresource, context)
        }
        Request::Patch { kind, patch, subresource } => {
            let old = old.ok_or_else(|| nothing_there(&patch))?;
            update::patch(old, kind, &patch, subresource, context)
        }
        Request::Apply { object, force, subresource } => {
            apply(old, &object, force, subresource, context)
        }
        Request::Delete { preconditions, propagation } => {
            let old = old.ok_or_else(|| nothing_there(&Value::Null))?;
            delete::delete(old, &preconditions, propagation, context)
        }
        Request::Reseal { values, annotations } => {
            let old = old.ok_or_else(|| nothing_there(&Value::Null))?;
            reseal::reseal(old, &values, &annotations)
        }
    }
}

fn apply(
    old: Option<&Object>,
    object: &Value,
    force: bool,
    subresource: Subresource,
    context: &Context<'_>,
) -> Result<Admitted, Status> {
    match (old, subresource) {
        (Some(old), _) => update::apply(old, object, force, subresource, context),
        (None, Subresource::None) => create::apply(object, context),
        (None, Subresource::Status) => Err(nothing_there(object)),
    }
}

/// The kind a document says it is.
fn kind_of(document: &Value) -> Result<Kind, Status> {
    let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    Kind::from_type(api_version, kind).ok_or_else(|| {
        let names = Kind::all().map(|kind| kind.info().name);
        let nearest = crate::schema::nearest_name(kind, names);
        let hint = match nearest.and_then(|name| name.parse::<Kind>().ok()) {
            Some(near) => format!("; the nearest is {near} in {:?}", near.api_version()),
            None => String::new(),
        };
        Status::new(
            Reason::BadRequest,
            format!("no kind {kind:?} in version {api_version:?}{hint}"),
        )
        .with_code("unknown-kind")
    })
}

/// There is no object to change. The caller knows the key when the document does not tell it.
fn nothing_there(document: &Value) -> Status {
    let text =
        |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    match kind_of(document) {
        Ok(kind) => {
            let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
            Status::not_found(&Key::new(kind, namespace, name))
        }
        Err(_) => Status::new(Reason::NotFound, "the object was not found"),
    }
}

impl Admitted {
    pub fn change(&self) -> Change {
        self.change
    }

    /// The object after the change; for [`Change::Delete`] its last state. Its `resourceVersion`
    /// is the one it had before: the store sets the new one when it commits.
    pub fn object(&self) -> &Object {
        &self.object
    }

    pub fn into_object(self) -> Object {
        self.object
    }

    /// Revision the object must still have in the store; none when it must not exist.
    pub fn expected_revision(&self) -> Option<u64> {
        self.expected_revision
    }

    pub fn key(&self) -> Key {
        self.object.key()
    }
}

#[cfg(test)]
mod tests;
