//! One document that says which object it is.

use std::sync::Arc;

use devpocket_specs::kind::{Kind, Scope};
use devpocket_specs::object::Key;
use devpocket_specs::schema::unknown_fields;
use devpocket_specs::status::Cause;
use serde_json::Value;

use super::parse::Parsed;
use super::place::{Fault, Place, Position, Source, Spots, Stretch, parent};

/// What of `metadata` somebody declares; the rest is the server's.
const DECLARED_METADATA: [&str; 4] = ["name", "namespace", "labels", "annotations"];

/// An object as somebody wrote it down.
#[derive(Clone, Debug)]
pub struct Document {
    pub key: Key,
    /// Complete, with `apiVersion`, `kind` and the namespace it goes to.
    pub value: Value,
    source: Arc<Source>,
    spots: Arc<Spots>,
    /// Where the object is in its YAML document: empty, or `items[2]` in a list.
    base: String,
}

impl Document {
    /// Reads what the document says about itself; a list is taken apart.
    pub(super) fn read(
        source: &Arc<Source>,
        parsed: Parsed,
        namespace: &str,
        faults: &mut Vec<Fault>,
    ) -> Vec<Document> {
        let Parsed { value, spots } = parsed;
        let spots = Arc::new(spots);
        let is_list = value["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
        let items = match value {
            Value::Object(mut list)
                if is_list && list.get("items").is_some_and(Value::is_array) =>
            {
                let items = list.remove("items");
                let items = items.and_then(|items| items.as_array().cloned()).unwrap_or_default();
                let place = |index| format!("items[{index}]");
                items.into_iter().enumerate().map(|(i, item)| (place(i), item)).collect()
            }
            other => vec![(String::new(), other)],
        };
        let mut documents = Vec::new();
        for (base, value) in items {
            let site = Site { source, spots: &spots, base: &base };
            match site.identify(&value, namespace) {
                Ok(key) => {
                    let value = complete(value, &key);
                    let (source, spots) = (source.clone(), spots.clone());
                    documents.push(Document { key, value, source, spots, base });
                }
                Err(fault) => faults.push(*fault),
            }
        }
        documents
    }

    /// `env/api`, as the person types it.
    pub fn name(&self) -> String {
        short_name(&self.key)
    }

    /// Where a field stands: its value, or the nearest thing around it that is there.
    pub fn place(&self, field: &str) -> Place {
        self.site().place(field)
    }

    /// What a server said about this object, at the place it is about.
    pub fn fault(&self, cause: &Cause) -> Fault {
        let by_name = cause.code.as_deref() == Some("unknown-field");
        let place = if by_name { self.site().name(&cause.field) } else { self.place(&cause.field) };
        Fault { place, object: Some(self.name()), cause: cause.clone() }
    }

    /// Faults that can be known without a server.
    pub fn own_faults(&self) -> Vec<Fault> {
        let unknown = unknown_fields(self.key.kind, &self.value);
        let causes = unknown.into_iter().map(|field| {
            let (parent, name) = split(&field.path);
            let of = if parent.is_empty() { "this document" } else { parent };
            Cause {
                reason: "FieldValueForbidden".into(),
                message: format!("{name:?} is not a field of {of}"),
                field: field.path.clone(),
                code: Some("unknown-field".into()),
                nearest: field.nearest,
                ..Cause::default()
            }
        });
        causes.map(|cause| self.fault(&cause)).collect()
    }

    /// The name of the file it is in.
    pub fn file(&self) -> &str {
        &self.source.name
    }

    fn site(&self) -> Site<'_> {
        Site { source: &self.source, spots: &self.spots, base: &self.base }
    }
}

/// `env/api`, `template/python`.
pub(crate) fn short_name(key: &Key) -> String {
    let info = key.kind.info();
    let word = if key.kind == Kind::Environment { "env" } else { info.singular };
    format!("{word}/{}", key.name)
}

fn split(path: &str) -> (&str, &str) {
    let parent = parent(path);
    let name = &path[parent.len()..];
    (parent, name.trim_start_matches('.').trim_matches(['[', ']']))
}

/// An object's place in its file.
struct Site<'a> {
    source: &'a Arc<Source>,
    spots: &'a Spots,
    base: &'a str,
}

impl Site<'_> {
    fn full(&self, field: &str) -> String {
        match (self.base.is_empty(), field.is_empty()) {
            (true, _) => field.to_owned(),
            (false, true) => self.base.to_owned(),
            (false, false) => format!("{}.{field}", self.base),
        }
    }

    fn place(&self, field: &str) -> Place {
        let full = self.full(field);
        let mut path = full.as_str();
        loop {
            if let Some(spot) = self.spots.get(path) {
                // What holds a missing field is named, not its first line of content.
                let around = if path == full { None } else { spot.name };
                return Place::new(self.source, around.unwrap_or(spot.value));
            }
            if path.is_empty() {
                let start = Position { line: 1, column: 1 };
                return Place::new(self.source, Stretch { start, width: 1 });
            }
            path = parent(path);
        }
    }

    fn name(&self, field: &str) -> Place {
        let spot = self.spots.get(&self.full(field));
        match spot.and_then(|spot| spot.name) {
            Some(name) => Place::new(self.source, name),
            None => self.place(field),
        }
    }

    fn identify(&self, value: &Value, namespace: &str) -> Result<Key, Box<Fault>> {
        if !value.is_object() {
            let message = "a document is an object with apiVersion, kind, metadata and spec";
            return Err(self.fault("", "bad-value", message.to_owned()));
        }
        let text = |path: &str| match &value[path] {
            Value::String(text) => Ok(text.clone()),
            Value::Null => Err(self.fault("", "bad-value", format!("{path} is missing"))),
            _ => Err(self.fault(path, "bad-value", format!("{path} is text"))),
        };
        let (api_version, kind_name) = (text("apiVersion")?, text("kind")?);
        let kind = Kind::from_type(&api_version, &kind_name)
            .ok_or_else(|| self.unknown_kind(&api_version, &kind_name))?;
        let metadata = &value["metadata"];
        let name = metadata["name"].as_str().unwrap_or_default();
        if name.is_empty() {
            let field = if metadata["name"].is_null() { "metadata" } else { "metadata.name" };
            let message = "metadata.name is missing; it names the object".to_owned();
            return Err(self.fault(field, "bad-value", message));
        }
        let namespace = match (kind.info().scope, metadata["namespace"].as_str()) {
            (Scope::Cluster, _) => "",
            (Scope::Namespaced, None | Some("")) => namespace,
            (Scope::Namespaced, Some(own)) => own,
        };
        Ok(Key::new(kind, namespace, name))
    }

    fn unknown_kind(&self, api_version: &str, name: &str) -> Box<Fault> {
        if let Some(kind) = Kind::all().find(|kind| kind.info().name == name) {
            let message =
                format!("apiVersion of {name} is {api_version:?}; it is {}", kind.api_version());
            return self.fault("apiVersion", "bad-value", message);
        }
        let near = Kind::all()
            .map(|kind| kind.info().name)
            .filter(|kind| strsim::osa_distance(&kind.to_lowercase(), &name.to_lowercase()) <= 2)
            .min_by_key(|kind| strsim::osa_distance(kind, name));
        let mut fault = self.fault("kind", "unknown-kind", format!("{name:?} is not a kind"));
        fault.cause.nearest = near.map(str::to_owned);
        fault
    }

    fn fault(&self, field: &str, code: &str, message: String) -> Box<Fault> {
        Box::new(Fault::new(self.place(field), code, message))
    }
}

/// An object without what the server fills in.
pub(crate) fn declared(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(members) = object.as_object_mut() {
        members.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|name, _| DECLARED_METADATA.contains(&name.as_str()));
    }
    object
}

/// As it is sent: with the namespace it goes to.
fn complete(mut value: Value, key: &Key) -> Value {
    // A server has written it, so it is what `get -o yaml` printed: of that only what is declared
    // counts, or nothing could be applied whose status has changed meanwhile. Where somebody wrote
    // a revision or uid down by hand it is a condition, and stays one.
    if value["metadata"]["creationTimestamp"].is_string() {
        value = declared(&value);
    } else if let Some(metadata) = value["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    if key.kind.is_namespaced() {
        value["metadata"]["namespace"] = key.namespace.as_str().into();
    }
    value
}
