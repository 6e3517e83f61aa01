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

struct Watcher {
    sender: mpsc::Sender<Result<WatchItem, WatchError>>,
    /// Last revision sent, as event or progress.
    sent: Revision,
}

/// The watchers of one process.
pub struct Fanout {
    buffer: usize,
    watchers: BTreeMap<Kind, Vec<Watcher>>,
}

impl Fanout {
    /// `buffer` is the number of changes a watcher may leave unread.
    pub fn new(buffer: usize) -> Fanout {
        Fanout { buffer, watchers: BTreeMap::new() }
    }

    /// A watch that yields `replay`, then progress to `current` if that is news, then what is
    /// published.
    pub fn subscribe(
        &mut self,
        kind: Kind,
        after: Revision,
        replay: VecDeque<WatchEvent>,
        current: Revision,
    ) -> Watch {
        let watchers = self.watchers.entry(kind).or_default();
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
        let Some(watchers) = self.watchers.get_mut(&event.object.kind) else { return };
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

    /// Tells watchers that nothing else happened up to `revision`. One that has no room does
    /// without: progress carries nothing that a later one does not.
    pub fn progress(&mut self, revision: Revision) {
        for watchers in self.watchers.values_mut() {
            watchers.retain_mut(|watcher| {
                let room = watcher.sender.capacity() > 1;
                if room && watcher.sent < revision {
                    watcher.sent = revision;
                    return watcher.sender.try_send(Ok(WatchItem::Progress(revision))).is_ok();
                }
                !watcher.sender.is_closed()
            });
        }
    }

    /// Ends every watch. One that has unread changes reads them first.
    pub fn close(&mut self, error: &WatchError) {
        for watcher in self.watchers.values().flatten() {
            let _ = watcher.sender.try_send(Err(error.clone()));
        }
        self.watchers.clear();
    }

    /// Watchers that still listen.
    pub fn len(&self) -> usize {
        self.watchers.values().flatten().filter(|w| !w.sender.is_closed()).count()
    }

    /// Whether nobody listens.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
