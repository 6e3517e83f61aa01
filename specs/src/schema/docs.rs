//! What a field means, for `devpocket explain environment.spec`.

use serde_json::Value;

use super::schema;
use super::unknown::{member_schema, names};
use crate::kind::Kind;

/// A field as it is explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldDocs {
    /// `string`, `integer`, `[]object`, `map[string]string`, ...
    pub r#type: String,
    pub doc: String,
    /// The values allowed, where they are listed.
    pub allowed: Vec<String>,
    /// What it is when it is left out, as JSON.
    pub default: Option<String>,
    pub required: bool,
    /// Fields inside it, with their types and texts, in alphabetical order.
    pub fields: Vec<(String, FieldDocs)>,
}

/// Looks a field up by its path (`spec.env.name`; empty for the kind itself). List indexes are
/// neither needed nor minded.
#[must_use]
pub fn field_docs(kind: Kind, path: &str) -> Option<FieldDocs> {
    let mut node = schema(kind);
    let mut required = true;
    for name in path.split('.').filter(|name| !name.is_empty()) {
        let name = name.split('[').next().unwrap_or(name);
        while let Some(items) = node.get("items") {
            node = items;
        }
        required = is_required(node, name);
        node = member_schema(node, name)?;
    }
    Some(docs(node, required, true))
}

fn docs(node: &Value, required: bool, with_fields: bool) -> FieldDocs {
    let inner = node.get("items").unwrap_or(node);
    let text = |key| node.get(key).and_then(Value::as_str).unwrap_or_default();
    let fields = names(inner).filter(|_| with_fields);
    let fields = fields.map(|name| {
        let field = member_schema(inner, name).unwrap_or(&Value::Null);
        (name.to_owned(), docs(field, is_required(inner, name), false))
    });
    let allowed = inner.get("enum").and_then(Value::as_array).into_iter().flatten();
    FieldDocs {
        r#type: type_name(node),
        doc: text("description").to_owned(),
        allowed: allowed.filter_map(Value::as_str).map(str::to_owned).collect(),
        default: node.get("default").map(Value::to_string),
        required,
        fields: fields.collect(),
    }
}

fn is_required(node: &Value, name: &str) -> bool {
    let required = node.get("required").and_then(Value::as_array);
    required.is_some_and(|names| names.iter().any(|n| n == name))
}

fn type_name(node: &Value) -> String {
    match node.get("type").and_then(Value::as_str) {
        Some("array") => format!("[]{}", node.get("items").map(type_name).unwrap_or_default()),
        Some("object") => match node.get("additionalProperties") {
            Some(values) => format!("map[string]{}", type_name(values)),
            None => "object".to_owned(),
        },
        Some(name) => node.get("format").and_then(Value::as_str).unwrap_or(name).to_owned(),
        None => "anything".to_owned(),
    }
}
