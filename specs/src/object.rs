//! Objects in their two forms: [`Object`], as the store and the API hold any kind, and the typed
//! kinds, which implement [`Resource`].

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::kind::Kind;
use crate::metadata::ObjectMeta;

mod document;
mod shared;

pub use shared::SharedKey;

/// What identifies an object for people and paths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub kind: Kind,
    /// Empty for cluster-scoped kinds.
    pub namespace: String,
    pub name: String,
}

impl Key {
    pub fn new(kind: Kind, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Key { kind, namespace: namespace.into(), name: name.into() }
    }

    /// Key of a cluster-scoped object.
    pub fn cluster(kind: Kind, name: impl Into<String>) -> Self {
        Key::new(kind, "", name)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let singular = self.kind.info().singular;
        if self.namespace.is_empty() {
            write!(f, "{singular}/{}", self.name)
        } else {
            write!(f, "{singular}/{}/{}", self.namespace, self.name)
        }
    }
}

/// An object of any kind: typed metadata, everything else as JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    pub kind: Kind,
    pub metadata: ObjectMeta,
    /// All top-level fields except `apiVersion`, `kind` and `metadata`.
    pub body: Map<String, Value>,
}

/// The document cannot be an object of that kind.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error("an object is a JSON object, this is {0}")]
    NotAnObject(&'static str),
    #[error("{kind} does not fit its schema at {path}: {source}")]
    Decode {
        kind: Kind,
        path: String,
        #[source]
        source: serde_json::Error,
    },
}

impl Object {
    /// Splits a document. `apiVersion` and `kind` in it are dropped: the caller already knows.
    pub fn from_value(kind: Kind, value: Value) -> Result<Object, ObjectError> {
        let mut body = match value {
            Value::Object(map) => map,
            other => return Err(ObjectError::NotAnObject(json_type(&other))),
        };
        body.remove("apiVersion");
        body.remove("kind");
        let metadata = match body.remove("metadata") {
            None | Some(Value::Null) => ObjectMeta::default(),
            Some(metadata) => serde_json::from_value(metadata)
                .map_err(|source| ObjectError::Decode { kind, path: "metadata".into(), source })?,
        };
        Ok(Object { kind, metadata, body })
    }

    /// The complete document, with `apiVersion`, `kind` and `metadata`.
    pub fn to_value(&self) -> Value {
        let mut document = self.body.clone();
        document.insert("apiVersion".into(), self.kind.api_version().into());
        document.insert("kind".into(), self.kind.info().name.into());
        let metadata = serde_json::to_value(&self.metadata)
            .expect("ObjectMeta has string keys only, so it is always JSON");
        document.insert("metadata".into(), metadata);
        Value::Object(document)
    }

    /// Reads a complete document, as [`Serialize`] writes it.
    pub fn from_json(kind: Kind, text: &str) -> Result<Object, ObjectError> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let read = document::read(kind, &mut deserializer);
        let read = read.and_then(|object| deserializer.end().map(|()| object));
        read.map_err(|source| ObjectError::Decode { kind, path: "the document".into(), source })
    }

    /// The object as its typed kind.
    pub fn to<T: Resource>(&self) -> Result<T, ObjectError> {
        debug_assert_eq!(T::KIND, self.kind);
        let mut resource: T = document::typed(&self.body).map_err(|source| {
            ObjectError::Decode { kind: self.kind, path: self.key().to_string(), source }
        })?;
        // Typed already.
        resource.metadata_mut().clone_from(&self.metadata);
        Ok(resource)
    }

    /// A typed object in general form.
    pub fn of<T: Resource>(resource: &T) -> Object {
        let value = serde_json::to_value(resource)
            .expect("kinds have string keys and finite numbers only, so they are always JSON");
        Object::from_value(T::KIND, value).expect("a serialised kind is a JSON object")
    }

    pub fn key(&self) -> Key {
        Key::new(self.kind, self.metadata.namespace.clone(), self.metadata.name.clone())
    }

    /// The uid, which every stored object has; nil before admission.
    pub fn uid(&self) -> Uuid {
        self.metadata.uid.unwrap_or_default()
    }

    /// The revision of the last write; 0 before the first.
    pub fn revision(&self) -> u64 {
        self.metadata.revision().unwrap_or(0)
    }

    /// `spec`, `status`, or another top-level field; null when absent.
    pub fn field(&self, name: &str) -> &Value {
        self.body.get(name).unwrap_or(&Value::Null)
    }
}

/// A typed kind.
pub trait Resource:
    Serialize + DeserializeOwned + Clone + fmt::Debug + Send + Sync + 'static
{
    const KIND: Kind;

    fn metadata(&self) -> &ObjectMeta;
    fn metadata_mut(&mut self) -> &mut ObjectMeta;

    fn key(&self) -> Key {
        let metadata = self.metadata();
        Key::new(Self::KIND, metadata.namespace.clone(), metadata.name.clone())
    }

    /// The uid, which every stored object has; nil before admission.
    fn uid(&self) -> Uuid {
        self.metadata().uid.unwrap_or_default()
    }
}

/// Implements [`Resource`] for a struct with a `metadata` field.
macro_rules! resource {
    ($type:ident) => {
        impl $crate::object::Resource for $type {
            const KIND: $crate::kind::Kind = $crate::kind::Kind::$type;

            fn metadata(&self) -> &$crate::metadata::ObjectMeta {
                &self.metadata
            }

            fn metadata_mut(&mut self) -> &mut $crate::metadata::ObjectMeta {
                &mut self.metadata
            }
        }
    };
}
pub(crate) use resource;

/// What a JSON value is, in the words of error messages.
pub fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
