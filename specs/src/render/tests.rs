use std::io::Read;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::install::{ProgressState, read_progress};
use crate::template::StepUser;

fn input() -> RenderInput {
    RenderInput { namespace: "team-a".to_owned(), name: "api".to_owned(), ..Default::default() }
}

fn document(rendered: &Rendered) -> Value {
    serde_yaml::from_str(&rendered.user_data).unwrap()
}

fn file(document: &Value, path: &str) -> String {
    use base64::Engine;
    let files = document["write_files"].as_array().unwrap();
    let file = files.iter().find(|f| f["path"] == path).unwrap_or_else(|| panic!("{path}"));
    let content = file["content"].as_str().unwrap();
    let decode = || base64::engine::general_purpose::STANDARD.decode(content).unwrap();
    match file["encoding"].as_str() {
        None => content.to_owned(),
        Some("b64") => String::from_utf8(decode()).unwrap(),
        Some("gz+b64") => {
            let mut text = String::new();
            flate2::read::GzDecoder::new(&decode()[..]).read_to_string(&mut text).unwrap();
            text
        }
        Some(other) => panic!("{other}"),
    }
}

fn plan_of(input: &RenderInput) -> Value {
    serde_json::from_str(&file(&document(&render(input).unwrap()), PLAN_PATH)).unwrap()
}

fn step(name: &str, run: &[&str]) -> TemplateStep {
    let run = run.iter().map(|word| (*word).to_owned()).collect();
    TemplateStep { name: name.to_owned(), run, ..TemplateStep::default() }
}

fn using(shipped: &str, arguments: &[&str]) -> TemplateStep {
    let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
    TemplateStep { shipped: Some(shipped.to_owned()), arguments, ..TemplateStep::default() }
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
    let sshd = file(&document, SSHD_PATH);
    assert!(sshd.contains("\nPermitRootLogin no\nPasswordAuthentication no\n"), "{sshd}");
    assert!(!sshd.contains("TrustedUserCAKeys") && document.get("ssh_keys").is_none());
    let plan = file(&document, PLAN_PATH);
    let start = read_progress(file(&document, PROGRESS_PATH).as_bytes()).unwrap();
    assert_eq!(
        (start.state, start.step.as_str(), start.percent),
        (ProgressState::Running, "start", 0)
    );
    assert_eq!(start.plan, hex_digest(plan.as_bytes()));
    let names: Vec<_> = planned_steps(&plan).unwrap().into_iter().map(|s| s.name).collect();
    assert_eq!(names, ["clock", "user", "firewall", "security-updates"]);
}

/// The digest is in orders and approvals: when it changes for the same input, everything that was
/// approved has to be approved again. Change it only with the content.
#[test]
fn the_digest_names_the_bytes() {
    let rendered = render(&input()).unwrap();
    assert_eq!(rendered, render(&input()).unwrap());
    let other = render(&RenderInput { name: "web".to_owned(), ..input() }).unwrap();
    assert_ne!(rendered.digest, other.digest);
    assert_eq!(rendered.digest, hex_digest(rendered.user_data.as_bytes()));
}

/// Text that packing does not make shorter.
fn noise(length: usize) -> String {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'!' + (state >> 24) as u8 % 90)
    };
    (0..length).map(|_| next()).collect()
}

fn host_key(letter: char) -> HostKey {
    HostKey {
        private: format!(
            "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
            letter.to_string().repeat(64)
        ),
        public: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ bootstrap".to_owned(),
    }
}

#[test]
fn the_authority_and_the_host_key_are_carried_and_only_the_host_key_is_outside_of_the_digest() {
    let ca = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKca devpocket".to_owned();
    let trusting = RenderInput { user_ca: Some(ca), ..input() };
    let without = render(&trusting).unwrap();
    assert_ne!(without.digest, render(&input()).unwrap().digest);
    let with = render(&RenderInput { host_key: Some(host_key('a')), ..trusting.clone() }).unwrap();
    let anew = render(&RenderInput { host_key: Some(host_key('b')), ..trusting.clone() }).unwrap();
    assert_eq!((&with.digest, &anew.digest), (&without.digest, &without.digest));
    assert_ne!(with.user_data, anew.user_data);
    let added = with.user_data.len() - without.user_data.len();
    assert!(added < HOST_KEY_BYTES, "{added} bytes");
    let document = document(&with);
    assert_eq!(document["ssh_deletekeys"], true);
    assert_eq!(document["ssh_keys"]["ed25519_private"], json!(host_key('a').private));
    assert_eq!(document["ssh_keys"]["ed25519_public"], "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ");
    assert_eq!(file(&document, USER_CA_PATH), "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKca\n");
    assert!(file(&document, SSHD_PATH).contains(&format!("TrustedUserCAKeys {USER_CA_PATH}\n")));
    assert!(!format!("{:?}", host_key('a')).contains("aaaa"), "a private key is not printed");

    let bad = HostKey { private: "-----BEGIN RSA PRIVATE KEY-----\n".into(), ..host_key('a') };
    let refused = render(&RenderInput { host_key: Some(bad), ..trusting });
    assert_eq!(refused, Err(RenderError::HostKey));
    let refused = render(&RenderInput { user_ca: Some("yes".into()), ..input() });
    assert_eq!(refused, Err(RenderError::UserCa));
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
fn the_template_becomes_a_plan_and_the_files_it_needs() {
    let template = TemplateUse {
        name: "mine".to_owned(),
        version: "2".to_owned(),
        parameters: BTreeMap::from([
            ("node-version".to_owned(), json!("22; reboot")),
            ("count".to_owned(), json!(3)),
        ]),
    };
    let script = TemplateStep {
        name: "docker".to_owned(),
        script: Some("echo hello\n".to_owned()),
        user: Some(StepUser::Dev),
        tries: Some(1),
        timeout_seconds: Some(5),
        optional: true,
        ..TemplateStep::default()
    };
    let input = RenderInput {
        template: Some(template),
        packages: vec!["git".to_owned(), "g++=4:12.2".to_owned()],
        steps: vec![script, using("npm", &["pm2"]), step("say", &["printf", "a b"])],
        shell: "/usr/bin/zsh".to_owned(),
        ports: vec![443, 80, 22],
        ..input()
    };
    let plan = plan_of(&input);
    assert_eq!(plan["software"], "mine@2");
    assert_eq!(
        plan["environment"],
        json!({"DEVPOCKET_PARAMETER_COUNT": "3", "DEVPOCKET_PARAMETER_NODE_VERSION": "22; reboot",
            "DEVPOCKET_PORTS": "22 80 443", "DEVPOCKET_SHELL": "/usr/bin/zsh"})
    );
    let steps = plan["steps"].as_array().unwrap();
    let named = |name: &str| steps.iter().find(|s| s["name"] == name).unwrap().clone();
    assert_eq!(named("packages")["arguments"], json!(["git", "g++=4:12.2"]));
    let mut own = named("docker");
    own.as_object_mut().unwrap().remove("percent");
    assert_eq!(
        own,
        json!({"name": "docker", "user": "dev", "tries": 1, "timeout": 5, "optional": true,
            "script": "own-docker", "arguments": []})
    );
    assert_eq!(named("npm")["user"], "dev");
    assert_eq!(named("say")["run"], json!(["printf", "a b"]));
    let percents: Vec<_> = steps.iter().map(|s| s["percent"].as_u64().unwrap()).collect();
    assert!(percents.is_sorted() && percents[0] == 2 && percents[6] < 99, "{percents:?}");
    let document = document(&render(&input).unwrap());
    assert_eq!(file(&document, "/usr/local/lib/devpocket/steps/own-docker"), "echo hello\n");
    let npm = file(&document, "/usr/local/lib/devpocket/steps/npm");
    assert_eq!(npm, shipped_step("npm").unwrap().source);
}

#[test]
fn keys_are_taken_without_options_and_comments() {
    let with = |key: &str| {
        let input = RenderInput { authorized_keys: vec![key.to_owned()], ..input() };
        render(&input).map(|r| document(&r)["users"][0]["ssh_authorized_keys"].clone())
    };
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJx+/=";
    let marked = format!("{key} {OUR_KEYS}");
    assert_eq!(with(&format!("{key} me@laptop: #1\n")), Ok(json!([marked])));
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
        variable("A", &noise(MAX_USER_DATA_BYTES)),
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
    for run in [&[""][..], &["-S", "reboot"], &["A=b", "reboot"]] {
        let error = refused(RenderInput { steps: vec![step("x", run)], ..input() });
        assert!(matches!(error, RenderError::Program { .. }), "{error}");
    }
    let both = TemplateStep { script: Some(":".into()), ..step("x", &["true"]) };
    for bad in [step("x", &[]), both, using("no-such", &[]), step("../x", &["true"])] {
        let error = refused(RenderInput { steps: vec![bad], ..input() });
        assert!(matches!(error, RenderError::Step { .. }), "{error}");
    }
    let error = refused(RenderInput { steps: vec![using("clock", &[])], ..input() });
    assert_eq!(error, RenderError::StepTwice { step: "clock".into() });
    let parameters = BTreeMap::from([("a-b".to_owned(), json!(1)), ("A_B".to_owned(), json!(2))]);
    let template = Some(TemplateUse { parameters, ..Default::default() });
    let error = refused(RenderInput { template, ..input() });
    assert!(matches!(error, RenderError::ParameterName { .. }));
}

proptest! {
    /// Whatever people write, the document has the same shape and the text arrives unchanged.
    #[test]
    fn no_text_becomes_yaml(text in "[^\u{0}]{0,40}|[\n:#'\" -]{0,10}(users|runcmd): \\[x\\]\n[a-z: \n-]{0,20}") {
        let with = |text: &str| RenderInput {
            variables: BTreeMap::from([("A".to_owned(), Variable::Plain(text.to_owned()))]),
            image: text.to_owned(),
            steps: vec![
                step("echo", &["echo", text]),
                TemplateStep { name: "own".into(), script: Some(text.to_owned()), ..Default::default() },
            ],
            template: Some(TemplateUse {
                name: text.to_owned(),
                version: text.to_owned(),
                parameters: BTreeMap::from([("p".to_owned(), json!(text))]),
            }),
            checks: vec![ToolCheck { tool: text.to_owned(), run: vec!["echo".into(), text.to_owned()] }],
            ..input()
        };
        let hostile = document(&render(&with(&text)).unwrap());
        let plain = document(&render(&with("x")).unwrap());
        let members = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        prop_assert_eq!(members(&hostile), members(&plain));
        for member in ["users", "runcmd", "fqdn", "disable_root", "ssh_pwauth"] {
            prop_assert_eq!(&hostile[member], &plain[member]);
        }
        let paths = |v: &Value| -> Vec<Value> {
            v["write_files"].as_array().unwrap().iter().map(|f| f["path"].clone()).collect()
        };
        prop_assert_eq!(paths(&hostile), paths(&plain));
        let facts: Value = serde_json::from_str(&file(&hostile, FACTS_PATH)).unwrap();
        prop_assert_eq!(&facts["image"], &json!(text));
        let plan: Value = serde_json::from_str(&file(&hostile, PLAN_PATH)).unwrap();
        prop_assert_eq!(&plan["environment"]["DEVPOCKET_PARAMETER_P"], &json!(text));
        prop_assert_eq!(&plan["checks"][0]["run"], &json!(["echo", text]));
        prop_assert_eq!(file(&hostile, "/usr/local/lib/devpocket/steps/own-own"), text.clone());
        let quoted = shell_quote(&text).unwrap();
        let profile = file(&hostile, VARIABLES_PATH);
        let expected = format!("\nexport A={quoted}\nfi\n");
        prop_assert!(profile.contains(&expected));
    }
}
