//! Secrets on their way to admission.
//!
//! The store, its log and every cache hold sealed values only, and admission turns plain ones
//! away. So whoever takes a Secret from a client calls [`plain_values`], seals each value, and
//! puts the sealed texts back with [`with_sealed`] before it asks for admission. All of it works
//! on whole objects, on merge patches and on what is applied alike.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::schema::join;
use crate::status::Cause;
use crate::validation::{Fault, is_secret_key};

/// The plain values in `data` (base64) and `stringData` (as they are, and winning over `data`).
/// A null, which removes a key in a patch, is passed over.
///
/// # Errors
/// Every key and value that is not as it must be. A value is never quoted. A text that looks
/// sealed is no base64 either: nobody can hand in a sealed value from outside.
pub fn plain_values(document: &Value) -> Result<BTreeMap<String, Vec<u8>>, Vec<Cause>> {
    let mut values = BTreeMap::new();
    let mut faults = Vec::new();
    let mut read = |part: &str, decode: &dyn Fn(&str) -> Result<Vec<u8>, &'static str>| {
        let members = match document.get(part) {
            None | Some(Value::Null) => return,
            Some(Value::Object(members)) => members,
            Some(_) => {
                faults.push(Fault::invalid(part, "is not an object of names and texts").cause());
                return;
            }
        };
        for (key, value) in members.iter().filter(|(_, value)| !value.is_null()) {
            let field = join(part, key);
            if !is_secret_key(key) {
                let rule = "is no key; a key is letters, digits, '-', '_' and '.'";
                faults.push(Fault::invalid(field, rule).cause());
                continue;
            }
            match value.as_str().ok_or("is not a text").and_then(decode) {
                Ok(value) => drop(values.insert(key.clone(), value)),
                Err(message) => faults.push(Fault::invalid(field, message).cause()),
            }
        }
    };
    let base64 = |text: &str| {
        STANDARD.decode(text).map_err(|_| "is not base64; plain text goes into stringData")
    };
    read("data", &base64);
    read("stringData", &|text| Ok(text.as_bytes().to_vec()));
    if faults.is_empty() { Ok(values) } else { Err(faults) }
}

/// The document with these sealed values in `data`, and without `stringData`. Nulls in `data`
/// stay: in a patch they remove a key.
#[must_use]
pub fn with_sealed(mut document: Value, sealed: BTreeMap<String, String>) -> Value {
    let Some(members) = document.as_object_mut() else { return document };
    members.remove("stringData");
    if !sealed.is_empty() {
        let data = members.entry("data").or_insert_with(|| Value::Object(Map::new()));
        if !data.is_object() {
            *data = Value::Object(Map::new());
        }
        if let Some(data) = data.as_object_mut() {
            data.extend(sealed.into_iter().map(|(key, value)| (key, Value::String(value))));
        }
    }
    document
}
