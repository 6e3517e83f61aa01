//! What the queue decides, without locks, clocks or waiting: every method is given the time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::Duration;

use rustc_hash::FxBuildHasher;

use super::{Depth, Item, Priority};

/// How many priorities there are.
const PRIORITIES: usize = Priority::High as usize + 1;

/// A wish for a look that is not due yet, or not while the key runs.
#[derive(Clone, Copy, Debug)]
struct Wish {
    at: Duration,
    /// Its place in `delayed`; none while the key runs.
    stamp: u64,
}

/// The looks a key wants. Each priority has its own, so that a routine look that is due now does
/// not go ahead of others because a person's is due later. None is kept that another one grants: at
/// the same priority or a higher one, no later.
#[derive(Clone, Copy, Debug, Default)]
struct Wishes {
    later: [Option<Wish>; PRIORITIES],
    /// What is due, and since when in the order of everything.
    ready: Option<(Priority, u64)>,
}

impl Wishes {
    fn is_nothing(&self) -> bool {
        self.ready.is_none() && self.later.iter().all(Option::is_none)
    }

    fn grants(&self, priority: Priority, at: Duration) -> bool {
        self.ready.is_some_and(|(ready, _)| ready >= priority)
            || self.later[priority as usize..].iter().flatten().any(|wish| wish.at <= at)
    }

    /// The highest priority among the wishes.
    fn highest(&self) -> Option<Priority> {
        let later = Priority::ALL.into_iter().filter(|p| self.later[*p as usize].is_some());
        later.chain(self.ready.map(|(priority, _)| priority)).max()
    }
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    wishes: Wishes,
    /// Handed out, with the priority it comes back with.
    running: Option<Priority>,
    /// Failures in a row.
    failures: u32,
}

impl State {
    fn is_nothing(&self) -> bool {
        self.wishes.is_nothing() && self.running.is_none() && self.failures == 0
    }
}

/// Never gone through, and hashed alike in every run.
type Keys<K> = HashMap<K, State, FxBuildHasher>;

/// Keys in order of priority and time.
#[derive(Debug)]
pub(super) struct Schedule<K> {
    keys: Keys<K>,
    ready: BTreeMap<(Reverse<Priority>, u64), K>,
    /// A key is here once for each wish that is not due.
    delayed: BTreeMap<(Duration, u64), (K, Priority)>,
    /// Keys that want a look and do not run.
    waiting: usize,
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
            waiting: 0,
            running: 0,
            again: 0,
            next_stamp: 0,
        }
    }

    /// Wants a look at the key, unless what it waits for grants that.
    pub(super) fn add(&mut self, key: K, priority: Priority, at: Duration, now: Duration) {
        // Keys whose delay ended are ready from then, hence before what is added now.
        self.promote(now);
        // Kept is the copy that came last: those of one key are told from others by where they are
        // in memory, and whoever asks next has that copy too.
        let mut state = self.keys.remove(&key).unwrap_or_default();
        if !state.wishes.grants(priority, at) {
            if state.running.is_some() {
                self.again += usize::from(state.wishes.is_nothing());
                self.drop_granted(&mut state.wishes, priority, at);
                state.wishes.later[priority as usize] = Some(Wish { at, stamp: 0 });
            } else {
                self.waiting += usize::from(state.wishes.is_nothing());
                self.place(&key, &mut state.wishes, priority, at, now);
            }
        }
        self.keys.insert(key, state);
    }

    /// Finds a place for a new wish of a key that does not run.
    fn place(
        &mut self,
        key: &K,
        wishes: &mut Wishes,
        priority: Priority,
        at: Duration,
        now: Duration,
    ) {
        self.drop_granted(wishes, priority, at.max(now));
        if at > now {
            let stamp = self.stamp();
            self.delayed.insert((at, stamp), (key.clone(), priority));
            wishes.later[priority as usize] = Some(Wish { at, stamp });
            return;
        }
        let stamp = match wishes.ready {
            // Raised, it keeps the place its age gives it.
            Some((before, stamp)) => {
                self.ready.remove(&(Reverse(before), stamp));
                stamp
            }
            None => self.stamp(),
        };
        self.ready.insert((Reverse(priority), stamp), key.clone());
        wishes.ready = Some((priority, stamp));
    }

    /// Drops what a look at this priority and time grants as well.
    fn drop_granted(&mut self, wishes: &mut Wishes, priority: Priority, at: Duration) {
        for wish in &mut wishes.later[..=priority as usize] {
            if let Some(granted) = wish.take_if(|wish| wish.at >= at) {
                self.delayed.remove(&(granted.at, granted.stamp));
            }
        }
    }

    fn stamp(&mut self) -> u64 {
        self.next_stamp += 1;
        self.next_stamp
    }

    /// Makes ready whatever is due, in the order in which it came due.
    fn promote(&mut self, now: Duration) {
        while let Some(first) = self.delayed.first_entry() {
            let at = first.key().0;
            if at > now {
                break;
            }
            let (key, priority) = first.remove();
            let mut state = self.keys.get(&key).copied().unwrap_or_default();
            state.wishes.later[priority as usize] = None;
            self.place(&key, &mut state.wishes, priority, at, now);
            self.keys.insert(key, state);
        }
    }

    /// Hands out the next key. The look grants all its wishes, also those for later: whoever looks
    /// says when to look again.
    pub(super) fn pop(&mut self, now: Duration) -> Option<Item<K>> {
        self.promote(now);
        let ((Reverse(priority), _), key) = self.ready.pop_first()?;
        self.waiting -= 1;
        self.running += 1;
        // What is ready has a state, with its wish to be.
        let (wishes, failures) = match self.keys.get_mut(&key) {
            Some(state) => {
                let wishes = std::mem::take(&mut state.wishes);
                state.running = wishes.highest();
                (wishes, state.failures)
            }
            None => (Wishes::default(), 0),
        };
        for wish in wishes.later.iter().flatten() {
            self.delayed.remove(&(wish.at, wish.stamp));
        }
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
        let state = self.keys.get_mut(key);
        let Some((state, priority)) = state.and_then(|s| s.running.take().map(|p| (s, p))) else {
            debug_assert!(false, "a key was given back that was not handed out");
            return;
        };
        self.running -= 1;
        let meanwhile = std::mem::take(&mut state.wishes);
        if meanwhile.is_nothing() && again.is_none() {
            if state.is_nothing() {
                self.keys.remove(key);
            }
            return;
        }
        self.again -= usize::from(!meanwhile.is_nothing());
        for asked in Priority::ALL {
            if let Some(wish) = meanwhile.later[asked as usize] {
                self.add(key.clone(), asked, wish.at, now);
            }
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
            if state.is_nothing() {
                self.keys.remove(key);
            }
        }
    }

    pub(super) fn depth(&mut self, now: Duration) -> Depth {
        self.promote(now);
        let ready = self.ready.len();
        Depth { ready, delayed: self.waiting - ready, running: self.running, again: self.again }
    }
}
