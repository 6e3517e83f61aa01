//! Rows of `objects` and `changes`, read.

use std::sync::Arc;

use sqlx::Row;
use sqlx::postgres::PgRow;

use devpocket_controllers::store::{EventType, Revision, Stored, WatchEvent};
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Object;

use super::fault::Fault;

pub(super) fn event_number(event: EventType) -> i16 {
    match event {
        EventType::Added => 1,
        EventType::Modified => 2,
        EventType::Deleted => 3,
    }
}

/// A row with `kind` and `body` as text.
pub(super) fn stored(row: &PgRow) -> Result<Arc<Stored>, Fault> {
    let kind = kind(row)?;
    document(kind, row.try_get("body")?)
}

/// A row of `changes` with `revision`, `kind`, `event`, `body` and `previous`.
pub(super) fn event(row: &PgRow) -> Result<WatchEvent, Fault> {
    let kind = kind(row)?;
    let number: i16 = row.try_get("event")?;
    let event = match number {
        1 => EventType::Added,
        2 => EventType::Modified,
        3 => EventType::Deleted,
        other => return Err(Fault::Broken(format!("the log has an event of type {other}"))),
    };
    let previous: Option<String> = row.try_get("previous")?;
    Ok(WatchEvent {
        revision: revision(row, "revision")?,
        event,
        object: document(kind, row.try_get("body")?)?,
        previous: previous.map(|text| document(kind, text)).transpose()?,
    })
}

/// A revision, which is never negative.
pub(super) fn revision(row: &PgRow, column: &str) -> Result<Revision, Fault> {
    let number: i64 = row.try_get(column)?;
    Revision::try_from(number).map_err(|_| Fault::Broken(format!("{column} is {number}")))
}

fn kind(row: &PgRow) -> Result<Kind, Fault> {
    let number: i16 = row.try_get("kind")?;
    Kind::from_number(number)
        .ok_or_else(|| Fault::Broken(format!("the database holds an unknown kind, {number}")))
}

/// The text is what [`Stored::new`] made when it was written, so it is not made anew.
fn document(kind: Kind, text: String) -> Result<Arc<Stored>, Fault> {
    let object = Object::from_json(kind, &text)
        .map_err(|error| Fault::Broken(format!("a stored {kind} is unreadable: {error}")))?;
    Ok(Arc::new(Stored { object, bytes: text.into_bytes().into() }))
}
