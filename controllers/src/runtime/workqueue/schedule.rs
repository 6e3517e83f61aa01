//! What the queue decides, without locks, clocks or waiting: every method is given the time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, DefaultHasher, Hash};
use std::time::Duration;

use super::{Depth, Item, Priority};

/// Where a key that wants a look is.
#[derive(Clone, Copy, Debug)]
enum Place {
    Ready {
        stamp: u64,
    },
    Delayed {
        at: Duration,
        stamp: u64,
    },
    /// Being reconciled right now; due again at `at`, but not before it is released.
    Running {
        at: Duration,
    },
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    priority: Priority,
    place: Place,
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// None unless it wants a look.
    entry: Option<Entry>,
    /// Handed out, with the priority it had.
    running: Option<Priority>,
    /// Failures in a row.
    failures: u32,
}

impl State {
    fn is_nothing(&self) -> bool {
        self.entry.is_none() && self.running.is_none() && self.failures == 0
    }
}

/// Never gone through, and hashed alike in every run.
type Keys<K> = HashMap<K, State, BuildHasherDefault<DefaultHasher>>;

/// Keys in order of priority and time. Each key with an entry is in exactly one place.
#[derive(Debug)]
pub(super) struct Schedule<K> {
    keys: Keys<K>,
    ready: BTreeMap<(Reverse<Priority>, u64), K>,
    delayed: BTreeMap<(Duration, u64), K>,
    running: usize,
    /// Running keys that want another look after.
    again: usize,
    next_stamp: u64,
}

impl<K: Eq + Hash + Clone> Schedule<K> {
    pub(super) fn new() -> Self {
        Schedule {
            keys: Keys::default(),
            ready: BTreeMap::new(),
            delayed: BTreeMap::new(),
            running: 0,
            again: 0,
            next_stamp: 0,
        }
    }

    /// Adds the key, or merges with what is known: highest priority, earliest time.
    pub(super) fn add(&mut self, key: K, priority: Priority, at: Duration, now: Duration) {
        // Keys whose delay ended are ready from then, hence before what is added now.
        self.promote(now);
        let state = self.keys.get(&key).copied().unwrap_or_default();
        let entry = match state.entry {
            None if state.running.is_some() => {
                self.again += 1;
                Entry { priority, place: Place::Running { at } }
            }
            None => self.place(&key, priority, at, now),
            Some(entry) => self.merge(&key, entry, (priority, at), now),
        };
        self.keys.insert(key, State { entry: Some(entry), ..state });
    }

    fn merge(
        &mut self,
        key: &K,
        old: Entry,
        (priority, at): (Priority, Duration),
        now: Duration,
    ) -> Entry {
        let priority = priority.max(old.priority);
        match old.place {
            Place::Running { at: earlier } => {
                Entry { priority, place: Place::Running { at: at.min(earlier) } }
            }
            Place::Ready { stamp } => {
                if priority > old.priority {
                    self.ready.remove(&(Reverse(old.priority), stamp));
                    self.ready.insert((Reverse(priority), stamp), key.clone());
                }
                Entry { priority, place: old.place }
            }
            Place::Delayed { at: earlier, .. } if earlier <= at => {
                Entry { priority, place: old.place }
            }
            Place::Delayed { at: later, stamp } => {
                self.delayed.remove(&(later, stamp));
                self.place(key, priority, at, now)
            }
        }
    }

    /// Finds a place for a key that has none.
    fn place(&mut self, key: &K, priority: Priority, at: Duration, now: Duration) -> Entry {
        let stamp = self.next_stamp;
        self.next_stamp += 1;
        let place = if at <= now {
            self.ready.insert((Reverse(priority), stamp), key.clone());
            Place::Ready { stamp }
        } else {
            self.delayed.insert((at, stamp), key.clone());
            Place::Delayed { at, stamp }
        };
        Entry { priority, place }
    }

    /// Makes ready whatever is due, in the order in which it came due.
    fn promote(&mut self, now: Duration) {
        while let Some(first) = self.delayed.first_entry() {
            let at = first.key().0;
            if at > now {
                break;
            }
            let key = first.remove();
            let state = self.keys.get(&key).copied().unwrap_or_default();
            let priority = state.entry.map_or(Priority::Low, |entry| entry.priority);
            let entry = Some(self.place(&key, priority, at, now));
            self.keys.insert(key, State { entry, ..state });
        }
    }

    /// Hands out the next key.
    pub(super) fn pop(&mut self, now: Duration) -> Option<Item<K>> {
        self.promote(now);
        let ((Reverse(priority), _), key) = self.ready.pop_first()?;
        self.running += 1;
        let state = self.keys.entry(key.clone()).or_default();
        state.entry = None;
        state.running = Some(priority);
        Some(Item { key, priority, failures: state.failures })
    }

    /// When the next delay ends.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.delayed.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes a key back. It is due again at `again`, if given, at its old priority or as routine,
    /// and when it was added meanwhile, at what that asked for.
    pub(super) fn release(
        &mut self,
        key: &K,
        again: Option<Duration>,
        routine: bool,
        now: Duration,
    ) {
        let state = self.keys.get_mut(key);
        let Some((state, priority)) = state.and_then(|s| s.running.take().map(|p| (s, p))) else {
            debug_assert!(false, "a key was given back that was not handed out");
            return;
        };
        self.running -= 1;
        let meanwhile = state.entry.take();
        if meanwhile.is_none() && again.is_none() {
            self.tidy(key);
            return;
        }
        if let Some(Entry { priority, place: Place::Running { at } }) = meanwhile {
            self.again -= 1;
            self.add(key.clone(), priority, at, now);
        }
        if let Some(at) = again {
            let priority = if routine { Priority::Low } else { priority };
            self.add(key.clone(), priority, at, now);
        }
    }

    /// Counts a failure and answers how many there are in a row.
    pub(super) fn failed(&mut self, key: &K) -> u32 {
        let state = self.keys.entry(key.clone()).or_default();
        state.failures = state.failures.saturating_add(1);
        state.failures
    }

    /// Forgets the failures of a key.
    pub(super) fn forget(&mut self, key: &K) {
        if let Some(state) = self.keys.get_mut(key) {
            state.failures = 0;
            self.tidy(key);
        }
    }

    /// Keeps nothing of a key there is nothing to keep of.
    fn tidy(&mut self, key: &K) {
        if self.keys.get(key).is_some_and(State::is_nothing) {
            self.keys.remove(key);
        }
    }

    pub(super) fn depth(&mut self, now: Duration) -> Depth {
        self.promote(now);
        let (ready, delayed) = (self.ready.len(), self.delayed.len());
        Depth { ready, delayed, running: self.running, again: self.again }
    }
}
