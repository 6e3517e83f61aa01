//! `metadata.managedFields` at rest.

use std::borrow::Cow;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Which manager owns which fields, as the JSON text of the list.
///
/// It nests one small object per field of the document, and only a write looks inside: as a tree
/// it took more memory than the rest of the object, and was copied with each copy of it.
#[derive(Clone, Debug, Default)]
pub struct ManagedFields(Option<Arc<RawValue>>);

impl ManagedFields {
    /// Whether nobody owns anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The entries, read from the text: not for a loop.
    #[must_use]
    pub fn entries(&self) -> Vec<Value> {
        let read = |raw: &RawValue| serde_json::from_str(raw.get()).unwrap_or_default();
        self.0.as_deref().map(read).unwrap_or_default()
    }

    fn text(&self) -> &str {
        self.0.as_deref().map_or("[]", RawValue::get)
    }
}

impl PartialEq for ManagedFields {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl From<Vec<Value>> for ManagedFields {
    fn from(entries: Vec<Value>) -> Self {
        if entries.is_empty() {
            return ManagedFields::default();
        }
        let raw = serde_json::value::to_raw_value(&entries)
            .expect("JSON values have string keys only, so they are always JSON");
        ManagedFields(Some(raw.into()))
    }
}

impl Serialize for ManagedFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(raw) => raw.serialize(serializer),
            None => serializer.collect_seq(std::iter::empty::<Value>()),
        }
    }
}

impl<'de> Deserialize<'de> for ManagedFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Some(raw) = Option::<Arc<RawValue>>::deserialize(deserializer)? else {
            return Ok(ManagedFields::default());
        };
        if !raw.get().starts_with('[') {
            return Err(de::Error::custom("managedFields is not a list"));
        }
        let empty = raw.get()[1..].trim_start() == "]";
        Ok(ManagedFields((!empty).then_some(raw)))
    }
}

impl JsonSchema for ManagedFields {
    fn schema_name() -> Cow<'static, str> {
        "ManagedFields".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<Map<String, Value>>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::ManagedFields;

    #[test]
    fn it_reads_back_what_it_wrote_and_nothing_that_is_no_list() {
        let entries = vec![json!({"manager": "ci", "fieldsV1": {"f:spec": {"f:power": {}}}})];
        let fields = ManagedFields::from(entries.clone());
        let value = serde_json::to_value(&fields).unwrap();
        assert_eq!(value, json!(entries));
        let text = serde_json::to_string(&fields).unwrap();
        for read in [serde_json::from_value(value), serde_json::from_str(&text)] {
            let read: ManagedFields = read.unwrap();
            assert_eq!((read.entries(), &read), (entries.clone(), &fields));
        }
        for nothing in ["null", "[]", "[ ]"] {
            assert!(serde_json::from_str::<ManagedFields>(nothing).unwrap().is_empty());
        }
        for wrong in ["\"x\"", "{}", "3"] {
            let error = serde_json::from_str::<ManagedFields>(wrong).unwrap_err().to_string();
            assert!(error.contains("not a list"), "{error}");
        }
    }
}
