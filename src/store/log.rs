//! Reading: objects, lists, and the log after a cursor.
//!
//! A page of the log counts only if, *after* it was read, the history still reached back to the
//! cursor. Compaction publishes before it drops, so whoever could have met a missing partition
//! sees the new floor then.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use sqlx::{PgPool, Row};
use tokio::sync::watch;
use tokio::time::Instant;

use devpocket_controllers::store::{
    Listing, Revision, StoreError, Stored, Watch, WatchError, WatchEvent, WatchItem,
};
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;

use super::fault::Fault;
use super::options::{After, PgOptions};
use super::rows;

/// Changes read from the log at a time.
pub const PAGE: usize = 500;

/// A batch as its writer hands it to readers in the same process.
#[derive(Debug)]
pub struct Committed {
    /// The counter before the batch: a reader that is there needs nothing else.
    pub base: Revision,
    pub upto: Revision,
    pub events: Vec<WatchEvent>,
    pub at: Instant,
}

/// Changes after a cursor, and the revision up to which they are all of them.
#[derive(Debug)]
pub struct Page {
    pub events: Vec<WatchEvent>,
    pub upto: Revision,
    /// How long ago the first of them was written, by the database's clock.
    pub age: Duration,
}

/// The counter, and up to where the log was compacted.
#[derive(Clone, Copy)]
pub(super) struct Counter {
    pub revision: Revision,
    pub compacted: Revision,
}

pub(super) async fn counter(pool: &PgPool) -> Result<Counter, Fault> {
    let row = sqlx::query("SELECT revision, compacted FROM store_revision WHERE id = 1")
        .fetch_one(pool)
        .await?;
    Ok(Counter {
        revision: rows::revision(&row, "revision")?,
        compacted: rows::revision(&row, "compacted")?,
    })
}

pub(super) async fn get(pool: &PgPool, key: &Key) -> Result<Option<Arc<Stored>>, Fault> {
    let row = sqlx::query(
        "SELECT kind, body::text AS body FROM objects \
         WHERE kind = $1 AND namespace = $2 AND name = $3",
    )
    .bind(key.kind.number())
    .bind(&key.namespace)
    .bind(&key.name)
    .fetch_optional(pool)
    .await?;
    row.as_ref().map(rows::stored).transpose()
}

/// Objects as of one revision: one statement, so one snapshot. No kind means all of them.
pub(super) async fn list(
    pool: &PgPool,
    kind: Option<Kind>,
    namespace: Option<&str>,
) -> Result<Listing, Fault> {
    let found = sqlx::query(
        "SELECT s.revision, o.kind, o.body::text AS body FROM store_revision s \
         LEFT JOIN objects o ON ($1::smallint IS NULL OR o.kind = $1) \
                            AND ($2::text IS NULL OR o.namespace = $2) \
         WHERE s.id = 1 ORDER BY o.kind, o.namespace, o.name",
    )
    .bind(kind.map(Kind::number))
    .bind(namespace)
    .fetch_all(pool)
    .await?;
    let counter = found.first().ok_or_else(|| Fault::Broken("the counter row is gone".into()))?;
    let revision = rows::revision(counter, "revision")?;
    let is_object = |row: &&sqlx::postgres::PgRow| {
        row.try_get::<Option<i16>, _>("kind").is_ok_and(|kind| kind.is_some())
    };
    let items = found.iter().filter(is_object).map(rows::stored).collect::<Result<_, _>>()?;
    Ok(Listing { revision, items })
}

/// The next changes after the cursor, of one kind or of all. `upto` below the cursor means that
/// the database went back in time.
pub(super) async fn page(
    pool: &PgPool,
    kind: Option<Kind>,
    cursor: Revision,
    after: After,
) -> Result<Page, StoreError> {
    let before = counter(pool).await?;
    expired(cursor, before)?;
    if before.revision <= cursor && after != After::Inclusive {
        return Ok(Page { events: Vec::new(), upto: before.revision, age: Duration::ZERO });
    }
    let from = match after {
        After::Exclusive => cursor,
        After::Inclusive => cursor.saturating_sub(1),
        After::Skipping => cursor + 1,
    };
    let found = sqlx::query(
        "SELECT revision, kind, event, body::text AS body, previous::text AS previous, \
                extract(epoch FROM clock_timestamp() - at)::double precision AS age \
         FROM changes WHERE revision > $1 AND ($2::smallint IS NULL OR kind = $2) \
         ORDER BY revision LIMIT $3",
    )
    .bind(from as i64)
    .bind(kind.map(Kind::number))
    .bind(PAGE as i64)
    .fetch_all(pool)
    .await
    .map_err(Fault::from)?;
    expired(cursor, counter(pool).await?)?;
    let events: Vec<WatchEvent> = found.iter().map(rows::event).collect::<Result<_, _>>()?;
    let last = events.last().map_or(cursor, |event| event.revision);
    // A full page says nothing about what lies behind it.
    let upto = if events.len() == PAGE { last } else { last.max(before.revision) };
    let age = found.first().map_or(Ok(0.0), |row| row.try_get("age")).map_err(Fault::from)?;
    Ok(Page { events, upto, age: Duration::try_from_secs_f64(age).unwrap_or_default() })
}

fn expired(cursor: Revision, counter: Counter) -> Result<(), StoreError> {
    if cursor < counter.compacted {
        return Err(StoreError::Expired { requested: cursor, oldest: counter.compacted });
    }
    Ok(())
}

/// A watch straight from the log. It reads as fast as it is polled and keeps one page, so a slow
/// reader costs nothing and loses nothing, until compaction overtakes it.
struct Reader {
    pool: PgPool,
    kind: Kind,
    cursor: Revision,
    queue: VecDeque<WatchEvent>,
    /// Progress worth telling.
    progress: bool,
    latest: watch::Receiver<Revision>,
    options: PgOptions,
}

pub(super) fn watch_log(
    pool: PgPool,
    kind: Kind,
    cursor: Revision,
    latest: watch::Receiver<Revision>,
    options: PgOptions,
) -> Watch {
    let queue = VecDeque::new();
    let reader = Reader { pool, kind, cursor, queue, progress: false, latest, options };
    stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        match reader.next().await {
            Ok(item) => Some((Ok(item), Some(reader))),
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed()
}

impl Reader {
    async fn next(&mut self) -> Result<WatchItem, WatchError> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Ok(WatchItem::Event(event));
            }
            if std::mem::take(&mut self.progress) {
                return Ok(WatchItem::Progress(self.cursor));
            }
            // Marked as seen before the log is read, so that no wake-up falls in between.
            self.latest.borrow_and_update();
            let page = page(&self.pool, Some(self.kind), self.cursor, self.options.after)
                .await
                .map_err(watch_error)?;
            if page.upto < self.cursor {
                let text = format!("it went back from {} to {}", self.cursor, page.upto);
                return Err(WatchError::Unavailable(text));
            }
            self.progress = page.events.last().map_or(self.cursor, |e| e.revision) < page.upto;
            let idle = page.events.is_empty() && page.upto == self.cursor;
            self.queue.extend(page.events);
            self.cursor = page.upto;
            if idle {
                // A closed channel means that the store was closed; the log can still be read.
                let _ = tokio::time::timeout(self.options.poll, self.latest.changed()).await;
            }
        }
    }
}

fn watch_error(error: StoreError) -> WatchError {
    match error {
        StoreError::Expired { requested, oldest } => WatchError::Expired { requested, oldest },
        other => WatchError::Unavailable(other.to_string()),
    }
}
