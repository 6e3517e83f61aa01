use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::admit::{Actor, Context, Request, Subresource, admit};
use crate::catalogue::Catalogue;
use crate::environment::{Environment, EnvironmentSpec, EnvironmentStatus, RenderedTemplate};
use crate::object::Object;
use crate::render::{MAX_USER_DATA_BYTES, RenderInput, TemplateUse, render};
use crate::validation::MAX_ENV_BYTES;

fn environment(template: &str, parameters: Value) -> Environment {
    Environment {
        metadata: ObjectMeta::named("team-a", "api"),
        spec: EnvironmentSpec {
            template: Some(template.to_owned()),
            parameters: serde_json::from_value(parameters).unwrap(),
            ..EnvironmentSpec::default()
        },
        status: EnvironmentStatus::default(),
    }
}

fn admitted(old: Option<&Object>, request: Request) -> Result<Object, crate::status::Status> {
    let actor = Actor::system("test");
    let context = Context {
        actor: &actor,
        now: "2026-11-25T12:00:00Z".parse().unwrap(),
        uid: Uuid::from_u128(7),
        catalogue: Catalogue::builtin(),
    };
    admit(old, request, &context).map(|admitted| {
        let mut object = admitted.into_object();
        object.metadata.resource_version = Some("1".into());
        object
    })
}

fn made(spec: Value) -> Result<Object, crate::status::Status> {
    let object = json!({"apiVersion": "devpocket.dev/v1alpha1", "kind": "Template",
        "metadata": {"name": "mine"}, "spec": spec});
    admitted(None, Request::Create { object })
}

fn edited(old: &Object, spec: Value) -> Object {
    let patch = json!({"spec": spec});
    let kind = crate::patch::PatchKind::Merge;
    admitted(Some(old), Request::Patch { kind, patch, subresource: Subresource::None }).unwrap()
}

/// Each refusal as `field: message`.
fn faults(spec: Value) -> Vec<String> {
    let status = made(spec).map(|object| object.to_value()).unwrap_err();
    status.details.causes.iter().map(|c| format!("{}: {}", c.field, c.message)).collect()
}

#[test]
fn the_shipped_templates_are_admitted_and_leave_room_for_what_environments_add() {
    for (name, yaml) in SHIPPED {
        let document: Value = serde_yaml::from_str(yaml).unwrap();
        assert_eq!(document["metadata"]["name"], name);
        let object = admitted(None, Request::Create { object: document }).unwrap();
        let template: Template = object.to().unwrap();
        let spec = &template.spec;
        let resolved = resolve(&environment(name, json!({})), spec).unwrap();
        let rendered = render(&RenderInput {
            namespace: "team-a".into(),
            name: "api".into(),
            template: Some(TemplateUse {
                name: name.into(),
                version: "1".into(),
                parameters: resolved.plain,
            }),
            packages: spec.packages.clone(),
            steps: spec.steps.clone(),
            ports: spec.ports.clone(),
            checks: spec.checks.clone(),
            ..RenderInput::default()
        });
        let bytes = rendered.unwrap().user_data.len();
        // The most variables an environment may have.
        assert!(bytes + MAX_ENV_BYTES + 1024 < MAX_USER_DATA_BYTES, "{name} has {bytes} bytes");
        assert!(spec.ports.is_empty(), "{name} opens nothing");
        for tool in ["docker", "git", "python", "node", "claude_code", "gemini_cli", "open_code"] {
            assert!(spec.checks.iter().any(|check| check.tool == tool), "{name} checks {tool}");
        }
    }
}

#[test]
fn a_source_is_https_or_this_machine_and_carries_no_password() {
    let base: Template = serde_yaml::from_str(shipped("base").unwrap()).unwrap();
    let with =
        |url: &str| parameter_faults(&environment("base", json!({"npm-source": url})), &base.spec);
    for good in ["https://npm.example.org/", "http://127.0.0.1:4873/", "http://localhost:1/x"] {
        assert_eq!(with(good), [], "{good}");
    }
    for bad in [
        "http://npm.example.org/",
        "https://me:secret@npm.example.org/",
        "https://x/ -o /etc/passwd",
        "https://x/$(reboot)",
        "http://127.0.0.1.example.org/",
        "https://x/\nregistry=y",
        "file:///etc/passwd",
    ] {
        assert_eq!(with(bad).len(), 1, "{bad}");
    }
}

#[test]
fn parameters_are_judged_with_their_field() {
    let template: TemplateSpec = serde_json::from_value(json!({"parameters": {
        "version": {"default": "lts", "pattern": "lts|[0-9]+"},
        "count": {"type": "integer", "minimum": 1, "maximum": 5, "default": 1},
        "mode": {"default": "fast", "allowed": ["fast", "small"]},
        "quick": {"type": "boolean", "default": false},
        "owner": {},
        "token": {"secret": true},
    }}))
    .unwrap();
    let judged = |parameters: Value| -> Vec<String> {
        let faults = parameter_faults(&environment("mine", parameters), &template);
        faults.iter().map(|c| format!("{} {}", c.field, c.message)).collect()
    };
    assert_eq!(judged(json!({})), ["spec.parameters.owner is missing; it is a text"]);
    let all = json!({"version": "22", "count": 5, "mode": "small", "quick": true, "owner": "me",
        "token": {"secretKeyRef": {"name": "npm", "key": "token"}}});
    assert_eq!(judged(all.clone()), [""; 0]);
    let resolved = resolve(&environment("mine", all), &template).unwrap();
    assert_eq!(resolved.plain.len(), 5);
    assert_eq!(resolved.secret["token"].name, "npm");
    assert_eq!(
        judged(json!({"version": "22; reboot", "count": 6, "mode": "big", "quick": "yes",
            "owner": "a\nb", "token": "hunter2", "verzion": "1"})),
        [
            "spec.parameters.count is 6; it is a number from 1 to 5",
            "spec.parameters.mode is \"big\"; it is \"fast\" or \"small\"",
            "spec.parameters.owner has a control character; it is one line",
            "spec.parameters.quick is \"yes\"; it is true or false",
            "spec.parameters.token is secret, and is given as {secretKeyRef: {name, key}}; a value \
             here would be readable on the machine and at the provider",
            "spec.parameters.version is \"22; reboot\"; it is a text that fits lts|[0-9]+",
            "spec.parameters.verzion is no parameter of the template; the template has count, mode, \
             owner, quick, token and version; did you mean \"version\"?",
        ]
    );
    let reference = json!({"owner": {"secretKeyRef": {"name": "a", "key": "b"}}});
    assert_eq!(judged(reference), ["spec.parameters.owner is an object; it is a text"]);
}

#[test]
fn what_no_installation_could_do_is_refused_when_the_template_is_written() {
    assert_eq!(
        faults(json!({
            "parameters": {
                "a": {"pattern": "("},
                "b": {"type": "integer", "default": "x"},
                "c": {"secret": true, "default": "hunter2"},
                "d": {"allowed": ["x"], "default": "y"},
            },
            "steps": [
                {"use": "dokcer"},
                {"name": "x"},
                {"name": "x", "run": ["true"], "script": "true"},
                {"name": "late", "run": ["true"], "tries": 11, "timeoutSeconds": 0},
                {"use": "nginx"},
                {"name": "clock", "run": ["true"]},
            ],
            "checks": [{"tool": "a b", "run": []}],
            "ports": [0],
        }))
        .iter()
        .map(|fault| fault.split(':').next().unwrap())
        .collect::<Vec<_>>(),
        [
            "spec.parameters.a.pattern",
            "spec.parameters.b.default",
            "spec.parameters.c.secret",
            "spec.parameters.d.default",
            "spec.steps[0].use",
            "spec.steps[1]",
            "spec.steps[2].name",
            "spec.steps[2]",
            "spec.steps[3].tries",
            "spec.steps[3].timeoutSeconds",
            "spec.steps[4].use",
            "spec.steps[5].name",
            "spec.ports[0]",
            "spec.checks[0].tool",
            "spec.checks[0].run",
        ]
    );
    let misspelt = faults(json!({"steps": [{"use": "dokcer"}]}));
    assert!(misspelt[0].ends_with("did you mean \"docker\"?"), "{misspelt:?}");
    let reads = faults(json!({"steps": [{"use": "nginx"}]}));
    assert!(reads[0].contains("reads the parameter web-port"), "{reads:?}");
    // Packing does not make it shorter.
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'!' + (state >> 24) as u8 % 90)
    };
    let script: String = (0..40_000).map(|_| next()).collect();
    let large = faults(json!({"steps": [{"name": "x", "script": script}]}));
    assert!(large[0].starts_with("spec: cannot be rendered: user-data would be"), "{large:?}");
}

#[test]
fn an_environment_keeps_its_version_until_it_names_another() {
    let first = made(json!({"packages": ["git"]})).unwrap();
    let second = edited(&first, json!({"packages": ["git", "vim"]}));
    let unchanged = edited(&second, json!({"packages": ["git", "vim"]}));
    assert_eq!(unchanged.metadata.generation, 2, "what changes nothing is no version");
    let template: Template = unchanged.to().unwrap();
    assert_eq!(template.status.earlier.len(), 1);

    let mut installed = environment("mine", json!({}));
    let (version, spec) = version_for(&installed, &template).unwrap();
    assert_eq!((version, spec.packages.len()), (2, 2), "a new one takes the current version");
    installed.status.template = Some(RenderedTemplate {
        name: "mine".into(),
        generation: 1,
        digest: "d".into(),
        newer: None,
    });
    let (version, spec) = version_for(&installed, &template).unwrap();
    assert_eq!((version, spec.packages.len()), (1, 1), "an installed one keeps its own");
    let told = newer(installed.status.template.as_ref().unwrap(), &template);
    assert_eq!(told, Some(2));
    installed.spec.template = Some("mine@2".into());
    assert_eq!(version_for(&installed, &template).unwrap().0, 2, "and takes what it names");
    installed.spec.template = Some("mine@3".into());
    assert_eq!(
        version_for(&installed, &template).unwrap_err().to_string(),
        "template mine is at version 2 and has never had version 3"
    );
    for odd in ["mine@0", "mine@x", "mine@"] {
        installed.spec.template = Some(odd.into());
        assert!(matches!(version_for(&installed, &template), Err(VersionError::Never { .. })));
    }
}

#[test]
fn the_newest_versions_are_kept_within_bounds() {
    let mut object = made(json!({"packages": ["git"]})).unwrap();
    for edit in 0..14 {
        object = edited(&object, json!({"packages": [format!("git{edit}")]}));
    }
    let template: Template = object.to().unwrap();
    let kept: Vec<i64> = template.status.earlier.iter().map(|e| e.generation).collect();
    assert_eq!(kept, (5..=14).rev().collect::<Vec<_>>());
    let gone = version_for(&environment("mine@2", json!({})), &template).unwrap_err();
    assert_eq!(
        gone.to_string(),
        "version 2 of template mine is not kept any more; kept are 5, 6, 7, 8, 9, 10, 11, 12, 13, \
         14, 15"
    );
    // Descriptions do not count against user-data: 10 of them would not fit.
    for edit in 0..20 {
        let allowed: Vec<String> =
            (0..600).map(|n| format!("{edit}-{n}-{}", "x".repeat(30))).collect();
        let spec = json!({"parameters": {"p": {"default": allowed[0], "allowed": allowed}}});
        object = edited(&object, spec);
    }
    let status = object.field("status").get("earlier").unwrap();
    assert!(status.to_string().len() <= MAX_EARLIER_BYTES);
    let template: Template = object.to().unwrap();
    assert!(!template.status.earlier.is_empty(), "the last version is always kept");
}

#[test]
fn what_an_environment_cannot_use_is_refused_with_the_field() {
    let mut template: Template =
        made(json!({"parameters": {"p": {"default": "x"}}})).unwrap().to().unwrap();
    let faults = |environment: &Environment, template: Option<&Template>, is_new: bool| {
        let faults = usage_faults(environment, template, is_new);
        faults.iter().map(|c| format!("{} {}", c.field, c.message)).collect::<Vec<_>>().join("\n")
    };
    let good = environment("mine@1", json!({"p": "y"}));
    assert_eq!(faults(&good, Some(&template), true), "");
    assert_eq!(
        faults(&environment("mine@4", json!({})), Some(&template), true),
        "spec.template is \"mine@4\"; template mine is at version 1 and has never had version 4"
    );
    let mut without = environment("mine", json!({"p": "y"}));
    without.spec.template = None;
    assert_eq!(
        faults(&without, None, true),
        "spec.parameters are for a template, and spec.template names none"
    );
    template.spec.deprecated = true;
    let told = faults(&good, Some(&template), true);
    assert_eq!(told, "spec.template is \"mine\", which is not to be used any more");
    assert_eq!(faults(&good, Some(&template), false), "", "who has it keeps it");
}

#[test]
fn what_devpocket_brought_is_told_apart_from_what_somebody_changed() {
    for (name, yaml) in SHIPPED {
        let template = shipped_template(yaml).unwrap();
        let stored = admitted(None, Request::Create { object: Object::of(&template).to_value() });
        let mut stored: Template = stored.unwrap().to().unwrap();
        assert!(is_untouched(&stored), "{name}");
        stored.spec.packages.push("cowsay".into());
        assert!(!is_untouched(&stored), "{name}");
    }
}
