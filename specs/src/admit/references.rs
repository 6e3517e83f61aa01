//! What must exist for an object to make sense. Admission sees one object only; the writer turns
//! these into guards that the store checks in the transaction of the write.

use crate::environment::Environment;
use crate::guest::secret_references;
use crate::kind::Kind;
use crate::object::{Key, Object};

/// The namespace of DevPocket's own leases and events. It always is there.
pub const SYSTEM_NAMESPACE: &str = "devpocket-system";

/// One object that another one names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The field that names it, such as `spec.template`.
    pub field: String,
    pub key: Key,
}

/// What a new object refers to. An existing one may outlive what it refers to: only creation, and
/// a change of the field, is guarded.
#[must_use]
pub fn references(object: &Object) -> Vec<Reference> {
    let mut found = Vec::new();
    let namespace = object.metadata.namespace.as_str();
    // Events also tell about what is just going, its namespace included.
    let needs_namespace = object.kind.is_namespaced()
        && object.kind != Kind::Event
        && !namespace.is_empty()
        && namespace != SYSTEM_NAMESPACE;
    if needs_namespace {
        found.push(Reference {
            field: "metadata.namespace".into(),
            key: Key::cluster(Kind::Namespace, namespace),
        });
    }
    if object.kind == Kind::Environment
        && let Ok(environment) = object.to::<Environment>()
    {
        environment_references(&environment, &mut found);
    }
    found
}

fn environment_references(environment: &Environment, found: &mut Vec<Reference>) {
    let spec = &environment.spec;
    if let Some(template) = &spec.template {
        let name = template.split('@').next().unwrap_or(template);
        let key = Key::cluster(Kind::Template, name);
        found.push(Reference { field: "spec.template".into(), key });
    }
    for (field, secret) in secret_references(spec) {
        let key = Key::new(Kind::Secret, &environment.metadata.namespace, &secret.name);
        found.push(Reference { field: format!("{field}.name"), key });
    }
}
