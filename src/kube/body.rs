//! Request bodies: bounded, in JSON or YAML, with repeated names noticed.

use std::fmt;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use devpocket_specs::patch::{MAX_DEPTH, PatchKind};
use devpocket_specs::status::{Reason, Status};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::params::bad;
use super::protobuf;
use crate::server::Depth;
use crate::server::limits::{BODY_BYTES, BODY_TIME};

/// A document, and the names that occurred more than once in one of its objects.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub value: Value,
    pub repeated: Vec<String>,
}

/// Reads the whole body, or refuses it once it is too long or too slow.
pub(super) async fn bytes(body: Body) -> Result<axum::body::Bytes, Status> {
    let too_large = || {
        let message = format!("the body is larger than {BODY_BYTES} bytes");
        Status::new(Reason::RequestEntityTooLarge, message)
    };
    let collected = tokio::time::timeout(BODY_TIME, Limited::new(body, BODY_BYTES).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(bad("the body ended early")),
        Err(_) => {
            let message = format!("the body took longer than {} s", BODY_TIME.as_secs());
            Err(Status::new(Reason::Timeout, message))
        }
    }
}

/// The media type without parameters, in lower case.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// The kind of patch asked for.
pub(super) fn patch_kind(media_type: &str) -> Result<PatchKind, Status> {
    PatchKind::from_content_type(media_type).ok_or_else(|| {
        let known = PatchKind::ALL.map(PatchKind::content_type).join(", ");
        let message = format!("the body of PATCH is {media_type:?}; understood are {known}");
        Status::new(Reason::UnsupportedMediaType, message)
    })
}

/// Reads an object sent with POST, PUT or DELETE.
pub(super) fn object(media_type: &str, bytes: &[u8]) -> Result<Document, Status> {
    match media_type {
        "" | "application/json" => json(bytes),
        protobuf::CONTENT_TYPE => {
            Ok(Document { value: protobuf::decode(bytes)?, repeated: Vec::new() })
        }
        "application/yaml" | "application/x-yaml" | "text/yaml" => yaml(bytes),
        _ => {
            let message = format!(
                "the body is {media_type:?}; understood are application/json, application/yaml"
            );
            Err(Status::new(Reason::UnsupportedMediaType, message))
        }
    }
}

/// Reads a JSON document.
pub(super) fn json(bytes: &[u8]) -> Result<Document, Status> {
    if Depth::of(bytes) > MAX_DEPTH {
        return Err(too_deep());
    }
    let mut repeated = Vec::new();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Seed { path: "", repeated: &mut repeated }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| bad(format!("the body is not JSON: {}", position(&error))))?;
    checked(value, repeated)
}

/// Reads one YAML document; JSON is YAML too.
pub(super) fn yaml(bytes: &[u8]) -> Result<Document, Status> {
    let mut repeated = Vec::new();
    let mut documents = serde_yaml::Deserializer::from_slice(bytes);
    let malformed = |error: serde_yaml::Error| {
        // The parser has a bound of its own, and says only this about it.
        if error.to_string().contains("recursion limit") {
            return too_deep();
        }
        let at = error
            .location()
            .map_or(String::new(), |at| format!(" at line {}, column {}", at.line(), at.column()));
        bad(format!("the body is not YAML{at}"))
    };
    let first = documents.next().ok_or_else(|| bad("the body is empty"))?;
    let seed = Seed { path: "", repeated: &mut repeated };
    let value = seed.deserialize(first).map_err(malformed)?;
    if documents.next().is_some() {
        return Err(bad("the body has more than one YAML document"));
    }
    checked(value, repeated)
}

/// Where the parser stopped, without what it saw there: that may be a secret.
fn position(error: &serde_json::Error) -> String {
    format!("it stops making sense at line {}, column {}", error.line(), error.column())
}

fn checked(value: Value, repeated: Vec<String>) -> Result<Document, Status> {
    if deeper_than(&value, MAX_DEPTH) {
        return Err(too_deep());
    }
    Ok(Document { value, repeated })
}

fn too_deep() -> Status {
    bad(format!("the body is deeper than {MAX_DEPTH} levels"))
}

/// Goes down at most `levels` levels.
fn deeper_than(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(|v| deeper_than(v, levels - 1)),
        Value::Object(map) => levels == 0 || map.values().any(|v| deeper_than(v, levels - 1)),
        _ => false,
    }
}

/// Builds a value and notes names that come twice: the last one silently winning is how a review
/// reads one thing and the server another.
struct Seed<'a> {
    path: &'a str,
    repeated: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = serde_json::Number::from_f64(value);
        number.map(Value::Number).ok_or_else(|| E::custom("JSON has no infinity"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        loop {
            let path = format!("{}[{}]", self.path, values.len());
            let seed = Seed { path: &path, repeated: self.repeated };
            match items.next_element_seed(seed)? {
                Some(value) => values.push(value),
                None => return Ok(Value::Array(values)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let path =
                if self.path.is_empty() { name.clone() } else { format!("{}.{name}", self.path) };
            let seed = Seed { path: &path, repeated: self.repeated };
            let value = members.next_value_seed(seed)?;
            if map.insert(name, value).is_some() {
                self.repeated.push(path);
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn repeated_names_are_noticed_in_json_and_yaml() {
        let text = br#"{"spec": {"env": [{"name": "A", "name": "B"}], "size": "x", "size": "y"}}"#;
        for read in [json, yaml] {
            let document = read(text).unwrap();
            assert_eq!(document.value, json!({"spec": {"env": [{"name": "B"}], "size": "y"}}));
            assert_eq!(document.repeated, ["spec.env[0].name", "spec.size"]);
        }
    }

    #[test]
    fn values_come_through_unchanged() {
        let value = json!({"a": [1, -1, 1.5, true, null, "x", {}], "b": u64::MAX});
        assert_eq!(json(value.to_string().as_bytes()).unwrap().value, value);
        assert_eq!(yaml(value.to_string().as_bytes()).unwrap().value, value);
    }

    #[test]
    fn faults_tell_where_and_not_what() {
        for (status, place) in [
            (json(b"{\"data\": hunter2}").unwrap_err(), "line 1, column 10"),
            (yaml(b"a: 1\n\tpw: hunter2").unwrap_err(), "line 2"),
        ] {
            assert_eq!(status.reason, Reason::BadRequest);
            assert!(status.message.contains(place), "{}", status.message);
            assert!(!status.message.contains("hunter2"));
        }
        assert!(json(b"{} {}").is_err());
        assert!(yaml(b"a: 1\n---\nb: 2\n").is_err());
        assert!(json(b"").is_err());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(json(nested(MAX_DEPTH).as_bytes()).is_ok());
        for levels in [MAX_DEPTH + 1, 100_000] {
            for read in [json, yaml] {
                let refused = read(nested(levels).as_bytes()).unwrap_err();
                assert!(refused.message.contains("deeper than"), "{}", refused.message);
            }
        }
    }

    #[test]
    fn strategic_merge_patches_are_refused() {
        let refused = patch_kind("application/strategic-merge-patch+json").unwrap_err();
        assert_eq!(refused.reason, Reason::UnsupportedMediaType);
    }
}
