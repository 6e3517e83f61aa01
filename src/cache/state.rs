//! The objects and the window, changed by the tailer alone, under one lock.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use devpocket_controllers::store::fanout::{Fanout, Pace};
use devpocket_controllers::store::{
    EventType, Listing, Revision, StoreError, Stored, Watch, WatchError, WatchEvent, commit,
};
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;

use super::CacheOptions;

/// What an event weighs besides its document: the parsed object, keys, pointers.
const EVENT_OVERHEAD: usize = 512;

/// Changes after a revision, up to where a listing begins.
pub(super) struct Past {
    pub after: Revision,
    pub events: Vec<WatchEvent>,
}

pub(super) struct State {
    options: CacheOptions,
    pub revision: Revision,
    pub objects: BTreeMap<Key, Arc<Stored>>,
    window: VecDeque<WatchEvent>,
    window_bytes: usize,
    /// The window holds every change after this revision.
    oldest: Revision,
    pub fanout: Fanout,
}

impl State {
    /// `past` is what the log holds from some revision up to the listing.
    pub fn new(options: CacheOptions, listing: Listing, past: Option<Past>) -> State {
        let mut state = State {
            options,
            revision: listing.revision,
            objects: listing.items.into_iter().map(|item| (item.key(), item)).collect(),
            window: VecDeque::new(),
            window_bytes: 0,
            oldest: listing.revision,
            fanout: Fanout::new(options.watch_buffer),
        };
        if let Some(past) = past {
            state.oldest = past.after;
            past.events.into_iter().for_each(|event| state.remember(event));
        }
        state
    }

    /// Begins anew. Watchers are told to list: what they missed is not known.
    pub fn reset(&mut self, listing: Listing) {
        let requested = self.revision;
        self.fanout.close(&WatchError::Expired { requested, oldest: listing.revision });
        *self = State::new(self.options, listing, None);
    }

    /// Takes in the changes up to `upto`, which are all there are.
    pub fn apply(&mut self, events: Vec<WatchEvent>, upto: Revision) {
        for mut event in events {
            let key = event.object.key();
            let previous = match event.event {
                EventType::Deleted => self.objects.remove(&key),
                EventType::Added | EventType::Modified => {
                    self.objects.insert(key, event.object.clone())
                }
            };
            // The cache's own copy, so that the window does not hold each document twice.
            event.previous = previous.or(event.previous);
            self.fanout.publish(&event);
            self.remember(event);
        }
        self.revision = upto;
        self.fanout.progress_promptly(upto);
    }

    fn remember(&mut self, event: WatchEvent) {
        self.window_bytes += weight(&event);
        self.window.push_back(event);
        while self.window.len() > self.options.window_events
            || self.window_bytes > self.options.window_bytes
        {
            let Some(gone) = self.window.pop_front() else { break };
            self.window_bytes -= weight(&gone);
            self.oldest = gone.revision;
        }
    }

    pub fn list(&self, kind: Kind, namespace: Option<&str>) -> Listing {
        let from = Key::new(kind, namespace.unwrap_or_default(), "");
        let items = self
            .objects
            .range((Bound::Included(from), Bound::Unbounded))
            .take_while(|(key, _)| key.kind == kind && namespace.is_none_or(|n| n == key.namespace))
            .map(|(_, object)| object.clone())
            .collect();
        Listing { revision: self.revision, items }
    }

    pub fn watch(&mut self, kind: Kind, after: Revision, pace: Pace) -> Result<Watch, StoreError> {
        if after < self.oldest {
            return Err(StoreError::Expired { requested: after, oldest: self.oldest });
        }
        if after > self.revision {
            return Err(commit::ahead(after, self.revision));
        }
        let from = self.window.partition_point(|event| event.revision <= after);
        let replay =
            self.window.range(from..).filter(|event| event.object.kind == kind).cloned().collect();
        Ok(self.fanout.subscribe(kind, after, replay, self.revision, pace))
    }
}

fn weight(event: &WatchEvent) -> usize {
    event.object.bytes.len() + EVENT_OVERHEAD
}
