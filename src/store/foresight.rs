//! One batch as one statement, which is its own transaction: one round trip with its commit.
//!
//! It is decided before the database is asked, from what this process knows as of the last revision
//! it committed. The statement takes the counter only if it still stands there. Then nobody wrote
//! since, everything known is still true, and with it everything decided. If the counter moved on,
//! nothing happens, and the batch is decided anew inside a transaction.
//!
//! The snapshot of the statement is older than the lock on the counter row, and still right: the
//! revision was committed before the statement was sent, so the snapshot has it, and there is none
//! above it, or the counter would not stand there.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use sqlx::postgres::{PgDatabaseError, PgSeverity};
use tokio::time::timeout;

use devpocket_controllers::store::{Revision, Write};
use devpocket_specs::admit::Change;

use super::batch::{Batch, Prepared, Verdict, counting, keys};
use super::fault::Fault;
use super::known::Known;
use super::statements::{self, Head};
use super::writer::TRANSACTION_TIMEOUT;

/// A batch that was decided, and is yet to be sent.
pub(super) struct Foreseen {
    prepared: Prepared,
    batch: Batch,
}

/// What became of it.
pub(super) enum Outcome {
    Committed(Prepared),
    /// Nothing happened; it must be decided in a transaction.
    Missed,
    /// Nothing happened, and the connection is gone.
    Undone(Fault),
    InDoubt(Prepared, Fault),
}

/// Decides the writes; none if that takes more than what is known. `covered` is the first revision
/// without a partition.
pub(super) fn foresee(writes: &[&Write], known: &Known, covered: Revision) -> Option<Foreseen> {
    let base = known.at()?;
    if base + writes.len() as Revision >= covered || !decidable(writes, known) {
        return None;
    }
    let loaded = known.among(keys(writes).iter());
    // Whether a new uid is free, the statement finds out.
    let mut batch = Batch::new(base, loaded, BTreeMap::new());
    let mut answers = Vec::with_capacity(writes.len());
    for write in writes {
        if batch.touches(&write.admitted.key()) {
            return None; // One statement changes a row once.
        }
        answers.push(match batch.judge(write) {
            Err(error) => Err(error),
            Ok(Verdict::Unchanged(stored)) => Ok(stored),
            Ok(Verdict::Applies(current)) => batch.apply(write, current),
        });
    }
    // A refusal is only right if the counter says so, and only what changes something asks it.
    let events = std::mem::take(&mut batch.events);
    let upto = events.last()?.revision;
    let loaded = BTreeMap::new();
    let prepared = Prepared { batch: batch.id, base, upto, answers, events, loaded };
    Some(Foreseen { prepared, batch })
}

/// Whether everything the writes depend on is known. That a name is free, the statement finds out.
fn decidable(writes: &[&Write], known: &Known) -> bool {
    writes.iter().all(|write| {
        let new = write.admitted.change() == Change::Create;
        let mut needed = keys(&[write]);
        if new {
            needed.remove(&write.admitted.key());
        }
        counting(write).next().is_none() && needed.iter().all(|key| known.get(key).is_some())
    })
}

pub(super) async fn send(connection: &mut PgConnection, mut foreseen: Foreseen) -> Outcome {
    let prepared = foreseen.prepared;
    let head = Head::At { base: prepared.base, upto: prepared.upto };
    let pending = foreseen.batch.take_pending();
    let work = statements::apply(connection, head, prepared.batch, &pending);
    match timeout(TRANSACTION_TIMEOUT, work).await {
        Ok(Ok(true)) => Outcome::Committed(prepared),
        Ok(Ok(false)) => Outcome::Missed,
        Ok(Err(error)) if is_undone(&error) => {
            // Such as a name that is taken. The transaction will tell.
            tracing::debug!(%error, "a batch is decided anew");
            Outcome::Missed
        }
        Ok(Err(error)) if never_arrived(&error) => Outcome::Undone(error.into()),
        Ok(Err(error)) => Outcome::InDoubt(prepared, Fault::Lost(error.to_string())),
        Err(_) => Outcome::InDoubt(prepared, Fault::Lost("the database does not answer".into())),
    }
}

/// Whether the error says that the statement, and so its transaction, failed. A fatal one says that
/// the session ended, which may have been after the commit.
fn is_undone(error: &sqlx::Error) -> bool {
    let database = error.as_database_error();
    let postgres = database.and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    postgres.is_some_and(|error| matches!(error.severity(), PgSeverity::Error))
}

/// Whether the connection was closed before the whole statement was sent. Its last bytes are those
/// the server executes and commits on.
fn never_arrived(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
}
