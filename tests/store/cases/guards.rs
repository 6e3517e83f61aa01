use std::collections::BTreeMap;

use devpocket_controllers::store::{Guard, Revision, StoreError};
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use serde_json::json;
use uuid::Uuid;

use crate::objects::*;
use crate::worlds::World;

pub fn at_most(namespace: Option<&str>, labels: &[(&str, &str)], limit: u32) -> Guard {
    let labels: BTreeMap<_, _> =
        labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Guard::CountBelow {
        kind: Kind::Lease,
        namespace: namespace.map(str::to_owned),
        labels,
        limit,
        message: format!("only {limit} of these"),
        code: "quota".into(),
    }
}

pub fn unique(namespace: &str, value: &str, except: Uuid) -> Guard {
    Guard::Unique {
        kind: Kind::Lease,
        namespace: namespace.into(),
        pointer: "/spec/holderIdentity".into(),
        value: value.into(),
        except,
    }
}

/// Breaks without it: a quota is a wish.
pub async fn a_full_count_refuses_with_its_own_words(world: &mut dyn World) {
    let store = world.store();
    for name in ["a", "b"] {
        store
            .write(guarded(creating(lease("n", name, "h")), at_most(Some("n"), &[], 2)))
            .await
            .unwrap();
    }
    let third =
        store.write(guarded(creating(lease("n", "c", "h")), at_most(Some("n"), &[], 2))).await;
    let expected = StoreError::Guard { code: "quota".into(), message: "only 2 of these".into() };
    assert_eq!(third.unwrap_err(), expected);
    assert_eq!(store.list(Kind::Lease, Some("n")).await.unwrap().items.len(), 2);
}

/// Breaks without it: one tenant's machines use up another's quota.
pub async fn a_count_is_of_its_namespace(world: &mut dyn World) {
    let store = world.store();
    create(&*store, lease("other", "a", "h")).await;
    let write = guarded(creating(lease("n", "a", "h")), at_most(Some("n"), &[], 1));
    store.write(write).await.unwrap();
    let everywhere = guarded(creating(lease("n", "b", "h")), at_most(None, &[], 2));
    assert!(is_guard(&store.write(everywhere).await, "quota"));
}

/// Breaks without it: "one open purchase per environment" counts everybody's purchases.
pub async fn a_count_is_of_those_with_all_its_labels(world: &mut dyn World) {
    let store = world.store();
    create(&*store, lease("n", "a", "one")).await;
    create(&*store, lease("n", "b", "two")).await;
    let two = at_most(None, &[("holder", "two")], 1);
    assert!(is_guard(&store.write(guarded(creating(lease("n", "c", "x")), two)).await, "quota"));
    let three = at_most(None, &[("holder", "three")], 1);
    store.write(guarded(creating(lease("n", "c", "x")), three)).await.unwrap();
    let both = at_most(None, &[("holder", "two"), ("more", "x")], 1);
    store.write(guarded(creating(lease("n", "d", "x")), both)).await.unwrap();
}

/// Breaks without it: at its limit a tenant cannot even stop a machine.
pub async fn a_count_leaves_out_the_object_written(world: &mut dyn World) {
    let store = world.store();
    let a = create(&*store, lease("n", "a", "h")).await;
    let write = patching(&a, json!({"spec": {"holderIdentity": "other"}}));
    store.write(guarded(write, at_most(Some("n"), &[], 1))).await.unwrap();
}

/// Breaks without it: two environments of one name, and the phone shows one of them.
pub async fn a_taken_name_is_refused(world: &mut dyn World) {
    let store = world.store();
    create(&*store, lease("n", "a", "box")).await;
    let second = guarded(creating(lease("n", "b", "box")), unique("n", "box", Uuid::nil()));
    assert!(is_guard(&store.write(second).await, "name-taken"));
    let elsewhere = guarded(creating(lease("m", "b", "box")), unique("m", "box", Uuid::nil()));
    store.write(elsewhere).await.unwrap();
    let otherwise = guarded(creating(lease("n", "b", "bo")), unique("n", "bo", Uuid::nil()));
    store.write(otherwise).await.unwrap();
}

/// Breaks without it: an object cannot be saved, because its own name is taken by itself.
pub async fn a_name_is_not_taken_by_its_owner(world: &mut dyn World) {
    let store = world.store();
    let a = create(&*store, lease("n", "a", "box")).await;
    let write = patching(&a, json!({"metadata": {"labels": {"x": "y"}}}));
    store.write(guarded(write, unique("n", "box", a.uid()))).await.unwrap();
}

/// Breaks without it: a number at the pointer is taken for a text in one store and not in another.
pub async fn only_a_text_takes_a_name(world: &mut dyn World) {
    let store = world.store();
    create(&*store, lease("n", "a", "h")).await;
    let mut guard = unique("n", "0", Uuid::nil());
    if let Guard::Unique { pointer, .. } = &mut guard {
        *pointer = "/spec/leaseTransitions".into();
    }
    store.write(guarded(creating(lease("n", "b", "h")), guard)).await.unwrap();
}

/// Breaks without it: an environment is created from a template that is being deleted.
pub async fn what_must_exist_must_not_be_going_either(world: &mut dyn World) {
    let store = world.store();
    let exists = || Guard::Exists { key: template_key("t") };
    let write = |name: &str| guarded(creating(lease("n", name, "h")), exists());
    assert!(is_guard(&store.write(write("a")).await, "missing"));
    let mut object = template("t");
    object["metadata"]["finalizers"] = json!(["test.example/hold"]);
    let t = create(&*store, object).await;
    store.write(write("a")).await.unwrap();
    delete(&*store, &t).await;
    assert!(is_guard(&store.write(write("b")).await, "missing"));
}

/// Breaks without it: a purchase is decided on a budget that somebody has lowered since.
pub async fn what_was_decided_on_must_be_unchanged(world: &mut dyn World) {
    let store = world.store();
    let t = create_template(&*store, "t").await;
    let unchanged = |revision: Revision| Guard::Unchanged { key: template_key("t"), revision };
    let good = guarded(creating(lease("n", "a", "h")), unchanged(t.revision()));
    store.write(good).await.unwrap();
    describe(&*store, &t, "1").await;
    let late = guarded(creating(lease("n", "b", "h")), unchanged(t.revision()));
    assert!(is_guard(&store.write(late).await, "changed"));
    let gone = Guard::Unchanged { key: Key::cluster(Kind::Template, "never"), revision: 1 };
    assert!(is_guard(&store.write(guarded(creating(lease("n", "b", "h")), gone)).await, "changed"));
}

/// Breaks without it: the second of two guards is not looked at.
pub async fn every_guard_must_hold(world: &mut dyn World) {
    let store = world.store();
    create(&*store, lease("n", "a", "box")).await;
    let write = guarded(creating(lease("n", "b", "box")), at_most(Some("n"), &[], 5));
    let write = guarded(write, unique("n", "box", Uuid::nil()));
    assert!(is_guard(&store.write(write).await, "name-taken"));
}
