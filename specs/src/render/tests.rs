use proptest::prelude::*;
use serde_json::json;

use super::*;

fn input() -> RenderInput {
    RenderInput { namespace: "team-a".to_owned(), name: "api".to_owned(), ..Default::default() }
}

fn document(rendered: &Rendered) -> Value {
    serde_yaml::from_str(&rendered.user_data).unwrap()
}

fn file(document: &Value, path: &str) -> String {
    use base64::Engine;
    let files = document["write_files"].as_array().unwrap();
    let file = files.iter().find(|f| f["path"] == path).unwrap();
    let content = file["content"].as_str().unwrap();
    if file["encoding"] != "b64" {
        return content.to_owned();
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(content).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_plain_environment_renders_to_what_is_promised() {
    let rendered = render(&input()).unwrap();
    let document = document(&rendered);
    assert!(rendered.user_data.starts_with("#cloud-config\n"));
    assert_eq!(
        document["users"],
        json!([{"name": "dev", "gecos": "DevPocket", "shell": "/bin/bash",
            "sudo": "ALL=(ALL) NOPASSWD:ALL", "lock_passwd": true}])
    );
    assert_eq!(document["disable_root"], true);
    assert_eq!(document["ssh_pwauth"], false);
    assert_eq!(document["fqdn"], "api.team-a.devpocket.internal");
    assert!(file(&document, SSHD_PATH).contains("\nPermitRootLogin no\n"));
    let start: Value = serde_json::from_str(&file(&document, PROGRESS_PATH)).unwrap();
    assert_eq!(start, json!({"step": "start", "state": "running", "percent": 0, "at": null}));
    let script = file(&document, INSTALL_PATH);
    assert!(script.starts_with("#!/bin/sh\nLOG='/var/log/devpocket-install.log'\n"), "{script}");
    assert!(script.ends_with("report '{\"step\":\"done\",\"state\":\"done\",\"percent\":100'\n"));
}

/// The digest is in orders and approvals: when it changes for the same input, everything that was
/// approved has to be approved again. Change it only with the content.
#[test]
fn the_digest_names_the_bytes() {
    let rendered = render(&input()).unwrap();
    assert_eq!(rendered, render(&input()).unwrap());
    let other = render(&RenderInput { name: "web".to_owned(), ..input() }).unwrap();
    assert_ne!(rendered.digest, other.digest);
    let sum = Sha256::digest(rendered.user_data.as_bytes());
    assert_eq!(rendered.digest, sum.iter().map(|b| format!("{b:02x}")).collect::<String>());
}

#[test]
fn secrets_are_named_and_never_rendered() {
    let variables = BTreeMap::from([
        ("TOKEN".to_owned(), Variable::Secret),
        ("MODE".to_owned(), Variable::Plain("it's on".to_owned())),
    ]);
    let rendered = render(&RenderInput { variables, ..input() }).unwrap();
    assert_eq!(rendered.omitted, ["TOKEN"]);
    assert!(!rendered.user_data.contains("TOKEN"));
    let profile = file(&document(&rendered), VARIABLES_PATH);
    assert!(profile.contains("\nexport MODE='it'\\''s on'\n"), "{profile}");
}

#[test]
fn the_template_reaches_its_steps() {
    let template = TemplateUse {
        name: "nodejs".to_owned(),
        version: "2".to_owned(),
        parameters: BTreeMap::from([
            ("node-version".to_owned(), json!("22; reboot")),
            ("count".to_owned(), json!(3)),
        ]),
    };
    let steps = vec![
        Step { name: "docker".to_owned(), run: vec!["curl".to_owned(), "a b".to_owned()] },
        Step { name: "node".to_owned(), run: vec!["true".to_owned()] },
    ];
    let packages = vec!["git".to_owned(), "g++=4:12.2".to_owned()];
    let input = RenderInput { template: Some(template), steps, packages, ..input() };
    let script = file(&document(&render(&input).unwrap()), INSTALL_PATH);
    for line in [
        "export DEVPOCKET_PARAMETER_COUNT='3'",
        "export DEVPOCKET_PARAMETER_NODE_VERSION='22; reboot'",
        "step '{\"step\":\"packages\",\"state\":\"running\",\"percent\":20' \
         '{\"step\":\"packages\",\"state\":\"failed\",\"percent\":20' 'packages' 'git' 'g++=4:12.2'",
        "step '{\"step\":\"docker\",\"state\":\"running\",\"percent\":45' \
         '{\"step\":\"docker\",\"state\":\"failed\",\"percent\":45' 'env' '--' 'curl' 'a b'",
    ] {
        assert!(script.lines().any(|l| l == line), "{line}\nin\n{script}");
    }
}

#[test]
fn keys_are_taken_without_options_and_comments() {
    let with = |key: &str| {
        let input = RenderInput { authorized_keys: vec![key.to_owned()], ..input() };
        render(&input).map(|r| document(&r)["users"][0]["ssh_authorized_keys"].clone())
    };
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJx+/=";
    assert_eq!(with(&format!("{key} me@laptop: #1\n")), Ok(json!([key])));
    for bad in [
        "",
        "ssh-ed25519",
        "command=\"reboot\" ssh-ed25519 AAAA",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "ssh-ed25519 AAAA\nssh-ed25519 BBBB",
        "ssh-dss AAAA",
        "ssh-ed25519 <AAAA>",
    ] {
        assert_eq!(with(bad), Err(RenderError::Key { index: 0 }), "{bad}");
    }
}

#[test]
fn what_cannot_be_rendered_safely_is_refused() {
    let refused = |input: RenderInput| render(&input).unwrap_err();
    let variable = |name: &str, value: &str| {
        let value = Variable::Plain(value.to_owned());
        refused(RenderInput { variables: BTreeMap::from([(name.to_owned(), value)]), ..input() })
    };
    assert!(matches!(variable("A;reboot", ""), RenderError::VariableName { .. }));
    assert!(matches!(variable("A", "a\0b"), RenderError::Nul { .. }));
    assert!(matches!(
        variable("A", &"x".repeat(MAX_USER_DATA_BYTES)),
        RenderError::TooLarge { bytes } if bytes > MAX_USER_DATA_BYTES
    ));
    for name in ["", "-a", "A", "a.b", "on\nruncmd"] {
        let error = refused(RenderInput { name: name.to_owned(), ..input() });
        assert!(matches!(error, RenderError::Name { .. }), "{name}");
    }
    for shell in ["bash", "/bin/ba sh", "/bin/bash\nusers: []"] {
        let error = refused(RenderInput { shell: shell.to_owned(), ..input() });
        assert!(matches!(error, RenderError::Shell { .. }), "{shell}");
    }
    for package in ["", "-y", "a b", "a;b", "--purge"] {
        let error = refused(RenderInput { packages: vec![package.to_owned()], ..input() });
        assert!(matches!(error, RenderError::Package { .. }), "{package}");
    }
    for run in [&[][..], &[""], &["-S", "reboot"], &["A=b", "reboot"]] {
        let run = run.iter().map(|word| (*word).to_owned()).collect();
        let step = Step { name: "x".to_owned(), run };
        let error = refused(RenderInput { steps: vec![step], ..input() });
        assert!(matches!(error, RenderError::Program { .. }), "{error}");
    }
    let parameters = BTreeMap::from([("a-b".to_owned(), json!(1)), ("A_B".to_owned(), json!(2))]);
    let template = Some(TemplateUse { parameters, ..Default::default() });
    let error = refused(RenderInput { template, ..input() });
    assert!(matches!(error, RenderError::ParameterName { .. }));
}

proptest! {
    /// Whatever people write, the document has the same shape and the text arrives unchanged.
    #[test]
    fn no_text_becomes_yaml(text in "[^\u{0}]{0,40}|[\n:#'\" -]{0,10}(users|runcmd): \\[x\\]\n[a-z: \n-]{0,20}") {
        let input = RenderInput {
            variables: BTreeMap::from([("A".to_owned(), Variable::Plain(text.clone()))]),
            image: text.clone(),
            steps: vec![Step { name: text.clone(), run: vec!["echo".to_owned(), text.clone()] }],
            template: Some(TemplateUse {
                name: text.clone(),
                version: text.clone(),
                parameters: BTreeMap::from([("p".to_owned(), json!(text))]),
            }),
            ..input()
        };
        let hostile = document(&render(&input).unwrap());
        let plain = document(&render(&super::tests::input()).unwrap());
        let members = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        prop_assert_eq!(members(&hostile), members(&plain));
        for member in ["users", "runcmd", "fqdn", "disable_root", "ssh_pwauth"] {
            prop_assert_eq!(&hostile[member], &plain[member]);
        }
        let facts: Value = serde_json::from_str(&file(&hostile, FACTS_PATH)).unwrap();
        prop_assert_eq!(&facts["image"], &json!(text));
        let quoted = shell_quote(&text).unwrap();
        let profile = file(&hostile, VARIABLES_PATH);
        let expected = format!("\nexport A={quoted}\nfi\n");
        prop_assert!(profile.contains(&expected));
    }
}
