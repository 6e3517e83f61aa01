//! Objects to write, through the one way to write: admission.

use std::sync::Arc;

use devpocket_controllers::store::{
    EventType, Fence, Guard, Revision, Store, StoreError, Stored, Watch, WatchError, WatchEvent,
    WatchItem, Write,
};
use devpocket_specs::admit::{
    Actor, Admitted, Context, Preconditions, Request, Subresource, admit,
};
use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::{Key, Object};
use devpocket_specs::patch::PatchKind;
use futures::StreamExt;
use serde_json::{Value, json};
use uuid::Uuid;

/// How long anything that must come may take. Generous: a loaded machine is no failure.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

pub fn actor() -> Actor {
    Actor { request_id: "test".into(), ..Actor::system("conformance") }
}

fn admitted(old: Option<&Object>, request: Request, uid: Uuid) -> Admitted {
    let actor = actor();
    let now = "2026-11-01T12:00:00Z".parse().expect("a time");
    let context = Context { actor: &actor, now, uid, catalogue: Catalogue::builtin() };
    admit(old, request, &context).expect("the test's request is admissible")
}

/// A cluster-scoped object.
pub fn template(name: &str) -> Value {
    json!({
        "apiVersion": "devpocket.dev/v1alpha1", "kind": "Template",
        "metadata": {"name": name}, "spec": {"description": "0"},
    })
}

/// A namespaced object with an owner's name, and labels.
pub fn lease(namespace: &str, name: &str, holder: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"namespace": namespace, "name": name, "labels": {"holder": holder}},
        "spec": {"holderIdentity": holder, "leaseTransitions": 0},
    })
}

pub fn template_key(name: &str) -> Key {
    Key::cluster(Kind::Template, name)
}

pub fn creating(object: Value) -> Write {
    creating_as(object, Uuid::new_v4())
}

pub fn creating_as(object: Value, uid: Uuid) -> Write {
    Write::new(admitted(None, Request::Create { object }, uid), actor())
}

pub fn patching(old: &Object, patch: Value) -> Write {
    let subresource = Subresource::None;
    let request = Request::Patch { kind: PatchKind::Merge, patch, subresource };
    Write::new(admitted(Some(old), request, Uuid::nil()), actor())
}

pub fn deleting(old: &Object) -> Write {
    let preconditions = Preconditions::default();
    let request = Request::Delete { preconditions, propagation: None };
    Write::new(admitted(Some(old), request, Uuid::nil()), actor())
}

pub fn guarded(mut write: Write, guard: Guard) -> Write {
    write.guards.push(guard);
    write
}

pub fn fenced(mut write: Write, lease: &Key, epoch: i32) -> Write {
    write.fence = Some(Fence { lease: lease.clone(), epoch });
    write
}

pub async fn create(store: &dyn Store, object: Value) -> Arc<Stored> {
    store.write(creating(object)).await.expect("a create")
}

pub async fn create_template(store: &dyn Store, name: &str) -> Arc<Stored> {
    create(store, template(name)).await
}

/// Changes a template's text.
pub fn describing(old: &Object, text: &str) -> Write {
    patching(old, json!({"spec": {"description": text}}))
}

pub async fn describe(store: &dyn Store, old: &Object, text: &str) -> Arc<Stored> {
    store.write(describing(old, text)).await.expect("an update")
}

pub async fn delete(store: &dyn Store, old: &Object) -> Arc<Stored> {
    store.write(deleting(old)).await.expect("a delete")
}

pub fn description(object: &Object) -> &str {
    object.field("spec")["description"].as_str().unwrap_or_default()
}

/// The next item, or the reason there is none.
pub async fn item(watch: &mut Watch) -> Result<WatchItem, WatchError> {
    let next = tokio::time::timeout(PATIENCE, watch.next()).await;
    next.expect("a watch must not fall silent").expect("a watch ends with an error, not without")
}

/// The next change, passing over progress.
pub async fn event(watch: &mut Watch) -> WatchEvent {
    loop {
        match item(watch).await.expect("the watch goes on") {
            WatchItem::Event(event) => return event,
            WatchItem::Progress(_) => {}
        }
    }
}

pub async fn events(watch: &mut Watch, count: usize) -> Vec<WatchEvent> {
    let mut events = Vec::new();
    while events.len() < count {
        events.push(event(watch).await);
    }
    events
}

/// Every change up to a revision, by waiting for progress to it or a change at it.
pub async fn events_until(watch: &mut Watch, revision: Revision) -> Vec<WatchEvent> {
    let mut events = Vec::new();
    loop {
        match item(watch).await.expect("the watch goes on") {
            WatchItem::Event(event) => {
                let done = event.revision >= revision;
                events.push(event);
                if done {
                    return events;
                }
            }
            WatchItem::Progress(at) if at >= revision => return events,
            WatchItem::Progress(_) => {}
        }
    }
}

/// What a watch tells, as text for comparing.
pub fn told(events: &[WatchEvent]) -> Vec<String> {
    let word = |event: EventType| match event {
        EventType::Added => "added",
        EventType::Modified => "modified",
        EventType::Deleted => "deleted",
    };
    events
        .iter()
        .map(|e| format!("{} {}={}", word(e.event), e.object.metadata.name, description(&e.object)))
        .collect()
}

pub fn names(items: &[Arc<Stored>]) -> Vec<String> {
    items.iter().map(|item| item.metadata.name.clone()).collect()
}

pub fn is_guard(result: &Result<Arc<Stored>, StoreError>, expected: &str) -> bool {
    matches!(result, Err(StoreError::Guard { code, .. }) if code == expected)
}
