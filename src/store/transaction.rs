//! One batch of writes inside one transaction.
//!
//! The counter row is taken first and held to the commit, so between here and there nobody else
//! writes: what is read is what will be true. Each write is therefore decided by reading, and no
//! statement is expected to fail.

use std::sync::Arc;

use sqlx::PgConnection;

use devpocket_controllers::store::{Revision, StoreError, Stored, Write, commit};

use super::batch::{Batch, Prepared, Verdict, counting, keys, new_uids};
use super::fault::Fault;
use super::statements::{self, Head};

/// Why a batch did not get as far as its commit.
pub(super) enum Stop {
    Fault(Fault),
    /// The log has no partition for revisions up to this one yet.
    Uncovered(Revision),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        Stop::Fault(fault)
    }
}

/// Decides and applies the writes. `covered` is the first revision without a partition.
pub(super) async fn prepare(
    connection: &mut PgConnection,
    writes: &[&Write],
    covered: Revision,
) -> Result<Prepared, Stop> {
    let count = writes.len() as Revision;
    let upto = statements::take_counter(connection, count).await?;
    if upto >= covered {
        return Err(Stop::Uncovered(upto));
    }
    let base = upto - count;
    let loaded = statements::load(connection, &keys(writes)).await?;
    let uids = statements::uids(connection, &new_uids(writes)).await?;
    let mut batch = Batch::new(base, loaded.clone(), uids);
    let mut answers = Vec::with_capacity(writes.len());
    for write in writes {
        answers.push(match decide(connection, &mut batch, write).await {
            Ok(stored) => Ok(stored),
            Err(Refusal::Store(error)) => Err(error),
            Err(Refusal::Fault(fault)) => return Err(fault.into()),
        });
    }
    flush(connection, &mut batch).await?;
    Ok(Prepared { batch: batch.id, base, upto, answers, events: batch.events, loaded })
}

/// Answers a write that changes nothing without taking the counter.
pub(super) async fn unchanged(
    connection: &mut PgConnection,
    write: &Write,
) -> Result<Arc<Stored>, StoreError> {
    let known = statements::load(connection, &keys(&[write])).await?;
    if let Some(fence) = &write.fence {
        commit::check_fence(fence, known.get(&fence.lease).map(|lease| &lease.object))?;
    }
    let current = known.get(&write.admitted.key());
    commit::check(write, current.map(Arc::as_ref))?;
    current.cloned().ok_or_else(|| StoreError::NotFound(write.admitted.key()))
}

enum Refusal {
    /// Of this write.
    Store(StoreError),
    /// Of the transaction.
    Fault(Fault),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        Refusal::Store(error)
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Refusal {
        Refusal::Fault(fault)
    }
}

async fn decide(
    connection: &mut PgConnection,
    batch: &mut Batch,
    write: &Write,
) -> Result<Arc<Stored>, Refusal> {
    let current = match batch.judge(write)? {
        Verdict::Unchanged(stored) => return Ok(stored),
        Verdict::Applies(current) => current,
    };
    let key = write.admitted.key();
    for guard in counting(write) {
        // The database must know the writes before this one.
        flush(connection, batch).await?;
        if !statements::set_guard_holds(connection, guard, &key).await? {
            return Err(commit::refusal(guard).into());
        }
    }
    if batch.touches(&key) {
        // One statement changes a row once.
        flush(connection, batch).await?;
    }
    Ok(batch.apply(write, current)?)
}

async fn flush(connection: &mut PgConnection, batch: &mut Batch) -> Result<(), Fault> {
    let pending = batch.take_pending();
    if pending.is_empty() {
        return Ok(());
    }
    let applied = statements::apply(connection, Head::Taken, batch.id, &pending).await;
    match applied {
        Ok(_) => Ok(()),
        Err(error) if statements::is_other_than_read(&error) => {
            // Read under the counter row a moment ago, so somebody writes without taking it.
            Err(Fault::Broken("rows of a batch were not as they had been read".into()))
        }
        Err(error) => Err(error.into()),
    }
}
