use devpocket_controllers::store::StoreError;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use serde_json::json;
use uuid::Uuid;

use crate::objects::*;
use crate::worlds::World;

/// Breaks without it: everything; a write that was acknowledged cannot be read.
pub async fn what_was_created_can_be_read(world: &mut dyn World) {
    let store = world.store();
    let created = create_template(&*store, "a").await;
    let read = store.get(&template_key("a")).await.unwrap().expect("it was created");
    assert_eq!(read.object, created.object);
}

/// Breaks without it: `get` of a deleted environment answers 500 instead of 404.
pub async fn what_never_was_is_none(world: &mut dyn World) {
    assert!(world.store().get(&template_key("a")).await.unwrap().is_none());
}

/// Breaks without it: a key from a URL with `%00` in it takes the connection down.
pub async fn a_key_no_object_can_have_is_none(world: &mut dyn World) {
    assert!(world.store().get(&template_key("a\0b")).await.unwrap().is_none());
}

/// Breaks without it: clients cannot send the version back, so nothing protects their update.
pub async fn an_object_carries_the_revision_of_its_write(world: &mut dyn World) {
    let store = world.store();
    let created = create_template(&*store, "a").await;
    assert_eq!(created.revision(), store.revision().await.unwrap());
    let updated = describe(&*store, &created, "1").await;
    assert!(updated.revision() > created.revision());
    let read = store.get(&template_key("a")).await.unwrap().unwrap();
    assert_eq!(read.revision(), updated.revision());
}

/// Breaks without it: lists serve bytes that differ from the object they stand for.
pub async fn the_bytes_are_the_object(world: &mut dyn World) {
    let store = world.store();
    let created = create_template(&*store, "a").await;
    for stored in [created, store.get(&template_key("a")).await.unwrap().unwrap()] {
        let bytes: serde_json::Value = serde_json::from_slice(&stored.bytes).unwrap();
        assert_eq!(bytes, stored.object.to_value());
        assert_eq!(bytes["metadata"]["resourceVersion"], json!(stored.revision().to_string()));
    }
}

/// Breaks without it: an apply that changes nothing is seen as a change, for ever, because a number
/// or a letter came back otherwise than it went in.
pub async fn numbers_and_letters_come_back_as_they_went_in(world: &mut dyn World) {
    let store = world.store();
    let odd = json!({
        "float": 1e16, "tiny": 5e-324, "whole": 1.0, "big": u64::MAX, "negative": -1,
        "text": "grüße \u{1f980} \u{200b} \\ \" \u{1}", "deep": [[[{"a": [null, true]}]]],
    });
    let created = create(
        &*store,
        json!({
            "apiVersion": "devpocket.dev/v1alpha1", "kind": "Environment",
            "metadata": {"namespace": "team-a", "name": "a"},
            "spec": {"size": "vps-10-nvme", "region": "EU", "parameters": odd},
        }),
    )
    .await;
    assert_eq!(created.field("spec")["parameters"], odd);
    let key = Key::new(Kind::Environment, "team-a", "a");
    let read = store.get(&key).await.unwrap().unwrap();
    assert_eq!(read.object, created.object);
    assert_eq!(read.bytes, created.bytes);
}

/// Breaks without it: two people who create the same name overwrite each other.
pub async fn the_same_name_twice_already_exists(world: &mut dyn World) {
    let store = world.store();
    create_template(&*store, "a").await;
    let second = store.write(creating(template("a"))).await;
    assert_eq!(second.unwrap_err(), StoreError::AlreadyExists(template_key("a")));
}

/// Breaks without it: two records claim to be the same thing, and a machine has two owners.
pub async fn the_same_uid_twice_already_exists(world: &mut dyn World) {
    let store = world.store();
    let uid = Uuid::new_v4();
    store.write(creating_as(template("a"), uid)).await.unwrap();
    let second = store.write(creating_as(template("b"), uid)).await;
    assert_eq!(second.unwrap_err(), StoreError::AlreadyExists(template_key("a")));
}

/// Breaks without it: whoever read first overwrites whoever wrote since.
pub async fn an_update_of_what_changed_since_conflicts(world: &mut dyn World) {
    let store = world.store();
    let read = create_template(&*store, "a").await;
    describe(&*store, &read, "1").await;
    let late = store.write(describing(&read, "2")).await;
    assert_eq!(late.unwrap_err(), StoreError::Conflict(template_key("a")));
    let now = store.get(&template_key("a")).await.unwrap().unwrap();
    assert_eq!(description(&now), "1");
}

/// Breaks without it: an update brings a deleted object back to life.
pub async fn an_update_of_what_is_gone_is_not_found(world: &mut dyn World) {
    let store = world.store();
    let read = create_template(&*store, "a").await;
    delete(&*store, &read).await;
    let late = store.write(describing(&read, "1")).await;
    assert_eq!(late.unwrap_err(), StoreError::NotFound(template_key("a")));
}

/// Breaks without it: an update meant for the first object changes the second of the same name.
pub async fn an_update_of_what_was_made_anew_conflicts(world: &mut dyn World) {
    let store = world.store();
    let first = create_template(&*store, "a").await;
    delete(&*store, &first).await;
    let second = create_template(&*store, "a").await;
    assert_ne!(first.uid(), second.uid());
    let late = store.write(describing(&first, "1")).await;
    assert_eq!(late.unwrap_err(), StoreError::Conflict(template_key("a")));
}

/// Breaks without it: clients wait for a deletion that they have already been told of.
pub async fn a_delete_answers_the_last_state_at_its_own_revision(world: &mut dyn World) {
    let store = world.store();
    let created = create_template(&*store, "a").await;
    let deleted = delete(&*store, &created).await;
    assert_eq!(deleted.uid(), created.uid());
    assert!(deleted.revision() > created.revision());
    assert!(store.get(&template_key("a")).await.unwrap().is_none());
}

/// Breaks without it: a delete decided on an old state takes what somebody just saved.
pub async fn a_delete_of_what_changed_since_conflicts(world: &mut dyn World) {
    let store = world.store();
    let read = create_template(&*store, "a").await;
    describe(&*store, &read, "1").await;
    let late = store.write(deleting(&read)).await;
    assert_eq!(late.unwrap_err(), StoreError::Conflict(template_key("a")));
    assert!(store.get(&template_key("a")).await.unwrap().is_some());
}

/// Breaks without it: a record goes while its machine is still paid for.
pub async fn a_finalizer_keeps_an_object_until_it_is_taken_off(world: &mut dyn World) {
    let store = world.store();
    let mut object = template("a");
    object["metadata"]["finalizers"] = json!(["test.example/hold"]);
    let created = create(&*store, object).await;
    let marked = delete(&*store, &created).await;
    assert!(marked.metadata.is_deleting());
    assert!(store.get(&template_key("a")).await.unwrap().is_some());
    let last = patching(&marked, json!({"metadata": {"finalizers": null}}));
    store.write(last).await.unwrap();
    assert!(store.get(&template_key("a")).await.unwrap().is_none());
}

/// Breaks without it: two controllers that agree wake each other with every pass.
pub async fn a_write_that_changes_nothing_makes_no_revision(world: &mut dyn World) {
    let store = world.store();
    let created = create_template(&*store, "a").await;
    let before = store.revision().await.unwrap();
    let mut watch = store.watch(created.kind, before).await.unwrap();
    let same = store.write(describing(&created, "0")).await.unwrap();
    assert_eq!(same.revision(), created.revision());
    assert_eq!(store.revision().await.unwrap(), before);
    describe(&*store, &created, "1").await;
    assert_eq!(told(&[event(&mut watch).await]), ["modified a=1"]);
}

/// Breaks without it: "it is already so" is answered about a state that is no longer there.
pub async fn a_write_that_would_change_nothing_in_an_old_state_conflicts(world: &mut dyn World) {
    let store = world.store();
    let read = create_template(&*store, "a").await;
    describe(&*store, &read, "1").await;
    let late = store.write(describing(&read, "0")).await;
    assert_eq!(late.unwrap_err(), StoreError::Conflict(template_key("a")));
}

/// Breaks without it: a refused write moves the world a little, and watchers wake for nothing.
pub async fn a_refused_write_leaves_no_trace(world: &mut dyn World) {
    let store = world.store();
    create_template(&*store, "a").await;
    let before = store.revision().await.unwrap();
    assert!(store.write(creating(template("a"))).await.is_err());
    assert_eq!(store.revision().await.unwrap(), before);
}

/// Breaks without it: one person's odd byte fails the writes of sixty-three others.
pub async fn what_cannot_be_stored_fails_alone(world: &mut dyn World) {
    let store = world.store();
    let mut poisoned = creating(template("poisoned"));
    poisoned.actor.address = Some("10.0.0.1\0".into());
    let mut writes: Vec<_> =
        (0..20).map(|n| store.write(creating(template(&format!("t{n}"))))).collect();
    writes.insert(10, store.write(poisoned));
    let outcomes = futures::future::join_all(writes).await;
    for (index, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Err(StoreError::Unstorable { .. }) => assert_eq!(index, 10),
            other => assert!(other.is_ok() && index != 10, "{index}: {other:?}"),
        }
    }
}

/// Breaks without it: a request that the client gave up is half there.
pub async fn a_write_nobody_waits_for_happens_whole_or_not_at_all(world: &mut dyn World) {
    let store = world.store();
    for n in 0..20 {
        let write = store.write(creating(template(&format!("t{n}"))));
        let _ = tokio::time::timeout(std::time::Duration::from_micros(n * 50), write).await;
    }
    let last = create_template(&*store, "last").await;
    let listing = store.list(last.kind, None).await.unwrap();
    let mut watch = world.other().await.watch(last.kind, 0).await.unwrap();
    let events = events_until(&mut watch, last.revision()).await;
    let mut told: Vec<_> = events.iter().map(|e| e.object.metadata.name.clone()).collect();
    told.sort();
    let mut listed = names(&listing.items);
    listed.sort();
    assert_eq!(told, listed, "objects and log must hold the same writes");
}
