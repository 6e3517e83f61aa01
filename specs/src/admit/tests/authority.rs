use super::*;

fn forbidden(result: Result<Admitted, Status>) -> Status {
    let status = result.unwrap_err();
    assert_eq!(status.reason, Reason::Forbidden, "{status}");
    status
}

#[test]
fn people_do_not_create_what_stands_for_money() {
    let door = Door::person();
    for (kind, name, spec) in [
        (Kind::Machine, "m-1", json!({ "managed": true })),
        (
            Kind::Operation,
            "m-1-start-0",
            json!({ "verb": "Start", "machine": "m-1", "machineUid": Uuid::nil(), "reason": "x" }),
        ),
        (Kind::Installation, "devpocket", json!({ "id": "00aa11bb" })),
    ] {
        let asked = document(kind, name, json!({ "spec": spec }));
        forbidden(door.create(asked.clone()));
        Door::system().create(asked).unwrap();
    }
}

#[test]
fn reserved_namespaces_are_made_by_devpocket_only() {
    for name in ["default", "kube-system", "devpocket-system"] {
        let asked = document(Kind::Namespace, name, json!({}));
        forbidden(Door::person().create(asked.clone()));
        let made = stored(Door::system().create(asked).unwrap(), 1);
        forbidden(Door::person().delete(&made));
    }
}

#[test]
fn a_machines_spec_and_labels_are_devpockets() {
    let old = machine("Running", true);
    let door = Door::person();
    let status =
        forbidden(door.merge(&old, json!({ "spec": { "managed": false, "displayName": "x" } })));
    assert_eq!(
        causes(&status),
        [
            "spec.displayName is written by DevPocket itself",
            "spec.managed is written by DevPocket itself",
        ]
    );
    let label = json!({ "metadata": { "labels": { "devpocket.dev/verb": "x" } } });
    forbidden(door.merge(&old, label.clone()));
    Door::system().merge(&old, label).unwrap();
    door.merge(&old, json!({ "metadata": { "labels": { "mine": "x" } } })).unwrap();
}

#[test]
fn finalizers_that_hold_a_paid_machine_are_not_peoples() {
    let finalizer = json!({ "metadata": { "finalizers": ["devpocket.dev/release"] } });
    let held = stored(Door::system().merge(&api(), finalizer.clone()).unwrap(), 8);
    forbidden(Door::person().merge(&held, json!({ "metadata": { "finalizers": [] } })));
    forbidden(Door::person().merge(&api(), finalizer));
    let theirs = json!({ "metadata": { "finalizers": ["devpocket.dev/release", "a.b/c"] } });
    Door::person().merge(&held, theirs).unwrap();
}

#[test]
fn operators_set_the_limits_of_an_installation_and_nothing_else() {
    let spec = json!({ "id": "00aa11bb" });
    let asked = document(Kind::Installation, "devpocket", json!({ "spec": spec }));
    let old = stored(Door::system().create(asked).unwrap(), 1);
    let limits = json!({ "spec": {
        "monthlyBudget": { "cents": 30000, "currency": "EUR" },
        "purchasesPerHour": 5,
        "unknownPurchase": "Proceed",
        "reclaimAfterSeconds": 3600,
        "paused": { "until": "2026-12-01T00:00:00Z" },
    }});
    assert_eq!(Door::person().merge(&old, limits).unwrap().change(), Change::Update);
    for patch in [
        json!({ "id": "ffffffff" }),
        json!({ "settleSeconds": 1 }),
        json!({ "account": { "api": "x", "tenant": "DE", "customer": "1", "simulated": true } }),
    ] {
        let status = forbidden(Door::person().merge(&old, json!({ "spec": patch })));
        assert!(status.message.contains("operators set monthlyBudget"), "{status}");
    }
    forbidden(Door::system().delete(&old));
}

#[test]
fn a_status_is_devpockets_but_for_what_people_decide() {
    let old = api();
    let status =
        forbidden(Door::person().status(&old, json!({ "status": { "phase": "running" } })));
    assert_eq!(causes(&status), ["status.phase is written by DevPocket itself"]);
    let approval = |by: &str| {
        let at = now();
        let one = json!({ "fingerprints": ["00"], "by": by, "at": at, "expires": at });
        json!({ "status": { "approvals": [one] } })
    };
    Door::person().status(&old, approval("admin")).unwrap();
    forbidden(Door::person().status(&old, approval("somebody-else")));
}

#[test]
fn people_resolve_unknown_operations_and_no_others() {
    let spec =
        json!({ "verb": "Purchase", "machine": "m-1", "machineUid": Uuid::nil(), "reason": "x" });
    let asked = document(Kind::Operation, "m-1-purchase-0", json!({ "spec": spec }));
    let planned = stored(Door::system().create(asked).unwrap(), 1);
    let resolve = json!({ "status": { "phase": "Resolved", "resolution": "NotHappened" } });
    forbidden(Door::person().status(&planned, resolve.clone()));
    let unknown = json!({ "status": { "phase": "Unknown" } });
    let unknown = stored(Door::system().status(&planned, unknown).unwrap(), 2);
    Door::person().status(&unknown, resolve.clone()).unwrap();
    forbidden(Door::person().status(&unknown, json!({ "status": { "phase": "Planned" } })));

    forbidden(Door::system().delete(&unknown));
    let resolved = stored(Door::system().status(&unknown, resolve).unwrap(), 3);
    forbidden(Door::person().delete(&resolved));
    assert_eq!(Door::system().delete(&resolved).unwrap().change(), Change::Delete);
    // An intent is not edited, not even by DevPocket.
    let edit = Door::system().merge(&unknown, json!({ "spec": { "reason": "y" } })).unwrap_err();
    assert_eq!(edit.reason, Reason::Invalid);
}

#[test]
fn a_machine_is_not_deleted_while_money_or_an_instance_hangs_on_it() {
    for (state, order, deletable) in [
        ("Planned", false, true),
        ("Planned", true, true),
        ("Ordering", true, false),
        ("Provisioning", true, false),
        ("Running", true, false),
        ("Running", false, false),
        ("Blocked", true, false),
        ("Released", true, false),
        ("Available", true, false),
        ("Gone", true, true),
        ("NotBought", true, true),
    ] {
        let old = machine(state, order);
        for door in [Door::person(), Door::system()] {
            match door.delete(&old) {
                Ok(admitted) => assert!(deletable, "{state}: {:?}", admitted.change()),
                Err(status) => {
                    assert!(!deletable, "{state}: {status}");
                    assert_eq!(status.reason, Reason::Forbidden);
                }
            }
        }
    }
}

#[test]
fn an_order_that_somebody_waits_for_is_not_deleted() {
    let planned = machine("Planned", true);
    let claim = json!({ "spec": { "claim": {
        "uid": Uuid::nil(), "namespace": "team-a", "name": "api", "at": now(),
    }}});
    let claimed = stored(Door::system().merge(&planned, claim).unwrap(), 3);
    let status = forbidden(Door::system().delete(&claimed));
    assert!(status.message.contains("its order is not settled yet"), "{status}");
}

#[test]
fn what_is_bought_is_decided_once_and_what_is_installed_is_not() {
    let old = machine("Planned", true);
    for order in [
        json!({ "price": { "cents": 1 } }),
        json!({ "region": "UK" }),
        json!({ "demand": { "cause": "other" } }),
        json!(null),
    ] {
        let status = Door::system().merge(&old, json!({ "spec": { "order": order } })).unwrap_err();
        assert_eq!(status.details.causes[0].field, "spec.order");
    }
    let installed = json!({ "image": "debian-12", "userDataDigest": "11", "template": {
        "name": "python", "generation": 1,
    }});
    Door::system().merge(&old, json!({ "spec": { "order": installed } })).unwrap();
    let claim = json!({ "spec": { "claim": {
        "uid": Uuid::nil(), "namespace": "team-a", "name": "api", "at": now(),
    }}});
    Door::system().merge(&old, claim).unwrap();
}
