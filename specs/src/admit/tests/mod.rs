//! Admission from the outside: what comes in, what goes to the store.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::status::Cause;

mod authority;
mod faults;
mod fields;
mod lifecycle;
mod properties;

pub(super) const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@laptop";

pub(super) fn now() -> Timestamp {
    "2026-11-23T12:00:00.5Z".parse().unwrap()
}

pub(super) fn person() -> Actor {
    Actor {
        user: "admin".into(),
        account: None,
        manager: "devpocket-cli".into(),
        address: None,
        request_id: "r-1".into(),
    }
}

/// Judges requests as one actor, at one time.
pub(super) struct Door {
    pub actor: Actor,
    pub now: Timestamp,
}

impl Door {
    pub fn person() -> Door {
        Door { actor: person(), now: now() }
    }

    pub fn system() -> Door {
        Door { actor: Actor::system("environment-controller"), now: now() }
    }

    pub fn admit(&self, old: Option<&Object>, request: Request) -> Result<Admitted, Status> {
        let context = Context {
            actor: &self.actor,
            now: self.now,
            uid: Uuid::from_u128(0x1234_5678_9abc_4def_8123_4567_89ab_cdef),
            catalogue: Catalogue::builtin(),
        };
        admit(old, request, &context)
    }

    pub fn create(&self, object: Value) -> Result<Admitted, Status> {
        self.admit(None, Request::Create { object })
    }

    pub fn update(&self, old: &Object, object: Value) -> Result<Admitted, Status> {
        self.admit(Some(old), Request::Update { object, subresource: Subresource::None })
    }

    pub fn merge(&self, old: &Object, patch: Value) -> Result<Admitted, Status> {
        let subresource = Subresource::None;
        self.admit(Some(old), Request::Patch { kind: PatchKind::Merge, patch, subresource })
    }

    pub fn status(&self, old: &Object, patch: Value) -> Result<Admitted, Status> {
        let subresource = Subresource::Status;
        self.admit(Some(old), Request::Patch { kind: PatchKind::Merge, patch, subresource })
    }

    pub fn apply(&self, old: Option<&Object>, object: Value) -> Result<Admitted, Status> {
        let subresource = Subresource::None;
        self.admit(old, Request::Apply { object, force: false, subresource })
    }

    pub fn delete(&self, old: &Object) -> Result<Admitted, Status> {
        let preconditions = Preconditions::default();
        self.admit(Some(old), Request::Delete { preconditions, propagation: None })
    }
}

/// What the store holds after a change, with the revision it gave it.
pub(super) fn stored(admitted: Admitted, revision: u64) -> Object {
    let mut object = admitted.into_object();
    object.metadata.resource_version = Some(revision.to_string());
    object
}

pub(super) fn document(kind: Kind, name: &str, rest: Value) -> Value {
    let mut document = json!({
        "apiVersion": kind.api_version(),
        "kind": kind.info().name,
        "metadata": { "name": name },
    });
    if kind.is_namespaced() {
        document["metadata"]["namespace"] = "team-a".into();
    }
    for (field, value) in rest.as_object().unwrap() {
        document[field] = value.clone();
    }
    document
}

pub(super) fn environment(spec: Value) -> Value {
    document(Kind::Environment, "api", json!({ "spec": spec }))
}

/// An environment in the store.
pub(super) fn api() -> Object {
    let spec = json!({ "size": "vps-10-nvme", "env": [{ "name": "A", "value": "1" }] });
    stored(Door::person().create(environment(spec)).unwrap(), 7)
}

/// A machine in the store, in a state.
pub(super) fn machine(state: &str, order: bool) -> Object {
    let mut spec = json!({ "managed": true });
    if order {
        spec["order"] = json!({
            "size": "vps-10-nvme", "productId": "V91", "region": "EU", "image": "ubuntu-24.04",
            "contractMonths": 1, "price": { "cents": 550, "currency": "EUR" },
            "due": { "cents": 550, "currency": "EUR" }, "pricesOf": "2026-08-22",
            "userDataDigest": "00", "demand": { "environmentUid": Uuid::nil(), "cause": "create" },
        });
    }
    let system = Door::system();
    let made = system.create(document(Kind::Machine, "m-1", json!({ "spec": spec }))).unwrap();
    let status = json!({ "status": { "state": state, "instanceId": 42 } });
    stored(system.status(&stored(made, 1), status).unwrap(), 2)
}

pub(super) fn causes(status: &Status) -> Vec<String> {
    status.details.causes.iter().map(Cause::sentence).collect()
}
