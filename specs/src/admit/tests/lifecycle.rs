use super::*;

#[test]
fn a_new_object_gets_identity_defaults_and_no_status() {
    let mut asked = environment(json!({ "size": "V91" }));
    asked["status"] = json!({ "phase": "running" });
    asked["metadata"]["uid"] = json!(Uuid::nil());
    asked["metadata"]["generation"] = json!(9);
    let admitted = Door::person().create(asked).unwrap();
    assert_eq!((admitted.change(), admitted.expected_revision()), (Change::Create, None));
    let object = admitted.into_object();
    assert_ne!(object.uid(), Uuid::nil());
    assert_eq!(object.metadata.generation, 1);
    assert_eq!(object.metadata.resource_version, None);
    // Kubernetes' clients read whole seconds.
    let created = object.metadata.creation_timestamp.unwrap().to_string();
    assert_eq!(created, "2026-11-23T12:00:00Z");
    assert!(object.field("status").is_null());
    assert_eq!(
        object.field("spec"),
        &json!({
            "displayName": "api", "size": "V91", "region": "EU", "image": "ubuntu-24.04",
            "power": "Running", "reclaim": "Pool", "drift": "Correct", "contractMonths": 1,
            "user": { "shell": "/bin/bash" },
        })
    );
    assert_eq!(object.metadata.managed_fields.entries()[0]["manager"], "devpocket-cli");
}

#[test]
fn a_generated_name_is_a_label_that_follows_from_the_uid() {
    let mut asked = environment(json!({ "size": "V91" }));
    asked["metadata"] = json!({ "namespace": "team-a", "generateName": "a".repeat(80) });
    let first = Door::person().create(asked.clone()).unwrap().key().name;
    assert_eq!(first.len(), 63);
    assert!(crate::validation::names::is_dns_label(&first), "{first}");
    assert_eq!(Door::person().create(asked).unwrap().key().name, first);
}

#[test]
fn creation_refuses_a_revision_and_an_object_that_is_there() {
    let mut asked = environment(json!({ "size": "V91" }));
    let there = Door::person().admit(Some(&api()), Request::Create { object: asked.clone() });
    assert_eq!(there.unwrap_err().reason, Reason::AlreadyExists);
    asked["metadata"]["resourceVersion"] = json!("3");
    assert_eq!(Door::person().create(asked).unwrap_err().reason, Reason::BadRequest);
}

#[test]
fn an_unknown_kind_is_refused_with_the_nearest() {
    let asked = json!({ "apiVersion": "devpocket.dev/v1alpha1", "kind": "Enviroment" });
    let status = Door::person().create(asked).unwrap_err();
    assert_eq!(status.reason, Reason::BadRequest);
    assert!(status.message.contains("the nearest is Environment"), "{status}");
}

#[test]
fn generation_counts_changes_of_spec_only() {
    let door = Door::person();
    let old = api();
    let labelled = door.merge(&old, json!({ "metadata": { "labels": { "a": "b" } } })).unwrap();
    assert_eq!(labelled.object().metadata.generation, 1);
    assert_eq!((labelled.change(), labelled.expected_revision()), (Change::Update, Some(7)));
    let stopped = door.merge(&old, json!({ "spec": { "power": "Stopped" } })).unwrap();
    assert_eq!(stopped.object().metadata.generation, 2);
    // What a default says anyway is no change.
    let same = door.merge(&old, json!({ "spec": { "power": null } })).unwrap();
    assert_eq!(same.change(), Change::None);
    let claimed = json!({ "metadata": { "generation": 40 }, "spec": { "power": "Stopped" } });
    assert_eq!(door.merge(&old, claimed).unwrap().object().metadata.generation, 2);
}

#[test]
fn spec_and_status_are_written_apart() {
    let old = api();
    let both = json!({
        "metadata": { "labels": { "x": "y" } },
        "spec": { "power": "Stopped" },
        "status": { "phase": "running" },
    });
    let main = Door::person().merge(&old, both.clone()).unwrap().into_object();
    assert_eq!(main.field("spec")["power"], "Stopped");
    assert!(main.field("status").is_null());
    let status = Door::system().status(&old, both).unwrap().into_object();
    assert_eq!(status.field("spec"), old.field("spec"));
    assert_eq!(status.metadata.labels, old.metadata.labels);
    assert_eq!(status.metadata.generation, 1);
    assert_eq!(status.field("status")["phase"], "running");
    let status = stored(status_of(&old), 8);
    let again = Door::person().merge(&status, json!({ "spec": { "power": "Stopped" } })).unwrap();
    assert_eq!(again.object().field("status")["message"], "hello");
}

fn status_of(old: &Object) -> Admitted {
    Door::system().status(old, json!({ "status": { "message": "hello" } })).unwrap()
}

#[test]
fn kinds_without_status_of_their_own_have_no_such_subresource() {
    let lease = document(Kind::Lease, "controllers", json!({ "spec": { "leaseTransitions": 1 } }));
    let lease = stored(Door::system().create(lease).unwrap(), 1);
    assert_eq!(lease.metadata.generation, 0);
    let refused = Door::system().status(&lease, json!({ "status": {} })).unwrap_err();
    assert_eq!(refused.reason, Reason::NotFound);
}

#[test]
fn what_changes_nothing_is_not_written() {
    let old = api();
    let door = Door { now: now() + jiff::SignedDuration::from_hours(1), ..Door::person() };
    let admitted = door.update(&old, old.to_value()).unwrap();
    assert_eq!((admitted.change(), admitted.expected_revision()), (Change::None, Some(7)));
    assert_eq!(admitted.object(), &old);
    let bare =
        environment(json!({ "size": "vps-10-nvme", "env": [{ "name": "A", "value": "1" }] }));
    assert_eq!(door.update(&old, bare).unwrap().change(), Change::None);
}

#[test]
fn a_stale_revision_or_another_uid_is_a_conflict() {
    let old = api();
    let with = |field: &str, value: &str| {
        let mut document = old.to_value();
        document["metadata"][field] = value.into();
        document["spec"]["power"] = "Stopped".into();
        document
    };
    let door = Door::person();
    let stale = door.update(&old, with("resourceVersion", "6")).unwrap_err();
    assert_eq!(stale.reason, Reason::Conflict);
    assert!(stale.message.contains("has been modified"), "{stale}");
    let other = door.update(&old, with("uid", &Uuid::nil().to_string())).unwrap_err();
    assert_eq!(other.reason, Reason::Conflict);
    let mut unconditional = with("power", "");
    unconditional["metadata"] = json!({});
    let admitted = door.update(&old, unconditional).unwrap();
    assert_eq!(admitted.expected_revision(), Some(7));
    assert_eq!(admitted.object().uid(), old.uid());
}

#[test]
fn name_namespace_and_birth_stay() {
    let old = api();
    for (field, value) in [
        ("name", "other"),
        ("namespace", "team-b"),
        ("creationTimestamp", "2020-01-01T00:00:00Z"),
        ("deletionTimestamp", "2026-11-23T12:00:00Z"),
    ] {
        let mut document = old.to_value();
        document["metadata"][field] = value.into();
        let status = Door::system().update(&old, document).unwrap_err();
        assert_eq!(status.reason, Reason::Invalid);
        assert_eq!(status.details.causes[0].field, format!("metadata.{field}"));
    }
}

#[test]
fn finalizers_hold_a_deletion_until_the_last_is_gone() {
    let system = Door::system();
    let finalizers = json!({ "metadata": { "finalizers": ["devpocket.dev/release", "a.b/c"] } });
    let held = stored(system.merge(&api(), finalizers).unwrap(), 8);
    let asked = Door::person().delete(&held).unwrap();
    assert_eq!(asked.change(), Change::Update);
    let deleting = stored(asked, 9);
    assert!(deleting.metadata.is_deleting());
    assert_eq!(deleting.metadata.deletion_grace_period_seconds, Some(0));
    assert_eq!(deleting.metadata.generation, 2);
    assert_eq!(Door::person().delete(&deleting).unwrap().change(), Change::None);
    let more = json!({ "metadata": { "finalizers": ["a.b/c", "new.one/x"] } });
    let refused = system.merge(&deleting, more).unwrap_err();
    assert_eq!(refused.details.causes[0].field, "metadata.finalizers");
    let one = json!({ "metadata": { "finalizers": ["a.b/c"] } });
    let one = system.merge(&deleting, one).unwrap();
    assert_eq!(one.change(), Change::Update);
    let none = system.merge(&stored(one, 10), json!({ "metadata": { "finalizers": null } }));
    let none = none.unwrap();
    assert_eq!((none.change(), none.expected_revision()), (Change::Delete, Some(10)));
}

#[test]
fn deletion_without_finalizers_is_at_once_and_obeys_preconditions() {
    let old = api();
    assert_eq!(Door::person().delete(&old).unwrap().change(), Change::Delete);
    for preconditions in [
        Preconditions { uid: Some(Uuid::nil()), resource_version: None },
        Preconditions { uid: None, resource_version: Some("6".into()) },
    ] {
        let request = Request::Delete { preconditions, propagation: None };
        let refused = Door::person().admit(Some(&old), request);
        assert_eq!(refused.unwrap_err().reason, Reason::Conflict);
    }
    let preconditions = Preconditions { uid: Some(old.uid()), resource_version: Some("7".into()) };
    let request = Request::Delete { preconditions, propagation: None };
    assert_eq!(Door::person().admit(Some(&old), request).unwrap().change(), Change::Delete);
}

#[test]
fn what_becomes_of_dependents_is_left_to_the_collector_by_a_finalizer() {
    let delete = |old: &Object, propagation: Option<Propagation>| {
        let preconditions = Preconditions::default();
        let request = Request::Delete { preconditions, propagation };
        Door::person().admit(Some(old), request).unwrap()
    };
    let old = api();
    assert_eq!(delete(&old, Some(Propagation::Background)).change(), Change::Delete);
    for (propagation, finalizer) in
        [(Propagation::Foreground, FOREGROUND_FINALIZER), (Propagation::Orphan, ORPHAN_FINALIZER)]
    {
        let marked = delete(&old, Some(propagation));
        assert_eq!(marked.change(), Change::Update);
        let marked = marked.into_object();
        assert!(marked.metadata.is_deleting());
        assert_eq!(marked.metadata.finalizers, [finalizer]);
        assert_eq!(delete(&marked, Some(propagation)).change(), Change::None);
        assert_eq!(delete(&marked, None).change(), Change::None, "it was said before");
        let hurried = delete(&marked, Some(Propagation::Background));
        assert_eq!(hurried.change(), Change::Delete, "the last word counts");
    }
}

#[test]
fn nothing_can_be_changed_that_is_not_there() {
    let update = Request::Update {
        object: environment(json!({ "size": "V91" })),
        subresource: Subresource::None,
    };
    let status = Door::person().admit(None, update).unwrap_err();
    assert_eq!(status.message, "environments.devpocket.dev \"api\" not found");
    let patch =
        Request::Patch { kind: PatchKind::Json, patch: json!([]), subresource: Subresource::None };
    assert_eq!(Door::person().admit(None, patch).unwrap_err().reason, Reason::NotFound);
}

#[test]
fn apply_creates_then_owns_then_conflicts() {
    let door = Door::person();
    let asked = environment(json!({ "size": "vps-10-nvme", "power": "Stopped" }));
    let first = door.apply(None, asked.clone()).unwrap();
    assert_eq!(first.change(), Change::Create);
    let first = stored(first, 3);
    assert_eq!(first.metadata.managed_fields.entries()[0]["operation"], "Apply");
    assert_eq!(door.apply(Some(&first), asked.clone()).unwrap().change(), Change::None);

    let mut other = Door::person();
    other.actor.manager = "phone".into();
    let started = environment(json!({ "power": "Running" }));
    let status = other.apply(Some(&first), started.clone()).unwrap_err();
    assert_eq!(status.reason, Reason::Conflict);
    assert_eq!(status.details.causes[0].field, ".spec.power");
    assert!(status.details.causes[0].message.contains("devpocket-cli"), "{status}");
    let request = Request::Apply { object: started, force: true, subresource: Subresource::None };
    let forced = other.admit(Some(&first), request).unwrap();
    assert_eq!(forced.object().field("spec")["power"], "Running");
    assert_eq!(forced.object().metadata.generation, 2);
    // Left out of the next apply, what nobody else owns falls back to its default.
    let without = environment(json!({ "size": "vps-10-nvme" }));
    let without = door.apply(Some(&first), without).unwrap();
    assert_eq!(without.object().field("spec")["power"], "Running");
}

#[test]
fn patches_that_do_not_fit_say_why() {
    let old = api();
    for (patch, reason) in [
        (json!({}), Reason::BadRequest),
        (json!([{ "op": "remove", "path": "/spec/nothing" }]), Reason::Invalid),
        (json!([{ "op": "test", "path": "/spec/size", "value": "x" }]), Reason::Invalid),
    ] {
        let subresource = Subresource::None;
        let request = Request::Patch { kind: PatchKind::Json, patch, subresource };
        assert_eq!(Door::person().admit(Some(&old), request).unwrap_err().reason, reason);
    }
}

#[test]
fn an_object_has_a_size_limit() {
    let value = "x".repeat(crate::validation::MAX_OBJECT_BYTES);
    let patch = json!({ "metadata": { "annotations": { "a": value } } });
    let status = Door::person().merge(&api(), patch).unwrap_err();
    assert_eq!(status.reason, Reason::RequestEntityTooLarge);
}

#[test]
fn fields_of_another_version_do_not_lock_a_record() {
    let mut old = api();
    old.body["spec"]["fromTheFuture"] = json!(1);
    let status = Door::system().status(&old, json!({ "status": { "message": "m" } })).unwrap();
    assert_eq!(status.object().field("spec")["fromTheFuture"], 1);
    let main = Door::person().merge(&old, json!({ "spec": { "power": "Stopped" } })).unwrap();
    assert!(main.object().field("spec").get("fromTheFuture").is_none());
}

#[test]
fn a_namespace_is_made_as_kubernetes_makes_it() {
    let made = Door::person().create(document(Kind::Namespace, "team-a", json!({}))).unwrap();
    assert_eq!(made.object().field("status")["phase"], "Active");
    assert_eq!(made.object().metadata.labels["kubernetes.io/metadata.name"], "team-a");
}
