//! Hands committed changes to watchers, by kind, with a bound on what each may leave unread.
//!
//! The owner calls [`Fanout::subscribe`] and [`Fanout::publish`] under the lock that guards its
//! own state. That is the whole argument why a watcher misses and repeats nothing: what happened
//! before the subscription is in `replay`, what happens after is published to it.

use std::collections::{BTreeMap, VecDeque};

use devpocket_specs::kind::Kind;
use futures::StreamExt;
use futures::stream;
use tokio::sync::mpsc;

use super::{Revision, Watch, WatchError, WatchEvent, WatchItem};

/// Changes a watcher may leave unread before it is closed. At a burst of 5,000 writes a second
/// this is a fifth of a second of not being polled at all.
pub const WATCH_BUFFER: usize = 1_024;

/// How soon a watcher hears that nothing else happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// When the owner says so to all: with thousands of watchers, not with each commit.
    Leisurely,
    /// With each commit. For the few whose next step waits for it.
    Prompt,
}

struct Watcher {
    sender: mpsc::Sender<Result<WatchItem, WatchError>>,
    /// Last revision sent, as event or progress.
    sent: Revision,
}

/// The watchers of one process.
pub struct Fanout {
    buffer: usize,
    watchers: BTreeMap<Kind, Vec<Watcher>>,
    /// Apart from the others, so that a commit costs nothing per watcher that is not concerned.
    prompt: BTreeMap<Kind, Vec<Watcher>>,
}

impl Fanout {
    /// `buffer` is the number of changes a watcher may leave unread.
    pub fn new(buffer: usize) -> Fanout {
        Fanout { buffer, watchers: BTreeMap::new(), prompt: BTreeMap::new() }
    }

    /// A watch that yields `replay`, then progress to `current` if that is news, then what is
    /// published.
    pub fn subscribe(
        &mut self,
        kind: Kind,
        after: Revision,
        replay: VecDeque<WatchEvent>,
        current: Revision,
        pace: Pace,
    ) -> Watch {
        let watchers = match pace {
            Pace::Leisurely => &mut self.watchers,
            Pace::Prompt => &mut self.prompt,
        };
        let watchers = watchers.entry(kind).or_default();
        watchers.retain(|watcher| !watcher.sender.is_closed());
        // One place more than the buffer, so that the reason for closing always fits.
        let (sender, receiver) = mpsc::channel(self.buffer + 1);
        watchers.push(Watcher { sender, sent: current });
        let last = replay.back().map_or(after, |event| event.revision);
        let progress = (current > last).then_some(Ok(WatchItem::Progress(current)));
        let past = replay.into_iter().map(|event| Ok(WatchItem::Event(event))).chain(progress);
        let live = stream::unfold(Some(receiver), |receiver| async move {
            let mut receiver = receiver?;
            match receiver.recv().await {
                Some(Ok(item)) => Some((Ok(item), Some(receiver))),
                Some(Err(error)) => Some((Err(error), None)),
                // The owner is gone without a word: the store was dropped.
                None => {
                    let gone = WatchError::Unavailable("the store was closed".into());
                    Some((Err(gone), None))
                }
            }
        });
        stream::iter(past).chain(live).boxed()
    }

    /// Sends a change to the watchers of its kind. One that has no room is closed.
    pub fn publish(&mut self, event: &WatchEvent) {
        for watchers in [&mut self.watchers, &mut self.prompt] {
            if let Some(watchers) = watchers.get_mut(&event.object.kind) {
                send(watchers, event);
            }
        }
    }

    /// Tells watchers that nothing else happened up to `revision`. One that has no room does
    /// without: progress carries nothing that a later one does not.
    pub fn progress(&mut self, revision: Revision) {
        self.watchers.values_mut().for_each(|watchers| tell(watchers, revision));
        self.progress_promptly(revision);
    }

    /// The same, only to those who asked to hear of it with each commit.
    pub fn progress_promptly(&mut self, revision: Revision) {
        self.prompt.values_mut().for_each(|watchers| tell(watchers, revision));
    }

    /// Ends every watch. One that has unread changes reads them first.
    pub fn close(&mut self, error: &WatchError) {
        for watcher in self.all() {
            let _ = watcher.sender.try_send(Err(error.clone()));
        }
        self.watchers.clear();
        self.prompt.clear();
    }

    /// Watchers that still listen.
    pub fn len(&self) -> usize {
        self.all().filter(|watcher| !watcher.sender.is_closed()).count()
    }

    /// Whether nobody listens.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn all(&self) -> impl Iterator<Item = &Watcher> {
        self.watchers.values().chain(self.prompt.values()).flatten()
    }
}

fn send(watchers: &mut Vec<Watcher>, event: &WatchEvent) {
    watchers.retain_mut(|watcher| {
        if watcher.sender.is_closed() {
            return false;
        }
        if watcher.sender.capacity() <= 1 {
            // The one place kept free; its failure would mean the reader is gone anyway.
            let _ = watcher.sender.try_send(Err(WatchError::Slow));
            return false;
        }
        watcher.sent = event.revision;
        watcher.sender.try_send(Ok(WatchItem::Event(event.clone()))).is_ok()
    });
}

fn tell(watchers: &mut Vec<Watcher>, revision: Revision) {
    watchers.retain_mut(|watcher| {
        let room = watcher.sender.capacity() > 1;
        if room && watcher.sent < revision {
            watcher.sent = revision;
            return watcher.sender.try_send(Ok(WatchItem::Progress(revision))).is_ok();
        }
        !watcher.sender.is_closed()
    });
}
