//! The one reader of the log in a process.

use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge, histogram};
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep};

use devpocket_controllers::store::{Revision, StoreError, WatchEvent};

use super::state::Past;
use super::{Shared, Source};
use crate::store::Committed;

/// How often watchers that wait for nothing in particular hear how far the cache is.
const PROGRESS: Duration = Duration::from_secs(1);
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// Follows the source for as long as the task lives.
pub(super) async fn run(shared: Arc<Shared>, committed: broadcast::Receiver<Arc<Committed>>) {
    let (latest, poll) = (shared.source.latest(), shared.source.poll());
    let mut tailer = Tailer { shared, committed: Some(committed), latest, poll };
    let mut wait = RETRY_FIRST;
    loop {
        let before = tailer.cursor();
        let error = match tailer.follow().await {
            Ended::Behind => match tailer.start_anew().await {
                Ok(()) => continue,
                Err(error) => error,
            },
            Ended::Failed(error) => error,
        };
        if tailer.cursor() > before {
            wait = RETRY_FIRST;
        }
        // Watches stay open: they resume where they were, unless the history is gone by then.
        tracing::warn!(%error, "the log cannot be followed, trying again");
        sleep(wait).await;
        wait = (wait * 2).min(RETRY_MAX);
    }
}

enum Ended {
    /// The log does not reach back to the cursor, or the store is older than the cursor.
    Behind,
    Failed(StoreError),
}

struct Tailer {
    shared: Arc<Shared>,
    /// None once the source hands nothing over.
    committed: Option<broadcast::Receiver<Arc<Committed>>>,
    latest: watch::Receiver<Revision>,
    poll: watch::Receiver<Duration>,
}

impl Tailer {
    fn cursor(&self) -> Revision {
        self.shared.read().revision
    }

    async fn follow(&mut self) -> Ended {
        let mut tick = interval(self.poll.borrow().min(PROGRESS));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Marked as seen before the log is read, so that no hint falls in between.
            self.latest.borrow_and_update();
            let poll = *self.poll.borrow_and_update();
            let read = Instant::now();
            let cursor = self.cursor();
            match self.shared.source.changes(cursor).await {
                Ok(page) if page.upto < cursor => return Ended::Behind,
                Ok(page) => {
                    let more = !page.events.is_empty();
                    if more {
                        histogram!("devpocket_watch_lag_seconds").record(page.age.as_secs_f64());
                    }
                    self.apply(page.events, page.upto);
                    if more {
                        continue;
                    }
                }
                Err(StoreError::Expired { .. }) => return Ended::Behind,
                Err(error) => return Ended::Failed(error),
            }
            // Half a tick early is the tick that is meant.
            let due = read + poll.saturating_sub(tick.period() / 2);
            self.wait(&mut tick, due).await;
        }
    }

    /// Takes over what this process commits, until the log has to be read: at `due` at the latest.
    async fn wait(&mut self, tick: &mut Interval, due: Instant) {
        loop {
            tokio::select! {
                biased;
                batch = receive(&mut self.committed) => match batch {
                    Ok(batch) if batch.base == self.cursor() => {
                        histogram!("devpocket_watch_lag_seconds")
                            .record(batch.at.elapsed().as_secs_f64());
                        self.apply(batch.events.clone(), batch.upto);
                    }
                    Ok(batch) if batch.upto <= self.cursor() => {}
                    // Somebody else wrote in between, or this task was too slow.
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                    Err(broadcast::error::RecvError::Closed) => self.committed = None,
                },
                () = self.shared.poke.notified() => return,
                hint = self.latest.changed() => match hint {
                    Ok(()) => {
                        let latest = *self.latest.borrow_and_update();
                        if latest > self.cursor() {
                            return;
                        }
                    }
                    // The source was closed; its log can still be read.
                    Err(_) => {
                        tick.tick().await;
                        return;
                    }
                },
                () = changed(&mut self.poll) => return,
                _ = tick.tick() => {
                    self.tell_progress();
                    if Instant::now() >= due {
                        return;
                    }
                }
            }
        }
    }

    fn apply(&self, events: Vec<WatchEvent>, upto: Revision) {
        self.shared.write().apply(events, upto);
        self.shared.reached.send_replace(upto);
    }

    fn tell_progress(&self) {
        let mut state = self.shared.write();
        let revision = state.revision;
        state.fanout.progress(revision);
        gauge!("devpocket_watchers").set(state.fanout.len() as f64);
        gauge!("devpocket_cache_objects").set(state.objects.len() as f64);
        gauge!("devpocket_cache_revision").set(revision as f64);
    }

    async fn start_anew(&self) -> Result<(), StoreError> {
        counter!("devpocket_cache_resets_total").increment(1);
        let listing = self.shared.source.snapshot().await?;
        tracing::warn!(revision = listing.revision, "the cache starts anew");
        let revision = listing.revision;
        self.shared.write().reset(listing);
        self.shared.reached.send_replace(revision);
        Ok(())
    }
}

/// Revisions before its start that a cache reads from the log, so that the clients of a process
/// that was restarted need not list again.
const RECENT: Revision = 2_000;

/// What the log holds of the time right before `upto`; none if that cannot be had.
pub(super) async fn recent(source: &dyn Source, upto: Revision) -> Option<Past> {
    let mut after = upto.saturating_sub(RECENT);
    let mut events: Vec<WatchEvent> = Vec::new();
    let mut cursor = after;
    while cursor < upto {
        match source.changes(cursor).await {
            Ok(page) if page.upto <= cursor => return None,
            Ok(page) => {
                cursor = page.upto;
                events.extend(page.events.into_iter().filter(|event| event.revision <= upto));
            }
            Err(StoreError::Expired { oldest, .. }) if oldest > cursor => {
                (after, cursor) = (oldest.min(upto), oldest);
                events.clear();
            }
            Err(_) => return None,
        }
    }
    Some(Past { after, events })
}

async fn receive(
    committed: &mut Option<broadcast::Receiver<Arc<Committed>>>,
) -> Result<Arc<Committed>, broadcast::error::RecvError> {
    match committed {
        Some(receiver) => receiver.recv().await,
        None => std::future::pending().await,
    }
}

/// Completes when it changes; never, if nothing is left that could change it.
async fn changed(poll: &mut watch::Receiver<Duration>) {
    if poll.changed().await.is_err() {
        std::future::pending().await
    }
}
