//! What holds for every document, also for nonsense.

use proptest::prelude::*;

use super::*;

fn nonsense() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-zA-Z0-9 ./@:-]{0,12}".prop_map(Value::from),
        Just(json!("2026-11-23T12:00:00Z")),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Names that reach into the kinds' fields.
fn name() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "metadata",
        "spec",
        "status",
        "name",
        "namespace",
        "labels",
        "annotations",
        "finalizers",
        "managedFields",
        "ownerReferences",
        "uid",
        "size",
        "region",
        "env",
        "user",
        "keys",
        "power",
        "paused",
        "until",
        "parameters",
        "autoApprove",
        "classes",
        "conditions",
        "phase",
        "plan",
        "approvals",
        "order",
        "claim",
        "data",
        "stringData",
        "value",
        "displayName",
        "template",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => "[a-zA-Z/.]{0,5}"]
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(Kind::all().collect::<Vec<_>>())
}

/// A document with a name and the parts of a kind, filled with nonsense.
fn any_document() -> impl Strategy<Value = (Kind, Value)> {
    (any_kind(), nonsense(), nonsense(), nonsense()).prop_map(|(kind, spec, status, more)| {
        let mut object = document(kind, "x", json!({ "spec": spec, "status": status }));
        json_patch::merge(&mut object, &json!({ "metadata": { "labels": more } }));
        (kind, object)
    })
}

/// Environments that are mostly right.
fn any_environment() -> impl Strategy<Value = Value> {
    let size = prop::sample::select(vec!["vps-10-nvme", "V94", "vds-s", "vps-4", "vps-99"]);
    let region = prop::option::of(prop::sample::select(vec!["EU", "UK", "JPN", "MOON"]));
    let power = prop::option::of(prop::sample::select(vec!["Running", "Stopped"]));
    let text = prop::option::of("[ -~]{0,20}");
    let env = prop::collection::btree_map("[A-Z_]{1,4}", "[ -~\n]{0,9}", 0..4);
    let months = prop::option::of(prop::sample::select(vec![1, 3, 12, 24]));
    let labels = prop::collection::btree_map("[a-z/.]{1,6}", "[a-z.]{0,4}", 0..3);
    (size, region, power, text, env, months, labels).prop_map(
        |(size, region, power, text, env, months, labels)| {
            let env: Vec<Value> =
                env.iter().map(|(n, v)| json!({ "name": n, "value": v })).collect();
            let mut object = environment(json!({
                "size": size, "region": region, "power": power, "displayName": text, "env": env,
                "contractMonths": months, "parameters": { "q": [null] },
            }));
            object["metadata"]["labels"] = json!(labels);
            object
        },
    )
}

fn every_request(kind: PatchKind, object: Value) -> Vec<Request> {
    let mut requests = vec![Request::Create { object: object.clone() }];
    for subresource in [Subresource::None, Subresource::Status] {
        requests.push(Request::Update { object: object.clone(), subresource });
        requests.push(Request::Patch { kind, patch: object.clone(), subresource });
        requests.push(Request::Apply { object: object.clone(), force: true, subresource });
    }
    requests
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nonsense_is_refused_and_never_panics(value in nonsense(), kind in any_kind()) {
        let mut typed = value.clone();
        if typed.is_object() {
            typed["apiVersion"] = kind.api_version().into();
            typed["kind"] = kind.info().name.into();
        }
        let old = api();
        for object in [value, typed] {
            for door in [Door::person(), Door::system()] {
                for request in every_request(PatchKind::Merge, object.clone()) {
                    let _ = door.admit(None, request.clone());
                    let _ = door.admit(Some(&old), request);
                }
            }
        }
    }

    #[test]
    fn what_was_admitted_is_admitted_again_unchanged((kind, object) in any_document()) {
        let door = Door::system();
        if let Ok(created) = door.create(object.clone()) {
            prop_assert_eq!(created.object().kind, kind);
            let old = stored(created, 1);
            let again = door.update(&old, old.to_value()).unwrap();
            prop_assert_eq!(again.change(), Change::None);
            let mut more = object;
            more["metadata"]["uid"] = old.uid().to_string().into();
            prop_assert_eq!(door.update(&old, more).unwrap().change(), Change::None);
        }
    }

    #[test]
    fn an_environment_settles_in_one_write(object in any_environment()) {
        let door = Door::person();
        match door.create(object.clone()) {
            Ok(created) => {
                let old = stored(created, 1);
                let again = door.update(&old, old.to_value()).unwrap();
                prop_assert_eq!(again.change(), Change::None);
                let applied = stored(door.apply(None, object.clone()).unwrap(), 1);
                prop_assert_eq!(applied.field("spec"), old.field("spec"));
                prop_assert_eq!(door.apply(Some(&applied), object).unwrap().change(), Change::None);
            }
            Err(status) => {
                prop_assert_eq!(status.reason, Reason::Invalid);
                prop_assert!(status.details.causes.iter().all(|cause| cause.code.is_some()));
                let fields: Vec<_> = status.details.causes.iter().map(|c| &c.field).collect();
                prop_assert!(fields.iter().all(|f| f.starts_with("spec") || f.starts_with("metadata")));
            }
        }
    }

    #[test]
    fn spec_and_status_never_touch_each_other(patch in nonsense(), spec in nonsense()) {
        let status = json!({ "status": { "phase": "running", "message": "m" } });
        let old = stored(Door::system().status(&api(), status).unwrap(), 8);
        let mut object = json!({ "metadata": {}, "spec": spec, "status": patch });
        json_patch::merge(&mut object, &patch);
        for door in [Door::person(), Door::system()] {
            if let Ok(new) = door.merge(&old, object.clone()) {
                prop_assert_eq!(new.object().field("status"), old.field("status"));
                let bumped = new.object().field("spec") != old.field("spec");
                let generation = old.metadata.generation + i64::from(bumped);
                prop_assert_eq!(new.object().metadata.generation, generation);
            }
            if let Ok(new) = door.status(&old, object.clone()) {
                prop_assert_eq!(new.object().field("spec"), old.field("spec"));
                prop_assert_eq!(new.object().metadata.generation, old.metadata.generation);
                prop_assert_eq!(&new.object().metadata.labels, &old.metadata.labels);
                prop_assert_eq!(&new.object().metadata.finalizers, &old.metadata.finalizers);
            }
        }
    }
}
