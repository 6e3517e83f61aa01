//! The table of fields against the schema, and against what admission does.

use std::collections::BTreeSet;

use super::*;
use crate::schema::schema;

fn spec_schema() -> &'static Value {
    &schema(Kind::Environment)["properties"]["spec"]
}

fn is_classified(field: &str) -> bool {
    FIELD_RULES.iter().any(|rule| rule.field == field)
}

#[test]
fn every_field_of_an_environment_is_classified() {
    for (name, field) in spec_schema()["properties"].as_object().unwrap() {
        let members: Vec<String> = field["properties"]
            .as_object()
            .map(|members| members.keys().map(|member| format!("{name}.{member}")).collect())
            .unwrap_or_default();
        let by_member = !members.is_empty() && members.iter().all(|member| is_classified(member));
        assert!(
            is_classified(name) || by_member,
            "spec.{name} is in no line of FIELD_RULES: say there what setting and changing it does"
        );
    }
}

#[test]
fn every_line_of_the_table_is_a_field() {
    let lines: BTreeSet<&str> = FIELD_RULES.iter().map(|rule| rule.field).collect();
    assert_eq!(lines.len(), FIELD_RULES.len(), "a field is there twice");
    for rule in &FIELD_RULES {
        let mut node = spec_schema();
        for step in rule.field.split('.') {
            node = &node["properties"][step.trim_end_matches("[]")];
            if step.ends_with("[]") {
                node = &node["items"];
            }
        }
        assert!(node.is_object(), "{} is no field of spec", rule.field);
        // Or whoever reads about it counts on it.
        let description = node["description"].as_str().unwrap_or_default();
        let told = description.replace('\n', " ").contains("Not available yet");
        assert_eq!(told, matches!(rule.create, Rule::NotYet(_)), "{}: {description:?}", rule.field);
    }
}

/// A value of each field that differs from its default.
fn sample(field: &str) -> Value {
    let secret = json!({ "name": "s", "key": "k" });
    match field {
        "displayName" => json!({ "displayName": "other" }),
        "size" => json!({ "size": "vps-20-nvme" }),
        "region" => json!({ "region": "UK" }),
        "power" => json!({ "power": "Stopped" }),
        "template" => json!({ "template": "python@3" }),
        "parameters" => json!({ "parameters": { "a": 1 } }),
        "image" => json!({ "image": "debian-12" }),
        "snapshots" => json!({ "snapshots": [{ "name": "s" }] }),
        "snapshotSchedule" => json!({ "snapshotSchedule": { "everyHours": 1, "keep": 1 } }),
        "restore" => json!({ "restore": { "id": "1", "snapshot": "s" } }),
        "restart" => json!({ "restart": { "id": "1" } }),
        "rebuild" => json!({ "rebuild": { "id": "1" } }),
        "recover" => json!({ "recover": { "id": "1" } }),
        "wake" => json!({ "wake": { "id": "1" } }),
        "user.shell" => json!({ "user": { "shell": "/bin/zsh" } }),
        "user.keys" => json!({ "user": { "keys": [KEY] } }),
        "user.directSsh" => json!({ "user": { "directSsh": true } }),
        "user.passwordSecret" => json!({ "user": { "passwordSecret": secret } }),
        "env" => json!({ "env": [{ "name": "B", "value": "2" }] }),
        "env[].valueFrom" => {
            json!({ "env": [{ "name": "A", "valueFrom": { "secretKeyRef": secret } }] })
        }
        "dataPaths" => json!({ "dataPaths": ["/srv"] }),
        "reclaim" => json!({ "reclaim": "Retain" }),
        "drift" => json!({ "drift": "Report" }),
        "activity" => json!({ "activity": { "stopAfterMinutes": 10 } }),
        "schedule" => json!({ "schedule": { "timeZone": "Europe/Berlin", "run": [] } }),
        "lifetime" => json!({ "lifetime": { "until": "2030-01-01T00:00:00Z" } }),
        "paused" => json!({ "paused": { "until": "2030-01-01T00:00:00Z" } }),
        "autoApprove" => json!({ "autoApprove": { "classes": ["data-risk"] } }),
        "contractMonths" => json!({ "contractMonths": 12 }),
        other => panic!("a sample of {other} is missing here"),
    }
}

#[test]
fn admission_does_what_the_table_says() {
    let old = api();
    for rule in &FIELD_RULES {
        let mut spec = json!({ "size": "vps-10-nvme" });
        json_patch::merge(&mut spec, &sample(rule.field));
        let created = Door::person().create(environment(spec));
        let updated = Door::person().merge(&old, json!({ "spec": sample(rule.field) }));
        for (what, result, allowed) in
            [("create", created, rule.create), ("update", updated, rule.update)]
        {
            match (result, allowed) {
                (Ok(admitted), Rule::Allowed) => assert_ne!(admitted.change(), Change::None),
                (Err(status), Rule::NotYet(why) | Rule::Never(why)) => {
                    let named = status.details.causes.iter().any(|cause| {
                        let top = rule.field.split(['.', '[']).next().unwrap();
                        cause.field.starts_with(&format!("spec.{top}"))
                            && cause.code.as_deref() == Some("not-supported")
                    });
                    assert!(named, "{what} {}: {status}", rule.field);
                    let whole = rule.field != "env[].valueFrom" || what == "create";
                    assert!(!whole || status.message.contains(why), "{what}: {status}");
                }
                (Ok(_), rule_says) => panic!("{what} {} passed: {rule_says:?}", rule.field),
                (Err(status), Rule::Allowed) => panic!("{what} {}: {status}", rule.field),
            }
        }
    }
}

#[test]
fn several_refused_changes_are_named_at_once() {
    let patch = json!({ "spec": { "size": "vps-20-nvme", "region": "UK", "contractMonths": 3 } });
    let status = Door::person().merge(&api(), patch).unwrap_err();
    assert_eq!(
        causes(&status),
        [
            "spec.size cannot be changed in this version; not available yet: moving an \
             environment to another machine",
            "spec.region cannot be changed in this version; not available yet: moving an \
             environment to another machine",
            "spec.contractMonths cannot be changed: the term belongs to the contract that was \
             bought, and a contract keeps its term",
        ]
    );
}

#[test]
fn what_was_deleted_comes_back_with_the_spec_it_had() {
    let mut asked = environment(json!({
        "size": "vps-10-nvme",
        "restart": { "id": "old" },
        "paused": { "until": "2020-01-01T00:00:00Z" },
    }));
    Door::person().create(asked.clone()).unwrap_err();
    let uid = Uuid::from_u128(1).to_string();
    asked["metadata"]["annotations"] = json!({ "devpocket.dev/undelete-of": uid });
    Door::person().create(asked).unwrap();
}

#[test]
fn an_update_that_leaves_out_what_was_decided_keeps_it() {
    let spec = json!({ "size": "vps-10-nvme", "region": "UK", "image": "debian-12" });
    let old = stored(Door::person().create(environment(spec)).unwrap(), 1);
    let bare = environment(json!({ "size": "vps-10-nvme", "power": "Stopped" }));
    let new = Door::person().update(&old, bare).unwrap().into_object();
    assert_eq!(new.field("spec")["region"], "UK");
    assert_eq!(new.field("spec")["image"], "debian-12");
}

#[test]
fn references_name_what_must_exist() {
    let mut object = api();
    object.body["spec"]["template"] = "python@3".into();
    object.body["spec"]["env"] = json!([
        { "name": "A", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } }
    ]);
    object.body["spec"]["user"] = json!({ "passwordSecret": { "name": "p", "key": "k" } });
    object.body["spec"]["parameters"] =
        json!({ "plain": "x", "token": { "secretKeyRef": { "name": "t", "key": "k" } } });
    let found: Vec<String> =
        references(&object).iter().map(|r| format!("{} {}", r.field, r.key)).collect();
    assert_eq!(
        found,
        [
            "metadata.namespace namespace/team-a",
            "spec.template template/python",
            "spec.user.passwordSecret.name secret/team-a/p",
            "spec.env[0].valueFrom.secretKeyRef.name secret/team-a/s",
            "spec.parameters.token.secretKeyRef.name secret/team-a/t",
        ]
    );
}
