//! User-data against the programs that read it: cloud-init's own schema, its YAML reader, a shell.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use devpocket_specs::render::{
    INSTALL_LOG_PATH, PROGRESS_PATH, RenderInput, Step, TemplateUse, Variable, render,
};
use serde_json::{Value, json};

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

fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program).args(args).output().unwrap_or_else(|error| {
        panic!("this test needs `{program}` ({error}); to install it: apt-get install cloud-init")
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn inputs() -> Vec<RenderInput> {
    let plain = RenderInput {
        namespace: "team-a".to_owned(),
        name: "on".to_owned(),
        image: "ubuntu-24.04".to_owned(),
        authorized_keys: vec!["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@laptop".to_owned()],
        packages: vec!["git".to_owned(), "on".to_owned()],
        ..RenderInput::default()
    };
    let hostile = HOSTILE.map(|text| RenderInput {
        name: "2026-01-01".to_owned(),
        shell: "/usr/bin/zsh".to_owned(),
        image: text.to_owned(),
        variables: BTreeMap::from([
            ("A".to_owned(), Variable::Plain(text.to_owned())),
            ("B".to_owned(), Variable::Secret),
        ]),
        template: Some(TemplateUse {
            name: text.to_owned(),
            version: text.to_owned(),
            parameters: BTreeMap::from([("p".to_owned(), json!([text]))]),
        }),
        steps: vec![step(text, &["echo", text])],
        ..plain.clone()
    });
    std::iter::once(plain.clone()).chain(hostile).collect()
}

fn step(name: &str, run: &[&str]) -> Step {
    Step { name: name.to_owned(), run: run.iter().map(|word| (*word).to_owned()).collect() }
}

/// Writes every document to a file of its own.
fn written(folder: &Path) -> Vec<(String, String)> {
    let write = |(index, input): (usize, &RenderInput)| {
        let user_data = render(input).expect("valid input").user_data;
        let path = folder.join(format!("{index}.yaml"));
        fs::write(&path, &user_data).expect("written");
        (path.to_str().expect("a UTF-8 path").to_owned(), user_data)
    };
    inputs().iter().enumerate().map(write).collect()
}

#[test]
fn cloud_init_accepts_every_document() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (path, user_data) in written(folder.path()) {
        let output = run("cloud-init", &["schema", "--config-file", &path]);
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{said}\n{user_data}");
        assert!(!said.to_lowercase().contains("deprecat"), "{said}\n{user_data}");
    }
}

/// cloud-init reads YAML 1.1: what it makes of a document must be what was meant.
#[test]
fn cloud_init_reads_what_was_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = "import json, sys, yaml\n\
        print(json.dumps(yaml.safe_load(open(sys.argv[1], encoding='utf-8', newline=''))))";
    for (path, user_data) in written(folder.path()) {
        let output = run(PYTHON, &["-c", script, &path]);
        let said = text(&output.stderr);
        assert!(output.status.success(), "python3-yaml comes with cloud-init: {said}");
        let read: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let meant: Value = serde_yaml::from_str(&user_data).expect("YAML");
        assert_eq!(read, meant, "{user_data}");
    }
}

/// Runs the install script with its paths in a folder of ours, and without looking for the user
/// nobody made here: whether it succeeded, its progress file, its log.
fn install(folder: &Path, steps: Vec<Step>) -> (bool, Value, String) {
    let input = RenderInput {
        namespace: "team-a".to_owned(),
        name: "api".to_owned(),
        steps,
        ..RenderInput::default()
    };
    let user_data = render(&input).expect("valid input").user_data;
    let document: Value = serde_yaml::from_str(&user_data).expect("YAML");
    let files = document["write_files"].as_array().expect("files");
    let script = files
        .iter()
        .find(|file| file["path"] == "/usr/local/lib/devpocket/install")
        .and_then(|file| file["content"].as_str())
        .expect("the install script as text");
    let (progress, log) = (folder.join("progress.json"), folder.join("log"));
    let script = script
        .replace(PROGRESS_PATH, progress.to_str().expect("a UTF-8 path"))
        .replace(INSTALL_LOG_PATH, log.to_str().expect("a UTF-8 path"))
        .replace("'id' '-u' 'dev'", "true");
    let path = folder.join("install");
    fs::write(&path, script).expect("written");
    let done = run("sh", &[path.to_str().expect("a UTF-8 path")]);
    let progress = fs::read(progress).expect("a progress file");
    let log = fs::read_to_string(log).expect("a log");
    (done.status.success(), serde_json::from_slice(&progress).expect("JSON"), log)
}

#[test]
fn an_installation_reports_its_end() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let hostile = "it's $(reboot) `x`; \\ \"";
    let (done, progress, log) =
        install(folder.path(), vec![step("say", &["printf", "%s\n", hostile])]);
    assert!(done, "{log}");
    let at = progress["at"].as_str().expect("a time");
    assert!(at.parse::<jiff::Timestamp>().is_ok(), "{at}");
    let end = json!({"step": "done", "state": "done", "percent": 100, "at": at});
    assert_eq!(progress, end);
    assert!(log.lines().any(|line| line == hostile), "{log}");
}

#[test]
fn an_installation_stops_where_it_fails() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let steps = vec![step("a \"b\"", &["false"]), step("after", &["echo", "never"])];
    let (done, progress, log) = install(folder.path(), steps);
    assert!(!done);
    assert_eq!(progress["step"], "a \"b\"");
    assert_eq!(progress["state"], "failed");
    assert!(log.contains("this step failed with exit code 1"), "{log}");
    assert!(!log.lines().any(|line| line == "never"), "{log}");
}
