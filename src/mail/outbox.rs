//! The outbox: letters that wait, in Postgres.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};
use tokio::sync::Notify;
use uuid::Uuid;

use super::carrier::address;
use super::{Letter, MailError, Posted};
use crate::access::seal::{Place, Sealer};

/// How long a process that claimed letters has them to itself. Longer than a batch can take.
pub const LEASE: Duration = Duration::from_secs(300);
/// Letters claimed at a time.
pub(super) const BATCH: i64 = 8;
/// How long what became of a letter is kept.
const KEPT_DAYS: i32 = 30;
/// Characters kept of what a mail server said.
const PROBLEM_CHARS: usize = 500;

/// Where the letters are sealed for, beside their id.
pub const PLACE: &str = "outbox";

/// Takes letters. Cheap to clone. The default one sends nothing, and says so.
#[derive(Clone, Default)]
pub struct Outbox {
    open: Option<Open>,
}

#[derive(Clone)]
struct Open {
    sealer: Arc<Sealer>,
    /// Wakes the sender of this process; others look by themselves.
    posted: Arc<Notify>,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("sends", &self.sends()).finish()
    }
}

/// A letter that this process has to itself for [`LEASE`].
#[derive(Debug)]
pub(super) struct Claimed {
    pub id: Uuid,
    pub kind: String,
    /// How often it was tried, this time included.
    pub attempts: i32,
    pub expired: bool,
    /// What is to be sent; a letter that does not open can never be.
    pub posted: Result<Posted, String>,
}

impl Outbox {
    /// One from which letters are sent.
    pub fn new(sealer: Arc<Sealer>) -> Outbox {
        Outbox { open: Some(Open { sealer, posted: Arc::default() }) }
    }

    /// Whether letters are sent from here at all. Where they are not, nobody is asked to prove an
    /// address.
    pub fn sends(&self) -> bool {
        self.open.is_some()
    }

    /// Puts a letter into the outbox, in the caller's transaction.
    ///
    /// # Errors
    /// [`MailError::NoSender`] where nothing is ever sent, [`MailError::Address`] for what is no
    /// address; both before anything is written.
    pub async fn post(
        &self,
        connection: &mut PgConnection,
        id: Uuid,
        to: &str,
        letter: &Letter,
        now: Timestamp,
    ) -> Result<(), MailError> {
        let open = self.open.as_ref().ok_or(MailError::NoSender)?;
        address(to)?;
        let text = serde_json::to_vec(letter).map_err(|e| MailError::Write(e.to_string()))?;
        let sealed = open.sealer.seal(place(&id.to_string()), &text)?;
        sqlx::query(
            "INSERT INTO outbox (id, recipient, kind, sealed, posted_at, expires_at, due_at) \
             VALUES ($1, $2, $3, $4, $5::text::timestamptz, \
             clock_timestamp() + make_interval(secs => $6), clock_timestamp())",
        )
        .bind(id)
        .bind(to)
        .bind(letter.kind())
        .bind(sealed)
        .bind(now.to_string())
        .bind(letter.lasts().as_secs_f64())
        .execute(connection)
        .await?;
        open.posted.notify_one();
        Ok(())
    }

    /// Waits until this process posts a letter. Its transaction may not have committed yet.
    pub(super) async fn posted(&self) {
        match &self.open {
            Some(open) => open.posted.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Takes letters that are due, for [`LEASE`].
    pub(super) async fn claim(
        &self,
        pool: &PgPool,
        claim: Uuid,
    ) -> Result<Vec<Claimed>, sqlx::Error> {
        let rows = sqlx::query(
            "UPDATE outbox SET due_at = clock_timestamp() + make_interval(secs => $2), \
             attempts = attempts + 1, claim = $1 \
             WHERE id IN (SELECT id FROM outbox WHERE sent_at IS NULL AND dead_at IS NULL \
             AND due_at <= clock_timestamp() ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED) \
             RETURNING id, recipient, kind, sealed, attempts, \
             expires_at <= clock_timestamp() AS expired, \
             to_char(posted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS posted_at",
        )
        .bind(claim)
        .bind(LEASE.as_secs_f64())
        .bind(BATCH)
        .fetch_all(pool)
        .await?;
        Ok(rows.iter().map(|row| self.read(row)).collect())
    }

    fn read(&self, row: &PgRow) -> Claimed {
        let id: Uuid = row.get("id");
        let read = || {
            let open = self.open.as_ref().ok_or("nothing is sent from here")?;
            let sealed: String = row.get("sealed");
            let text = open.sealer.open(place(&id.to_string()), &sealed);
            let text = text.map_err(|error| error.to_string())?;
            let letter = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
            let posted_at: String = row.get("posted_at");
            let posted_at = posted_at.parse().map_err(|error: jiff::Error| error.to_string())?;
            Ok::<Posted, String>(Posted { id, recipient: row.get("recipient"), letter, posted_at })
        };
        Claimed {
            id,
            kind: row.get("kind"),
            attempts: row.get("attempts"),
            expired: row.get("expired"),
            posted: read(),
        }
    }
}

fn place(id: &str) -> Place<'_> {
    Place { namespace: "", name: PLACE, key: id }
}

/// It is somebody else's to deliver: what it held is forgotten.
pub(super) async fn sent(pool: &PgPool, id: Uuid, claim: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE outbox SET sent_at = clock_timestamp(), sealed = '', problem = NULL \
         WHERE id = $1 AND claim = $2",
    )
    .bind(id)
    .bind(claim)
    .execute(pool)
    .await?;
    Ok(())
}

/// It is tried again after `pause`.
pub(super) async fn postponed(
    pool: &PgPool,
    (id, claim): (Uuid, Uuid),
    pause: Duration,
    problem: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE outbox SET due_at = clock_timestamp() + make_interval(secs => $3), \
         claim = NULL, problem = $4 WHERE id = $1 AND claim = $2",
    )
    .bind(id)
    .bind(claim)
    .bind(pause.as_secs_f64())
    .bind(shortened(problem))
    .execute(pool)
    .await?;
    Ok(())
}

/// Claimed and not tried: whoever looks next may have it.
pub(super) async fn returned(pool: &PgPool, id: Uuid, claim: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE outbox SET due_at = clock_timestamp(), claim = NULL, attempts = attempts - 1 \
         WHERE id = $1 AND claim = $2",
    )
    .bind(id)
    .bind(claim)
    .execute(pool)
    .await?;
    Ok(())
}

/// Given up, for this reason.
pub(super) async fn dead(
    pool: &PgPool,
    id: Uuid,
    claim: Uuid,
    problem: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE outbox SET dead_at = clock_timestamp(), sealed = '', problem = $3 \
         WHERE id = $1 AND claim = $2",
    )
    .bind(id)
    .bind(claim)
    .bind(shortened(problem))
    .execute(pool)
    .await?;
    Ok(())
}

/// Forgets what became of old letters.
pub(super) async fn prune(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM outbox WHERE COALESCE(sent_at, dead_at) < \
         clock_timestamp() - make_interval(days => $1)",
    )
    .bind(KEPT_DAYS)
    .execute(pool)
    .await?;
    Ok(())
}

fn shortened(problem: &str) -> String {
    problem.chars().filter(|c| *c != '\0').take(PROBLEM_CHARS).collect()
}
