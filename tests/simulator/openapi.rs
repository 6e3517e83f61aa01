//! Requests and replies held against a description of the API.
//!
//! Two descriptions are checked in the same way: Contabo's published document, where its path is in
//! `CONTABO_OPENAPI`, and the project's own table of what it relies on, everywhere. Only the part of
//! OpenAPI 3.0 that they use is understood; anything else in them is a failure, not a pass.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::OnceLock;

use regex::Regex;
use serde_json::Value;

/// Names the file of the published document.
const VARIABLE: &str = "CONTABO_OPENAPI";
const OWN: &str = include_str!("relied.yaml");
/// Keywords of a schema that are not rules.
const REMARKS: [&str; 5] = ["description", "example", "default", "title", "deprecated"];
const RULES: [&str; 13] = [
    "type",
    "format",
    "enum",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "pattern",
    "required",
    "properties",
    "additionalProperties",
    "items",
    "allOf",
];

/// Words that stand where ids could, and are none.
const NO_IDS: [&str; 3] = ["audits", "stats", "actions"];

/// A description of the API.
pub struct Document {
    pub(super) root: Value,
    /// Whether a field that is not described is a fault.
    closed: bool,
    patterns: std::sync::Mutex<std::collections::BTreeMap<String, Regex>>,
}

/// Something that is not as described.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// `GET /v1/compute/instances`, as the description writes it.
    pub operation: String,
    /// `data[].cancelDate`
    pub place: String,
    /// `null`, `missing`, `extra`, `type`, `enum`, `length`, `pattern`, `format`, `range`,
    /// `undescribed`
    pub problem: &'static str,
    pub value: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { operation, place, problem, value } = self;
        write!(f, "{operation}: {place}: {problem} {value}")
    }
}

/// The project's own table.
pub fn relied() -> &'static Document {
    static RELIED: OnceLock<Document> = OnceLock::new();
    RELIED.get_or_init(|| {
        let root = serde_yaml::from_str(OWN).expect("the project's own table is YAML");
        Document { root, closed: false, patterns: Default::default() }
    })
}

/// The published document, if somebody says where it is. Then it must be there.
pub fn published() -> Option<&'static Document> {
    static PUBLISHED: OnceLock<Option<Document>> = OnceLock::new();
    let load = || {
        let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) else {
            eprintln!("{VARIABLE} is not set: only the project's own table is checked");
            return None;
        };
        let path = std::path::PathBuf::from(path);
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{VARIABLE} is {}: {error}", path.display()));
        let root = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{VARIABLE} is {}: {error}", path.display()));
        Some(Document { root, closed: true, patterns: Default::default() })
    };
    PUBLISHED.get_or_init(load).as_ref()
}

/// A request as it left a client.
pub struct Sent<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    pub headers: Vec<(String, String)>,
    pub body: &'a [u8],
}

impl Document {
    /// `GET /v1/compute/instances/{instanceId}` of every operation.
    pub fn operations(&self) -> BTreeSet<(String, String)> {
        let mut all = BTreeSet::new();
        for (path, methods) in self.root["paths"].as_object().into_iter().flatten() {
            for method in methods.as_object().into_iter().flatten().map(|(method, _)| method) {
                all.insert((method.to_uppercase(), path.clone()));
            }
        }
        all
    }

    /// The described path a path belongs to; literal segments go before parameters.
    pub fn template(&self, path: &str) -> Option<&str> {
        let wanted: Vec<&str> = path.split('/').collect();
        let all = self.root["paths"].as_object()?.keys();
        let fitting = all.filter(|template| {
            let parts: Vec<&str> = template.split('/').collect();
            let pairs = || parts.iter().zip(&wanted);
            parts.len() == wanted.len()
                && pairs().all(|(part, own)| {
                    part == own || (part.starts_with('{') && !NO_IDS.contains(own))
                })
        });
        fitting.min_by_key(|template| template.matches('{').count()).map(String::as_str)
    }

    fn operation(&self, method: &str, path: &str) -> Option<(String, &Value)> {
        let template = self.template(path)?;
        let operation = &self.root["paths"][template][method.to_lowercase()];
        operation.is_object().then(|| (format!("{method} {template}"), operation))
    }

    /// What is wrong with a reply; `body` is `None` if there was none.
    pub fn reply(
        &self,
        method: &str,
        path: &str,
        code: u16,
        body: Option<&Value>,
    ) -> Vec<Violation> {
        let mut found = Vec::new();
        let Some((name, operation)) = self.operation(method, path) else {
            if code < 400 && self.closed {
                found.push(violation(&format!("{method} {path}"), "", "undescribed", code));
            }
            return found;
        };
        if code >= 400 {
            return error_shape(&name, code, body);
        }
        let described = &operation["responses"][code.to_string()];
        if !described.is_object() {
            found.push(violation(&name, "", "undescribed", code));
            return found;
        }
        let schema = &described["content"]["application/json"]["schema"];
        match body {
            Some(body) if schema.is_object() => {
                self.schema(schema, body, &name, "", &mut found);
            }
            Some(_) if self.closed => found.push(violation(&name, "", "extra", "body")),
            None if schema.is_object() => found.push(violation(&name, "", "missing", "body")),
            _ => {}
        }
        found
    }

    /// What is wrong with a request.
    pub fn request(&self, sent: &Sent<'_>) -> Vec<Violation> {
        let Some((name, operation)) = self.operation(sent.method, sent.path) else {
            let name = format!("{} {}", sent.method, sent.path);
            return vec![violation(&name, "", "undescribed", "request")];
        };
        let mut found = Vec::new();
        let parameters: Vec<&Value> =
            operation["parameters"].as_array().into_iter().flatten().collect();
        for pair in sent.query.split('&').filter(|pair| !pair.is_empty()) {
            let (own, value) = pair.split_once('=').unwrap_or((pair, ""));
            let known = parameters.iter().find(|p| p["in"] == "query" && p["name"] == own);
            match known {
                Some(parameter) => {
                    let value = typed(&parameter["schema"], value);
                    self.schema(&parameter["schema"], &value, &name, own, &mut found);
                }
                None => found.push(violation(&name, own, "undescribed", "parameter")),
            }
        }
        for parameter in parameters.iter().filter(|p| p["in"] == "header") {
            let wanted = parameter["name"].as_str().unwrap_or("");
            let own = sent.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            match own {
                Some((_, value)) => {
                    let value = typed(&parameter["schema"], value);
                    self.schema(&parameter["schema"], &value, &name, wanted, &mut found);
                }
                None if parameter["required"] == true => {
                    found.push(violation(&name, wanted, "missing", "header"));
                }
                None => {}
            }
        }
        let body = &operation["requestBody"];
        let schema = &body["content"]["application/json"]["schema"];
        match serde_json::from_slice::<Value>(sent.body) {
            Ok(value) if schema.is_object() => {
                self.schema(schema, &value, &name, "body", &mut found)
            }
            Ok(_) => found.push(violation(&name, "body", "extra", "body")),
            Err(_) if !sent.body.is_empty() => {
                found.push(violation(&name, "body", "type", "not JSON"));
            }
            Err(_) if body["required"] == true => {
                found.push(violation(&name, "body", "missing", "body"));
            }
            Err(_) => {}
        }
        found
    }

    /// Follows references and single `allOf`s.
    pub(super) fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let mut schema = schema;
        loop {
            if let Some(name) = schema["$ref"].as_str() {
                let name = name.rsplit('/').next().unwrap_or("");
                schema = &self.root["components"]["schemas"][name];
                assert!(schema.is_object(), "there is no schema {name}");
            } else if let Some([one]) = schema["allOf"].as_array().map(Vec::as_slice) {
                schema = one;
            } else {
                return schema;
            }
        }
    }

    fn schema(
        &self,
        schema: &Value,
        value: &Value,
        name: &str,
        at: &str,
        found: &mut Vec<Violation>,
    ) {
        let nullable = schema["nullable"] == true;
        let schema = self.resolved(schema);
        for keyword in schema.as_object().into_iter().flatten().map(|(keyword, _)| keyword) {
            let known = keyword == "nullable"
                || keyword.starts_with("x-")
                || REMARKS.contains(&keyword.as_str())
                || RULES.contains(&keyword.as_str());
            assert!(known, "{name}: {at}: the keyword {keyword} is not understood");
        }
        if value.is_null() {
            if !nullable && schema["nullable"] != true {
                found.push(violation(name, at, "null", ""));
            }
            return;
        }
        let right = match schema["type"].as_str() {
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("number") => value.is_number(),
            Some("boolean") => value.is_boolean(),
            Some("array") => value.is_array(),
            Some("object") => value.is_object(),
            Some(other) => panic!("{name}: {at}: the type {other} is not understood"),
            None => true,
        };
        if !right {
            found.push(violation(name, at, "type", value));
            return;
        }
        if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
            found.push(violation(name, at, "enum", value));
        }
        match value {
            Value::String(text) => self.text(schema, text, name, at, found),
            Value::Number(number) => {
                let number = number.as_f64().unwrap_or(f64::NAN);
                let beyond = |limit: &str, is: fn(f64, f64) -> bool| {
                    schema[limit].as_f64().is_some_and(|limit| is(number, limit))
                };
                if beyond("minimum", |n, limit| n < limit)
                    || beyond("maximum", |n, limit| n > limit)
                {
                    found.push(violation(name, at, "range", value));
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.schema(&schema["items"], item, name, &format!("{at}[]"), found);
                }
            }
            Value::Object(fields) => self.object(schema, fields, name, at, found),
            _ => {}
        }
    }

    fn object(
        &self,
        schema: &Value,
        fields: &serde_json::Map<String, Value>,
        name: &str,
        at: &str,
        found: &mut Vec<Violation>,
    ) {
        let place = |field: &str| match at {
            "" => field.to_owned(),
            at => format!("{at}.{field}"),
        };
        for field in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(field) {
                found.push(violation(name, &place(field), "missing", ""));
            }
        }
        let described = schema["properties"].as_object();
        // An object of which nothing is said may hold anything.
        let open = !self.closed || schema["additionalProperties"] == true || described.is_none();
        for (field, value) in fields {
            match described.and_then(|all| all.get(field)) {
                Some(inner) => self.schema(inner, value, name, &place(field), found),
                None if !open => found.push(violation(name, &place(field), "extra", value)),
                None => {}
            }
        }
    }

    fn text(&self, schema: &Value, text: &str, name: &str, at: &str, found: &mut Vec<Violation>) {
        let count = text.chars().count() as u64;
        let short = schema["minLength"].as_u64().is_some_and(|least| count < least);
        if short || schema["maxLength"].as_u64().is_some_and(|most| count > most) {
            found.push(violation(name, at, "length", text));
        }
        if let Some(pattern) = schema["pattern"].as_str() {
            let mut patterns = self.patterns.lock().unwrap();
            let known = patterns.entry(pattern.to_owned());
            let regex = known.or_insert_with(|| Regex::new(pattern).expect("a pattern"));
            if !regex.is_match(text) {
                found.push(violation(name, at, "pattern", text));
            }
        }
        let right = match schema["format"].as_str() {
            Some("date-time") => text.parse::<jiff::Timestamp>().is_ok(),
            Some("date") => text.parse::<jiff::civil::Date>().is_ok(),
            Some("uuid") => uuid::Uuid::try_parse(text).is_ok(),
            None => true,
            Some(other) => panic!("{name}: {at}: the format {other} is not understood"),
        };
        if !right {
            found.push(violation(name, at, "format", text));
        }
    }
}

/// Every error has the one shape, with a sentence or a list of them.
fn error_shape(name: &str, code: u16, body: Option<&Value>) -> Vec<Violation> {
    let Some(body) = body else { return vec![violation(name, "", "missing", "error")] };
    let message = &body["message"];
    let list = message.as_array().is_some_and(|all| all.iter().all(Value::is_string));
    if body["statusCode"] == code && (message.is_string() || list) {
        return Vec::new();
    }
    vec![violation(name, "", "type", body)]
}

/// A parameter's text as the type it should have.
fn typed(schema: &Value, text: &str) -> Value {
    match schema["type"].as_str() {
        Some("integer") => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
        Some("boolean") => text.parse::<bool>().map_or_else(|_| text.into(), Value::from),
        _ => text.into(),
    }
}

fn violation(
    operation: &str,
    place: &str,
    problem: &'static str,
    value: impl fmt::Display,
) -> Violation {
    let value: String = value.to_string().chars().take(80).collect();
    Violation { operation: operation.to_owned(), place: place.to_owned(), problem, value }
}
