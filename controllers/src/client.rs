//! Typed reads and writes for controllers.
//!
//! # Guarantees
//! - Every write passes [`admit`] with this client's actor, so a controller obeys the rules a
//!   person obeys.
//! - Every write carries this client's guards and fence. The fence is fixed when the client is
//!   made, one client per term of leadership: work left over from an earlier term can never borrow
//!   the epoch of a later one, which a shared and updatable fence would allow.
//! - [`Client::edit`] decides on the state it replaces. Should somebody write in between, the
//!   edit runs again on what they wrote.
//!
//! # Caveats
//! - [`StoreError::Ambiguous`] is handed on: whether a repeat is safe only the caller knows.
//! - Lists fail when one item cannot be read as its kind. A shorter list would look like absence.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use devpocket_specs::admit::{
    Actor, Admitted, Context, Preconditions, Request, Subresource, admit,
};
use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::decision::DecisionRecord;
use devpocket_specs::object::{Key, Object, ObjectError, Resource};
use devpocket_specs::patch::PatchKind;
use devpocket_specs::status::{Reason, Status};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::clock::{Clock, Ids};
use crate::store::{Fence, Guard, Store, StoreError, Write};

/// How often an edit is tried before a conflict is handed to the caller.
pub const EDIT_ATTEMPTS: u32 = 8;

/// Why a read or a write failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Admission said no.
    #[error(transparent)]
    Refused(#[from] Status),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored object does not fit its kind.
    #[error(transparent)]
    Decode(#[from] ObjectError),
}

impl ClientError {
    /// Somebody else wrote first, or a precondition no longer holds: read again and decide again.
    pub fn is_conflict(&self) -> bool {
        self.has_reason(Reason::Conflict) || matches!(self, Self::Store(StoreError::Conflict(_)))
    }

    pub fn is_already_exists(&self) -> bool {
        self.has_reason(Reason::AlreadyExists)
            || matches!(self, Self::Store(StoreError::AlreadyExists(_)))
    }

    pub fn is_not_found(&self) -> bool {
        self.has_reason(Reason::NotFound) || matches!(self, Self::Store(StoreError::NotFound(_)))
    }

    /// Another process leads; nothing more may be written or sent in this term.
    pub fn is_fenced(&self) -> bool {
        matches!(self, Self::Store(StoreError::Fenced { .. }))
    }

    /// A guard said no; its code tells which.
    pub fn guard_code(&self) -> Option<&str> {
        match self {
            Self::Store(StoreError::Guard { code, .. }) => Some(code),
            _ => None,
        }
    }

    /// The same request may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Store(StoreError::Unavailable(_) | StoreError::Ambiguous(_)))
    }

    fn has_reason(&self, reason: Reason) -> bool {
        matches!(self, Self::Refused(status) if status.reason == reason)
    }
}

impl From<ClientError> for Status {
    fn from(error: ClientError) -> Status {
        match error {
            ClientError::Refused(status) => status,
            ClientError::Store(error) => error.into(),
            ClientError::Decode(error) => Status::new(Reason::InternalError, error.to_string()),
        }
    }
}

/// Reads and writes as one actor. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    catalogue: Arc<Catalogue>,
    actor: Arc<Actor>,
    fence: Option<Fence>,
    guards: Vec<Guard>,
    decision: Option<Arc<DecisionRecord>>,
}

impl Client {
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        catalogue: Arc<Catalogue>,
        actor: Actor,
    ) -> Client {
        let actor = Arc::new(actor);
        let (fence, guards, decision) = (None, Vec::new(), None);
        Client { store, clock, ids, catalogue, actor, fence, guards, decision }
    }

    /// The same client, writing as somebody else.
    pub fn acting_as(&self, actor: Actor) -> Client {
        Client { actor: Arc::new(actor), ..self.clone() }
    }

    /// The same client, each write of which holds only while the fence does.
    pub fn fenced(&self, fence: Fence) -> Client {
        Client { fence: Some(fence), ..self.clone() }
    }

    /// The same client, each write of which also demands these guards:
    /// `client.guarded(vec![..]).create(&machine)`.
    pub fn guarded(&self, guards: Vec<Guard>) -> Client {
        Client { guards, ..self.clone() }
    }

    /// The same client, each write of which carries the record of the decision it carries out. Meant
    /// for one write.
    pub fn deciding(&self, decision: Option<DecisionRecord>) -> Client {
        Client { decision: decision.map(Arc::new), ..self.clone() }
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub fn ids(&self) -> &Arc<dyn Ids> {
        &self.ids
    }

    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    pub fn fence(&self) -> Option<&Fence> {
        self.fence.as_ref()
    }

    /// Wall time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A new uid.
    pub fn uid(&self) -> Uuid {
        self.ids.uid()
    }

    /// The object as of now, not as some mirror has it.
    pub async fn get<T: Resource>(&self, key: &Key) -> Result<Option<T>, ClientError> {
        debug_assert_eq!(key.kind, T::KIND);
        match self.store.get(key).await? {
            Some(stored) => Ok(Some(stored.to()?)),
            None => Ok(None),
        }
    }

    /// All objects of the kind, in one namespace or everywhere, as of now.
    pub async fn list<T: Resource>(&self, namespace: Option<&str>) -> Result<Vec<T>, ClientError> {
        let listing = self.store.list(T::KIND, namespace).await?;
        listing.items.iter().map(|stored| Ok(stored.to()?)).collect()
    }

    /// Creates the object and answers it as stored.
    pub async fn create<T: Resource>(&self, resource: &T) -> Result<T, ClientError> {
        let request = Request::Create { object: Object::of(resource).to_value() };
        self.submit(&resource.key(), request).await
    }

    /// Replaces everything but the status. The object's `resourceVersion` must be current.
    pub async fn update<T: Resource>(&self, resource: &T) -> Result<T, ClientError> {
        self.submit(&resource.key(), replace(resource, Subresource::None)).await
    }

    /// Replaces the status and nothing else. The object's `resourceVersion` must be current.
    pub async fn update_status<T: Resource>(&self, resource: &T) -> Result<T, ClientError> {
        self.submit(&resource.key(), replace(resource, Subresource::Status)).await
    }

    /// Deletes the object, or marks it for deletion while it has finalizers.
    pub async fn delete(&self, key: &Key, must: Preconditions) -> Result<(), ClientError> {
        let old = self.store.get(key).await?;
        let old = old.as_ref().map(|stored| &stored.object);
        if old.is_none() {
            return Err(StoreError::NotFound(key.clone()).into());
        }
        let admitted =
            self.admit(old, Request::Delete { preconditions: must, propagation: None })?;
        self.write(admitted).await?;
        Ok(())
    }

    /// A merge patch of an object of any kind, as long as it is as it was read.
    pub async fn merge(&self, read: &Object, patch: Value) -> Result<(), ClientError> {
        let (kind, subresource) = (PatchKind::Merge, Subresource::None);
        let admitted = self.admit(Some(read), Request::Patch { kind, patch, subresource })?;
        self.write(admitted).await?;
        Ok(())
    }

    /// Reads, changes and replaces everything but the status, again if somebody wrote in between.
    pub async fn edit<T, F>(&self, key: &Key, mut change: F) -> Result<T, ClientError>
    where
        T: Resource,
        F: FnMut(&mut T) + Send,
    {
        self.try_edit(key, move |resource| {
            change(resource);
            Ok(())
        })
        .await
    }

    /// As [`Client::edit`], for the status.
    pub async fn edit_status<T, F>(&self, key: &Key, mut change: F) -> Result<T, ClientError>
    where
        T: Resource,
        F: FnMut(&mut T) + Send,
    {
        self.try_edit_status(key, move |resource| {
            change(resource);
            Ok(())
        })
        .await
    }

    /// As [`Client::edit`], for a change that depends on what it finds: an error from `change`
    /// ends the edit with nothing written.
    pub async fn try_edit<T, F>(&self, key: &Key, change: F) -> Result<T, ClientError>
    where
        T: Resource,
        F: FnMut(&mut T) -> Result<(), Status> + Send,
    {
        self.modify(key, Subresource::None, change).await
    }

    /// As [`Client::try_edit`], for the status.
    pub async fn try_edit_status<T, F>(&self, key: &Key, change: F) -> Result<T, ClientError>
    where
        T: Resource,
        F: FnMut(&mut T) -> Result<(), Status> + Send,
    {
        self.modify(key, Subresource::Status, change).await
    }

    async fn modify<T, F>(
        &self,
        key: &Key,
        subresource: Subresource,
        mut change: F,
    ) -> Result<T, ClientError>
    where
        T: Resource,
        F: FnMut(&mut T) -> Result<(), Status> + Send,
    {
        debug_assert_eq!(key.kind, T::KIND);
        let mut attempt = 1;
        loop {
            let old = self.store.get(key).await?;
            let old = old.ok_or_else(|| StoreError::NotFound(key.clone()))?;
            let mut resource: T = old.to()?;
            change(&mut resource)?;
            let admitted = self.admit(Some(&old.object), replace(&resource, subresource))?;
            match self.write(admitted).await {
                Err(ClientError::Store(StoreError::Conflict(_))) if attempt < EDIT_ATTEMPTS => {
                    attempt += 1;
                }
                other => return Ok(other?.to()?),
            }
        }
    }

    async fn submit<T: Resource>(&self, key: &Key, request: Request) -> Result<T, ClientError> {
        let old = self.store.get(key).await?;
        let admitted = self.admit(old.as_ref().map(|stored| &stored.object), request)?;
        Ok(self.write(admitted).await?.to()?)
    }

    fn admit(&self, old: Option<&Object>, request: Request) -> Result<Admitted, ClientError> {
        let uid = if old.is_none() { self.ids.uid() } else { Uuid::nil() };
        let context =
            Context { actor: &self.actor, now: self.clock.now(), uid, catalogue: &self.catalogue };
        Ok(admit(old, request, &context)?)
    }

    async fn write(&self, admitted: Admitted) -> Result<Arc<crate::store::Stored>, ClientError> {
        let mut write = Write::new(admitted, Actor::clone(&self.actor));
        write.guards.clone_from(&self.guards);
        write.fence.clone_from(&self.fence);
        write.decision.clone_from(&self.decision);
        Ok(self.store.write(write).await?)
    }
}

fn replace<T: Resource>(resource: &T, subresource: Subresource) -> Request {
    Request::Update { object: Object::of(resource).to_value(), subresource }
}

/// Demands that the object is the very one that was read, at the revision it was read at.
pub fn unchanged<T: Resource>(resource: &T) -> Preconditions {
    let metadata = resource.metadata();
    Preconditions { uid: metadata.uid, resource_version: metadata.resource_version.clone() }
}

/// Demands that the object is the very one that was read, whatever happened to it since.
pub fn same<T: Resource>(resource: &T) -> Preconditions {
    Preconditions { uid: resource.metadata().uid, resource_version: None }
}
