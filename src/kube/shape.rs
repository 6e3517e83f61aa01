//! Objects in the form a client asked for: whole, as rows of a table, or their metadata alone.
//!
//! Whole objects are the bytes the store made at commit, so that ten thousand of them cost ten
//! thousand reference counts. Only what has to be made for a reader is made: Secrets, whose values
//! are sealed in the stored bytes, tables, and metadata.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use devpocket_controllers::clock::Clock;
use devpocket_controllers::store::{Revision, Stored};
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Object;
use devpocket_specs::status::Status;
use futures::stream;
use serde_json::{Map, Value, json};

use super::accept::Form;
use super::events;
use super::secrets;
use crate::access::seal::Sealer;
use crate::columns::{Column, columns, row};

/// Bytes of a list put together at a time, so that a long one is not held in memory twice.
const CHUNK_BYTES: usize = 64 * 1024;

/// Marks the bookmark after which the initial objects are complete.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// What a row of a table carries besides its cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Include {
    Nothing,
    #[default]
    Metadata,
    Object,
}

/// Where a list stands: the metadata of its document.
#[derive(Clone, Debug, Default)]
pub(super) struct Position {
    pub revision: Revision,
    pub continue_token: Option<String>,
    /// How many objects are left, where that is known.
    pub remaining: Option<usize>,
}

impl Position {
    fn document(&self) -> Value {
        let mut metadata = json!({"resourceVersion": self.revision.to_string()});
        if let Some(token) = &self.continue_token {
            metadata["continue"] = token.as_str().into();
        }
        if let Some(remaining) = self.remaining {
            metadata["remainingItemCount"] = remaining.into();
        }
        metadata
    }
}

/// How objects are shown to one client.
#[derive(Clone)]
pub(super) struct Shape {
    pub form: Form,
    pub include: Include,
    /// Events in the words of `events.k8s.io`.
    pub new_events: bool,
    /// Whose secrets' values are shown.
    pub reveal: secrets::Reveal,
    pub sealer: Arc<Sealer>,
    pub clock: Arc<dyn Clock>,
}

impl Shape {
    /// One stored object.
    pub(super) fn stored(&self, stored: &Stored) -> Result<Bytes, Status> {
        if self.form == Form::Whole && self.is_as_stored(stored.kind) {
            return Ok(Bytes::from_owner(stored.bytes.clone()));
        }
        self.object(&stored.object)
    }

    /// One object that need not be stored.
    pub(super) fn object(&self, object: &Object) -> Result<Bytes, Status> {
        self.one(object, true)
    }

    /// An object of a watch; a table says its columns once, in the `first`.
    pub(super) fn watched(&self, stored: &Stored, first: bool) -> Result<Bytes, Status> {
        match self.form {
            Form::Whole => self.stored(stored),
            _ => self.one(&stored.object, first),
        }
    }

    fn one(&self, object: &Object, heads: bool) -> Result<Bytes, Status> {
        let value = match self.form {
            Form::Whole => self.whole(object)?,
            Form::Metadata { version } => metadata(object, version),
            Form::Table { version } => {
                let mut table = json!({
                    "kind": "Table",
                    "apiVersion": format!("meta.k8s.io/{version}"),
                    "metadata": {"resourceVersion": object.revision().to_string()},
                    "columnDefinitions": if heads { heads_of(object.kind) } else { json!([]) },
                });
                table["rows"] = json!([self.row(object, version)?]);
                table
            }
        };
        Ok(Bytes::from(value.to_string()))
    }

    /// A list document, a chunk at a time.
    pub(super) fn list(
        &self,
        kind: Kind,
        position: &Position,
        items: Vec<Arc<Stored>>,
    ) -> Result<Body, Status> {
        if self.form == Form::Whole && self.is_as_stored(kind) {
            let bytes = items.into_iter().map(|stored: Arc<Stored>| stored.bytes.clone());
            return Ok(streamed(self.head(kind, position), bytes));
        }
        // Made up front: a value that does not open is an error, not a list cut short.
        let item = |stored: Arc<Stored>| -> Result<Bytes, Status> {
            Ok(Bytes::from(match self.form {
                Form::Whole => self.whole(&stored.object)?.to_string(),
                Form::Metadata { version } => metadata(&stored.object, version).to_string(),
                Form::Table { version } => self.row(&stored.object, version)?.to_string(),
            }))
        };
        let made = items.into_iter().map(item).collect::<Result<Vec<Bytes>, Status>>()?;
        Ok(streamed(self.head(kind, position), made.into_iter()))
    }

    /// The list document up to its first item.
    fn head(&self, kind: Kind, position: &Position) -> String {
        let mut head = Map::new();
        let (api_version, name, items) = match self.form {
            Form::Whole => (self.api_version(kind), format!("{}List", kind.info().name), "items"),
            Form::Metadata { version } => {
                (format!("meta.k8s.io/{version}"), "PartialObjectMetadataList".into(), "items")
            }
            Form::Table { version } => {
                head.insert("columnDefinitions".into(), heads_of(kind));
                (format!("meta.k8s.io/{version}"), "Table".into(), "rows")
            }
        };
        head.insert("kind".into(), name.into());
        head.insert("apiVersion".into(), api_version.into());
        head.insert("metadata".into(), position.document());
        let mut text = Value::Object(head).to_string();
        text.pop();
        text + &format!(",\"{items}\":[")
    }

    /// A bookmark: an object of the kind that has a revision and nothing else.
    pub(super) fn bookmark(&self, kind: Kind, revision: Revision, initial_end: bool) -> Value {
        let mut metadata =
            json!({"resourceVersion": revision.to_string(), "creationTimestamp": null});
        if initial_end {
            metadata["annotations"] = json!({INITIAL_EVENTS_END: "true"});
        }
        let (api_version, name) = match self.form {
            Form::Whole => (self.api_version(kind), kind.info().name),
            Form::Metadata { version } => {
                (format!("meta.k8s.io/{version}"), "PartialObjectMetadata")
            }
            Form::Table { version } => {
                // The table has no annotations of its own: its row carries them.
                let object = json!({
                    "kind": "PartialObjectMetadata",
                    "apiVersion": format!("meta.k8s.io/{version}"),
                    "metadata": metadata,
                });
                let rows =
                    if initial_end { json!([{"cells": [], "object": object}]) } else { json!([]) };
                return json!({
                    "kind": "Table",
                    "apiVersion": format!("meta.k8s.io/{version}"),
                    "metadata": {"resourceVersion": revision.to_string()},
                    "columnDefinitions": [],
                    "rows": rows,
                });
            }
        };
        json!({"apiVersion": api_version, "kind": name, "metadata": metadata})
    }

    fn row(&self, object: &Object, version: &str) -> Result<Value, Status> {
        let mut value = json!({"cells": row(object, self.clock.now())});
        match self.include {
            Include::Nothing => {}
            Include::Metadata => value["object"] = metadata(object, version),
            Include::Object => value["object"] = self.whole(object)?,
        }
        Ok(value)
    }

    /// The complete document as this client knows the kind.
    pub(super) fn whole(&self, object: &Object) -> Result<Value, Status> {
        if object.kind == Kind::Secret {
            return Ok(self.secret(object)?.to_value());
        }
        let value = object.to_value();
        Ok(if self.new_events { events::outward(value) } else { value })
    }

    fn secret(&self, object: &Object) -> Result<Object, Status> {
        if self.reveal.covers(&object.metadata.namespace) {
            secrets::opened(&self.sealer, object)
        } else {
            Ok(secrets::withheld(object))
        }
    }

    fn api_version(&self, kind: Kind) -> String {
        if self.new_events { events::API_VERSION.to_owned() } else { kind.api_version() }
    }

    /// Whether the stored bytes are what a reader may see.
    fn is_as_stored(&self, kind: Kind) -> bool {
        kind != Kind::Secret && !self.new_events
    }
}

/// An object's metadata in an envelope of its own.
fn metadata(object: &Object, version: &str) -> Value {
    let mut object = object.clone();
    if object.kind == Kind::Secret {
        // It may hold a whole manifest, sealed; who asks for metadata has no use for it.
        object.metadata.annotations.remove(secrets::LAST_APPLIED);
    }
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": format!("meta.k8s.io/{version}"),
        "metadata": object.metadata,
    })
}

fn heads_of(kind: Kind) -> Value {
    let head = |column: &Column| {
        json!({
            "name": title(column.name),
            "type": if column.is_number { "integer" } else { "string" },
            "format": if column.name == "NAME" { "name" } else { "" },
            "description": column.description,
            "priority": i32::from(column.is_wide),
        })
    };
    columns(kind).iter().map(head).collect::<Vec<_>>().into()
}

/// `PAID-UNTIL` as tables of Kubernetes name it: `Paid-Until`. Clients put it back.
fn title(name: &str) -> String {
    let mut title = String::with_capacity(name.len());
    let mut starts = true;
    for c in name.chars() {
        title.push(if starts { c } else { c.to_ascii_lowercase() });
        starts = c == '-';
    }
    title
}

fn streamed<T, I>(head: String, items: I) -> Body
where
    T: AsRef<[u8]>,
    I: Iterator<Item = T> + Send + 'static,
{
    let chunks = Chunks { head: Some(head), items, first: true, done: false };
    Body::from_stream(stream::iter(chunks.map(Ok::<Bytes, std::convert::Infallible>)))
}

struct Chunks<I> {
    head: Option<String>,
    items: I,
    first: bool,
    done: bool,
}

impl<T: AsRef<[u8]>, I: Iterator<Item = T>> Iterator for Chunks<I> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.done {
            return None;
        }
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        chunk.extend(self.head.take().unwrap_or_default().into_bytes());
        while chunk.len() < CHUNK_BYTES {
            let Some(item) = self.items.next() else {
                chunk.extend_from_slice(b"]}\n");
                self.done = true;
                break;
            };
            if !std::mem::take(&mut self.first) {
                chunk.push(b',');
            }
            chunk.extend_from_slice(item.as_ref());
        }
        Some(Bytes::from(chunk))
    }
}
