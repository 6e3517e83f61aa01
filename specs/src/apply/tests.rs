use serde_json::{Value, json};

use super::*;

const V: &str = "devpocket.dev/v1alpha1";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn applier(name: &str) -> ManagerId {
    ManagerId::apply(name, V, None)
}

fn updater(name: &str) -> ManagerId {
    ManagerId::update(name, V, None)
}

fn applied(live: Option<&Value>, config: Value, name: &str) -> Result<Value, ApplyError> {
    apply_as(live, &config, &applier(name), false, 0)
}

fn apply_as(
    live: Option<&Value>,
    config: &Value,
    manager: &ManagerId,
    force: bool,
    second: i64,
) -> Result<Value, ApplyError> {
    let topology = Topology::default();
    apply(live, config, Write { manager, now: at(second), topology: &topology }, force)
}

fn updated(live: Option<&Value>, mut new: Value, name: &str, second: i64) -> Value {
    let (manager, topology) = (updater(name), Topology::default());
    let write = Write { manager: &manager, now: at(second), topology: &topology };
    let fields = track_update(live, &new, write);
    set_managed_fields(&mut new, fields);
    new
}

/// Manager and its fields, one line each.
fn owners(object: &Value) -> Vec<String> {
    let managers = Managers::of(object);
    let lines = managers.owned.iter().map(|(id, owned)| {
        format!("{:?} {}: {}", id.operation, id.name, walk::shown(&owned.fields).join(" "))
    });
    lines.collect()
}

#[test]
fn managed_fields_have_the_form_kubernetes_writes() {
    let config = json!({
        "apiVersion": V, "kind": "Environment",
        "metadata": {"name": "web", "labels": {"a": "b"}, "finalizers": ["x/y"]},
        "spec": {"size": "vps-10-nvme", "env": [{"name": "A", "value": "1"}], "dataPaths": ["/a"]},
    });
    let object = applied(None, config, "ci").unwrap();
    assert_eq!(
        object["metadata"]["managedFields"],
        json!([{
            "manager": "ci", "operation": "Apply", "apiVersion": V,
            "time": "2027-01-15T08:00:00Z", "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {"f:a": {}}, "f:finalizers": {"v:\"x/y\"": {}}},
                "f:spec": {
                    "f:size": {},
                    "f:dataPaths": {},
                    "f:env": {"k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:value": {}}},
                },
            },
        }])
    );
    assert_eq!(object["metadata"]["name"], "web");
}

#[test]
fn a_conflict_names_every_field_and_owner() {
    let live = updated(
        None,
        json!({"spec": {"size": "a", "power": "Running", "env": [{"name": "A", "value": "1"}]}}),
        "kubectl-edit",
        0,
    );
    let error = applied(Some(&live), json!({"spec": {"size": "b"}}), "ci").unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 1 conflict: conflict with \"kubectl-edit\" using \
         devpocket.dev/v1alpha1 at 2027-01-15T08:00:00Z: .spec.size"
    );
    let config = json!({"spec": {"size": "b", "env": [{"name": "A", "value": "2"}]}});
    let error = applied(Some(&live), config.clone(), "ci").unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 2 conflicts: conflicts with \"kubectl-edit\" using \
         devpocket.dev/v1alpha1 at 2027-01-15T08:00:00Z:\n\
         - .spec.env[name=\"A\"].value\n- .spec.size"
    );
    let ApplyError::Conflicts(conflicts) = error else { panic!("{error}") };
    assert_eq!(conflicts.0[1].field, ".spec.size");

    let forced = apply_as(Some(&live), &config, &applier("ci"), true, 9).unwrap();
    assert_eq!(forced["spec"]["env"], json!([{"name": "A", "value": "2"}]));
    assert_eq!(
        owners(&forced),
        [
            "Apply ci: .spec.env[name=\"A\"] .spec.env[name=\"A\"].name .spec.env[name=\"A\"].value .spec.size",
            "Update kubectl-edit: .spec.env[name=\"A\"] .spec.env[name=\"A\"].name .spec.power",
        ]
    );
    let again = applied(Some(&forced), json!({"spec": {"size": "c"}}), "other").unwrap_err();
    assert_eq!(again.to_string(), "Apply failed with 1 conflict: conflict with \"ci\": .spec.size");
}

#[test]
fn setting_the_same_value_shares_the_field() {
    let live = applied(None, json!({"spec": {"size": "a", "power": "Running"}}), "ci").unwrap();
    let shared = applied(Some(&live), json!({"spec": {"size": "a"}}), "mobile").unwrap();
    assert_eq!(owners(&shared), ["Apply ci: .spec.power .spec.size", "Apply mobile: .spec.size"]);
    // One lets go: the field stays, for the other still wants it.
    let left = applied(Some(&shared), json!({"spec": {"power": "Running"}}), "ci").unwrap();
    assert_eq!(left["spec"], json!({"power": "Running", "size": "a"}));
    // The last one lets go: it goes.
    let gone = applied(Some(&left), json!({"spec": {}}), "mobile").unwrap();
    assert_eq!(gone["spec"], json!({"power": "Running"}));
}

#[test]
fn what_is_not_applied_again_is_removed_and_nothing_else() {
    let live = applied(
        None,
        json!({"metadata": {"labels": {"a": "1"}}, "spec": {"env": [
            {"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}}),
        "ci",
    )
    .unwrap();
    let mut edited = live.clone();
    edited["spec"]["env"][1]["value"] = json!("3");
    edited["spec"]["note"] = json!("mine");
    let live = updated(Some(&live), edited, "kubectl-edit", 1);
    let left = applied(Some(&live), json!({"spec": {"size": "x"}}), "ci").unwrap();
    // A went; B stays with its name, because somebody else has a part in it.
    assert_eq!(
        left["spec"],
        json!({"size": "x", "note": "mine", "env": [{"name": "B", "value": "3"}]})
    );
    assert_eq!(left["metadata"].get("labels"), None);
}

#[test]
fn an_apply_that_changes_nothing_moves_no_time() {
    let config = json!({"spec": {"size": "a", "env": [{"name": "A", "value": "1"}]}});
    let live = applied(None, config.clone(), "ci").unwrap();
    let later = apply_as(Some(&live), &config, &applier("ci"), false, 60);
    assert_eq!(later.unwrap(), live);
    let new = updated(Some(&live), live.clone(), "other", 60);
    assert_eq!(new, live);
    let grown = json!({"spec": {"size": "a", "env": []}});
    let changed = apply_as(Some(&live), &grown, &applier("ci"), false, 60);
    let time = &changed.unwrap()["metadata"]["managedFields"][0]["time"];
    assert_eq!(time, "2027-01-15T08:01:00Z");
}

#[test]
fn an_update_takes_what_it_changes() {
    let live = applied(None, json!({"spec": {"size": "a", "power": "Running"}}), "ci").unwrap();
    let mut new = live.clone();
    new["spec"] = json!({"size": "b", "displayName": "x"});
    let new = updated(Some(&live), new, "edit", 5);
    // ci owns nothing any more: power is gone and size is another's.
    assert_eq!(owners(&new), ["Update edit: .spec.displayName .spec.size"]);
    // A number where an object was: the owner of what was inside loses it.
    let live = applied(None, json!({"spec": {"p": {"q": 1}}}), "ci").unwrap();
    let error = applied(Some(&live), json!({"spec": {"p": 1}}), "other").unwrap_err();
    assert!(error.to_string().ends_with(": .spec.p.q"), "{error}");
    let mut new = live.clone();
    new["spec"]["p"] = json!(1);
    assert_eq!(owners(&updated(Some(&live), new, "edit", 5)), ["Update edit: .spec.p"]);
}

#[test]
fn the_servers_metadata_is_nobodys() {
    let live =
        json!({"metadata": {"name": "a", "uid": "u", "resourceVersion": "7", "generation": 2}});
    let live = updated(None, live, "create", 0);
    assert_eq!(owners(&live), Vec::<String>::new());
    let config = json!({"metadata": {"name": "b", "uid": "v", "resourceVersion": "1",
        "labels": {"l": null, "m": "1"}}, "status": {"phase": "running"}});
    let new = applied(Some(&live), config, "ci").unwrap();
    assert_eq!(new["metadata"]["name"], "a");
    assert_eq!(new["metadata"]["resourceVersion"], "7");
    assert_eq!(new["metadata"]["labels"], json!({"m": "1"}));
    assert_eq!(new.get("status"), None);
    assert_eq!(owners(&new), ["Apply ci: .metadata.labels.m"]);
}

#[test]
fn the_status_subresource_reaches_status_only() {
    let live = applied(None, json!({"spec": {"size": "a"}}), "ci").unwrap();
    let manager = ManagerId::apply("controller", V, Some("status"));
    let config = json!({"metadata": {"labels": {"x": "y"}}, "spec": {"size": "b"},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    let new = apply_as(Some(&live), &config, &manager, false, 0).unwrap();
    assert_eq!(new["spec"], json!({"size": "a"}));
    assert_eq!(new["metadata"].get("labels"), None);
    assert_eq!(new["metadata"]["managedFields"][1]["subresource"], "status");
    let other = ManagerId::apply("other", V, Some("status"));
    let config = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
    let error = apply_as(Some(&new), &config, &other, false, 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 1 conflict: conflict with \"controller\" with subresource \"status\": \
         .status.conditions[type=\"Ready\"].status"
    );
}

#[test]
fn lists_keep_their_order_and_their_keys() {
    let list = |names: &[&str]| {
        let items: Vec<_> = names.iter().map(|n| json!({"name": n})).collect();
        json!({"spec": {"env": items}})
    };
    let names = |object: &Value| -> Vec<String> {
        let items = object["spec"]["env"].as_array().unwrap();
        items.iter().map(|i| i["name"].as_str().unwrap().to_owned()).collect()
    };
    let live = applied(None, list(&["a", "x", "b"]), "one").unwrap();
    assert_eq!(
        names(&applied(Some(&live), list(&["b", "n", "a"]), "two").unwrap()),
        ["b", "n", "a", "x"]
    );
    assert_eq!(names(&applied(Some(&live), list(&["n"]), "two").unwrap()), ["a", "x", "b", "n"]);

    let error = |config| applied(None, config, "ci").unwrap_err().to_string();
    assert_eq!(error(list(&["a", "a"])), ".spec.env duplicate entries for key [name=\"a\"]");
    assert_eq!(error(json!({"spec": {"env": [{"value": "1"}]}})), ".spec.env[0] has no name");
    assert_eq!(
        error(json!({"metadata": {"finalizers": [{}]}})),
        ".metadata.finalizers[0] is not a plain value"
    );
}

#[test]
fn what_cannot_be_an_apply_is_refused() {
    let refused = |config, name: &str| applied(None, config, name).unwrap_err();
    assert_eq!(refused(json!([]), "ci"), ApplyError::NotAnObject);
    assert_eq!(
        refused(json!({"metadata": {"managedFields": [{}]}}), "ci"),
        ApplyError::ManagedFields
    );
    assert!(matches!(refused(json!({}), ""), ApplyError::Manager(_)));
    assert!(matches!(refused(json!({}), &"x".repeat(129)), ApplyError::Manager(_)));
    assert!(matches!(refused(json!({}), "a\nb"), ApplyError::Manager(_)));
}

#[test]
fn an_object_without_managers_belongs_to_those_before() {
    let live = json!({"metadata": {"name": "a"}, "spec": {"size": "a"}});
    let error = applied(Some(&live), json!({"spec": {"size": "b"}}), "ci").unwrap_err();
    assert!(error.to_string().contains("\"before-first-apply\""), "{error}");
    // One empty entry forgets all managers; unreadable ones count for nothing.
    let live = applied(None, json!({"spec": {"size": "a"}}), "ci").unwrap();
    let mut new = live.clone();
    new["metadata"]["managedFields"] = json!([{}]);
    assert_eq!(updated(Some(&live), new.clone(), "x", 0)["metadata"].get("managedFields"), None);
    new["metadata"]["managedFields"] = json!([{"manager": 1}, "x", {"manager": "m",
        "operation": "Apply", "apiVersion": V, "fieldsV1": {"nonsense": {}}}]);
    assert_eq!(owners(&updated(Some(&live), new, "x", 0)), ["Apply ci: .spec.size"]);
}

#[test]
fn managers_that_update_cannot_pile_up() {
    let mut object = json!({"spec": {}});
    for n in 0..30 {
        let mut new = object.clone();
        new["spec"][format!("f{n}")] = json!(n);
        object = updated(Some(&object), new, &format!("run-{n}"), n);
    }
    let managers = Managers::of(&object);
    assert_eq!(managers.owned.len(), MAX_UPDATE_MANAGERS);
    let ancient = ManagerId::update("ancient-changes", V, None);
    assert_eq!(managers.owned[&ancient].fields.paths().len(), 21);
    assert!(managers.owned.contains_key(&updater("run-29")));
}

#[test]
fn sets_of_fields_survive_writing_and_reading() {
    let fields = json!({"f:a": {".": {}, "f:b": {}}, "k:{\"n\":1,\"p\":\"x\"}": {"f:n": {}},
        "v:\"s\"": {}, "i:3": {}, "f:with:colon": {}});
    let set = FieldSet::decode(&fields).unwrap();
    assert_eq!(set.encode(), fields);
    assert_eq!(
        walk::shown(&set),
        [".a", ".a.b", ".with:colon", "[n=1,p=\"x\"].n", "[=\"s\"]", "[3]"]
    );
    for broken in
        [json!([]), json!({"x:a": {}}), json!({"f:a": 1}), json!({"k:[]": {}}), json!({"i:-": {}})]
    {
        assert_eq!(FieldSet::decode(&broken), None, "{broken}");
    }
}
