//! The statements of a write. Arrays in, so that a batch costs the round trips of one write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sqlx::{PgConnection, Row};
use uuid::Uuid;

use devpocket_controllers::store::{EventType, Guard, Revision, Stored, WatchEvent};
use devpocket_specs::admit::Actor;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;

use super::fault::Fault;
use super::{audit, rows};

/// A write that was decided.
pub(super) struct Applied {
    pub event: WatchEvent,
    pub actor: Actor,
}

/// Advances the counter by `count`, and holds its row until the transaction ends.
pub(super) async fn take_counter(
    connection: &mut PgConnection,
    count: Revision,
) -> Result<Revision, Fault> {
    let row = sqlx::query(
        "UPDATE store_revision SET revision = revision + $1 WHERE id = 1 RETURNING revision",
    )
    .bind(count as i64)
    .fetch_one(connection)
    .await?;
    rows::revision(&row, "revision")
}

pub(super) async fn load(
    connection: &mut PgConnection,
    keys: &BTreeSet<Key>,
) -> Result<BTreeMap<Key, Arc<Stored>>, Fault> {
    let kinds: Vec<i16> = keys.iter().map(|key| key.kind.number()).collect();
    let namespaces: Vec<&str> = keys.iter().map(|key| key.namespace.as_str()).collect();
    let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
    let found = sqlx::query(
        "SELECT o.kind, o.body::text AS body \
         FROM unnest($1::smallint[], $2::text[], $3::text[]) AS k (kind, namespace, name) \
         JOIN objects o ON o.kind = k.kind AND o.namespace = k.namespace AND o.name = k.name",
    )
    .bind(kinds)
    .bind(namespaces)
    .bind(names)
    .fetch_all(connection)
    .await?;
    found.iter().map(|row| rows::stored(row).map(|stored| (stored.key(), stored))).collect()
}

/// Which of the uids are taken, and by what.
pub(super) async fn uids(
    connection: &mut PgConnection,
    uids: &[Uuid],
) -> Result<BTreeMap<Uuid, Key>, Fault> {
    if uids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = sqlx::query("SELECT uid, kind, namespace, name FROM objects WHERE uid = ANY($1)")
        .bind(uids)
        .fetch_all(connection)
        .await?;
    found
        .iter()
        .map(|row| {
            let number: i16 = row.try_get("kind")?;
            let kind = Kind::from_number(number)
                .ok_or_else(|| Fault::Broken(format!("the database holds kind {number}")))?;
            let namespace: String = row.try_get("namespace")?;
            let name: String = row.try_get("name")?;
            Ok((row.try_get("uid")?, Key::new(kind, namespace, name)))
        })
        .collect()
}

/// Evaluates a guard that counts; the others are decided without the database.
pub(super) async fn set_guard_holds(
    connection: &mut PgConnection,
    guard: &Guard,
    written: &Key,
) -> Result<bool, Fault> {
    let row = match guard {
        Guard::CountBelow { kind, namespace, labels, limit, .. } => {
            let labels = serde_json::to_string(labels).unwrap_or_default();
            sqlx::query(
                "SELECT count(*) < $4 AS holds FROM objects \
                 WHERE kind = $1 AND ($2::text IS NULL OR namespace = $2) \
                   AND labels @> $3::text::jsonb \
                   AND NOT (kind = $5 AND namespace = $6 AND name = $7)",
            )
            .bind(kind.number())
            .bind(namespace.as_deref())
            .bind(labels)
            .bind(i64::from(*limit))
            .bind(written.kind.number())
            .bind(&written.namespace)
            .bind(&written.name)
            .fetch_one(connection)
            .await?
        }
        Guard::Unique { kind, namespace, pointer, value, except } => {
            sqlx::query(
                "SELECT NOT EXISTS (SELECT 1 FROM objects \
                 WHERE kind = $1 AND namespace = $2 AND uid <> $3 \
                   AND json_typeof(body #> $4) = 'string' AND body #>> $4 = $5) AS holds",
            )
            .bind(kind.number())
            .bind(namespace)
            .bind(except)
            .bind(path(pointer))
            .bind(value)
            .fetch_one(connection)
            .await?
        }
        Guard::Exists { .. } | Guard::Unchanged { .. } => return Ok(true),
    };
    Ok(row.try_get("holds")?)
}

/// A JSON pointer as the path that Postgres' `#>` takes.
fn path(pointer: &str) -> Vec<String> {
    let parts = pointer.trim_start_matches('/').split('/');
    parts.map(|part| part.replace("~1", "/").replace("~0", "~")).collect()
}

/// The columns of a set of writes, one array each.
#[derive(Default)]
struct Columns<'a> {
    kinds: Vec<i16>,
    namespaces: Vec<&'a str>,
    names: Vec<&'a str>,
    uids: Vec<Uuid>,
    revisions: Vec<i64>,
    expected: Vec<i64>,
    deleting: Vec<bool>,
    labels: Vec<String>,
    bodies: Vec<&'a str>,
    previous: Vec<Option<&'a str>>,
    events: Vec<i16>,
}

impl<'a> Columns<'a> {
    fn of(applied: impl Iterator<Item = &'a Applied>) -> Result<Columns<'a>, Fault> {
        let mut columns = Columns::default();
        for Applied { event, .. } in applied {
            let object = &event.object;
            columns.kinds.push(object.kind.number());
            columns.namespaces.push(&object.metadata.namespace);
            columns.names.push(&object.metadata.name);
            columns.uids.push(object.uid());
            columns.revisions.push(event.revision as i64);
            columns.expected.push(event.previous.as_ref().map_or(0, |p| p.revision() as i64));
            columns.deleting.push(object.metadata.is_deleting());
            columns.labels.push(serde_json::to_string(&object.metadata.labels).unwrap_or_default());
            columns.bodies.push(text(object)?);
            columns.previous.push(event.previous.as_deref().map(text).transpose()?);
            columns.events.push(rows::event_number(event.event));
        }
        Ok(columns)
    }
}

fn text(stored: &Stored) -> Result<&str, Fault> {
    std::str::from_utf8(&stored.bytes).map_err(|error| Fault::Data(error.to_string()))
}

/// Sends decided writes to the database: at most one of each key.
pub(super) async fn apply(
    connection: &mut PgConnection,
    batch: Uuid,
    applied: &[Applied],
) -> Result<(), Fault> {
    if applied.is_empty() {
        return Ok(());
    }
    for event in [EventType::Deleted, EventType::Modified, EventType::Added] {
        let columns = Columns::of(applied.iter().filter(|a| a.event.event == event))?;
        let count = columns.kinds.len() as u64;
        if count == 0 {
            continue;
        }
        let changed = match event {
            EventType::Added => insert_objects(connection, columns).await?,
            EventType::Modified => update_objects(connection, columns).await?,
            EventType::Deleted => delete_objects(connection, columns).await?,
        };
        if changed != count {
            // Read under the counter row a moment ago, so somebody writes without taking it.
            let text = format!("{changed} of {count} rows of a batch were as they had been read");
            return Err(Fault::Broken(text));
        }
    }
    insert_changes(connection, batch, Columns::of(applied.iter())?).await?;
    insert_audit(connection, applied).await
}

async fn insert_objects(connection: &mut PgConnection, c: Columns<'_>) -> Result<u64, Fault> {
    let done = sqlx::query(
        "INSERT INTO objects (kind, namespace, name, uid, revision, deleting, labels, body) \
         SELECT t.kind, t.namespace, t.name, t.uid, t.revision, t.deleting, \
                t.labels::jsonb, t.body::json \
         FROM unnest($1::smallint[], $2::text[], $3::text[], $4::uuid[], $5::bigint[], \
                     $6::boolean[], $7::text[], $8::text[]) \
              AS t (kind, namespace, name, uid, revision, deleting, labels, body)",
    )
    .bind(c.kinds)
    .bind(c.namespaces)
    .bind(c.names)
    .bind(c.uids)
    .bind(c.revisions)
    .bind(c.deleting)
    .bind(c.labels)
    .bind(c.bodies)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

async fn update_objects(connection: &mut PgConnection, c: Columns<'_>) -> Result<u64, Fault> {
    let done = sqlx::query(
        "UPDATE objects o SET revision = t.revision, deleting = t.deleting, \
                labels = t.labels::jsonb, body = t.body::json \
         FROM unnest($1::smallint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], \
                     $6::boolean[], $7::text[], $8::text[]) \
              AS t (kind, namespace, name, expected, revision, deleting, labels, body) \
         WHERE o.kind = t.kind AND o.namespace = t.namespace AND o.name = t.name \
           AND o.revision = t.expected",
    )
    .bind(c.kinds)
    .bind(c.namespaces)
    .bind(c.names)
    .bind(c.expected)
    .bind(c.revisions)
    .bind(c.deleting)
    .bind(c.labels)
    .bind(c.bodies)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

async fn delete_objects(connection: &mut PgConnection, c: Columns<'_>) -> Result<u64, Fault> {
    let done = sqlx::query(
        "DELETE FROM objects o \
         USING unnest($1::smallint[], $2::text[], $3::text[], $4::bigint[]) \
               AS t (kind, namespace, name, expected) \
         WHERE o.kind = t.kind AND o.namespace = t.namespace AND o.name = t.name \
           AND o.revision = t.expected",
    )
    .bind(c.kinds)
    .bind(c.namespaces)
    .bind(c.names)
    .bind(c.expected)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

async fn insert_changes(
    connection: &mut PgConnection,
    batch: Uuid,
    c: Columns<'_>,
) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO changes \
                (revision, kind, namespace, name, uid, event, batch, at, body, previous) \
         SELECT t.revision, t.kind, t.namespace, t.name, t.uid, t.event, $1, clock_timestamp(), \
                t.body::json, t.previous::json \
         FROM unnest($2::bigint[], $3::smallint[], $4::text[], $5::text[], $6::uuid[], \
                     $7::smallint[], $8::text[], $9::text[]) \
              AS t (revision, kind, namespace, name, uid, event, body, previous)",
    )
    .bind(batch)
    .bind(c.revisions)
    .bind(c.kinds)
    .bind(c.namespaces)
    .bind(c.names)
    .bind(c.uids)
    .bind(c.events)
    .bind(c.bodies)
    .bind(c.previous)
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_audit(connection: &mut PgConnection, applied: &[Applied]) -> Result<(), Fault> {
    let c = Columns::of(applied.iter())?;
    let entries: Vec<audit::Entry> = applied.iter().map(|a| audit::entry(&a.event)).collect();
    let actors = || applied.iter().map(|applied| &applied.actor);
    sqlx::query(
        "INSERT INTO audit (revision, at, actor, manager, address, request_id, verb, \
                            kind, namespace, name, uid, before, after) \
         SELECT t.revision, clock_timestamp(), t.actor, t.manager, t.address, t.request_id, \
                t.verb, t.kind, t.namespace, t.name, t.uid, t.before::json, t.after::json \
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], \
                     $7::smallint[], $8::text[], $9::text[], $10::uuid[], $11::text[], \
                     $12::text[]) \
              AS t (revision, actor, manager, address, request_id, verb, kind, namespace, name, \
                    uid, before, after)",
    )
    .bind(c.revisions)
    .bind(actors().map(|actor| actor.user.as_str()).collect::<Vec<_>>())
    .bind(actors().map(|actor| actor.manager.as_str()).collect::<Vec<_>>())
    .bind(actors().map(|actor| actor.address.as_deref()).collect::<Vec<_>>())
    .bind(actors().map(|actor| actor.request_id.as_str()).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.verb).collect::<Vec<_>>())
    .bind(c.kinds)
    .bind(c.namespaces)
    .bind(c.names)
    .bind(c.uids)
    .bind(entries.iter().map(|entry| entry.before.as_deref()).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.after.as_deref()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
