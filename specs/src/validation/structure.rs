//! The walk over schema and document.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::fault::{Fault, one_of};
use super::quote::quote;
use crate::kind::Kind;
use crate::schema::{PRESERVE, join, member_schema, names, nearest_name, schema};
use crate::status::Cause;

/// What the walk found.
pub(crate) struct Checked {
    pub faults: Vec<Cause>,
    /// The document without what was wrong, and with stand-ins for what was missing: good enough
    /// to look for further faults in, never to be stored while `faults` is not empty.
    pub mended: Value,
}

/// Compares a document with the schema of its kind. A null member counts as left out.
pub(crate) fn structure(kind: Kind, document: &Value) -> Checked {
    let schema = schema(kind);
    let mut walk = Walk { root: schema, faults: Vec::new() };
    let mended = walk.visit(schema, document, "").unwrap_or_else(|| stand_in(schema));
    Checked { faults: walk.faults, mended }
}

struct Walk {
    root: &'static Value,
    faults: Vec<Cause>,
}

impl Walk {
    /// The value as it may stay, or nothing.
    fn visit(&mut self, schema: &Value, value: &Value, path: &str) -> Option<Value> {
        if schema.get("properties").is_none() && schema.get(PRESERVE).is_some() {
            let fits = schema.get("type").is_none() || value.is_object();
            return if fits { Some(value.clone()) } else { self.wrong(schema, value, path) };
        }
        match (type_of(schema), value) {
            ("object", Value::Object(members)) => Some(self.object(schema, members, path)),
            ("array", Value::Array(items)) => Some(self.list(schema, items, path)),
            ("string", Value::String(text)) if fits_text(schema, text) => Some(value.clone()),
            ("integer", Value::Number(_)) if fits_integer(schema, value) => Some(value.clone()),
            ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => Some(value.clone()),
            _ => self.wrong(schema, value, path),
        }
    }

    fn object(&mut self, schema: &Value, members: &Map<String, Value>, path: &str) -> Value {
        let mut mended = Map::new();
        for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
            let at = join(path, name);
            let Some(member) = member_schema(schema, name) else {
                self.unknown(schema, name, &at, path);
                continue;
            };
            if let Some(value) = self.visit(member, value, &at) {
                mended.insert(name.clone(), value);
            }
        }
        for name in required(schema) {
            let member = member_schema(schema, name).unwrap_or(&Value::Null);
            if members.get(name).is_none_or(Value::is_null) {
                self.faults.push(Fault::required(join(path, name), &expected(member)).cause());
            }
            mended.entry(name).or_insert_with(|| stand_in(member));
        }
        Value::Object(mended)
    }

    fn list(&mut self, schema: &Value, items: &[Value], path: &str) -> Value {
        let of = schema.get("items").unwrap_or(&Value::Null);
        let visit = |(index, item)| {
            // A stand-in keeps the indexes of the items after it.
            self.visit(of, item, &format!("{path}[{index}]")).unwrap_or_else(|| stand_in(of))
        };
        items.iter().enumerate().map(visit).collect()
    }

    fn unknown(&mut self, schema: &Value, name: &str, at: &str, parent: &str) {
        let nearest = nearest_name(name, names(schema));
        let mut fault = Fault::unknown_field(at, name, parent).nearest(nearest.clone());
        let spec = member_schema(self.root, "spec").unwrap_or(&Value::Null);
        if parent.is_empty() && nearest.is_none() && member_schema(spec, name).is_some() {
            fault = fault.because(format!("{name} is a field of spec"));
        }
        self.faults.push(fault.cause());
    }

    fn wrong(&mut self, schema: &Value, value: &Value, path: &str) -> Option<Value> {
        let shown = quote(path, value);
        let expected = expected(schema);
        let allowed = allowed(schema);
        let fault = match value {
            Value::String(text) if !allowed.is_empty() => {
                Fault::not_supported(path, format!("is {shown}; it is {expected}"))
                    .nearest(nearest_name(text, allowed.iter().map(String::as_str)))
            }
            Value::String(_) if type_of(schema) == "string" => Fault::wrong(path, shown, &expected),
            Value::Number(_) if type_of(schema) == "integer" => {
                Fault::wrong(path, shown, &expected)
            }
            _ => Fault::wrong_type(path, shown, &expected),
        };
        self.faults.push(fault.cause());
        None
    }
}

fn type_of(schema: &Value) -> &str {
    schema.get("type").and_then(Value::as_str).unwrap_or("object")
}

fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn allowed(schema: &Value) -> Vec<String> {
    let values = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    values.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn format_of(schema: &Value) -> &str {
    schema.get("format").and_then(Value::as_str).unwrap_or_default()
}

fn fits_text(schema: &Value, text: &str) -> bool {
    if let Some(Value::Array(allowed)) = schema.get("enum") {
        return allowed.iter().any(|value| value == text);
    }
    match format_of(schema) {
        "date-time" => text.parse::<Timestamp>().is_ok(),
        "date" => text.parse::<Date>().is_ok(),
        "uuid" => Uuid::parse_str(text).is_ok(),
        _ => true,
    }
}

fn bounds(schema: &Value) -> (i128, i128) {
    let (low, high) = match format_of(schema) {
        "int32" => (i128::from(i32::MIN), i128::from(i32::MAX)),
        "int64" => (i128::from(i64::MIN), i128::from(i64::MAX)),
        _ => (i128::from(i64::MIN), i128::from(u64::MAX)),
    };
    let bound = |key| schema.get(key).and_then(integer);
    (bound("minimum").unwrap_or(low).max(low), bound("maximum").unwrap_or(high).min(high))
}

fn integer(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from))
}

fn fits_integer(schema: &Value, value: &Value) -> bool {
    let (low, high) = bounds(schema);
    integer(value).is_some_and(|number| (low..=high).contains(&number))
}

/// What a field is, in the words of a message.
fn expected(schema: &Value) -> String {
    let allowed = allowed(schema);
    if !allowed.is_empty() {
        return one_of(&allowed);
    }
    let text = match (type_of(schema), format_of(schema)) {
        ("string", "date-time") => "a time such as 2026-12-15T08:00:00Z",
        ("string", "date") => "a day such as 2026-12-15",
        ("string", "uuid") => "a uuid",
        ("string", _) => "a text",
        ("array", _) => "a list",
        ("boolean", _) => "true or false",
        ("number", _) => "a number",
        ("integer", _) => return whole_number(schema),
        _ => "an object",
    };
    text.to_owned()
}

fn whole_number(schema: &Value) -> String {
    let bound = |key| schema.get(key).and_then(integer);
    match (bound("minimum"), bound("maximum")) {
        (Some(low), Some(high)) => format!("a whole number from {low} to {high}"),
        (Some(low), None) => format!("a whole number from {low} on"),
        _ => "a whole number".to_owned(),
    }
}

/// The least value of that shape.
fn stand_in(schema: &Value) -> Value {
    if let Some(first) = schema.get("enum").and_then(|values| values.get(0)) {
        return first.clone();
    }
    match (type_of(schema), format_of(schema)) {
        ("string", "date-time") => json!(Timestamp::UNIX_EPOCH),
        ("string", "date") => json!("1970-01-01"),
        ("string", "uuid") => json!(Uuid::nil()),
        ("string", _) => json!(""),
        ("array", _) => json!([]),
        ("boolean", _) => json!(false),
        ("integer" | "number", _) => json!(bounds(schema).0.clamp(0, 1) as u8),
        _ => {
            let member = |name| member_schema(schema, name).map_or(Value::Null, stand_in);
            required(schema).map(|name| (name.to_owned(), member(name))).collect()
        }
    }
}
