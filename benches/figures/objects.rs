//! Objects of about 1.4 KB, written through the one way to write.

use std::sync::Arc;

use devpocket_controllers::store::{Store, Stored, Write};
use devpocket_specs::admit::{Actor, Admitted, Context, Request, Subresource, admit};
use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::object::Object;
use devpocket_specs::patch::PatchKind;
use serde_json::{Value, json};
use uuid::Uuid;

/// Length of the text in an object, so that its document has about 1.4 KB.
pub const TEXT_BYTES: usize = 900;

/// Annotation that holds the text.
const NOTE: &str = "bench.example/note";

fn actor() -> Actor {
    Actor { request_id: "bench".into(), ..Actor::system("bench") }
}

fn admitted(old: Option<&Object>, request: Request) -> Admitted {
    let actor = actor();
    let now = jiff::Timestamp::now();
    let context =
        Context { actor: &actor, now, uid: Uuid::new_v4(), catalogue: Catalogue::builtin() };
    admit(old, request, &context).expect("the request is admissible")
}

/// A text of the right length that starts with a number.
pub fn text(number: u64) -> String {
    format!("{number:020} {}", "x".repeat(TEXT_BYTES - 21))
}

pub fn template(name: &str, number: u64) -> Value {
    json!({
        "apiVersion": "devpocket.dev/v1alpha1", "kind": "Template",
        "metadata": {"name": name, "annotations": {NOTE: text(number)}},
        "spec": {"description": "for measuring"},
    })
}

pub fn creating(object: Value) -> Write {
    Write::new(admitted(None, Request::Create { object }), actor())
}

pub fn describing(old: &Object, number: u64) -> Write {
    let patch = json!({"metadata": {"annotations": {NOTE: text(number)}}});
    let subresource = Subresource::None;
    let request = Request::Patch { kind: PatchKind::Merge, patch, subresource };
    Write::new(admitted(Some(old), request), actor())
}

/// Creates that many, as fast as the store takes them.
pub async fn fill(store: &Arc<dyn Store>, count: usize) -> Vec<Arc<Stored>> {
    let mut made = Vec::with_capacity(count);
    for chunk in (0..count).collect::<Vec<_>>().chunks(512) {
        let writes = chunk.iter().map(|index| {
            let write = creating(template(&format!("t{index:06}"), 0));
            let store = store.clone();
            async move { store.write(write).await.expect("a create") }
        });
        made.extend(futures::future::join_all(writes).await);
    }
    made
}

pub fn lease(namespace: &str, name: &str, holder: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"holderIdentity": holder, "leaseTransitions": 0},
    })
}

pub fn holding(old: &Object, holder: &str) -> Write {
    let patch = json!({"spec": {"holderIdentity": holder}});
    let subresource = Subresource::None;
    let request = Request::Patch { kind: PatchKind::Merge, patch, subresource };
    Write::new(admitted(Some(old), request), actor())
}

fn environment(name: &str) -> Value {
    json!({
        "apiVersion": "devpocket.dev/v1alpha1", "kind": "Environment",
        "metadata": {"namespace": "bench", "name": name},
        "spec": {
            "size": "vps-10-nvme", "region": "EU",
            "env": [{"name": "NOTE", "value": text(1)}],
        },
    })
}

/// Creates environments with these numbers in their names.
pub async fn fill_environments(store: &Arc<dyn Store>, numbers: std::ops::Range<usize>) {
    for chunk in numbers.collect::<Vec<_>>().chunks(512) {
        let writes = chunk.iter().map(|index| {
            let write = creating(environment(&format!("e{index:06}")));
            let store = store.clone();
            async move { store.write(write).await.expect("a create") }
        });
        futures::future::join_all(writes).await;
    }
}
