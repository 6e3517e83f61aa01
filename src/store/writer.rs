//! The task that writes: it owns one connection and sends what is queued as one transaction.
//!
//! There is no timer. While one batch commits the next one queues up, so that batches grow exactly
//! as large as the disk is slow, and a lone write waits for nobody.
//!
//! # What a lost connection means
//! Before `COMMIT` was sent: nothing happened, the batch is replayed on a new connection until its
//! deadline, then given up as [`StoreError::Unavailable`]. After: the commit is in doubt. The new
//! connection first takes the counter row, which the transaction in doubt holds until it has
//! ended either way, then looks for its mark in the log: there, it was committed; not there, it is
//! replayed. If even that cannot be done in time, the answer is [`StoreError::Ambiguous`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, histogram};
use sqlx::{ConnectOptions, Connection, PgConnection, Row};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

use devpocket_controllers::store::{Revision, StoreError, Stored, Write};

use super::batch::Prepared;
use super::fault::Fault;
use super::foresight::{self, Outcome, foresee};
use super::known::Known;
use super::log::Committed;
use super::options::PgOptions;
use super::transaction::{Stop, prepare};
use super::{partitions, statements};

/// Writes of one transaction at most. More only make each of them later (21 ms at 256).
pub const BATCH_MAX: usize = 64;
/// Writes that may wait for the writer; more wait outside, and at last are refused.
pub const QUEUE_MAX: usize = 1_024;
/// Turns the writer leaves to whoever is ready to run before it takes what is queued. It waits for
/// no clock: where nobody else is ready, they are over at once.
const TURNS_FOR_OTHERS: usize = 2;
/// A connection that was not used for that long is asked first whether it still is one: a statement
/// lost on the way leaves it open whether it was committed.
const RESTED: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest a transaction may take as seen from here, above the server's own timeouts.
pub(super) const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(1);
/// How often "the same again" is tried without the connection failing.
const AGAIN_MAX: u32 = 5;
/// Of a session that writes: a stuck process must not hold the counter row for ever.
const SESSION: &str = "SET lock_timeout = '2s'; SET statement_timeout = '5s'; \
     SET idle_in_transaction_session_timeout = '5s'";

type Answer = Result<Arc<Stored>, StoreError>;

/// A write on its way.
pub(super) struct Queued {
    pub write: Write,
    pub deadline: Instant,
    pub reply: oneshot::Sender<Answer>,
}

pub(super) struct Writer {
    pub options: PgOptions,
    pub connection: Option<PgConnection>,
    /// When it was last used.
    pub used: Instant,
    /// First revision without a partition, as far as this process knows.
    pub covered: Revision,
    pub known: Known,
    pub committed: broadcast::Sender<Arc<Committed>>,
    /// The latest revision anybody is known to have written.
    pub latest: Arc<watch::Sender<Revision>>,
    /// The latest this process wrote: what it announces to the others.
    pub own: Arc<watch::Sender<Revision>>,
}

/// How an attempt ended.
enum Attempt {
    Committed(Prepared),
    /// All were refused or changed nothing; there was nothing to commit.
    Decided(Prepared),
    /// Nothing happened.
    Undone(Fault),
    InDoubt(Prepared, Fault),
}

impl Writer {
    /// Serves the queue until every sender is gone.
    pub async fn run(mut self, mut queue: mpsc::Receiver<Queued>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
            // Those who were answered a moment ago are about to write again: with the first of
            // them alone, the disk would be waited for twice.
            for _ in 0..TURNS_FOR_OTHERS {
                yield_now().await;
                while batch.len() < BATCH_MAX
                    && let Ok(queued) = queue.try_recv()
                {
                    batch.push(queued);
                }
            }
            histogram!("devpocket_store_batch_size").record(batch.len() as f64);
            self.serve(std::mem::take(&mut batch)).await;
        }
        if let Some(connection) = self.connection {
            let _ = connection.close().await;
        }
    }

    /// Brings a batch to its end; one that the database will not take is halved until the write
    /// it will not take stands alone.
    async fn serve(&mut self, batch: Vec<Queued>) {
        let mut batches = VecDeque::from([batch]);
        while let Some(mut batch) = batches.pop_front() {
            if let Err(fault) = self.commit(&mut batch).await {
                if batch.len() > 1 {
                    let second = batch.split_off(batch.len() / 2);
                    batches.push_front(second);
                    batches.push_front(batch);
                    continue;
                }
                for queued in batch {
                    let key = queued.write.admitted.key();
                    let message = fault.to_string();
                    let _ = queued.reply.send(Err(StoreError::Unstorable { key, message }));
                }
            }
        }
    }

    /// Tries until the batch is committed or given up. An error means that the database takes the
    /// connection, but not what is in the batch; nothing has happened and nobody was answered.
    async fn commit(&mut self, batch: &mut Vec<Queued>) -> Result<(), Fault> {
        let (mut wait, mut again) = (RETRY_FIRST, 0);
        while !batch.is_empty() {
            let started = Instant::now();
            let attempt = self.attempt(batch).await;
            histogram!("devpocket_store_commit_seconds").record(started.elapsed().as_secs_f64());
            let (prepared, fault) = match attempt {
                Attempt::Committed(prepared) => {
                    self.publish(&prepared);
                    answer(std::mem::take(batch), prepared.answers);
                    return Ok(());
                }
                Attempt::Decided(prepared) => {
                    answer(std::mem::take(batch), prepared.answers);
                    return Ok(());
                }
                Attempt::InDoubt(prepared, fault) => (Some(prepared), fault),
                Attempt::Undone(fault) => (None, fault),
            };
            if let Some(prepared) = prepared {
                counter!("devpocket_store_ambiguous_commits_total").increment(1);
                tracing::warn!(error = %fault, "a commit is in doubt");
                match self.resolve(&prepared).await {
                    Some(true) => {
                        self.publish(&prepared);
                        answer(std::mem::take(batch), prepared.answers);
                        return Ok(());
                    }
                    Some(false) => {}
                    None => {
                        let doubt = StoreError::Ambiguous(fault.to_string());
                        let answers = prepared.answers.into_iter();
                        answer(
                            std::mem::take(batch),
                            answers.map(|a| a.and(Err(doubt.clone()))).collect(),
                        );
                        return Ok(());
                    }
                }
            }
            match &fault {
                Fault::Data(_) => return Err(fault),
                Fault::Broken(text) => {
                    give_up(std::mem::take(batch), &StoreError::Corrupt(text.clone()));
                    return Ok(());
                }
                Fault::Lost(_) => {}
                Fault::Again(_) => again += 1,
            }
            tracing::warn!(error = %fault, writes = batch.len(), "writing failed, trying again");
            counter!("devpocket_store_retries_total").increment(1);
            let late = |q: &Queued| Instant::now() >= q.deadline || again >= AGAIN_MAX;
            let expired = batch.extract_if(.., |queued| late(queued)).collect();
            give_up(expired, &StoreError::Unavailable(fault.to_string()));
            sleep(wait).await;
            wait = (wait * 2).min(RETRY_MAX);
        }
        Ok(())
    }

    async fn attempt(&mut self, batch: &[Queued]) -> Attempt {
        let mut connection = match self.connect().await {
            Ok(connection) => connection,
            Err(fault) => return Attempt::Undone(fault),
        };
        let attempt = match self.rested(&mut connection).await {
            Ok(()) => self.transact(&mut connection, batch).await,
            Err(fault) => Attempt::Undone(fault),
        };
        let usable = match &attempt {
            Attempt::Committed(prepared) | Attempt::Decided(prepared) => {
                self.known.learn(prepared);
                true
            }
            Attempt::Undone(fault) => !matches!(fault, Fault::Lost(_)),
            Attempt::InDoubt(..) => false,
        };
        if !matches!(attempt, Attempt::Committed(_) | Attempt::Decided(_)) {
            // The database, or its partitions, may not be what this process believes.
            self.known.forget();
            self.covered = 0;
        }
        self.connection = usable.then_some(connection);
        self.used = Instant::now();
        attempt
    }

    /// Asks a connection that has rested whether it still is one.
    async fn rested(&self, connection: &mut PgConnection) -> Result<(), Fault> {
        if self.used.elapsed() < RESTED {
            return Ok(());
        }
        match timeout(TRANSACTION_TIMEOUT, connection.ping()).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Fault::Lost("the database does not answer".into())),
        }
    }

    async fn transact(&mut self, connection: &mut PgConnection, batch: &[Queued]) -> Attempt {
        let writes: Vec<&Write> = batch.iter().map(|queued| &queued.write).collect();
        if let Some(foreseen) = foresee(&writes, &self.known, self.covered) {
            match foresight::send(connection, foreseen).await {
                Outcome::Committed(prepared) => return Attempt::Committed(prepared),
                Outcome::InDoubt(prepared, fault) => return Attempt::InDoubt(prepared, fault),
                Outcome::Undone(fault) => return Attempt::Undone(fault),
                Outcome::Missed => self.known.forget(),
            }
        }
        loop {
            let upto = match transaction(connection, &writes, self.covered).await {
                Ok(attempt) => return attempt,
                Err(Stop::Fault(fault)) => return Attempt::Undone(fault),
                Err(Stop::Uncovered(upto)) => upto,
            };
            let size = self.options.partition_revisions;
            match partitions::ensure(connection, upto, size).await {
                Ok(covered) => self.covered = covered,
                Err(fault) => return Attempt::Undone(fault),
            }
        }
    }

    async fn connect(&mut self) -> Result<PgConnection, Fault> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let connecting = async {
            let mut connection = self.options.connect.connect().await?;
            sqlx::raw_sql(SESSION).execute(&mut connection).await?;
            Ok::<_, sqlx::Error>(connection)
        };
        match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(connection) => Ok(connection?),
            Err(_) => Err(Fault::Lost("connecting takes too long".into())),
        }
    }

    /// Finds out whether a transaction in doubt was committed; none if that cannot be known.
    async fn resolve(&mut self, prepared: &Prepared) -> Option<bool> {
        let last = prepared.events.last()?.revision;
        let until = Instant::now() + self.options.resolve_deadline;
        let mut wait = RETRY_FIRST;
        loop {
            let outcome = async {
                let mut connection = self.connect().await?;
                let work = timeout(TRANSACTION_TIMEOUT, find(&mut connection, last, prepared));
                let found = work.await.unwrap_or_else(|_| Err(Fault::Lost("no answer".into())))?;
                self.connection = Some(connection);
                Ok::<_, Fault>(found)
            };
            match outcome.await {
                Ok(found) => return found,
                Err(fault) => tracing::warn!(error = %fault, "a commit is still in doubt"),
            }
            if Instant::now() >= until {
                return None;
            }
            sleep(wait).await;
            wait = (wait * 2).min(RETRY_MAX);
        }
    }

    fn publish(&self, prepared: &Prepared) {
        let committed = Committed {
            base: prepared.base,
            upto: prepared.upto,
            events: prepared.events.clone(),
            at: Instant::now(),
        };
        // No receiver: nobody caches. A slow one reads the log instead.
        let _ = self.committed.send(Arc::new(committed));
        self.own.send_replace(prepared.upto);
        self.latest.send_if_modified(|latest| {
            let newer = *latest < prepared.upto;
            *latest = prepared.upto.max(*latest);
            newer
        });
    }
}

/// One transaction, from `BEGIN` to `COMMIT`. Errors happen before `COMMIT` was sent.
async fn transaction(
    connection: &mut PgConnection,
    writes: &[&Write],
    covered: Revision,
) -> Result<Attempt, Stop> {
    let silent = || Fault::Lost("the database does not answer".into());
    let work = async {
        let mut tx = connection.begin().await.map_err(Fault::from)?;
        let prepared = prepare(&mut tx, writes, covered).await?;
        Ok::<_, Stop>((tx, prepared))
    };
    let (tx, prepared) = timeout(TRANSACTION_TIMEOUT, work).await.map_err(|_| silent())??;
    if prepared.events.is_empty() {
        // Not committed, so it used no revision; a failure to roll back undoes it as well.
        let _ = tx.rollback().await;
        return Ok(Attempt::Decided(prepared));
    }
    Ok(match timeout(TRANSACTION_TIMEOUT, tx.commit()).await {
        Ok(Ok(())) => Attempt::Committed(prepared),
        Ok(Err(error)) => Attempt::InDoubt(prepared, Fault::Lost(error.to_string())),
        Err(_) => Attempt::InDoubt(prepared, silent()),
    })
}

/// Waits for the transaction in doubt to end, then looks for its last change.
async fn find(
    connection: &mut PgConnection,
    last: Revision,
    prepared: &Prepared,
) -> Result<Option<bool>, Fault> {
    let mut tx = connection.begin().await?;
    statements::take_counter(&mut tx, 0).await?;
    let row = sqlx::query(
        "SELECT compacted >= $1 AS forgotten, \
                EXISTS (SELECT 1 FROM changes WHERE revision = $1 AND batch = $2) AS there \
         FROM store_revision WHERE id = 1",
    )
    .bind(last as i64)
    .bind(prepared.batch)
    .fetch_one(&mut *tx)
    .await?;
    let (forgotten, there): (bool, bool) = (row.try_get("forgotten")?, row.try_get("there")?);
    tx.rollback().await?;
    Ok(if there { Some(true) } else { (!forgotten).then_some(false) })
}

fn answer(batch: Vec<Queued>, answers: Vec<Answer>) {
    for (queued, answer) in batch.into_iter().zip(answers) {
        // A caller that went away has its write all the same.
        let _ = queued.reply.send(answer);
    }
}

fn give_up(batch: Vec<Queued>, error: &StoreError) {
    for queued in batch {
        let _ = queued.reply.send(Err(error.clone()));
    }
}
