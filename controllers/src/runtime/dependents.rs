//! Garbage collection: an object goes when all its owners (`metadata.ownerReferences`) are gone.
//!
//! # How it works
//! One pass over every kind finds who belongs to whom; watches keep that current. What a change may
//! concern is then judged on the objects as they are stored, never on what was seen before.
//!
//! # Guarantees, which are Kubernetes'
//! - An object is deleted only if it names owners and none of them exists, by kind, name **and**
//!   uid, at the moment of the deletion, and only if it has not changed since it was judged. An
//!   owner that cannot be looked up (an unknown kind, a namespaced owner of a cluster-scoped
//!   object) counts as there.
//! - An owner deleted in the foreground goes after the dependents that block it; one deleted with
//!   `Orphan` goes after its dependents have forgotten it.
//! - Nothing is kept beyond the process: whatever was missed is found by the first pass of the next
//!   leader.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use devpocket_specs::admit::{FOREGROUND_FINALIZER, ORPHAN_FINALIZER, Preconditions};
use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::OwnerReference;
use devpocket_specs::object::{Key, Object};
use futures::StreamExt as _;
use futures::stream::select_all;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::client::{Client, ClientError};
use crate::store::{EventType, WatchError, WatchEvent, WatchItem};

/// Wait before a pass that failed is begun again.
const AGAIN: Duration = Duration::from_secs(5);

/// Why a pass ended.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error("a watch ended")]
    Ended,
}

/// Deletes what belongs to nobody any more, until `stop`.
pub async fn collect(client: &Client, stop: &CancellationToken) {
    loop {
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            ended = Pass::new(client).run() => ended,
        };
        if let Err(error) = ended {
            tracing::debug!("dependents are looked at anew: {error}");
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = client.clock().sleep(AGAIN) => {}
        }
    }
}

/// What one round of list and watch knows.
struct Pass<'c> {
    client: &'c Client,
    /// Who names this uid as an owner.
    dependents: BTreeMap<Uuid, BTreeSet<Key>>,
    /// To be judged.
    pending: BTreeSet<Key>,
}

impl<'c> Pass<'c> {
    fn new(client: &'c Client) -> Pass<'c> {
        Pass { client, dependents: BTreeMap::new(), pending: BTreeSet::new() }
    }

    /// Ends with the first watch that does.
    async fn run(mut self) -> Result<(), Broken> {
        let mut watches = Vec::new();
        for kind in Kind::all() {
            let listing = self.client.store().list(kind, None).await?;
            listing.items.iter().for_each(|stored| self.seen(&stored.object, None));
            watches.push(self.client.store().watch(kind, listing.revision).await?);
        }
        let mut changes = select_all(watches);
        loop {
            while let Some(key) = self.pending.pop_first() {
                self.judge(&key).await?;
            }
            match changes.next().await.ok_or(Broken::Ended)?? {
                WatchItem::Event(event) => self.changed(&event),
                WatchItem::Progress(_) => {}
            }
        }
    }

    fn changed(&mut self, event: &WatchEvent) {
        let object = &event.object.object;
        let before = event.previous.as_ref().map(|previous| &previous.object);
        if event.event != EventType::Deleted {
            return self.seen(object, before);
        }
        self.forget(before.unwrap_or(object));
        if let Some(left) = self.dependents.get(&object.uid()) {
            self.pending.extend(left.iter().cloned());
        }
        self.pending.extend(owners(object));
    }

    /// Takes an object in; it is judged if anything changed that matters here.
    fn seen(&mut self, object: &Object, before: Option<&Object>) {
        let references = &object.metadata.owner_references;
        let known = before.map(|before| &before.metadata.owner_references);
        if known != Some(references) {
            if let Some(before) = before {
                self.forget(before);
                self.pending.extend(owners(before));
            }
            for reference in references {
                self.dependents.entry(reference.uid).or_default().insert(object.key());
            }
            if !references.is_empty() {
                self.pending.insert(object.key());
            }
        }
        if object.metadata.is_deleting() && awaited(object).is_some() {
            self.pending.insert(object.key());
        }
    }

    fn forget(&mut self, object: &Object) {
        for reference in &object.metadata.owner_references {
            if let Some(left) = self.dependents.get_mut(&reference.uid) {
                left.remove(&object.key());
                if left.is_empty() {
                    self.dependents.remove(&reference.uid);
                }
            }
        }
    }

    async fn judge(&mut self, key: &Key) -> Result<(), Broken> {
        let Some(stored) = self.client.store().get(key).await? else { return Ok(()) };
        let object = &stored.object;
        let judged = if object.metadata.is_deleting() {
            match awaited(object) {
                Some(FOREGROUND_FINALIZER) => self.foreground(object).await,
                Some(finalizer) => self.orphan(object, finalizer).await,
                None => Ok(()),
            }
        } else if object.metadata.owner_references.is_empty() {
            Ok(())
        } else {
            self.dependent(object).await
        };
        match judged {
            // Somebody wrote in between: what they wrote is judged by the event of it.
            Err(Broken::Client(error)) if error.is_conflict() || error.is_not_found() => Ok(()),
            // Admission keeps it, such as a namespace that is not empty.
            Err(Broken::Client(ClientError::Refused(status))) => {
                tracing::info!(%key, "a dependent is not deleted: {}", status.message);
                Ok(())
            }
            other => other,
        }
    }

    /// An object with owners: it goes with the last of them.
    async fn dependent(&mut self, object: &Object) -> Result<(), Broken> {
        let (mut kept, mut going) = (Vec::new(), 0);
        for reference in &object.metadata.owner_references {
            match self.owner(object, reference).await? {
                Owner::There => kept.push(reference),
                Owner::Gone | Owner::Waiting => going += 1,
            }
        }
        if going == 0 {
            return Ok(());
        }
        if kept.is_empty() {
            tracing::info!(key = %object.key(), "deleted: none of its owners is left");
            return Ok(self.client.delete(&object.key(), unchanged(object)).await?);
        }
        let patch = json!({"metadata": {"ownerReferences": kept}});
        Ok(self.client.merge(object, patch).await?)
    }

    async fn owner(&self, object: &Object, named: &OwnerReference) -> Result<Owner, Broken> {
        let Some(key) = owner_key(object, named) else { return Ok(Owner::There) };
        let owner = self.client.store().get(&key).await?;
        Ok(match owner.filter(|owner| owner.object.uid() == named.uid) {
            None => Owner::Gone,
            Some(owner)
                if owner.metadata.is_deleting()
                    && awaited(&owner.object) == Some(FOREGROUND_FINALIZER) =>
            {
                Owner::Waiting
            }
            Some(_) => Owner::There,
        })
    }

    /// An owner that goes after the dependents that block it.
    async fn foreground(&mut self, owner: &Object) -> Result<(), Broken> {
        let mut blocked = false;
        for key in self.dependents.get(&owner.uid()).cloned().unwrap_or_default() {
            let Some(dependent) = self.client.store().get(&key).await? else { continue };
            let names = dependent.metadata.owner_references.iter();
            let mut names = names.filter(|reference| reference.uid == owner.uid()).peekable();
            if names.peek().is_none() {
                continue;
            }
            blocked |= names.any(|reference| reference.block_owner_deletion == Some(true));
            if !dependent.metadata.is_deleting() {
                self.pending.insert(key);
            }
        }
        // Otherwise the last of them brings the owner back here when it goes.
        if blocked { Ok(()) } else { self.release(owner, FOREGROUND_FINALIZER).await }
    }

    /// An owner whose dependents stay behind without it.
    async fn orphan(&mut self, owner: &Object, finalizer: &str) -> Result<(), Broken> {
        for key in self.dependents.get(&owner.uid()).cloned().unwrap_or_default() {
            let Some(dependent) = self.client.store().get(&key).await? else { continue };
            let references = &dependent.metadata.owner_references;
            let kept: Vec<&OwnerReference> =
                references.iter().filter(|reference| reference.uid != owner.uid()).collect();
            if kept.len() == references.len() {
                continue;
            }
            let patch = json!({"metadata": {"ownerReferences": kept}});
            match self.client.merge(&dependent.object, patch).await {
                // The owner stays until all of them have forgotten it.
                Err(error) if error.is_conflict() => {
                    self.pending.insert(owner.key());
                    return Ok(());
                }
                Err(error) if error.is_not_found() => {}
                other => other?,
            }
        }
        self.release(owner, finalizer).await
    }

    async fn release(&self, owner: &Object, finalizer: &str) -> Result<(), Broken> {
        let left = owner.metadata.finalizers.iter().filter(|name| *name != finalizer);
        let patch = json!({"metadata": {"finalizers": left.collect::<Vec<_>>()}});
        Ok(self.client.merge(owner, patch).await?)
    }
}

/// How an owner stands.
enum Owner {
    There,
    /// Deleted, and only waiting for its dependents.
    Waiting,
    Gone,
}

/// The finalizer of an object that waits for this collector.
fn awaited(object: &Object) -> Option<&'static str> {
    [FOREGROUND_FINALIZER, ORPHAN_FINALIZER]
        .into_iter()
        .find(|finalizer| object.metadata.has_finalizer(finalizer))
}

fn owners(object: &Object) -> impl Iterator<Item = Key> {
    object.metadata.owner_references.iter().filter_map(|reference| owner_key(object, reference))
}

/// Where an owner is: in the namespace of its dependent, or in none. None if it cannot be told.
fn owner_key(object: &Object, reference: &OwnerReference) -> Option<Key> {
    let kind = Kind::from_type(&reference.api_version, &reference.kind)?;
    let namespace = &object.metadata.namespace;
    if kind.is_namespaced() && namespace.is_empty() {
        return None;
    }
    let namespace = if kind.is_namespaced() { namespace.as_str() } else { "" };
    Some(Key::new(kind, namespace, &reference.name))
}

fn unchanged(object: &Object) -> Preconditions {
    let metadata = &object.metadata;
    Preconditions { uid: metadata.uid, resource_version: metadata.resource_version.clone() }
}
