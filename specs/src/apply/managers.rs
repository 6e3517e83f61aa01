//! `metadata.managedFields`: who owns which fields of an object.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::field_set::FieldSet;

/// The longest name of a manager, in characters; Kubernetes' limit.
pub const MAX_MANAGER_LENGTH: usize = 128;

/// How many managers that update may be listed; the oldest beyond that are put together as
/// `ancient-changes`, as Kubernetes does, so that a client with a new name for each run cannot grow
/// an object without bound. Managers that apply are never put together: it would lose what their
/// next apply has to remove.
pub const MAX_UPDATE_MANAGERS: usize = 10;

const ANCIENT: &str = "ancient-changes";

/// What a manager did with the fields it owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ManagerOperation {
    /// It applied them: leaving one out of the next apply removes it.
    Apply,
    /// It wrote them in any other way.
    Update,
}

/// Who owns fields. Two that differ in any part are two managers, also with the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ManagerId {
    pub operation: ManagerOperation,
    pub name: String,
    /// `apiVersion` the fields were written in.
    pub api_version: String,
    /// `status` if they were written through it.
    pub subresource: Option<String>,
}

impl ManagerId {
    /// A manager that applies.
    #[must_use]
    pub fn apply(name: &str, api_version: &str, subresource: Option<&str>) -> Self {
        Self {
            operation: ManagerOperation::Apply,
            name: name.to_owned(),
            api_version: api_version.to_owned(),
            subresource: subresource.map(str::to_owned),
        }
    }

    /// A manager that creates, updates or patches.
    #[must_use]
    pub fn update(name: &str, api_version: &str, subresource: Option<&str>) -> Self {
        Self { operation: ManagerOperation::Update, ..Self::apply(name, api_version, subresource) }
    }
}

/// The owners of an object's fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Managers {
    pub owned: BTreeMap<ManagerId, Owned>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owned {
    pub fields: FieldSet,
    pub time: Option<Timestamp>,
}

impl Managers {
    /// Reads an object's `metadata.managedFields`. Entries in another form are left out: they
    /// protect nothing, and an object must not become unwritable by one.
    pub fn of(object: &Value) -> Self {
        let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        let mut managers = Self::default();
        for (id, owned) in entries.into_iter().flatten().filter_map(decode) {
            managers.owned.insert(id, owned);
        }
        managers
    }

    /// The entries as they are stored: those that applied first, then by age, then by name.
    pub fn encode(mut self) -> Vec<Value> {
        self.owned.retain(|_, owned| !owned.fields.is_empty());
        self.put_together_oldest();
        let mut entries: Vec<_> = self.owned.into_iter().collect();
        entries.sort_by(|(a, left), (b, right)| {
            (a.operation, left.time, a).cmp(&(b.operation, right.time, b))
        });
        entries.iter().map(|(id, owned)| encode(id, owned)).collect()
    }

    fn put_together_oldest(&mut self) {
        let updates =
            |m: &Self| m.owned.keys().filter(|id| id.operation == ManagerOperation::Update).count();
        while updates(self) > MAX_UPDATE_MANAGERS {
            let oldest = self
                .owned
                .iter()
                .filter(|(id, _)| id.operation == ManagerOperation::Update && id.name != ANCIENT)
                .min_by_key(|(id, owned)| (owned.time, *id))
                .map(|(id, _)| id.clone());
            let Some(id) = oldest else { return };
            let Some(owned) = self.owned.remove(&id) else { return };
            let ancient = ManagerId::update(ANCIENT, &id.api_version, None);
            let entry = self
                .owned
                .entry(ancient)
                .or_insert(Owned { fields: FieldSet::default(), time: owned.time });
            entry.fields.add(&owned.fields);
            entry.time = entry.time.max(owned.time);
        }
    }
}

fn decode(entry: &Value) -> Option<(ManagerId, Owned)> {
    let text = |field: &str| entry.get(field).and_then(Value::as_str);
    let operation = match text("operation")? {
        "Apply" => ManagerOperation::Apply,
        "Update" => ManagerOperation::Update,
        _ => return None,
    };
    let id = ManagerId {
        operation,
        name: text("manager")?.to_owned(),
        api_version: text("apiVersion")?.to_owned(),
        subresource: text("subresource").filter(|s| !s.is_empty()).map(str::to_owned),
    };
    let time = text("time").and_then(|t| t.parse().ok());
    let fields = FieldSet::decode(entry.get("fieldsV1")?)?;
    Some((id, Owned { fields, time }))
}

fn encode(id: &ManagerId, owned: &Owned) -> Value {
    let operation = match id.operation {
        ManagerOperation::Apply => "Apply",
        ManagerOperation::Update => "Update",
    };
    let mut entry = Map::new();
    entry.insert("manager".to_owned(), json!(id.name));
    entry.insert("operation".to_owned(), json!(operation));
    entry.insert("apiVersion".to_owned(), json!(id.api_version));
    if let Some(time) = owned.time {
        entry.insert("time".to_owned(), json!(time.to_string()));
    }
    entry.insert("fieldsType".to_owned(), json!("FieldsV1"));
    entry.insert("fieldsV1".to_owned(), owned.fields.encode());
    if let Some(subresource) = &id.subresource {
        entry.insert("subresource".to_owned(), json!(subresource));
    }
    Value::Object(entry)
}

/// A field somebody else owns and would lose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Who owns it.
    pub manager: ManagerId,
    /// When that manager last wrote.
    pub time: Option<Timestamp>,
    /// The field, as Kubernetes prints it: `.spec.env[name="A"].value`.
    pub field: String,
}

impl Conflict {
    /// The `message` of the cause in a `Status` (its `reason` is `FieldManagerConflict`).
    #[must_use]
    pub fn message(&self) -> String {
        format!("conflict with {}", self.owner())
    }

    fn owner(&self) -> String {
        let mut owner = format!("{:?}", self.manager.name);
        if let Some(subresource) = &self.manager.subresource {
            owner.push_str(&format!(" with subresource {subresource:?}"));
        }
        if self.manager.operation == ManagerOperation::Update {
            owner.push_str(&format!(" using {}", self.manager.api_version));
            if let Some(time) = self.time {
                owner.push_str(&format!(" at {time}"));
            }
        }
        owner
    }
}

/// All conflicts of an apply, in the words `kubectl` users know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflicts(pub Vec<Conflict>);

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [conflict] = &*self.0 {
            let message = conflict.message();
            return write!(f, "Apply failed with 1 conflict: {message}: {}", conflict.field);
        }
        write!(f, "Apply failed with {} conflicts: ", self.0.len())?;
        let mut by_owner = BTreeMap::<String, Vec<&str>>::new();
        for conflict in &self.0 {
            by_owner.entry(conflict.owner()).or_default().push(&conflict.field);
        }
        let mut lines = Vec::new();
        for (owner, fields) in by_owner {
            lines.push(format!("conflicts with {owner}:"));
            lines.extend(fields.iter().map(|field| format!("- {field}")));
        }
        f.write_str(&lines.join("\n"))
    }
}
