//! Runs a reconciler over a queue.
//!
//! # Guarantees
//! - At most the given number of reconciles run at once, and never two of one key.
//! - **Graceful drain.** After `shutdown` no key is taken, and what runs is waited for, never
//!   cancelled: a reconcile may be between an effect and the record of it. Each external call has
//!   a timeout of its own, so the wait ends.
//! - A panic in a reconcile costs that attempt only: it is logged, counted and retried.
//! - All reconciles live inside the future that [`Controller::run`] returns; nothing is spawned.
//!   Dropping that future stops everything where it stands, which is how the simulation crashes
//!   a process.

#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::future::Future;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use metrics::{Counter, Gauge, Histogram};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::workqueue::{Item, Workqueue};
use crate::clock::Clock;

/// Reconciles at once, unless the controller is told otherwise.
pub const CONCURRENCY: usize = 16;

/// Steps (taking a key, ending a reconcile) without a wait, before everything else that lives in the
/// same task gets its turn.
pub const TURN: usize = 32;

/// A reconcile that took longer is logged: it kept its key, and one of the places, busy.
pub const SLOW: Duration = Duration::from_secs(30);

/// How a reconcile ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing more to do until something changes.
    Done,
    /// Look again after this time, though nothing failed.
    After(Duration),
    /// It failed; look again after the key's back-off.
    Retry(String),
    /// It failed and will fail again until something changes.
    Terminal(String),
}

impl Outcome {
    /// A failure that may pass.
    pub fn retry(error: impl ToString) -> Outcome {
        Outcome::Retry(error.to_string())
    }
}

/// Makes one thing as it should be. Level-triggered: it is told which thing, never what happened.
pub trait Reconciler: Send + Sync + 'static {
    type Key: Eq + Hash + Clone + Debug + Send + Sync + 'static;

    /// Looks at what the key names, as it is now, and takes the next step.
    fn reconcile(&self, key: &Self::Key) -> impl Future<Output = Outcome> + Send;
}

/// A reconciler, its queue and its limits.
pub struct Controller<R: Reconciler> {
    name: &'static str,
    reconciler: Arc<R>,
    queue: Workqueue<R::Key>,
    clock: Arc<dyn Clock>,
    concurrency: usize,
}

struct Finished<K> {
    key: K,
    outcome: Outcome,
    took: Duration,
}

impl<R: Reconciler> Controller<R> {
    /// `name` labels its metrics and log lines.
    pub fn new(
        name: &'static str,
        reconciler: R,
        queue: Workqueue<R::Key>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let reconciler = Arc::new(reconciler);
        Controller { name, reconciler, queue, clock, concurrency: CONCURRENCY }
    }

    /// Allows this many reconciles at once; at least one.
    pub fn with_concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency.max(1);
        self
    }

    pub fn queue(&self) -> &Workqueue<R::Key> {
        &self.queue
    }

    /// Reconciles until `shutdown`, then drains.
    pub async fn run(self, shutdown: CancellationToken) {
        let meters = Meters::new(self.name);
        let mut running = FuturesUnordered::new();
        let mut stopping = std::pin::pin!(shutdown.cancelled());
        // Room for the next attempt: most end without waiting for anything, and leave it.
        let mut room = None;
        let mut turn = 0;
        loop {
            let free = running.len() < self.concurrency;
            let item = tokio::select! {
                biased;
                () = &mut stopping => break,
                Some(finished) = running.next(), if !running.is_empty() => {
                    self.finish(finished, &meters);
                    None
                }
                item = self.queue.get(), if free => match item {
                    Some(item) => Some(item),
                    None => break,
                },
            };
            if let Some(item) = item {
                let attempt = self.attempt(item);
                let mut attempt = match room.take() {
                    Some(mut room) => {
                        Pin::set(&mut room, attempt);
                        room
                    }
                    None => Box::pin(attempt),
                };
                match futures::poll!(attempt.as_mut()) {
                    Poll::Ready(finished) => {
                        self.finish(finished, &meters);
                        room = Some(attempt);
                    }
                    Poll::Pending => running.push(attempt),
                }
            }
            meters.depth.set(self.queue.depth().ready as f64);
            // Reconciles that find nothing to do never wait for anything. Without this a full
            // pass would keep the mirrors, which live in the same task, from hearing of what a
            // person just asked for until it is through.
            turn += 1;
            if turn == TURN {
                turn = 0;
                tokio::task::yield_now().await;
            }
        }
        self.queue.shut_down();
        while let Some(finished) = running.next().await {
            self.finish(finished, &meters);
        }
        meters.depth.set(0.0);
        tracing::debug!(controller = self.name, "drained");
    }

    async fn attempt(&self, item: Item<R::Key>) -> Finished<R::Key> {
        let started = self.clock.monotonic();
        let key = item.key;
        let span = tracing::debug_span!(
            "reconcile",
            controller = self.name,
            ?key,
            failures = item.failures
        );
        // The reconciler sees no state of ours, and what it shares is guarded by locks that
        // recover from poisoning or by the store: nothing is left half-changed for the next one.
        let attempt = AssertUnwindSafe(self.reconciler.reconcile(&key)).catch_unwind();
        let outcome = attempt.instrument(span).await.unwrap_or_else(|panic| {
            let text = panic_text(panic.as_ref());
            tracing::error!(controller = self.name, ?key, "a reconcile panicked: {text}");
            metrics::counter!("devpocket_reconcile_panics_total", "controller" => self.name)
                .increment(1);
            Outcome::Retry(format!("internal error: {text}"))
        });
        Finished { key, outcome, took: self.clock.monotonic().saturating_sub(started) }
    }

    fn finish(&self, Finished { key, outcome, took }: Finished<R::Key>, meters: &Meters) {
        self.queue.done(&key, &outcome);
        match &outcome {
            Outcome::Done => meters.done.increment(1),
            Outcome::After(_) => meters.after.increment(1),
            Outcome::Retry(why) => {
                meters.retry.increment(1);
                tracing::debug!(controller = self.name, ?key, "retry: {why}");
            }
            Outcome::Terminal(why) => {
                meters.terminal.increment(1);
                tracing::warn!(controller = self.name, ?key, "gave up until it changes: {why}");
            }
        }
        if took >= SLOW {
            tracing::warn!(controller = self.name, ?key, ?took, "a reconcile took long");
        }
        meters.seconds.record(took.as_secs_f64());
    }
}

/// What one controller counts. Looked up once: a lookup costs more than many a reconcile.
struct Meters {
    depth: Gauge,
    done: Counter,
    after: Counter,
    retry: Counter,
    terminal: Counter,
    seconds: Histogram,
}

impl Meters {
    fn new(controller: &'static str) -> Meters {
        let ended = |outcome: &'static str| {
            metrics::counter!(
                "devpocket_reconciles_total", "controller" => controller, "outcome" => outcome
            )
        };
        Meters {
            depth: metrics::gauge!("devpocket_queue_depth", "controller" => controller),
            done: ended("done"),
            after: ended("after"),
            retry: ended("retry"),
            terminal: ended("terminal"),
            seconds: metrics::histogram!("devpocket_reconcile_seconds", "controller" => controller),
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
