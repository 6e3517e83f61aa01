//! The schema of each kind: one structural JSON Schema, derived from the Rust types, that serves
//! validation, pruning, `explain`, OpenAPI and the CustomResourceDefinitions.
//!
//! *Structural* is Kubernetes' word: every field has a type, nothing is referred to, and no
//! keyword decides between shapes. So one walk over schema and document finds every fault with
//! its path, and Kubernetes' own tools accept the definitions.

use std::sync::LazyLock;

use schemars::{JsonSchema, schema_for};
use serde_json::{Value, json};

use crate::kind::Kind;

mod crd;
mod docs;
mod structural;
mod unknown;

pub use crd::{Column, columns, crd};
pub use docs::{FieldDocs, field_docs};
pub use unknown::{UnknownField, prune_unknown, unknown_fields};

pub(crate) use unknown::{join, member_schema, names, nearest_name};

/// Marks a part of a document that may hold anything.
pub const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";

static SCHEMAS: LazyLock<Vec<Value>> = LazyLock::new(|| Kind::all().map(derive).collect());

/// The structural schema of a kind's documents, with `apiVersion`, `kind` and `metadata` in full.
#[must_use]
pub fn schema(kind: Kind) -> &'static Value {
    &SCHEMAS[kind as usize - 1]
}

/// The schema as an OpenAPI v3 component: the structural one, with the name of its type.
#[must_use]
pub fn openapi_schema(kind: Kind) -> Value {
    let info = kind.info();
    let mut schema = schema(kind).clone();
    schema["x-kubernetes-group-version-kind"] =
        json!([{ "group": info.group, "version": info.version, "kind": info.name }]);
    schema
}

/// Lists whose items are told apart by a member; the same as in [`crate::apply::Topology`].
const MAP_LISTS: [(&str, &str); 3] = [
    ("/properties/spec/properties/env", "name"),
    ("/properties/spec/properties/snapshots", "name"),
    ("/properties/status/properties/conditions", "type"),
];

fn derive(kind: Kind) -> Value {
    match kind {
        Kind::Environment => of::<crate::environment::Environment>(),
        Kind::Machine => of::<crate::machine::Machine>(),
        Kind::Operation => of::<crate::operation::Operation>(),
        Kind::Template => of::<crate::template::Template>(),
        Kind::Tier => of::<crate::tier::Tier>(),
        Kind::Namespace => of::<crate::namespace::Namespace>(),
        Kind::Event => of::<crate::event::Event>(),
        Kind::Secret => of::<crate::secret::Secret>(),
        Kind::Lease => of::<crate::lease::Lease>(),
        Kind::Installation => of::<crate::installation::Installation>(),
    }
}

fn of<T: JsonSchema>() -> Value {
    let mut schema = structural::structural(&Value::from(schema_for!(T)));
    schema["properties"]["apiVersion"] = json!({
        "type": "string",
        "description": "Group and version of the kind.",
    });
    schema["properties"]["kind"] = json!({ "type": "string", "description": "Name of the kind." });
    for (pointer, key) in MAP_LISTS {
        if let Some(list) = schema.pointer_mut(pointer) {
            list["x-kubernetes-list-type"] = "map".into();
            list["x-kubernetes-list-map-keys"] = json!([key]);
        }
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| name != "metadata");
    }
    schema
}

#[cfg(test)]
mod tests;
