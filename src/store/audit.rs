//! Who changed what: rows written in the transaction of the change, and reading them.
//!
//! A row holds the fields that differ, before and after, not two whole objects: that is what a
//! person asks for, and the log holds the objects already. Values of Secrets are named, not kept.

use jiff::Timestamp;
use serde_json::{Map, Value};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use devpocket_controllers::store::{EventType, Revision, StoreError, WatchEvent};
use devpocket_specs::admit::Actor;
use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::{ManagedFields, ObjectMeta};
use devpocket_specs::object::{Key, Object};

use super::fault::Fault;

/// Rows one read returns at most.
const ROWS_MAX: i64 = 1_000;
const REDACTED: &str = "(redacted)";

/// One change, and who made it.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRow {
    pub revision: Revision,
    pub at: Timestamp,
    pub actor: Actor,
    /// `create`, `update`, `delete` (asked for, or done at once), `remove` (the last finalizer
    /// went).
    pub verb: String,
    pub key: Key,
    pub uid: Uuid,
    /// The fields that differ, as they were; none for a create.
    pub before: Option<Value>,
    /// The same fields, as they are; none for a removal.
    pub after: Option<Value>,
}

/// Which rows to read, newest first.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    pub kind: Option<Kind>,
    pub namespace: Option<String>,
    pub name: Option<String>,
    pub uid: Option<Uuid>,
    pub actor: Option<String>,
    pub request_id: Option<String>,
    /// Only rows older than this revision: the next page.
    pub below: Option<Revision>,
    /// At most this many, and at most 1,000.
    pub limit: Option<u32>,
}

/// The part of a row that is decided before the database adds the time.
pub(super) struct Entry {
    pub verb: &'static str,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// What the audit keeps of a change.
pub(super) fn entry(event: &WatchEvent) -> Entry {
    let was_deleting = event.previous.as_ref().is_some_and(|p| p.metadata.is_deleting());
    let verb = match event.event {
        EventType::Added => "create",
        EventType::Deleted if was_deleting => "remove",
        EventType::Deleted => "delete",
        EventType::Modified if event.object.metadata.is_deleting() && !was_deleting => "delete",
        EventType::Modified => "update",
    };
    let (mut before, mut after) = match (&event.previous, event.event) {
        (Some(old), EventType::Added | EventType::Modified) => {
            let (before, after) = changed(old, &event.object);
            (Some(before), Some(after))
        }
        (None, EventType::Added | EventType::Modified) => (None, Some(kept(&event.object))),
        (old, EventType::Deleted) => (old.as_ref().map(|old| kept(old)), None),
    };
    if event.object.kind == Kind::Secret {
        for side in [&mut before, &mut after].into_iter().flatten() {
            redact(side);
        }
    }
    let text = |side: Option<Value>| side.map(|value| value.to_string());
    Entry { verb, before: text(before), after: text(after) }
}

/// The document without the bookkeeping that changes with every write.
fn kept(object: &Object) -> Value {
    let metadata = metadata(object);
    let object = Object { metadata, body: object.body.clone(), kind: object.kind };
    object.to_value()
}

fn metadata(object: &Object) -> ObjectMeta {
    let mut metadata = object.metadata.clone();
    metadata.managed_fields = ManagedFields::default();
    metadata.resource_version = None;
    metadata
}

/// What differs between two states of an object, on each side.
fn changed(old: &Object, new: &Object) -> (Value, Value) {
    let (mut before, mut after) = difference(&old.body, &new.body);
    let (was, is) = (metadata(old), metadata(new));
    if was != is {
        let tree = |metadata| {
            serde_json::to_value(metadata)
                .expect("ObjectMeta has string keys only, so it is always JSON")
        };
        let (was, is) = sides(&tree(was), &tree(is));
        before.insert("metadata".into(), was);
        after.insert("metadata".into(), is);
    }
    (Value::Object(before), Value::Object(after))
}

/// The members of each side that the other lacks or has otherwise. Lists are compared whole.
fn difference(
    old: &Map<String, Value>,
    new: &Map<String, Value>,
) -> (Map<String, Value>, Map<String, Value>) {
    let (mut before, mut after) = (Map::new(), Map::new());
    for (name, was) in old {
        match new.get(name) {
            None => {
                before.insert(name.clone(), was.clone());
            }
            Some(is) if is == was => {}
            Some(is) => {
                let (was, is) = sides(was, is);
                before.insert(name.clone(), was);
                after.insert(name.clone(), is);
            }
        }
    }
    let added = new.iter().filter(|(name, _)| !old.contains_key(*name));
    after.extend(added.map(|(name, is)| (name.clone(), is.clone())));
    (before, after)
}

fn sides(was: &Value, is: &Value) -> (Value, Value) {
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => {
            let (before, after) = difference(was, is);
            (Value::Object(before), Value::Object(after))
        }
        _ => (was.clone(), is.clone()),
    }
}

/// Takes the values out of what is left of a Secret. Annotations go too: `kubectl apply` keeps a
/// copy of the whole manifest in one.
fn redact(secret: &mut Value) {
    for path in ["/data", "/stringData", "/metadata/annotations"] {
        if let Some(Value::Object(values)) = secret.pointer_mut(path) {
            values.values_mut().for_each(|value| *value = REDACTED.into());
        }
    }
}

pub(super) async fn read(pool: &PgPool, filter: &AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
    let limit = filter.limit.map_or(ROWS_MAX, |limit| i64::from(limit).min(ROWS_MAX));
    let rows = sqlx::query(
        "SELECT revision, (extract(epoch FROM at) * 1000000)::bigint AS at_us, actor, manager, \
                address, request_id, verb, kind, namespace, name, uid, \
                before::text AS before, after::text AS after \
         FROM audit \
         WHERE ($1::smallint IS NULL OR kind = $1) AND ($2::text IS NULL OR namespace = $2) \
           AND ($3::text IS NULL OR name = $3) AND ($4::uuid IS NULL OR uid = $4) \
           AND ($5::text IS NULL OR actor = $5) AND ($6::text IS NULL OR request_id = $6) \
           AND ($7::bigint IS NULL OR revision < $7) \
         ORDER BY revision DESC LIMIT $8",
    )
    .bind(filter.kind.map(Kind::number))
    .bind(filter.namespace.as_deref())
    .bind(filter.name.as_deref())
    .bind(filter.uid)
    .bind(filter.actor.as_deref())
    .bind(filter.request_id.as_deref())
    .bind(filter.below.map(|revision| revision as i64))
    .bind(limit)
    .fetch_all(pool)
    .await
    .map_err(Fault::from)?;
    rows.iter().map(decode).collect()
}

fn decode(row: &PgRow) -> Result<AuditRow, StoreError> {
    let corrupt =
        |what: &str| StoreError::Corrupt(format!("an audit row has an unreadable {what}"));
    let number: i16 = row.get("kind");
    let kind = Kind::from_number(number).ok_or_else(|| corrupt("kind"))?;
    let side = |column: &str| -> Result<Option<Value>, StoreError> {
        let text: Option<String> = row.get(column);
        text.map(|text| serde_json::from_str(&text).map_err(|_| corrupt(column))).transpose()
    };
    Ok(AuditRow {
        revision: row.get::<i64, _>("revision") as Revision,
        at: Timestamp::from_microsecond(row.get("at_us")).map_err(|_| corrupt("time"))?,
        actor: Actor {
            user: row.get("actor"),
            account: None,
            manager: row.get("manager"),
            address: row.get("address"),
            request_id: row.get("request_id"),
        },
        verb: row.get("verb"),
        key: Key::new(kind, row.get::<String, _>("namespace"), row.get::<String, _>("name")),
        uid: row.get("uid"),
        before: side("before")?,
        after: side("after")?,
    })
}
