//! The released cloud-init of Debian 13 (version 25) and its YAML reader, on every kind of
//! user-data.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use devpocket_specs::render::{HostKey, RenderInput, TemplateUse, Variable, render};
use devpocket_specs::template::SHIPPED;
use serde_json::{Value, json};

use super::inputs;

/// The interpreter of the distribution's cloud-init; it has the YAML reader cloud-init uses.
const PYTHON: &str = "/usr/bin/python3";

const HOSTILE: [&str; 8] = [
    "on",
    "2026-01-01",
    "12:30:45",
    "a\nusers: []\n- b: {c",
    "'; touch /tmp/devpocket-injected; '",
    "\u{85}\u{2028}\u{7f}\r\n\t\u{feff}",
    "$(reboot) `reboot` \\ \" %s \\n",
    "日本 😀",
];

/// Documents by name.
fn documents() -> Vec<(String, String)> {
    let ed25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ";
    let trusting = |input: RenderInput| RenderInput {
        user_ca: Some(ed25519.into()),
        host_key: Some(HostKey {
            private: format!(
                "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
                "A".repeat(70)
            ),
            public: ed25519.into(),
        }),
        authorized_keys: vec![format!("{ed25519} me@laptop")],
        ..input
    };
    let shipped =
        SHIPPED.map(|(name, _)| (name.to_owned(), inputs::template(name, BTreeMap::new())));
    let hostile = HOSTILE.map(|text| {
        let variables = [("A", Variable::Plain(text.to_owned())), ("B", Variable::Secret)];
        let input = RenderInput {
            name: "2026-01-01".into(),
            shell: "/usr/bin/zsh".into(),
            image: text.into(),
            variables: variables.map(|(name, value)| (name.to_owned(), value)).into(),
            template: Some(TemplateUse {
                name: text.into(),
                version: text.into(),
                parameters: BTreeMap::from([("p".to_owned(), json!([text]))]),
            }),
            packages: vec!["git".into(), "on".into()],
            steps: vec![inputs::script("own", text)],
            ..inputs::plain()
        };
        (format!("with {text:?}"), input)
    });
    let plain = [("plain".to_owned(), inputs::plain())];
    let rendered = |(name, input)| {
        let user_data = render(&trusting(input)).expect("valid input").user_data;
        (name, user_data)
    };
    plain.into_iter().chain(shipped).chain(hostile).map(rendered).collect()
}

/// The root file system with cloud-init, if it can be had here.
pub fn debian13() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let folder = target.join("debian13");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("machines/debian13.sh");
    let made = Command::new(&script).arg(&folder).output();
    let output = made.unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    if output.status.success() {
        return Some(folder);
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = format!("no root file system of Debian 13 ({}): {said}", script.display());
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
    eprintln!("{text}");
    None
}

fn schema(root: &Path, document: &str) -> (bool, String) {
    let folder = tempfile::tempdir_in(root.join("tmp")).expect("a folder");
    let path = folder.path().join("user-data");
    fs::write(&path, document).expect("written");
    let inside = Path::new("/").join(path.strip_prefix(root).expect("in the root"));
    let output: Output = Command::new("chroot")
        .arg(root)
        .args(["/usr/bin/cloud-init", "schema", "--config-file"])
        .arg(inside)
        .output()
        .expect("chroot runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn cloud_init_accepts_every_document_and_no_misspelt_member() {
    let Some(root) = debian13() else { return };
    let version = Command::new("chroot").arg(&root).args(["cloud-init", "--version"]).output();
    let version = String::from_utf8_lossy(&version.expect("chroot runs").stdout).into_owned();
    let major =
        version.split_whitespace().nth(1).and_then(|v| v.split('.').next()?.parse::<u32>().ok());
    assert!(major.is_some_and(|major| major >= 25), "{version}");
    for (name, document) in documents() {
        let (good, said) = schema(&root, &document);
        assert!(good, "{name}: {said}\n{document}");
        let complains = ["deprecat", "warning", "error"];
        let said = said.to_lowercase();
        assert!(!complains.iter().any(|word| said.contains(word)), "{name}: {said}");
        for member in ["write_files", "ssh_pwauth", "runcmd", "ssh_keys"] {
            let misspelt = document.replacen(&format!("\n{member}:"), &format!("\n{member}x:"), 1);
            assert_ne!(misspelt, document, "{name} has {member}");
            let (good, said) = schema(&root, &misspelt);
            assert!(!good && said.contains(&format!("{member}x")), "{name}: {said}");
        }
    }
}

/// cloud-init reads YAML 1.1: what it makes of a document must be what was meant.
#[test]
fn cloud_init_reads_what_was_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = "import json, sys, yaml\n\
        print(json.dumps(yaml.safe_load(open(sys.argv[1], encoding='utf-8', newline=''))))";
    for (name, user_data) in documents() {
        let path = folder.path().join("user-data");
        fs::write(&path, &user_data).expect("written");
        let read = Command::new(PYTHON).args(["-c", script]).arg(&path).output();
        let read = read.unwrap_or_else(|error| panic!("{PYTHON}: {error}"));
        let said = String::from_utf8_lossy(&read.stderr);
        assert!(read.status.success(), "this test needs python3-yaml: {said}");
        let read: Value = serde_json::from_slice(&read.stdout).expect("JSON");
        let meant: Value = serde_yaml::from_str(&user_data).expect("YAML");
        assert_eq!(read, meant, "{name}: {user_data}");
    }
}
