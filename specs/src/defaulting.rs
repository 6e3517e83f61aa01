//! Defaults, written into the record on admission: what is stored is what holds, and a later
//! version's other default does not change what somebody has.
//!
//! Defaults that are the same for everybody (`power: Running`, `reclaim: Pool`, ...) are the
//! types' own. Here are those that come from the rest of the object, the catalogue, or the object
//! as it was: a replacement that leaves out `region` or `image` keeps the one that is there.

use serde_json::{Map, Value, json};

use crate::admit::Context;
use crate::kind::Kind;
use crate::object::Object;
use crate::validation::MAX_DISPLAY_NAME;

/// The login shell of a user that names none.
pub const SHELL: &str = "/bin/bash";
/// The type of a Secret that names none; Kubernetes' word.
pub const SECRET_TYPE: &str = "Opaque";
/// The label Kubernetes puts on every namespace: its own name.
pub const NAMESPACE_LABEL: &str = "kubernetes.io/metadata.name";

/// Fills in what was left out.
pub(crate) fn apply(object: &mut Object, old: Option<&Object>, context: &Context<'_>) {
    match object.kind {
        Kind::Environment => environment(object, old, context),
        Kind::Namespace => {
            let name = object.metadata.name.clone();
            object.metadata.labels.insert(NAMESPACE_LABEL.into(), name);
            let status = object.body.entry("status").or_insert_with(|| json!({}));
            fill(status, "phase", || json!("Active"));
        }
        Kind::Secret => {
            object.body.entry("type").or_insert_with(|| json!(SECRET_TYPE));
        }
        _ => {}
    }
}

fn environment(object: &mut Object, old: Option<&Object>, context: &Context<'_>) {
    let name: String = object.metadata.name.chars().take(MAX_DISPLAY_NAME).collect();
    let Some(spec) = object.body.get_mut("spec") else { return };
    let before = |pointer: &str| old.and_then(|old| old.field("spec").pointer(pointer)).cloned();
    if !name.is_empty() {
        fill(spec, "displayName", || json!(name));
    }
    let region = || json!(context.catalogue.default_region());
    fill(spec, "region", || before("/region").unwrap_or_else(region));
    // A template says which image it is for.
    let image = json!(context.catalogue.default_image());
    let templated = spec.get("template").is_some_and(|template| !template.is_null());
    if let Some(image) = before("/image").or_else(|| (!templated).then_some(image)) {
        fill(spec, "image", || image);
    }
    fill(spec, "user", || Value::Object(Map::new()));
    let shell = || json!(context.catalogue.default_shell());
    fill(&mut spec["user"], "shell", || before("/user/shell").unwrap_or_else(shell));
}

fn fill(parent: &mut Value, name: &str, value: impl FnOnce() -> Value) {
    if let Some(members) = parent.as_object_mut() {
        members.entry(name).or_insert_with(value);
    }
}
