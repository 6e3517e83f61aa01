//! Who did what, from where, and what it changed: the changes of objects (`audit`, written by the
//! store in the transaction of the change) and what was done to accounts, tokens and teams
//! (`access_audit`), read as one.
//!
//! # Guarantees
//! - No line holds a secret: both are redacted before they are written.
//! - Pages go on where the last one ended, also while lines are added.
//! - Lines are kept for 400 days ([`crate::store`] forgets them).
//!
//! # Caveats
//! The two are merged by time. Lines of the same microsecond may come in either order.

mod cursor;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

use devpocket_specs::kind::Kind;

pub use cursor::Cursor;

/// Lines of a page where nothing is said.
pub const LINES: u32 = 100;
/// The most.
pub const LINES_MAX: u32 = 500;

/// Which lines, newest first. What is not given does not narrow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    pub namespace: Option<String>,
    pub actor: Option<String>,
    /// An account whose own lines are wanted, whatever its name was then.
    pub account: Option<Uuid>,
    pub verb: Option<String>,
    /// `environment`, `secret`, `member`, ...: a kind, or a subject of accounts and teams.
    pub kind: Option<String>,
    pub name: Option<String>,
    pub request_id: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Also what DevPocket itself did.
    pub with_system: bool,
}

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    pub at: Timestamp,
    pub actor: String,
    /// Field manager, for changes of objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    pub address: Option<String>,
    pub request_id: String,
    pub verb: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
    /// What differs, as it was and as it is.
    pub before: Option<Value>,
    pub after: Option<Value>,
    #[serde(skip)]
    place: Place,
}

#[derive(Clone, Debug, PartialEq)]
enum Place {
    Object(i64),
    Access(i64, Uuid),
}

/// Lines, and where the next ones begin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page {
    pub items: Vec<Line>,
    /// Absent at the end.
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Reads a page.
pub async fn read(
    pool: &PgPool,
    filter: &Filter,
    after: &Cursor,
    limit: u32,
) -> Result<Page, sqlx::Error> {
    let limit = limit.clamp(1, LINES_MAX) as usize;
    // One more than is shown, so that the end is known.
    let wanted = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let mut lines = objects(pool, filter, after, wanted).await?;
    lines.extend(access(pool, filter, after, wanted).await?);
    lines.sort_by_key(|line| std::cmp::Reverse(line.at));
    let more = lines.len() > limit;
    lines.truncate(limit);
    let mut cursor = after.clone();
    for line in &lines {
        match &line.place {
            Place::Object(revision) => cursor.revision = Some(*revision),
            Place::Access(micros, id) => cursor.access = Some((*micros, *id)),
        }
    }
    Ok(Page { items: lines, next: more.then(|| cursor.text()) })
}

async fn objects(
    pool: &PgPool,
    filter: &Filter,
    after: &Cursor,
    wanted: i64,
) -> Result<Vec<Line>, sqlx::Error> {
    let kind = match filter.kind.as_deref().map(Kind::from_word) {
        // A subject of accounts and teams.
        Some(None) => return Ok(Vec::new()),
        kind => kind.flatten(),
    };
    let rows = sqlx::query(
        "SELECT revision, (extract(epoch FROM at) * 1000000)::bigint AS at_us, actor, manager, \
                address, request_id, verb, kind, namespace, name, \
                before::text AS before, after::text AS after \
         FROM audit \
         WHERE kind NOT IN (7, 9) AND ($1::smallint IS NULL OR kind = $1) \
           AND ($2::text IS NULL OR namespace = $2 OR (kind = 6 AND name = $2)) \
           AND ($3::text IS NULL OR actor = $3) AND ($4::text IS NULL OR verb = $4) \
           AND ($5::text IS NULL OR name = $5) AND ($6::text IS NULL OR request_id = $6) \
           AND ($7::text IS NULL OR at >= $7::text::timestamptz) \
           AND ($8::text IS NULL OR at < $8::text::timestamptz) \
           AND ($9 OR actor NOT LIKE 'system:%') AND ($10::bigint IS NULL OR revision < $10) \
         ORDER BY revision DESC LIMIT $11",
    )
    .bind(kind.map(Kind::number))
    .bind(&filter.namespace)
    .bind(&filter.actor)
    .bind(&filter.verb)
    .bind(&filter.name)
    .bind(&filter.request_id)
    .bind(filter.since.map(|at| at.to_string()))
    .bind(filter.until.map(|at| at.to_string()))
    .bind(filter.with_system)
    .bind(after.revision)
    .bind(wanted)
    .fetch_all(pool)
    .await?;
    rows.iter().map(object).collect()
}

fn object(row: &PgRow) -> Result<Line, sqlx::Error> {
    let number: i16 = row.try_get("kind")?;
    let kind = Kind::from_number(number);
    let kind = kind.map_or_else(|| number.to_string(), |kind| kind.info().singular.to_owned());
    let side = |column: &str| -> Result<Option<Value>, sqlx::Error> {
        let text: Option<String> = row.try_get(column)?;
        Ok(text.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text))))
    };
    Ok(Line {
        at: time(row.try_get("at_us")?)?,
        actor: row.try_get("actor")?,
        manager: Some(row.try_get("manager")?),
        address: row.try_get("address")?,
        request_id: row.try_get("request_id")?,
        verb: row.try_get("verb")?,
        kind,
        namespace: row.try_get("namespace")?,
        name: row.try_get("name")?,
        before: side("before")?,
        after: side("after")?,
        place: Place::Object(row.try_get("revision")?),
    })
}

async fn access(
    pool: &PgPool,
    filter: &Filter,
    after: &Cursor,
    wanted: i64,
) -> Result<Vec<Line>, sqlx::Error> {
    if filter.kind.as_deref().is_some_and(|kind| Kind::from_word(kind).is_some()) {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(
        "SELECT id, (extract(epoch FROM at) * 1000000)::bigint AS at_us, actor, address, \
                request_id, verb, subject, namespace, name, before, after \
         FROM access_audit \
         WHERE ($1::text IS NULL OR subject = $1) AND ($2::text IS NULL OR namespace = $2) \
           AND (($3::text IS NULL AND $4::uuid IS NULL) OR actor = $3 OR account = $4) \
           AND ($5::text IS NULL OR verb = $5) AND ($6::text IS NULL OR name = $6) \
           AND ($7::text IS NULL OR request_id = $7) \
           AND ($8::text IS NULL OR at >= $8::text::timestamptz) \
           AND ($9::text IS NULL OR at < $9::text::timestamptz) \
           AND ($10::bigint IS NULL \
                OR (at, id) < ('epoch'::timestamptz + $10 * interval '1 microsecond', $11)) \
         ORDER BY at DESC, id DESC LIMIT $12",
    )
    .bind(&filter.kind)
    .bind(&filter.namespace)
    .bind(&filter.actor)
    .bind(filter.account)
    .bind(&filter.verb)
    .bind(&filter.name)
    .bind(&filter.request_id)
    .bind(filter.since.map(|at| at.to_string()))
    .bind(filter.until.map(|at| at.to_string()))
    .bind(after.access.map(|(micros, _)| micros))
    .bind(after.access.map(|(_, id)| id))
    .bind(wanted)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let micros: i64 = row.try_get("at_us")?;
            Ok(Line {
                at: time(micros)?,
                actor: row.try_get("actor")?,
                manager: None,
                address: row.try_get("address")?,
                request_id: row.try_get("request_id")?,
                verb: row.try_get("verb")?,
                kind: row.try_get("subject")?,
                namespace: row.try_get("namespace")?,
                name: row.try_get("name")?,
                before: row.try_get("before")?,
                after: row.try_get("after")?,
                place: Place::Access(micros, row.try_get("id")?),
            })
        })
        .collect()
}

fn time(micros: i64) -> Result<Timestamp, sqlx::Error> {
    Timestamp::from_microsecond(micros)
        .map_err(|error| sqlx::Error::ColumnDecode { index: "at".into(), source: Box::new(error) })
}
