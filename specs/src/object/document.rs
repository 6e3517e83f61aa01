//! Documents straight from and to text, without a tree of the whole in between.

use std::fmt;

use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::Object;
use crate::kind::Kind;
use crate::metadata::ObjectMeta;

impl Serialize for Object {
    /// The complete document, with `apiVersion`, `kind` and `metadata`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut document = serializer.serialize_map(Some(self.body.len() + 3))?;
        document.serialize_entry("apiVersion", &self.kind.api_version())?;
        document.serialize_entry("kind", self.kind.info().name)?;
        document.serialize_entry("metadata", &self.metadata)?;
        for (name, field) in &self.body {
            document.serialize_entry(name, field)?;
        }
        document.end()
    }
}

pub(super) fn read<'de, D: Deserializer<'de>>(
    kind: Kind,
    deserializer: D,
) -> Result<Object, D::Error> {
    deserializer.deserialize_map(Document(kind))
}

struct Document(Kind);

impl<'de> Visitor<'de> for Document {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}", self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Object, A::Error> {
        let (mut metadata, mut body) = (ObjectMeta::default(), Map::new());
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "apiVersion" | "kind" => drop(members.next_value::<IgnoredAny>()?),
                "metadata" => metadata = members.next_value()?,
                _ => drop(body.insert(name, members.next_value()?)),
            }
        }
        Ok(Object { kind: self.0, metadata, body })
    }
}

/// A typed kind from its fields, borrowed; its metadata is the default.
pub(super) fn typed<T: DeserializeOwned>(
    body: &Map<String, Value>,
) -> Result<T, serde_json::Error> {
    let nothing = Value::Object(Map::new());
    let members = body.iter().map(|(name, field)| (name.as_str(), field));
    T::deserialize(MapDeserializer::new(members.chain([("metadata", &nothing)])))
}
