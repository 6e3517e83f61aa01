//! What the queue decides, without locks, clocks or waiting: every method is given the time.

use std::cmp::Reverse;
use std::collections::BTreeMap;
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

/// Keys in order of priority and time. Each key in `entries` is in exactly one place.
#[derive(Debug)]
pub(super) struct Schedule<K> {
    entries: BTreeMap<K, Entry>,
    ready: BTreeMap<(Reverse<Priority>, u64), K>,
    delayed: BTreeMap<(Duration, u64), K>,
    /// Keys handed out, with the priority they had.
    running: BTreeMap<K, Priority>,
    /// Failures in a row; no entry for none.
    failures: BTreeMap<K, u32>,
    next_stamp: u64,
}

impl<K: Ord + Clone> Schedule<K> {
    pub(super) fn new() -> Self {
        Schedule {
            entries: BTreeMap::new(),
            ready: BTreeMap::new(),
            delayed: BTreeMap::new(),
            running: BTreeMap::new(),
            failures: BTreeMap::new(),
            next_stamp: 0,
        }
    }

    /// Adds the key, or merges with what is known: highest priority, earliest time.
    pub(super) fn add(&mut self, key: K, priority: Priority, at: Duration, now: Duration) {
        // Keys whose delay ended are ready from then, hence before what is added now.
        self.promote(now);
        match self.entries.get(&key).copied() {
            None if self.running.contains_key(&key) => {
                self.entries.insert(key, Entry { priority, place: Place::Running { at } });
            }
            None => self.insert(key, priority, at, now),
            Some(entry) => self.merge(key, entry, (priority, at), now),
        }
    }

    fn merge(&mut self, key: K, old: Entry, (priority, at): (Priority, Duration), now: Duration) {
        let priority = priority.max(old.priority);
        match old.place {
            Place::Running { at: earlier } => {
                let place = Place::Running { at: at.min(earlier) };
                self.entries.insert(key, Entry { priority, place });
            }
            Place::Ready { stamp } => {
                if priority > old.priority {
                    self.ready.remove(&(Reverse(old.priority), stamp));
                    self.ready.insert((Reverse(priority), stamp), key.clone());
                    self.entries.insert(key, Entry { priority, place: old.place });
                }
            }
            Place::Delayed { at: earlier, .. } if earlier <= at => {
                self.entries.insert(key, Entry { priority, place: old.place });
            }
            Place::Delayed { at: later, stamp } => {
                self.delayed.remove(&(later, stamp));
                self.insert(key, priority, at, now);
            }
        }
    }

    fn insert(&mut self, key: K, priority: Priority, at: Duration, now: Duration) {
        let stamp = self.next_stamp;
        self.next_stamp += 1;
        let place = if at <= now {
            self.ready.insert((Reverse(priority), stamp), key.clone());
            Place::Ready { stamp }
        } else {
            self.delayed.insert((at, stamp), key.clone());
            Place::Delayed { at, stamp }
        };
        self.entries.insert(key, Entry { priority, place });
    }

    /// Makes ready whatever is due, in the order in which it came due.
    fn promote(&mut self, now: Duration) {
        while let Some(first) = self.delayed.first_entry() {
            let at = first.key().0;
            if at > now {
                break;
            }
            let key = first.remove();
            let priority = self.entries.get(&key).map_or(Priority::Low, |entry| entry.priority);
            self.insert(key, priority, at, now);
        }
    }

    /// Hands out the next key.
    pub(super) fn pop(&mut self, now: Duration) -> Option<Item<K>> {
        self.promote(now);
        let ((Reverse(priority), _), key) = self.ready.pop_first()?;
        self.entries.remove(&key);
        self.running.insert(key.clone(), priority);
        let failures = self.failures.get(&key).copied().unwrap_or(0);
        Some(Item { key, priority, failures })
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
        let Some(priority) = self.running.remove(key) else {
            debug_assert!(false, "a key was given back that was not handed out");
            return;
        };
        let meanwhile = self.entries.remove(key);
        if let Some(Entry { priority, place: Place::Running { at } }) = meanwhile {
            self.add(key.clone(), priority, at, now);
        }
        if let Some(at) = again {
            let priority = if routine { Priority::Low } else { priority };
            self.add(key.clone(), priority, at, now);
        }
    }

    /// Counts a failure and answers how many there are in a row.
    pub(super) fn failed(&mut self, key: &K) -> u32 {
        let failures = self.failures.entry(key.clone()).or_insert(0);
        *failures = failures.saturating_add(1);
        *failures
    }

    /// Forgets the failures of a key.
    pub(super) fn forget(&mut self, key: &K) {
        self.failures.remove(key);
    }

    pub(super) fn depth(&mut self, now: Duration) -> Depth {
        self.promote(now);
        let (ready, delayed) = (self.ready.len(), self.delayed.len());
        let again = self.entries.len() - ready - delayed;
        Depth { ready, delayed, running: self.running.len(), again }
    }
}
