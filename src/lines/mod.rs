//! What installations print: kept in Postgres, read as one stream of history and what comes now.
//!
//! # Guarantees
//! - [`InstallLines::append`] is one statement: the journal moves by compare-and-swap on its version,
//!   and the lines are there if and only if it moved. So no line is there twice, whoever else follows
//!   the same machine.
//! - A [`Follower`] asks for what is after the last number it has seen, again and again. There is no
//!   seam between history and what comes now, because both are the same question; nothing rests on
//!   being told.
//! - Of each source at most [`KEPT_BYTES`] are kept, and nothing longer than [`KEPT_DAYS`].
//!
//! # How soon a reader knows
//! At once in the process that appends, else within [`POLL`]: while anybody follows anything, one
//! query a [`POLL`] asks for all of it, however many follow.

mod follow;
mod telling;
mod tidy;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use devpocket_controllers::install::{Journal, Line, Lines, LinesError};
use devpocket_specs::install::LogPlace;
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row as _};
use tokio::sync::watch;
use uuid::Uuid;

pub use follow::Follower;
pub use telling::{Stands, Telling, Told};

/// Bytes of a log that are kept of an environment.
pub const KEPT_BYTES: i64 = 4 * 1024 * 1024;
/// Days a line is kept.
pub const KEPT_DAYS: i64 = 30;
/// Time between two questions for news of what is followed.
pub const POLL: Duration = Duration::from_millis(150);
/// Lines that are read at once.
pub const PAGE: i64 = 500;
/// How much longer a log may be than what is kept of it before its beginning is deleted.
const SLACK: i64 = 256 * 1024;

/// The lines of all environments. Clones share everything.
#[derive(Clone)]
pub struct InstallLines {
    shared: Arc<Shared>,
}

struct Shared {
    pool: PgPool,
    /// By environment, the number of the last line as far as is known here; of those followed.
    heard: Mutex<BTreeMap<Uuid, watch::Sender<i64>>>,
    /// Whether somebody asks for news.
    asking: Mutex<bool>,
}

impl InstallLines {
    pub fn new(pool: PgPool) -> InstallLines {
        let shared = Shared { pool, heard: Mutex::default(), asking: Mutex::new(false) };
        InstallLines { shared: Arc::new(shared) }
    }

    /// Lines after a number, oldest first, at most [`PAGE`].
    pub async fn after(&self, environment: Uuid, number: i64) -> Result<Vec<Line>, LinesError> {
        let rows = sqlx::query(
            "SELECT number, source, installation, \"offset\", (extract(epoch FROM at) * 1000000)::bigint AS at, \
             step, percent, line FROM install_lines \
             WHERE environment = $1 AND number > $2 ORDER BY number LIMIT $3",
        )
        .bind(environment)
        .bind(number)
        .bind(PAGE)
        .fetch_all(&self.shared.pool)
        .await
        .map_err(failed)?;
        rows.iter().map(|row| line(row).map_err(failed)).collect()
    }

    /// The number before the last so many lines.
    pub async fn before_last(&self, environment: Uuid, count: i64) -> Result<i64, LinesError> {
        let first: Option<i64> = sqlx::query_scalar(
            "SELECT min(number) FROM (SELECT number FROM install_lines WHERE environment = $1 \
             ORDER BY number DESC LIMIT $2) newest",
        )
        .bind(environment)
        .bind(count)
        .fetch_one(&self.shared.pool)
        .await
        .map_err(failed)?;
        Ok(first.map_or(0, |first| first - 1))
    }

    /// Follows an environment's lines from after a number.
    pub fn follow(&self, environment: Uuid, after: i64) -> Follower {
        let heard = {
            let mut all = self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(environment).or_insert_with(|| watch::Sender::new(0)).subscribe()
        };
        self.ask();
        Follower::new(self.clone(), environment, after, heard)
    }

    fn tell(&self, environment: Uuid, last: i64) {
        let all = self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(heard) = all.get(&environment) {
            heard.send_if_modified(|known| last > std::mem::replace(known, last.max(*known)));
        }
    }

    /// Asks for news as long as anybody follows.
    fn ask(&self) {
        let mut asking = self.shared.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut *asking, true) {
            tokio::spawn(news(Arc::downgrade(&self.shared)));
        }
    }

    /// What somebody follows; the others are forgotten. Nothing: nobody asks any more.
    fn followed(&self) -> Option<Vec<Uuid>> {
        let mut asking = self.shared.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, heard| heard.receiver_count() > 0);
        *asking = !all.is_empty();
        asking.then(|| all.keys().copied().collect())
    }
}

/// Asks, until nobody follows anything. A database that does not answer is asked again.
async fn news(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(POLL).await;
        let Some(lines) = shared.upgrade().map(|shared| InstallLines { shared }) else { return };
        let Some(followed) = lines.followed() else { return };
        let rows = sqlx::query(
            "SELECT environment, last FROM install_journals WHERE environment = ANY($1)",
        )
        .bind(&followed)
        .fetch_all(&lines.shared.pool)
        .await;
        match rows {
            Ok(rows) => {
                for row in rows {
                    if let (Ok(environment), Ok(last)) = (row.try_get(0), row.try_get(1)) {
                        lines.tell(environment, last);
                    }
                }
            }
            Err(error) => tracing::debug!("news of installations: {error}"),
        }
    }
}

fn failed(error: impl std::fmt::Display) -> LinesError {
    LinesError(error.to_string())
}

fn line(row: &PgRow) -> Result<Line, sqlx::Error> {
    let percent: i16 = row.try_get("percent")?;
    let offset: i64 = row.try_get("offset")?;
    let at: i64 = row.try_get("at")?;
    Ok(Line {
        number: row.try_get("number")?,
        source: row.try_get("source")?,
        installation: row.try_get("installation")?,
        offset: u64::try_from(offset).unwrap_or_default(),
        at: Timestamp::from_microsecond(at).unwrap_or(Timestamp::UNIX_EPOCH),
        step: row.try_get("step")?,
        percent: u8::try_from(percent).unwrap_or_default(),
        text: row.try_get("line")?,
    })
}

/// The columns of many lines, as they are sent.
#[derive(Default)]
struct Columns {
    source: Vec<String>,
    installation: Vec<String>,
    offset: Vec<i64>,
    number: Vec<i64>,
    at: Vec<String>,
    step: Vec<String>,
    percent: Vec<i16>,
    line: Vec<String>,
}

impl Columns {
    fn of(lines: Vec<Line>) -> Columns {
        let mut columns = Columns::default();
        for line in lines {
            columns.source.push(line.source);
            columns.installation.push(line.installation);
            columns.offset.push(i64::try_from(line.offset).unwrap_or(i64::MAX));
            columns.number.push(line.number);
            columns.at.push(line.at.to_string());
            columns.step.push(line.step);
            columns.percent.push(i16::from(line.percent));
            columns.line.push(line.text);
        }
        columns
    }
}

/// The lines go in only where the journal moved. Version 0 is the journal that is not there yet.
const APPEND: &str = "\
WITH moved AS ( \
  INSERT INTO install_journals (environment, version, last, logs) \
  SELECT $1::uuid, $3::bigint, $4::bigint, $5::text WHERE $2::bigint = 0 OR EXISTS \
    (SELECT FROM install_journals WHERE environment = $1 AND version = $2) \
  ON CONFLICT (environment) DO UPDATE SET version = $3, last = $4, logs = $5 \
  WHERE install_journals.version = $2 RETURNING environment \
), added AS ( \
  INSERT INTO install_lines \
    (environment, source, installation, \"offset\", number, at, step, percent, line) \
  SELECT moved.environment, source, installation, o, number, at::timestamptz, step, percent, line \
  FROM moved, unnest($6::text[], $7::bigint[], $8::bigint[], $9::text[], $10::text[], \
    $11::smallint[], $12::text[], $13::text[]) \
    AS new (source, o, number, at, step, percent, line, installation) \
) SELECT count(*) FROM moved";

#[async_trait]
impl Lines for InstallLines {
    async fn journal(&self, environment: Uuid) -> Result<Journal, LinesError> {
        let query = "SELECT version, last, logs FROM install_journals WHERE environment = $1";
        let row = sqlx::query(query).bind(environment).fetch_optional(&self.shared.pool).await;
        let Some(row) = row.map_err(failed)? else { return Ok(Journal::default()) };
        let logs: String = row.try_get(2).map_err(failed)?;
        Ok(Journal {
            version: row.try_get(0).map_err(failed)?,
            last: row.try_get(1).map_err(failed)?,
            logs: serde_json::from_str(&logs).map_err(failed)?,
        })
    }

    async fn append(
        &self,
        environment: Uuid,
        before: &Journal,
        after: &Journal,
        lines: Vec<Line>,
    ) -> Result<bool, LinesError> {
        let columns = Columns::of(lines);
        let moved: i64 = sqlx::query_scalar(APPEND)
            .bind(environment)
            .bind(before.version)
            .bind(after.version)
            .bind(after.last)
            .bind(serde_json::to_string(&after.logs).map_err(failed)?)
            .bind(columns.source)
            .bind(columns.offset)
            .bind(columns.number)
            .bind(columns.at)
            .bind(columns.step)
            .bind(columns.percent)
            .bind(columns.line)
            .bind(columns.installation)
            .fetch_one(&self.shared.pool)
            .await
            .map_err(failed)?;
        if moved == 1 {
            self.tell(environment, after.last);
            for (source, place) in &after.logs {
                self.shorten(environment, source, before.logs.get(source), place).await?;
            }
        }
        Ok(moved == 1)
    }
}

impl InstallLines {
    /// Deletes what is beyond [`KEPT_BYTES`], now and then. An offset is a count of bytes, so what is
    /// kept is what is not further back than that.
    async fn shorten(
        &self,
        environment: Uuid,
        source: &str,
        before: Option<&LogPlace>,
        after: &LogPlace,
    ) -> Result<(), LinesError> {
        let offset = |place: &LogPlace| i64::try_from(place.offset()).unwrap_or(i64::MAX);
        let (was, is) = (before.map_or(0, offset), offset(after));
        if is <= KEPT_BYTES || was / SLACK == is / SLACK {
            return Ok(());
        }
        sqlx::query(
            "DELETE FROM install_lines WHERE environment = $1 AND source = $2 AND \"offset\" < $3",
        )
        .bind(environment)
        .bind(source)
        .bind(is - KEPT_BYTES + SLACK)
        .execute(&self.shared.pool)
        .await
        .map(|_| ())
        .map_err(failed)
    }
}
