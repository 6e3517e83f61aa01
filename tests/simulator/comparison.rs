//! The project's own table held against the published document: what is relied on must be written
//! there too, but for what was seen to be otherwise.

use serde_json::Value;

use super::openapi::Document;

impl Document {
    /// The schema of a field of a reply, for comparing two descriptions.
    pub fn field(&self, method: &str, path: &str, code: &str, place: &str) -> Option<&Value> {
        let operation = &self.root["paths"][path][method.to_lowercase()];
        let mut schema = &operation["responses"][code]["content"]["application/json"]["schema"];
        for part in place.split('.').filter(|part| !part.is_empty()) {
            schema = self.resolved(schema);
            schema = match part.strip_suffix("[]") {
                Some(name) => &self.resolved(&schema["properties"][name])["items"],
                None => &schema["properties"][part],
            };
        }
        let schema = self.resolved(schema);
        schema.is_object().then_some(schema)
    }

    /// Every field of every reply: method, path, code and place.
    pub fn fields(&self) -> Vec<(String, String, String, String)> {
        let mut all = Vec::new();
        for (method, path) in self.operations() {
            let responses = &self.root["paths"][&path][method.to_lowercase()]["responses"];
            for (code, response) in responses.as_object().into_iter().flatten() {
                let mut places = Vec::new();
                self.places(&response["content"]["application/json"]["schema"], "", &mut places);
                let named = places.into_iter();
                all.extend(named.map(|p| (method.clone(), path.clone(), code.clone(), p)));
            }
        }
        all
    }

    fn places(&self, schema: &Value, at: &str, out: &mut Vec<String>) {
        let schema = self.resolved(schema);
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            let inner = self.resolved(inner);
            let list = if inner["type"] == "array" { "[]" } else { "" };
            let place = format!("{at}{}{name}{list}", if at.is_empty() { "" } else { "." });
            out.push(place.clone());
            self.places(if list.is_empty() { inner } else { &inner["items"] }, &place, out);
        }
    }

    /// The schema of a request's body.
    pub fn body(&self, method: &str, path: &str) -> Option<&Value> {
        let operation = &self.root["paths"][path][method.to_lowercase()];
        let schema =
            self.resolved(&operation["requestBody"]["content"]["application/json"]["schema"]);
        schema.is_object().then_some(schema)
    }
}

/// What the table says and the document does not, a sentence each.
pub fn differences(table: &Document, document: &Document) -> Vec<String> {
    let mut found = Vec::new();
    let described = document.operations();
    for (method, path) in table.operations() {
        if !described.contains(&(method.clone(), path.clone())) {
            found.push(format!("{method} {path} is not in the document"));
            continue;
        }
        found.extend(body_differences(table, document, &method, &path));
    }
    for (method, path, code, place) in table.fields() {
        let own = table.field(&method, &path, &code, &place).expect("it comes from there");
        let name = format!("{method} {path} {code} {place}");
        match document.field(&method, &path, &code, &place) {
            None => found.push(format!("{name} is not in the document")),
            Some(theirs) => found.extend(rule_differences(&name, own, theirs, &["type"])),
        }
    }
    found
}

fn body_differences(
    table: &Document,
    document: &Document,
    method: &str,
    path: &str,
) -> Vec<String> {
    let Some(own) = table.body(method, path) else { return Vec::new() };
    let Some(theirs) = document.body(method, path) else {
        return vec![format!("{method} {path} has no body in the document")];
    };
    let mut found = Vec::new();
    for (field, rules) in own["properties"].as_object().into_iter().flatten() {
        let name = format!("{method} {path} body {field}");
        let described = document.resolved(&theirs["properties"][field]);
        if !described.is_object() {
            found.push(format!("{name} is not in the document"));
            continue;
        }
        let limits = ["type", "minLength", "maxLength", "enum"];
        found.extend(rule_differences(&name, table.resolved(rules), described, &limits));
    }
    found
}

fn rule_differences(name: &str, own: &Value, theirs: &Value, rules: &[&str]) -> Vec<String> {
    let differing =
        rules.iter().filter(|rule| own.get(*rule).is_some_and(|own| *own != theirs[*rule]));
    differing
        .map(|rule| format!("{name}: {rule} is {} here, {} there", own[*rule], theirs[*rule]))
        .collect()
}
