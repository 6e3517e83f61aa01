//! The store port: objects, their history, and writes that are ordered and checked.
//!
//! # Guarantees every implementation gives (`tests/store` is the conformance suite)
//! - Revisions are integers in commit order. When revision R is visible, every revision below R
//!   is: *list at R, then watch after R* misses nothing, repeats nothing, reorders nothing.
//! - A write is a compare-and-swap on the object's revision, and its guards and fence are checked
//!   in the same transaction. It happens whole or not at all.
//! - An acknowledged write survives the process and the connection.
//! - A `DELETED` event carries the revision of the deletion.
//! - A watcher that cannot keep up is closed, never buffered without bound.

pub mod commit;
pub mod fanout;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use uuid::Uuid;

use devpocket_specs::admit::{Actor, Admitted};
use devpocket_specs::decision::DecisionRecord;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::{Key, Object};
use devpocket_specs::status::{Reason, Status};

/// Position in the order of all writes.
pub type Revision = u64;

/// An object as committed, with its serialised form made once for all readers.
#[derive(Clone, Debug)]
pub struct Stored {
    pub object: Object,
    /// The complete document as JSON.
    pub bytes: Arc<[u8]>,
}

impl Stored {
    /// Serialises the object; its `resourceVersion` must be set already.
    pub fn new(object: Object) -> Stored {
        let bytes = serde_json::to_vec(&object)
            .expect("objects have string keys only, so they are always JSON");
        Stored { object, bytes: bytes.into() }
    }
}

impl Deref for Stored {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.object
    }
}

/// A consistent list: complete as of `revision`.
#[derive(Clone, Debug)]
pub struct Listing {
    pub revision: Revision,
    /// Ordered by namespace, then name.
    pub items: Vec<Arc<Stored>>,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    Added,
    Modified,
    Deleted,
}

/// One change, in commit order.
#[derive(Clone, Debug)]
pub struct WatchEvent {
    pub revision: Revision,
    pub event: EventType,
    /// For `Deleted`: the last state, with the deletion's revision.
    pub object: Arc<Stored>,
    /// The state before, so that an object which stops matching a selector can be reported gone.
    pub previous: Option<Arc<Stored>>,
}

/// What a watch yields.
#[derive(Clone, Debug)]
pub enum WatchItem {
    Event(WatchEvent),
    /// Nothing of this kind happened up to this revision.
    Progress(Revision),
}

/// Why a watch ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// The history no longer reaches back that far: list again.
    #[error("revision {requested} is older than the history, which starts at {oldest}")]
    Expired { requested: Revision, oldest: Revision },
    /// The reader was too slow: list again, or watch from the last revision seen.
    #[error("the watcher fell behind and was closed")]
    Slow,
    /// The store went away.
    #[error("the store is not reachable: {0}")]
    Unavailable(String),
}

/// Changes of one kind. Ends after the first error.
pub type Watch = BoxStream<'static, Result<WatchItem, WatchError>>;

/// Something that must be true in the transaction that writes.
#[derive(Clone, Debug, PartialEq)]
pub enum Guard {
    /// Fewer than `limit` objects of the kind (in the namespace, with all these labels) exist,
    /// not counting the one written.
    CountBelow {
        kind: Kind,
        namespace: Option<String>,
        labels: BTreeMap<String, String>,
        limit: u32,
        /// The sentence a refusal carries.
        message: String,
        /// The stable code of the refusal, such as `quota`.
        code: String,
    },
    /// No other object of the kind in the namespace has this text at this JSON pointer
    /// (`/spec/displayName`).
    Unique { kind: Kind, namespace: String, pointer: String, value: String, except: Uuid },
    /// The object exists and is not being deleted.
    Exists { key: Key },
    /// The object is still at this revision.
    Unchanged { key: Key, revision: Revision },
}

/// The writer must still hold a lease: its `spec.leaseTransitions` equals `epoch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    pub lease: Key,
    pub epoch: i32,
}

/// One write.
#[derive(Clone, Debug)]
pub struct Write {
    pub admitted: Admitted,
    pub actor: Actor,
    pub guards: Vec<Guard>,
    pub fence: Option<Fence>,
    /// The record of the decision this write carries out; kept if, and only if, the write happens
    /// and changes something.
    pub decision: Option<Arc<DecisionRecord>>,
}

impl Write {
    pub fn new(admitted: Admitted, actor: Actor) -> Write {
        Write { admitted, actor, guards: Vec::new(), fence: None, decision: None }
    }
}

/// How a store refuses or fails.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StoreError {
    #[error("{0} was changed since it was read")]
    Conflict(Key),
    #[error("{0} already exists")]
    AlreadyExists(Key),
    #[error("{0} does not exist")]
    NotFound(Key),
    #[error("{message}")]
    Guard { code: String, message: String },
    /// Another process leads; this one must stop acting.
    #[error("lease {lease} is no longer at epoch {epoch}")]
    Fenced { lease: Key, epoch: i32 },
    #[error("revision {requested} is older than the history, which starts at {oldest}")]
    Expired { requested: Revision, oldest: Revision },
    /// Nothing was written.
    #[error("the store is not reachable: {0}")]
    Unavailable(String),
    /// The connection went while committing and it could not be found out what happened.
    #[error("it is not known whether the write was committed: {0}")]
    Ambiguous(String),
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
    /// The store cannot hold this object, whatever else is in it.
    #[error("{key} cannot be stored: {message}")]
    Unstorable { key: Key, message: String },
}

impl From<StoreError> for Status {
    fn from(error: StoreError) -> Status {
        match error {
            StoreError::Conflict(key) => Status::conflict(&key),
            StoreError::AlreadyExists(key) => Status::already_exists(&key),
            StoreError::NotFound(key) => Status::not_found(&key),
            StoreError::Guard { code, message } => {
                Status::new(Reason::Forbidden, message).with_code(&code)
            }
            StoreError::Fenced { .. } => Status::new(Reason::Conflict, error.to_string()),
            StoreError::Expired { .. } => Status::new(Reason::Expired, error.to_string()),
            StoreError::Unavailable(_) => {
                Status::new(Reason::ServiceUnavailable, error.to_string())
            }
            StoreError::Ambiguous(_) => Status::new(Reason::Timeout, error.to_string()),
            StoreError::Corrupt(_) => Status::new(Reason::InternalError, error.to_string()),
            StoreError::Unstorable { ref key, .. } => {
                Status::new(Reason::Invalid, error.to_string()).about(key)
            }
        }
    }
}

/// Objects and their history.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The object as of now.
    async fn get(&self, key: &Key) -> Result<Option<Arc<Stored>>, StoreError>;

    /// All objects of a kind, in one namespace or everywhere, as of now.
    async fn list(&self, kind: Kind, namespace: Option<&str>) -> Result<Listing, StoreError>;

    /// Writes, and answers what was stored. [`devpocket_specs::admit::Change::None`] answers the
    /// object as it is, without a new revision.
    async fn write(&self, write: Write) -> Result<Arc<Stored>, StoreError>;

    /// Every change of the kind after `after`, then live.
    async fn watch(&self, kind: Kind, after: Revision) -> Result<Watch, StoreError>;

    /// The same, for the few in this process who wait for what they wrote themselves: progress is
    /// told with each commit, not now and then.
    async fn follow(&self, kind: Kind, after: Revision) -> Result<Watch, StoreError> {
        self.watch(kind, after).await
    }

    /// The records of decisions about the environments that have or had this name, newest first: of
    /// each uid the latest [`DECISIONS_KEPT`](devpocket_specs::decision::DECISIONS_KEPT).
    async fn decisions(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Vec<Arc<DecisionRecord>>, StoreError>;

    /// The latest committed revision.
    async fn revision(&self) -> Result<Revision, StoreError>;
}
