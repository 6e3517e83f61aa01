//! The statements of a write. Arrays in, so that a batch costs the round trips of one write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sqlx::{PgConnection, Row};
use uuid::Uuid;

use devpocket_controllers::store::{Guard, Revision, Stored, WatchEvent};
use devpocket_specs::decision::{DECISIONS_KEPT, DecisionRecord};
use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::ObjectMeta;
use devpocket_specs::object::Key;

use super::batch::Applied;
use super::fault::Fault;
use super::{audit, rows};

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

/// How the statement that applies a batch relates to the counter.
#[derive(Clone, Copy)]
pub(super) enum Head {
    /// This transaction has taken it.
    Taken,
    /// It is taken with the batch, from `base` to `upto`, and if it is not at `base`, then nothing.
    At { base: Revision, upto: Revision },
}

/// One statement for the whole batch. What it joins with `objects` is as before the batch, so the
/// state before need not be sent again. A row that is not as it was decided on fails the statement,
/// by a division by zero: this must not be found out after the commit.
macro_rules! apply_statement {
    ($head:literal $(, $decided:expr)?) => {
        concat!(
            "WITH c AS (",
            $head,
            "), t AS (SELECT t.*, t.labels_text::jsonb AS labels, t.body_text::json AS body \
             FROM c, unnest($3::bigint[], $4::smallint[], $5::text[], $6::text[], $7::uuid[], \
                            $8::smallint[], $9::bigint[], $10::boolean[], $11::text[], \
                            $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], \
                            $17::text[], $18::text[], $19::text[]) \
                  AS t (revision, kind, namespace, name, uid, event, expected, deleting, \
                        labels_text, body_text, actor, manager, address, request_id, verb, \
                        before, after)), \
             d AS (DELETE FROM objects o USING t WHERE t.event = 3 AND o.kind = t.kind \
                   AND o.namespace = t.namespace AND o.name = t.name AND o.revision = t.expected \
                   RETURNING 1), \
             u AS (UPDATE objects o SET revision = t.revision, deleting = t.deleting, \
                          labels = t.labels, body = t.body \
                   FROM t WHERE t.event = 2 AND o.kind = t.kind AND o.namespace = t.namespace \
                   AND o.name = t.name AND o.revision = t.expected RETURNING 1), \
             i AS (INSERT INTO objects (kind, namespace, name, uid, revision, deleting, labels, \
                                        body) \
                   SELECT kind, namespace, name, uid, revision, deleting, labels, body FROM t \
                   WHERE event = 1 RETURNING 1), \
             l AS (INSERT INTO changes (revision, kind, namespace, name, uid, event, batch, at, \
                                        body, previous) \
                   SELECT t.revision, t.kind, t.namespace, t.name, t.uid, t.event, $1, \
                          clock_timestamp(), t.body, o.body \
                   FROM t LEFT JOIN objects o ON o.kind = t.kind AND o.namespace = t.namespace \
                        AND o.name = t.name AND o.revision = t.expected), \
             a AS (INSERT INTO audit (revision, at, actor, manager, address, request_id, verb, \
                                      kind, namespace, name, uid, before, after) \
                   SELECT revision, clock_timestamp(), actor, manager, address, request_id, verb, \
                          kind, namespace, name, uid, before::json, after::json FROM t) ",
            $($decided,)?
            "SELECT 1 / CASE WHEN (SELECT count(*) FROM d) + (SELECT count(*) FROM u) \
                                + (SELECT count(*) FROM i) = $2 THEN 1 ELSE 0 END FROM c"
        )
    };
}

/// The part of it for decisions, which few batches carry: they are kept, and of each environment only
/// the latest. The delete does not see what the insert adds, so it leaves one less.
macro_rules! decided {
    ($revisions:literal, $namespaces:literal, $names:literal, $uids:literal, $bodies:literal,
     $left:literal) => {
        concat!(
            ", k AS (SELECT k.* FROM c, unnest(", $revisions, "::bigint[], ", $namespaces,
            "::text[], ", $names, "::text[], ", $uids, "::uuid[], ", $bodies, "::text[]) \
                  AS k (revision, namespace, name, uid, body)), \
             g AS (DELETE FROM decisions x USING k \
                   WHERE x.namespace = k.namespace AND x.name = k.name AND x.uid = k.uid \
                     AND x.revision <= (SELECT o.revision FROM decisions o \
                                        WHERE o.namespace = k.namespace AND o.name = k.name \
                                          AND o.uid = k.uid \
                                        ORDER BY o.revision DESC OFFSET ", $left, " LIMIT 1)), \
             n AS (INSERT INTO decisions (revision, at, namespace, name, uid, body) \
                   SELECT revision, clock_timestamp(), namespace, name, uid, body::json FROM k) "
        )
    };
}

const APPLY: &str = apply_statement!("SELECT revision FROM store_revision WHERE id = 1");
const APPLY_AT: &str = apply_statement!(
    "UPDATE store_revision SET revision = $21 WHERE id = 1 AND revision = $20 RETURNING revision"
);
const APPLY_DECIDED: &str = apply_statement!(
    "SELECT revision FROM store_revision WHERE id = 1",
    decided!("$20", "$21", "$22", "$23", "$24", "$25")
);
const APPLY_DECIDED_AT: &str = apply_statement!(
    "UPDATE store_revision SET revision = $21 WHERE id = 1 AND revision = $20 RETURNING revision",
    decided!("$22", "$23", "$24", "$25", "$26", "$27")
);

/// Sends decided writes to the database: at most one of each key. Answers whether the counter
/// stood where `head` has it.
pub(super) async fn apply(
    connection: &mut PgConnection,
    head: Head,
    batch: Uuid,
    applied: &[Applied],
) -> Result<bool, sqlx::Error> {
    let events = || applied.iter().map(|applied| &applied.event);
    let objects = || events().map(|event| &event.object);
    let metadata = || objects().map(|object| &object.metadata);
    let actors = || applied.iter().map(|applied| &applied.actor);
    let entries: Vec<audit::Entry> = events().map(audit::entry).collect();
    let expected = |event: &WatchEvent| event.previous.as_ref().map_or(0, |p| p.revision() as i64);
    let labels = |m: &ObjectMeta| serde_json::to_string(&m.labels).unwrap_or_default();
    let decided: Vec<(Revision, &DecisionRecord)> =
        applied.iter().filter_map(|a| Some((a.event.revision, a.decision.as_deref()?))).collect();
    let statement = match (head, decided.is_empty()) {
        (Head::Taken, true) => APPLY,
        (Head::Taken, false) => APPLY_DECIDED,
        (Head::At { .. }, true) => APPLY_AT,
        (Head::At { .. }, false) => APPLY_DECIDED_AT,
    };
    let mut query = sqlx::query(statement)
        .bind(batch)
        .bind(applied.len() as i64)
        .bind(events().map(|event| event.revision as i64).collect::<Vec<_>>())
        .bind(objects().map(|object| object.kind.number()).collect::<Vec<_>>())
        .bind(metadata().map(|m| m.namespace.as_str()).collect::<Vec<_>>())
        .bind(metadata().map(|m| m.name.as_str()).collect::<Vec<_>>())
        .bind(objects().map(|object| object.uid()).collect::<Vec<_>>())
        .bind(events().map(|event| rows::event_number(event.event)).collect::<Vec<_>>())
        .bind(events().map(expected).collect::<Vec<_>>())
        .bind(metadata().map(ObjectMeta::is_deleting).collect::<Vec<_>>())
        .bind(metadata().map(labels).collect::<Vec<_>>())
        .bind(objects().map(|object| text(object)).collect::<Vec<_>>())
        .bind(actors().map(|actor| actor.user.as_str()).collect::<Vec<_>>())
        .bind(actors().map(|actor| actor.manager.as_str()).collect::<Vec<_>>())
        .bind(actors().map(|actor| actor.address.as_deref()).collect::<Vec<_>>())
        .bind(actors().map(|actor| actor.request_id.as_str()).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.verb).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.before.as_deref()).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.after.as_deref()).collect::<Vec<_>>());
    if let Head::At { base, upto } = head {
        query = query.bind(base as i64).bind(upto as i64);
    }
    if !decided.is_empty() {
        let environments = || decided.iter().map(|(_, record)| &record.environment);
        let body = |record: &DecisionRecord| {
            serde_json::to_string(record).expect("records have string keys only")
        };
        query = query
            .bind(decided.iter().map(|(revision, _)| *revision as i64).collect::<Vec<_>>())
            .bind(environments().map(|e| e.namespace.as_str()).collect::<Vec<_>>())
            .bind(environments().map(|e| e.name.as_str()).collect::<Vec<_>>())
            .bind(environments().map(|e| e.uid).collect::<Vec<_>>())
            .bind(decided.iter().map(|(_, record)| body(record)).collect::<Vec<_>>())
            .bind(DECISIONS_KEPT as i64 - 1);
    }
    // To the end, where the commit is: an answer to the first row would come before it.
    Ok(!query.fetch_all(connection).await?.is_empty())
}

/// Whether a row of the batch was not as it was decided on.
pub(super) fn is_other_than_read(error: &sqlx::Error) -> bool {
    const DIVISION_BY_ZERO: &str = "22012";
    let code = error.as_database_error().and_then(|error| error.code());
    code.as_deref() == Some(DIVISION_BY_ZERO)
}

fn text(stored: &Stored) -> &str {
    std::str::from_utf8(&stored.bytes).expect("JSON is UTF-8")
}
