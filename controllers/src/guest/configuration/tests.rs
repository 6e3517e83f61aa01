use devpocket_specs::environment::{EnvVar, EnvironmentSpec, UserSpec, ValueFrom};
use devpocket_specs::metadata::ObjectMeta;
use jiff::Timestamp;
use serde_json::json;

use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3Nza ann@home";

fn reference(name: &str, key: &str) -> SecretKeyRef {
    SecretKeyRef { name: name.into(), key: key.into() }
}

fn variable(name: &str, from: SecretKeyRef) -> EnvVar {
    EnvVar { name: name.into(), value: None, value_from: Some(ValueFrom { secret_key_ref: from }) }
}

fn environment() -> Environment {
    let user = UserSpec {
        keys: vec![KEY.into()],
        direct_ssh: true,
        password_secret: Some(reference("login", "password")),
        ..UserSpec::default()
    };
    let plain = EnvVar { name: "A".into(), value: Some("1".into()), value_from: None };
    let env = vec![plain, variable("B", reference("db", "url"))];
    let mut spec = EnvironmentSpec { user, env, ..EnvironmentSpec::default() };
    let token = json!({"secretKeyRef": {"name": "db", "key": "token"}});
    spec.parameters.insert("api-token".into(), token);
    Environment { metadata: ObjectMeta::named("team-a", "web"), spec, status: Default::default() }
}

/// All Secrets but these.
fn secrets(missing: &[&str]) -> impl Fn(&str) -> Option<Arc<Secret>> {
    let missing: Vec<String> = missing.iter().map(|name| (*name).to_owned()).collect();
    move |name| {
        let data = ["url", "token", "password"];
        let data = data.map(|key| (key.to_owned(), format!("sealed:v1:k:{name}-{key}")));
        let secret = Secret {
            metadata: ObjectMeta::named("team-a", name),
            data: data.into(),
            string_data: BTreeMap::new(),
            r#type: String::new(),
            immutable: None,
        };
        (!missing.contains(&name.to_owned())).then(|| Arc::new(secret))
    }
}

#[test]
fn a_missing_secret_keeps_back_what_is_made_from_it_and_nothing_else() {
    let all = wanted(&environment(), true, secrets(&[]));
    assert_eq!(all.missing, Vec::<String>::new());
    let variables = all.configuration.variables.clone().unwrap();
    let names: Vec<&str> = variables.keys().map(String::as_str).collect();
    assert_eq!(names, ["A", "B", "DEVPOCKET_PARAMETER_API_TOKEN"]);
    assert_eq!(all.configuration.sealed().count(), 3);
    assert_eq!(all.configuration.shell.as_deref(), Some("/bin/bash"));

    let no_login = wanted(&environment(), true, secrets(&["login"]));
    assert_eq!(no_login.configuration.password, Password::Kept);
    assert_eq!(no_login.configuration.variables, Some(variables));
    let no_db = wanted(&environment(), true, secrets(&["db"]));
    assert_eq!(no_db.configuration.variables, None);
    assert!(matches!(no_db.configuration.password, Password::Set(_)));
    assert_eq!(no_db.configuration.keys, [KEY], "keys wait for no Secret");
    let fault = no_db.fault(Ok(())).unwrap();
    assert_eq!(fault.reason, "SecretMissing");
    for word in ["\"db\"", "team-a", "spec.env[1]", "spec.parameters.api-token", "Create it"] {
        assert!(fault.message.contains(word), "{word}: {}", fault.message);
    }

    let mut other_key = environment();
    other_key.spec.env = vec![variable("B", reference("db", "nope"))];
    let fault = wanted(&other_key, true, secrets(&[])).fault(Ok(())).unwrap();
    assert!(fault.message.contains("\"db\" has no key \"nope\""), "{}", fault.message);
}

#[test]
fn keys_reach_the_machine_only_where_that_is_declared_and_the_shell_once_it_is_installed() {
    let mut gateway = environment();
    gateway.spec.user.direct_ssh = false;
    gateway.spec.user.password_secret = None;
    let Wanted { configuration, .. } = wanted(&gateway, false, secrets(&[]));
    assert_eq!((configuration.keys, configuration.shell), (Vec::new(), None));
    assert_eq!(configuration.password, Password::Locked);
}

#[test]
fn another_value_is_sent_and_the_same_one_is_not() {
    let digest = |environment: &Environment, missing: &[&str]| {
        wanted(environment, true, secrets(missing)).digest("declared")
    };
    let all = digest(&environment(), &[]);
    assert_eq!(all, digest(&environment(), &[]));
    assert_ne!(all, digest(&environment(), &["db"]));
    let resealed = |name: &str| {
        let secret = secrets(&[])(name)?;
        let mut secret = Secret::clone(&secret);
        secret.data.values_mut().for_each(|text| text.push('2'));
        Some(Arc::new(secret))
    };
    assert_ne!(all, wanted(&environment(), true, resealed).digest("declared"));
}

fn configured(sent: &str, fault: Option<&str>) -> Configured {
    let fault =
        fault.map(|reason| ConfigurationFault { reason: reason.into(), message: "no".into() });
    Configured {
        environment: uuid::Uuid::nil(),
        generation: 1,
        declared: String::new(),
        sent: sent.into(),
        whole: true,
        at: Timestamp::UNIX_EPOCH,
        fault,
    }
}

#[test]
fn what_the_machine_refuses_is_tried_again_and_told_once() {
    assert!(is_done(&configured("a", None), "a", true));
    assert!(!is_done(&configured("a", None), "b", true));
    assert!(!is_done(&configured("a", None), "a", false));
    assert!(!is_done(&configured("a", Some("NotConfigured")), "a", true));
    // Another digest comes with the Secret.
    assert!(is_done(&configured("a", Some("SecretMissing")), "a", true));

    let reason = |before: Option<&Configured>, next: &Configured| {
        news(before, Some(next)).map(|(_, reason, _)| reason)
    };
    let (good, bad) = (configured("a", None), configured("a", Some("NotConfigured")));
    assert_eq!(reason(None, &good), None, "a new machine is no news");
    assert_eq!(reason(Some(&good), &good), None);
    assert_eq!(reason(Some(&good), &configured("b", None)), Some("GuestConfigured"));
    assert_eq!(reason(Some(&good), &bad), Some("GuestNotConfigured"));
    assert_eq!(reason(Some(&bad), &bad), None);
    assert_eq!(reason(Some(&bad), &good), Some("GuestConfigured"));
}

#[test]
fn no_value_is_shown_where_something_is_printed_for_debugging() {
    let shown = format!("{:?}", wanted(&environment(), true, secrets(&[])));
    assert!(shown.contains("login") && !shown.contains("sealed:"), "{shown}");
}
