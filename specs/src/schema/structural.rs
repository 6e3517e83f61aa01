//! From the JSON Schema that schemars derives to a structural one.

use serde_json::{Map, Value, json};

use super::PRESERVE;

/// Keywords kept as they are.
const KEPT: [&str; 10] = [
    "type",
    "description",
    "default",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "enum",
    "nullable",
];

/// Formats Kubernetes knows; the others (`uint32`, ...) only restate the bounds.
const FORMATS: [&str; 5] = ["int32", "int64", "date-time", "date", "uuid"];

/// The structural form of a whole schema. The types of this crate are not recursive, so following
/// references ends.
pub(super) fn structural(root: &Value) -> Value {
    let none = Value::Null;
    convert(root, root.get("$defs").unwrap_or(&none))
}

fn convert(node: &Value, defs: &Value) -> Value {
    let Value::Object(node) = node else {
        return json!({ PRESERVE: true });
    };
    let node = follow(node, defs);
    let mut out = Map::new();
    for key in KEPT {
        if let Some(value) = node.get(key) {
            out.insert(key.into(), value.clone());
        }
    }
    if let Some(Value::String(text)) = out.get_mut("description") {
        *text = plain_text(text);
    }
    if let Some(format) = node.get("format").filter(|f| FORMATS.iter().any(|known| f == known)) {
        out.insert("format".into(), format.clone());
    }
    if let Some(value) = node.get("const") {
        out.insert("enum".into(), json!([value]));
    }
    one_type(&mut out);
    members(&node, defs, &mut out);
    variants(&node, &mut out);
    if !out.contains_key("type") {
        out.insert(PRESERVE.into(), true.into());
    }
    Value::Object(out)
}

/// Replaces a reference, also one that may be null, by what it refers to. What stands beside the
/// reference wins: it describes this field, the target describes the type.
fn follow(node: &Map<String, Value>, defs: &Value) -> Map<String, Value> {
    let mut node = node.clone();
    if let Some(Value::Array(choices)) = node.remove("anyOf") {
        let null = |choice: &&Value| choice.get("type").is_some_and(|t| t == "null");
        if choices.iter().any(|choice| null(&choice)) {
            node.insert("nullable".into(), true.into());
        }
        if let Some(Value::Object(choice)) = choices.iter().find(|choice| !null(choice)) {
            beside(&mut node, choice);
        }
    }
    if let Some(Value::String(reference)) = node.remove("$ref") {
        let name = reference.trim_start_matches("#/$defs/");
        if let Some(Value::Object(target)) = defs.get(name) {
            let mut merged = node;
            beside(&mut merged, &follow(target, defs));
            return merged;
        }
    }
    node
}

fn beside(node: &mut Map<String, Value>, other: &Map<String, Value>) {
    for (key, value) in other {
        node.entry(key).or_insert_with(|| value.clone());
    }
}

fn one_type(out: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = out.get("type").cloned() else { return };
    if types.iter().any(|t| t == "null") {
        out.insert("nullable".into(), true.into());
    }
    if let Some(first) = types.into_iter().find(|t| t != "null") {
        out.insert("type".into(), first);
    }
}

/// Properties, items and additional properties. An object that takes no additional ones says so
/// by listing its properties: structural schemas have no `additionalProperties: false`.
fn members(node: &Map<String, Value>, defs: &Value, out: &mut Map<String, Value>) {
    if let Some(items) = node.get("items") {
        out.insert("items".into(), convert(items, defs));
    }
    if let Some(Value::Object(properties)) = node.get("properties") {
        let converted = properties.iter().map(|(name, p)| (name.clone(), convert(p, defs)));
        out.insert("properties".into(), Value::Object(converted.collect()));
        if let Some(required) = node.get("required") {
            out.insert("required".into(), required.clone());
        }
        return;
    }
    match node.get("additionalProperties") {
        Some(Value::Bool(true)) => {
            out.insert(PRESERVE.into(), true.into());
        }
        Some(Value::Object(values)) => {
            let values = convert(&Value::Object(values.clone()), defs);
            out.insert("additionalProperties".into(), values);
        }
        _ if out.get("type").is_some_and(|t| t == "object") => {
            out.insert("properties".into(), json!({}));
        }
        _ => {}
    }
}

/// An enum whose variants are documented arrives as a choice of constants; their texts move into
/// the description.
fn variants(node: &Map<String, Value>, out: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = node.get("oneOf") else { return };
    let mut values = Vec::new();
    let mut text = out.get("description").and_then(Value::as_str).unwrap_or("").to_owned();
    for choice in choices {
        let several = choice.get("enum").and_then(Value::as_array).cloned().unwrap_or_default();
        let one = choice.get("const").cloned();
        if let (Some(value), Some(doc)) = (&one, choice.get("description").and_then(Value::as_str))
        {
            text += &format!(" {}: {}", value.as_str().unwrap_or_default(), plain_text(doc));
        }
        values.extend(several.into_iter().chain(one));
    }
    out.insert("type".into(), "string".into());
    out.insert("enum".into(), values.into());
    if !text.is_empty() {
        out.insert("description".into(), text.trim_start().into());
    }
}

/// Doc comments as people read them outside the source: one line, no links to Rust items.
fn plain_text(text: &str) -> String {
    text.replace("[`", "`").replace("`]", "`").split_whitespace().collect::<Vec<_>>().join(" ")
}
