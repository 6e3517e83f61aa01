//! The queue of things to look at again, after controller-runtime's priority queue.
//!
//! # Guarantees
//! - **Dedup.** A key is handed out once, however often it was added. Of each priority the earliest
//!   time counts, and a key is ready at the highest priority that is due. (Merging into the highest
//!   priority and the earliest time, as controller-runtime does, let a resync pull forward whatever
//!   a person had set going, at a person's priority, past what had just changed.)
//! - **Per-key serialisation.** A key handed out by [`Workqueue::get`] is not handed out again
//!   before [`Workqueue::done`]; when it was added meanwhile, it is then looked at again. So no
//!   change is lost that came while the key was being reconciled.
//! - **Priority, then first in, first out.** Among keys of one priority the one that has been
//!   ready longest goes first, where a delayed key counts as ready from the moment its delay
//!   ended. A full resync after a restart therefore cannot delay what a person just asked for,
//!   which is what kube-runtime's scheduler (no order at all) would let happen.
//! - **Back-off per key.** Failures in a row are counted by key and decide the delay; success
//!   forgets them. A retry keeps its priority.
//! - **No lost wake-up.** Any number of callers may wait in `get`, and each may be dropped at any
//!   time: a key is either still in the queue or was returned.
//! - Adding, taking and finishing cost O(log n).
//!
//! # Assumptions
//! - Every key taken is given back with `done`. [`super::Controller`] does, also after a panic.
//! - Keys name objects, so the queue is bounded by the number of objects: that is why it has no
//!   limit of its own.
//!
//! # Caveats
//! - A change observed during back-off makes the key ready at once: what changed may be the cure.
//!   A reconciler whose own status writes come back as changes must therefore filter them (see
//!   [`super::Change::is_status_only`]), or it voids its own back-off.
//! - Priorities are strict. Keys of a low priority wait for as long as higher ones keep coming.

mod schedule;
#[cfg(test)]
mod tests;

use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use futures::future::select;
use tokio::sync::Notify;

use super::backoff::Backoff;
use super::controller::Outcome;
use crate::clock::Clock;
use schedule::Schedule;

/// From this delay on nobody is waiting at a screen for the next look, so it is a routine one:
/// the key comes back at [`Priority::Low`].
pub const ROUTINE_AFTER: Duration = Duration::from_secs(60);

/// Who is waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Nobody: resync after a start, routine checks.
    Low,
    /// Something changed.
    #[default]
    Normal,
    /// A person.
    High,
}

impl Priority {
    /// From the lowest.
    pub const ALL: [Priority; 3] = [Priority::Low, Priority::Normal, Priority::High];
}

/// A key to reconcile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item<K> {
    pub key: K,
    pub priority: Priority,
    /// Failures in a row before this attempt.
    pub failures: u32,
}

/// How full the queue is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Keys that could be handed out now.
    pub ready: usize,
    /// Keys whose delay has not ended.
    pub delayed: usize,
    /// Keys handed out and not yet given back.
    pub running: usize,
    /// Running keys that will be looked at again.
    pub again: usize,
}

/// What there is to hand out.
enum Next<K> {
    Item(Item<K>),
    /// Nothing; perhaps after this time.
    Due(Option<Duration>),
    ShutDown,
}

/// The queue. Clones are handles to the same one.
pub struct Workqueue<K> {
    inner: Arc<Inner<K>>,
}

struct Inner<K> {
    clock: Arc<dyn Clock>,
    backoff: Backoff,
    state: Mutex<State<K>>,
    changed: Notify,
}

struct State<K> {
    schedule: Schedule<K>,
    rng: Rng,
    shut_down: bool,
}

impl<K> Clone for Workqueue<K> {
    fn clone(&self) -> Self {
        Workqueue { inner: Arc::clone(&self.inner) }
    }
}

impl<K: Eq + Hash + Clone> Workqueue<K> {
    /// An empty queue; `seed` decides the jitter of its back-off (see [`crate::clock::seed`]).
    pub fn new(clock: Arc<dyn Clock>, backoff: Backoff, seed: u64) -> Self {
        let state =
            State { schedule: Schedule::new(), rng: Rng::with_seed(seed), shut_down: false };
        let state = Mutex::new(state);
        Workqueue { inner: Arc::new(Inner { clock, backoff, state, changed: Notify::new() }) }
    }

    /// Asks for a look at the key now.
    pub fn add(&self, key: K, priority: Priority) {
        self.add_after(key, priority, Duration::ZERO);
    }

    /// Asks for a look at the key once `delay` has passed, or earlier if somebody asks for that.
    pub fn add_after(&self, key: K, priority: Priority, delay: Duration) {
        {
            let mut state = self.lock();
            if state.shut_down {
                return;
            }
            let now = self.inner.clock.monotonic();
            state.schedule.add(key, priority, now.saturating_add(delay), now);
        }
        self.inner.changed.notify_waiters();
    }

    /// The next key, once there is one; `None` after [`Workqueue::shut_down`]. Dropping the
    /// future loses nothing.
    pub async fn get(&self) -> Option<Item<K>> {
        // Waiting for news is not prepared for where there is no need to wait.
        match self.pop() {
            Next::Item(item) => return Some(item),
            Next::ShutDown => return None,
            Next::Due(_) => {}
        }
        loop {
            // Registered before looking, so that whatever is added after the look wakes us.
            let mut changed = std::pin::pin!(self.inner.changed.notified());
            changed.as_mut().enable();
            let due = match self.pop() {
                Next::Item(item) => return Some(item),
                Next::ShutDown => return None,
                Next::Due(due) => due,
            };
            match due {
                Some(delay) => drop(select(changed, self.inner.clock.sleep(delay)).await),
                None => changed.await,
            }
        }
    }

    fn pop(&self) -> Next<K> {
        let mut state = self.lock();
        if state.shut_down {
            return Next::ShutDown;
        }
        let now = self.inner.clock.monotonic();
        match state.schedule.pop(now) {
            Some(item) => Next::Item(item),
            None => Next::Due(state.schedule.next_due().map(|at| at.saturating_sub(now))),
        }
    }

    /// Gives a key back and says how it went.
    pub fn done(&self, key: &K, outcome: &Outcome) {
        {
            let mut state = self.lock();
            let now = self.inner.clock.monotonic();
            let State { schedule, rng, .. } = &mut *state;
            let again = match outcome {
                Outcome::Done | Outcome::Terminal(_) => {
                    schedule.forget(key);
                    None
                }
                Outcome::After(delay) => {
                    schedule.forget(key);
                    Some(*delay)
                }
                Outcome::Retry(_) => {
                    let failures = schedule.failed(key);
                    Some(self.inner.backoff.delay(failures, rng))
                }
            };
            let routine = matches!(outcome, Outcome::After(delay) if *delay >= ROUTINE_AFTER);
            let at = again.map(|delay| now.saturating_add(delay));
            schedule.release(key, at, routine, now);
        }
        self.inner.changed.notify_waiters();
    }

    /// Hands out nothing more and takes nothing more. Running keys are given back as usual.
    pub fn shut_down(&self) {
        self.lock().shut_down = true;
        self.inner.changed.notify_waiters();
    }

    pub fn depth(&self) -> Depth {
        let mut state = self.lock();
        let now = self.inner.clock.monotonic();
        state.schedule.depth(now)
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
