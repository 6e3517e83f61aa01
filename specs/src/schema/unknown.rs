//! Fields a schema does not know: found, with the name that was probably meant, and removed.

use serde_json::Value;

use super::{PRESERVE, schema};
use crate::kind::Kind;

/// A name is taken for a typing mistake of another up to this many edits.
const MAX_EDITS: usize = 2;

/// A field no kind of this version has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownField {
    /// Such as `spec.env[0].nmae`.
    pub path: String,
    /// The field beside it whose name is nearest, where one is near.
    pub nearest: Option<String>,
}

/// Every field of `document` that the kind does not have, in the document's order.
#[must_use]
pub fn unknown_fields(kind: Kind, document: &Value) -> Vec<UnknownField> {
    let mut found = Vec::new();
    find(schema(kind), document, "", &mut found);
    found
}

fn find(schema: &Value, value: &Value, path: &str, found: &mut Vec<UnknownField>) {
    if schema.get(PRESERVE).is_some() {
        return;
    }
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = join(path, name);
                match member_schema(schema, name) {
                    Some(schema) => find(schema, member, &path, found),
                    None if schema.get("properties").is_some() => {
                        let nearest = nearest_name(name, names(schema));
                        found.push(UnknownField { path, nearest });
                    }
                    None => {}
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for (index, item) in items.iter().enumerate() {
                    find(schema, item, &format!("{path}[{index}]"), found);
                }
            }
        }
        _ => {}
    }
}

/// Removes every field that the kind does not have.
pub fn prune_unknown(kind: Kind, document: &mut Value) {
    prune(schema(kind), document);
}

fn prune(schema: &Value, value: &mut Value) {
    if schema.get(PRESERVE).is_some() {
        return;
    }
    match value {
        Value::Object(members) => {
            if schema.get("properties").is_some() {
                members.retain(|name, _| member_schema(schema, name).is_some());
            }
            for (name, member) in members {
                if let Some(schema) = member_schema(schema, name) {
                    prune(schema, member);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                items.iter_mut().for_each(|item| prune(schema, item));
            }
        }
        _ => {}
    }
}

/// The schema of a member of an object, by its name.
pub(crate) fn member_schema<'s>(schema: &'s Value, name: &str) -> Option<&'s Value> {
    match schema.get("properties") {
        Some(properties) => properties.get(name),
        None => schema.get("additionalProperties"),
    }
}

/// The names of an object's fields.
pub(crate) fn names(schema: &Value) -> impl Iterator<Item = &str> {
    schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(n, _)| n.as_str())
}

/// `parent.name`, or `parent[na/me]` where the name would not read as one.
pub(crate) fn join(parent: &str, name: &str) -> String {
    let plain =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    match (plain, parent.is_empty()) {
        (true, true) => name.to_owned(),
        (true, false) => format!("{parent}.{name}"),
        (false, _) => format!("{parent}[{name}]"),
    }
}

/// The one of `names` that was probably meant: the same in another case, or within two edits.
/// Two edits of a short name can be any other one, so at most a third of the name may differ.
pub(crate) fn nearest_name<'n>(
    asked: &str,
    names: impl Iterator<Item = &'n str>,
) -> Option<String> {
    let asked = asked.to_lowercase();
    names
        .map(|name| (strsim::osa_distance(&name.to_lowercase(), &asked), name))
        .filter(|(edits, name)| *edits <= MAX_EDITS && edits * 3 <= name.len())
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name.to_owned())
}
