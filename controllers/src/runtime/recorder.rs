//! Events: what happened to an object, told in its namespace.
//!
//! # Guarantees
//! - Best effort: recording never fails a reconcile. A write that fails is logged and counted.
//! - The same thing said again is counted, not stored again: the event's name is made from what it
//!   says and about whom.
//! - One object cannot flood the store: after a burst, events about it are let through slowly, as
//!   in client-go's spam filter. What is dropped is counted in a metric.
//!
//! # Caveats
//! Events are for people and are gone after a day. What must last belongs into the audit or the
//! status.

mod collect;
mod limiter;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use devpocket_specs::event::{EVENT_HOURS, Event, EventSource, ObjectReference};
use devpocket_specs::metadata::ObjectMeta;
use devpocket_specs::object::{Key, Resource};
use jiff::SignedDuration;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::client::{Client, ClientError};
use limiter::Limiter;

pub use collect::{COLLECT_AT_MOST, collect_garbage};

/// Where events about cluster-scoped objects go, and where the controllers' leases are.
pub const SYSTEM_NAMESPACE: &str = "devpocket-system";

/// Longest message kept, in characters, as in Kubernetes.
pub const LONGEST_MESSAGE: usize = 1024;

/// What kind of news an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Normal,
    /// A person may have to do something.
    Warning,
}

impl Severity {
    /// The word in the event's `type`.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Normal => "Normal",
            Severity::Warning => "Warning",
        }
    }
}

/// The object an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Involved {
    pub key: Key,
    pub uid: Uuid,
}

impl Involved {
    pub fn of<T: Resource>(resource: &T) -> Involved {
        Involved { key: resource.key(), uid: resource.uid() }
    }

    /// The namespace its events are in.
    fn namespace(&self) -> &str {
        if self.key.namespace.is_empty() { SYSTEM_NAMESPACE } else { &self.key.namespace }
    }

    fn reference(&self) -> ObjectReference {
        ObjectReference {
            api_version: Some(self.key.kind.api_version()),
            kind: Some(self.key.kind.info().name.to_owned()),
            namespace: Some(self.key.namespace.clone()).filter(|name| !name.is_empty()),
            name: Some(self.key.name.clone()),
            uid: Some(self.uid.to_string()),
            ..ObjectReference::default()
        }
    }
}

/// Records events as one component. Clones share the limits.
#[derive(Clone)]
pub struct Recorder {
    client: Client,
    component: &'static str,
    limiter: Arc<Mutex<Limiter>>,
}

impl Recorder {
    pub fn new(client: Client, component: &'static str) -> Recorder {
        Recorder { client, component, limiter: Arc::default() }
    }

    /// Records that something happened. `reason` is a CamelCase word, `message` a sentence for
    /// people; neither may hold anything secret.
    pub async fn event(
        &self,
        involved: &Involved,
        severity: Severity,
        reason: &str,
        message: &str,
    ) {
        let now = self.client.clock().monotonic();
        let allowed =
            self.limiter.lock().unwrap_or_else(PoisonError::into_inner).allow(involved.uid, now);
        if !allowed {
            metrics::counter!("devpocket_events_dropped_total", "why" => "limit").increment(1);
            tracing::debug!(key = %involved.key, reason, "event dropped, too many: {message}");
            return;
        }
        let message = shorten(message);
        let fresh = self.fresh(involved, severity, reason, &message);
        if let Err(error) = self.write(fresh).await {
            metrics::counter!("devpocket_events_dropped_total", "why" => "error").increment(1);
            tracing::warn!(key = %involved.key, reason, "event not recorded: {error}");
        }
    }

    async fn write(&self, fresh: Event) -> Result<(), ClientError> {
        let key = fresh.key();
        match self.client.create(&fresh).await {
            Err(error) if error.is_already_exists() => {}
            other => return other.map(drop),
        }
        self.client.edit(&key, |event: &mut Event| repeat(event, &fresh)).await.map(drop)
    }

    fn fresh(&self, about: &Involved, severity: Severity, reason: &str, message: &str) -> Event {
        let now = self.client.now();
        let name = self.name(about, severity, reason, message);
        Event {
            metadata: ObjectMeta::named(about.namespace(), name),
            involved_object: about.reference(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            r#type: severity.word().to_owned(),
            count: 1,
            first_timestamp: Some(now),
            last_timestamp: Some(now),
            source: EventSource { component: Some(self.component.to_owned()), host: None },
            event_time: None,
            series: None,
            reporting_component: self.component.to_owned(),
            reporting_instance: self.client.actor().manager.clone(),
            action: None,
            related: None,
        }
    }

    /// `<object>.<16 hex digits of what is said>`.
    fn name(&self, about: &Involved, severity: Severity, reason: &str, message: &str) -> String {
        let mut hash = Sha256::new();
        for part in [self.component, severity.word(), reason, message] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.update(about.uid.as_bytes());
        let digest = hash.finalize();
        let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("{}.{hex}", about.key.name)
    }
}

/// Counts a repeat; starts anew when the last one was so long ago that it is another story.
fn repeat(event: &mut Event, fresh: &Event) {
    let oldest = fresh
        .last_timestamp
        .and_then(|now| now.checked_sub(SignedDuration::from_hours(EVENT_HOURS)).ok());
    if event.last_timestamp < oldest {
        event.count = 0;
        event.first_timestamp = fresh.first_timestamp;
    }
    event.count = event.count.saturating_add(1);
    event.last_timestamp = fresh.last_timestamp;
}

fn shorten(message: &str) -> String {
    if message.chars().count() <= LONGEST_MESSAGE {
        return message.to_owned();
    }
    let mut text: String = message.chars().take(LONGEST_MESSAGE - 1).collect();
    text.push('…');
    text
}
