//! Lists in pages, and lists as of a revision that has passed.
//!
//! # How it works
//! A continue token says at which revision the first page was made and after which object it
//! ended. The list as of that revision is not kept anywhere: it is the list of now with the changes
//! since then taken back, newest first. The watch window holds them, each with the state before it.
//! So a token is good on every replica and after a restart, for as long as the history reaches.
//!
//! # Guarantees
//! - All pages of a list together are the list as of one revision.
//! - When the history no longer reaches back, the answer is 410 and carries a token with which the
//!   rest can be had as it is now, for clients that would rather go on than begin again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use devpocket_controllers::store::{
    EventType, Listing, Revision, StoreError, Stored, WatchError, WatchEvent, WatchItem,
};
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use devpocket_specs::status::{Reason, Status};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::timeout;

use super::params::bad;
use crate::server::AppState;

/// Version of the token's form.
const FORM: &str = "meta.k8s.io/v1";
/// Instead of a revision: go on in the list as it is now.
const INCONSISTENT: i64 = -1;
/// Longest wait for changes that are known to be there.
const REPLAY_WAIT: Duration = Duration::from_secs(3);

/// Where a list goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Token {
    v: String,
    rv: i64,
    /// The last object that was sent: its namespace and name.
    start: (String, String),
}

impl Token {
    /// After this object, in the list as of a revision.
    pub(super) fn after(last: &Stored, revision: Revision) -> Token {
        let metadata = &last.object.metadata;
        let start = (metadata.namespace.clone(), metadata.name.clone());
        Token { v: FORM.into(), rv: i64::try_from(revision).unwrap_or(i64::MAX), start }
    }

    pub(super) fn read(text: &str) -> Result<Token, Status> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
        let token = bytes.ok().and_then(|bytes| serde_json::from_slice::<Token>(&bytes).ok());
        token
            .filter(|token| token.v == FORM && (token.rv > 0 || token.rv == INCONSISTENT))
            .ok_or_else(|| bad("continue key is not valid: it was not made by this server"))
    }

    pub(super) fn text(&self) -> String {
        let json = serde_json::to_vec(self).expect("texts and a number are always JSON");
        URL_SAFE_NO_PAD.encode(json)
    }

    /// The revision to read at; none for the list as it is now.
    pub(super) fn revision(&self) -> Option<Revision> {
        Revision::try_from(self.rv).ok()
    }

    /// Whether this object comes later.
    pub(super) fn is_before(&self, stored: &Stored) -> bool {
        let metadata = &stored.object.metadata;
        let (namespace, name) = (self.start.0.as_str(), self.start.1.as_str());
        (metadata.namespace.as_str(), metadata.name.as_str()) > (namespace, name)
    }

    /// The refusal of a token whose revision is gone, with one that goes on regardless.
    pub(super) fn expired(&self) -> (Status, String) {
        let message = "The provided continue parameter is too old to display a consistent list \
                       result. You can start a new list without the continue parameter, or use \
                       the continue token in this response to retrieve the remainder of the \
                       results. Continuing with the provided token results in an inconsistent \
                       list - objects that were created, modified, or deleted between the time \
                       the first chunk was returned and now may show up in the list.";
        let next = Token { rv: INCONSISTENT, ..self.clone() };
        (Status::new(Reason::Expired, message), next.text())
    }
}

/// The list as of a revision that was reached; none if the history does not reach back.
pub(super) async fn as_of(
    state: &AppState,
    kind: Kind,
    namespace: Option<&str>,
    revision: Revision,
) -> Result<Option<Listing>, Status> {
    let now = state.store.list(kind, namespace).await?;
    if now.revision <= revision {
        return Ok(Some(now));
    }
    let Some(changes) = changes(state, kind, revision, now.revision).await? else {
        return Ok(None);
    };
    Ok(taken_back(now, changes, namespace, revision))
}

/// Every change of the kind after one revision, up to another that has passed.
async fn changes(
    state: &AppState,
    kind: Kind,
    after: Revision,
    upto: Revision,
) -> Result<Option<Vec<WatchEvent>>, Status> {
    let mut source = match state.store.watch(kind, after).await {
        Err(StoreError::Expired { .. }) => return Ok(None),
        source => source?,
    };
    let mut events = Vec::new();
    let mut seen = after;
    while seen < upto {
        match timeout(REPLAY_WAIT, source.next()).await {
            Ok(Some(Ok(WatchItem::Event(event)))) if event.revision > upto => break,
            Ok(Some(Ok(WatchItem::Event(event)))) => {
                seen = event.revision;
                events.push(event);
            }
            Ok(Some(Ok(WatchItem::Progress(revision)))) => seen = revision,
            Ok(Some(Err(WatchError::Expired { .. } | WatchError::Slow))) => return Ok(None),
            Ok(Some(Err(error))) => return Err(unavailable(&error.to_string())),
            Ok(None) | Err(_) => return Err(unavailable("the history was not read to its end")),
        }
    }
    Ok(Some(events))
}

fn unavailable(message: &str) -> Status {
    Status::new(Reason::ServiceUnavailable, message)
}

/// A list without the changes after `revision`; none if a state before one is not known.
fn taken_back(
    now: Listing,
    changes: Vec<WatchEvent>,
    namespace: Option<&str>,
    revision: Revision,
) -> Option<Listing> {
    let mut items: BTreeMap<Key, Arc<Stored>> =
        now.items.into_iter().map(|item| (item.key(), item)).collect();
    for change in changes.into_iter().rev() {
        let key = change.object.key();
        if namespace.is_some_and(|namespace| namespace != key.namespace) {
            continue;
        }
        match (change.previous, change.event) {
            (Some(previous), _) => {
                items.insert(key, previous);
            }
            (None, EventType::Added) => {
                items.remove(&key);
            }
            (None, _) => return None,
        }
    }
    Some(Listing { revision, items: items.into_values().collect() })
}

/// The answer of an expired token: a `Status` whose metadata carries the other token.
pub(super) fn expired_document(token: &Token) -> Value {
    let (status, next) = token.expired();
    let mut document = status.to_value();
    document["metadata"]["continue"] = next.into();
    document
}

#[cfg(test)]
mod tests {
    use devpocket_specs::object::Object;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn stored(name: &str, revision: u64) -> Arc<Stored> {
        let document = json!({
            "metadata": {"name": name, "namespace": "a", "resourceVersion": revision.to_string()},
        });
        Arc::new(Stored::new(Object::from_value(Kind::Environment, document).unwrap()))
    }

    fn change(
        revision: u64,
        event: EventType,
        name: &str,
        previous: Option<Arc<Stored>>,
    ) -> WatchEvent {
        WatchEvent { revision, event, object: stored(name, revision), previous }
    }

    #[test]
    fn what_happened_since_is_taken_back() {
        let now = Listing { revision: 9, items: vec![stored("kept", 2), stored("new", 6)] };
        let changes = vec![
            change(6, EventType::Added, "new", None),
            change(7, EventType::Modified, "gone", Some(stored("gone", 3))),
            change(8, EventType::Deleted, "gone", Some(stored("gone", 7))),
        ];
        let then = taken_back(now.clone(), changes, None, 5).unwrap();
        let names: Vec<(String, u64)> = then
            .items
            .iter()
            .map(|item| (item.object.metadata.name.clone(), item.object.revision()))
            .collect();
        assert_eq!(names, [("gone".into(), 3), ("kept".into(), 2)]);
        assert_eq!(then.revision, 5);
        let unknown = vec![change(7, EventType::Modified, "kept", None)];
        assert!(taken_back(now, unknown, None, 5).is_none(), "a guess is no list");
    }

    #[test]
    fn a_token_comes_back_as_it_was_and_others_are_refused() {
        let token = Token::after(&stored("web", 4), 7);
        let read = Token::read(&token.text()).unwrap();
        assert_eq!(read, token);
        assert_eq!(read.revision(), Some(7));
        assert!(read.is_before(&stored("web2", 1)) && !read.is_before(&stored("web", 9)));
        let next = Token::read(&token.expired().1).unwrap();
        assert_eq!(next.revision(), None);
        for made_up in
            ["", "x", "e30", &URL_SAFE_NO_PAD.encode(r#"{"v":"meta.k8s.io/v1","rv":-2}"#)]
        {
            assert_eq!(Token::read(made_up).unwrap_err().reason, Reason::BadRequest, "{made_up}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_fall_over(text in "\\PC*", bytes in any::<Vec<u8>>()) {
            prop_assert!(Token::read(&text).is_err());
            prop_assert!(Token::read(&URL_SAFE_NO_PAD.encode(bytes)).is_err());
        }

        /// Whoever writes one themselves gets a place in the list, and nothing else.
        #[test]
        fn what_fits_is_a_place(namespace in "\\PC{0,20}", name in "\\PC{0,20}", rv in 1_i64..) {
            let token = Token { v: FORM.into(), rv, start: (namespace, name) };
            let read = Token::read(&token.text());
            prop_assert_eq!(read.map(|read| read.text()).ok(), Some(token.text()));
        }
    }
}
