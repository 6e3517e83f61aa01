//! Every fault at once, in words a person can act on.

use super::*;

fn faults_of(spec: Value) -> Vec<String> {
    let status = Door::person().create(environment(spec)).unwrap_err();
    assert_eq!(status.reason, Reason::Invalid);
    causes(&status)
}

/// The one fault of a spec that is right but for what is added here.
fn fault_of(more: Value) -> Cause {
    let mut spec = json!({ "size": "vps-10-nvme" });
    json_patch::merge(&mut spec, &more);
    let status = Door::person().create(environment(spec)).unwrap_err();
    let [cause] = status.details.causes.as_slice() else { panic!("{status}") };
    assert_eq!(status.details.code, cause.code);
    cause.clone()
}

#[test]
fn all_faults_are_reported_at_once() {
    let faults = faults_of(json!({
        "templete": "python",
        "power": "on",
        "region": "EUU",
        "env": [{ "name": "1A", "value": "x" }, { "value": 3 }, "no"],
        "contractMonths": "one",
        "user": { "shell": "bash" },
    }));
    assert_eq!(
        faults,
        [
            "spec.contractMonths is \"one\"; it is a whole number from 0 to 255",
            "spec.env[1].value is a number; it is a text",
            "spec.env[1].name is missing; it is a text",
            "spec.env[2] is \"no\"; it is an object",
            "spec.power is \"on\"; it is Running or Stopped",
            "\"templete\" is not a field of spec",
            "spec.size is missing; it is a text",
            "\"EUU\" is not a region; it is EU, UK, US-central, US-east, US-west, SIN, AUS, IND \
             or JPN",
            "spec.user.shell is \"bash\"; it is an absolute path such as /bin/bash",
            "spec.env[0].name is \"1A\"; it is letters, digits and '_', and does not begin with a \
             digit",
        ]
    );
}

#[test]
fn a_size_of_another_catalogue_gets_the_nearest_real_one() {
    let cause = fault_of(json!({ "size": "VPS-S-1vcpu-2gb" }));
    assert_eq!(cause.code.as_deref(), Some("unknown-size"));
    assert_eq!(cause.reason, "FieldValueNotSupported");
    assert_eq!(cause.sentence(), "\"VPS-S-1vcpu-2gb\" is not a size Contabo sells");
    assert_eq!(
        cause.because.as_deref(),
        Some(
            "it is a name from another catalogue. The smallest here is vps-10-nvme: 4 vCPU, \
             8 GB, 75 GB NVMe, 5.50 EUR a month in EU"
        )
    );
    assert_eq!(cause.r#try, ["size: vps-10-nvme", "all sizes and prices: devpocket sizes"]);
}

#[test]
fn a_near_name_is_suggested_once() {
    for (more, field, nearest) in [
        (json!({ "size": "vps-10-nvm" }), "spec.size", "vps-10-nvme"),
        (json!({ "region": "us-centrl" }), "spec.region", "US-central"),
        (json!({ "image": "ubuntu-24.4" }), "spec.image", "ubuntu-24.04"),
        (json!({ "power": "running" }), "spec.power", "Running"),
        (json!({ "templete": "x" }), "spec.templete", "template"),
        (json!({ "autoapprove": {} }), "spec.autoapprove", "autoApprove"),
    ] {
        let cause = fault_of(more);
        assert_eq!((cause.field.as_str(), cause.nearest.as_deref()), (field, Some(nearest)));
        assert!(cause.message.ends_with(&format!("did you mean {nearest:?}?")), "{cause:?}");
        assert!(!cause.sentence().contains("did you mean"), "{cause:?}");
    }
    assert_eq!(fault_of(json!({ "zzz": 1 })).nearest, None);
}

#[test]
fn a_field_in_the_wrong_place_is_told_where_it_belongs() {
    let mut asked = environment(json!({ "size": "vps-10-nvme" }));
    asked["power"] = "Stopped".into();
    let status = Door::person().create(asked).unwrap_err();
    let cause = &status.details.causes[0];
    assert_eq!(cause.sentence(), "\"power\" is not a field of the object");
    assert_eq!(cause.because.as_deref(), Some("power is a field of spec"));
}

#[test]
fn what_cannot_be_bought_is_refused() {
    let cause = fault_of(json!({ "size": "vds-l", "region": "US-east" }));
    assert_eq!(cause.code.as_deref(), Some("size-not-in-region"));
    assert_eq!(cause.sentence(), "\"vds-l\" is not sold in US-east");
    let cause = fault_of(json!({ "contractMonths": 7 }));
    assert_eq!(cause.sentence(), "spec.contractMonths is 7; it is 1, 3, 6 or 12 for vps-10-nvme");
    let early = Door { now: "2026-08-01T00:00:00Z".parse().unwrap(), ..Door::person() };
    let status = early.create(environment(json!({ "size": "vps-4" }))).unwrap_err();
    assert_eq!(causes(&status), ["\"vps-4\" is not sold on 2026-08-01"]);
}

#[test]
fn each_rule_has_its_fault() {
    let long = "x".repeat(5000);
    let refused = |more: Value, field: &str, message: &str| {
        let cause = fault_of(more);
        assert_eq!(cause.field, field);
        assert!(cause.message.contains(message), "{cause:?}");
    };
    refused(json!({ "displayName": "" }), "spec.displayName", "1 to 50");
    refused(json!({ "displayName": "x".repeat(51) }), "spec.displayName", "has 51 characters");
    refused(json!({ "displayName": "a\nb" }), "spec.displayName", "one line");
    refused(json!({ "template": "Python" }), "spec.template", "name@version");
    refused(json!({ "template": "python@0" }), "spec.template", "name@version");
    refused(json!({ "parameters": { "0": 1 } }), "spec.parameters", "has the name \"0\"");
    refused(json!({ "user": { "keys": ["ssh-dss AAAA"] } }), "spec.user.keys[0]", "type of key");
    refused(json!({ "user": { "keys": [KEY, KEY] } }), "spec.user.keys[1]", "twice");
    refused(json!({ "user": { "shell": "/bin/../x y" } }), "spec.user.shell", "absolute path");
    refused(json!({ "env": [{ "name": "A" }] }), "spec.env[0].value", "missing");
    refused(
        json!({ "env": [{ "name": "A", "value": long }] }),
        "spec.env[0].value",
        "has 5000 bytes; at most 4096",
    );
    refused(
        json!({ "env": [{ "name": "A", "value": "1" }, { "name": "A", "value": "2" }] }),
        "spec.env[1].name",
        "twice",
    );
    refused(
        json!({ "paused": { "until": "2026-11-23T11:59:59Z" } }),
        "spec.paused.until",
        "a time in the future",
    );
    refused(json!({ "paused": { "until": "tomorrow" } }), "spec.paused.until", "a time such as");
    refused(
        json!({ "autoApprove": { "classes": ["money"] } }),
        "spec.autoApprove.maxMonthlyIncrease",
        "is missing",
    );
    refused(
        json!({ "autoApprove": {
            "classes": ["money"], "maxMonthlyIncrease": { "cents": 1, "currency": "euro" },
        }}),
        "spec.autoApprove.maxMonthlyIncrease.currency",
        "three capitals",
    );
}

#[test]
fn metadata_follows_kubernetes_rules() {
    let cases = [
        (json!({ "name": "Api" }), "metadata.name"),
        (json!({ "name": "a.b" }), "metadata.name"),
        (json!({ "name": null }), "metadata.name"),
        (json!({ "namespace": null }), "metadata.namespace"),
        (json!({ "namespace": "-a" }), "metadata.namespace"),
        (json!({ "labels": { "a b": "c" } }), "metadata.labels"),
        (json!({ "labels": { "a": "b c" } }), "metadata.labels.a"),
        (json!({ "labels": { "a": 1 } }), "metadata.labels.a"),
        (json!({ "annotations": { "/": "x" } }), "metadata.annotations"),
        (json!({ "finalizers": ["a.b/c", "a.b/c"] }), "metadata.finalizers[1]"),
        (json!({ "lables": {} }), "metadata.lables"),
        (json!({ "uid": "x" }), "metadata.uid"),
        (
            json!({ "ownerReferences": [
                { "apiVersion": "v1", "kind": "", "name": "x", "uid": Uuid::nil() }
            ]}),
            "metadata.ownerReferences[0].kind",
        ),
    ];
    for (metadata, field) in cases {
        let mut asked = environment(json!({ "size": "vps-10-nvme" }));
        json_patch::merge(&mut asked["metadata"], &metadata);
        let status = Door::person().create(asked).unwrap_err();
        let fields: Vec<&str> = status.details.causes.iter().map(|c| c.field.as_str()).collect();
        assert_eq!(fields, [field], "{metadata}: {status}");
    }
    let mut cluster = document(Kind::Tier, "small", json!({ "spec": {} }));
    cluster["metadata"]["namespace"] = "team-a".into();
    let status = Door::person().create(cluster).unwrap_err();
    assert_eq!(status.details.causes[0].field, "metadata.namespace");
}

#[test]
fn faults_that_were_there_before_do_not_lock_a_record() {
    let soon = Door { now: "2026-11-23T13:00:00Z".parse().unwrap(), ..Door::person() };
    let paused = json!({ "spec": { "paused": { "until": "2026-11-23T12:30:00Z" } } });
    let old = stored(Door::person().merge(&api(), paused).unwrap(), 8);
    soon.merge(&old, json!({ "spec": { "power": "Stopped" } })).unwrap();
    let again = json!({ "spec": { "paused": { "until": "2026-11-23T12:31:00Z" } } });
    assert_eq!(soon.merge(&old, again).unwrap_err().reason, Reason::Invalid);
}

#[test]
fn what_may_be_secret_is_never_quoted() {
    let secret = "hunter2hunter2";
    let private = format!("-----BEGIN OPENSSH PRIVATE KEY----- {secret}");
    for spec in [
        json!({ "user": { "keys": [private] } }),
        json!({ "user": { "keys": [format!("ssh-rsa {secret}")] } }),
        json!({ "user": { "keys": secret } }),
        json!({ "env": [{ "name": "A", "value": format!("{secret}\0") }] }),
        json!({ "env": [{ "name": "A", "value": [secret] }] }),
        json!({ "parameters": secret }),
    ] {
        let text = format!("{:?}", fault_of(spec.clone()));
        assert!(!text.contains(secret), "{spec}: {text}");
    }
    let asked = document(Kind::Secret, "s", json!({ "data": { "k": secret } }));
    let status = Door::person().create(asked).unwrap_err();
    assert!(!format!("{status:?}").contains(secret), "{status:?}");
}

#[test]
fn secrets_pass_sealed_only() {
    use super::super::secret::{plain_values, with_sealed};
    let asked = document(
        Kind::Secret,
        "s",
        json!({ "data": { "a": "aGk=", "b": "aGk=" }, "stringData": { "b": "plain" } }),
    );
    assert_eq!(Door::system().create(asked.clone()).unwrap_err().reason, Reason::Invalid);
    let plain = plain_values(&asked).unwrap();
    assert_eq!(plain["a"], b"hi");
    assert_eq!(plain["b"], b"plain");
    let sealed = plain.keys().map(|key| (key.clone(), format!("sealed:v1:{key}"))).collect();
    let object = Door::person().create(with_sealed(asked, sealed)).unwrap().into_object();
    assert_eq!(object.field("data"), &json!({ "a": "sealed:v1:a", "b": "sealed:v1:b" }));
    assert_eq!(object.field("type"), "Opaque");
    assert!(object.field("stringData").is_null());
    // Nobody hands in a sealed value from outside, and no message shows one.
    let forged = json!({ "data": { "a": "sealed:v1:a", "b/": "eA==" }, "stringData": { "c": 1 } });
    let fields: Vec<String> =
        plain_values(&forged).unwrap_err().iter().map(Cause::sentence).collect();
    assert_eq!(
        fields,
        [
            "data.a is not base64; plain text goes into stringData",
            "data[b/] is no key; a key is letters, digits, '-', '_' and '.'",
            "stringData.c is not a text",
        ]
    );
    let patch = with_sealed(json!({ "data": { "a": null } }), Default::default());
    assert_eq!(patch, json!({ "data": { "a": null } }));
}

#[test]
fn an_immutable_secret_keeps_its_values() {
    let rest = json!({ "data": { "a": "sealed:1" }, "immutable": true });
    let old = stored(Door::person().create(document(Kind::Secret, "s", rest)).unwrap(), 1);
    for patch in [
        json!({ "data": { "a": "sealed:2" } }),
        json!({ "immutable": false }),
        json!({ "type": "other" }),
    ] {
        assert_eq!(Door::person().merge(&old, patch).unwrap_err().reason, Reason::Invalid);
    }
}

#[test]
fn templates_tiers_and_installations_are_checked_too() {
    let template = document(
        Kind::Template,
        "python",
        json!({ "spec": {
            "image": "windows", "packages": ["git", "-o"],
            "steps": [{ "name": "a", "run": [] }, { "name": "a", "run": ["A=b"] }],
        }}),
    );
    let status = Door::person().create(template).unwrap_err();
    let fields: Vec<&str> = status.details.causes.iter().map(|c| c.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "spec.image",
            "spec.packages[1]",
            "spec.steps[0]",
            "spec.steps[1].name",
            "spec.steps[1].run",
        ]
    );
    let tier = document(
        Kind::Tier,
        "small",
        json!({ "spec": {
            "sizes": ["vps-10-nvme", "vps-11-nvme"],
            "monthlyBudget": { "cents": -1, "currency": "EUR" },
        }}),
    );
    let status = Door::person().create(tier).unwrap_err();
    assert_eq!(status.details.causes.len(), 2, "{status}");
    let installation = document(
        Kind::Installation,
        "other",
        json!({ "spec": { "id": "X", "settleSeconds": -1 } }),
    );
    let status = Door::system().create(installation).unwrap_err();
    let fields: Vec<&str> = status.details.causes.iter().map(|c| c.field.as_str()).collect();
    assert_eq!(fields, ["metadata.name", "spec.id", "spec.settleSeconds"]);
}
