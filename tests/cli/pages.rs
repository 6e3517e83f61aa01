//! Manual pages and schemas: what other programs read.

use std::process::Command;

use serde_json::Value;

use crate::programs::have;
use crate::world::World;

#[tokio::test]
async fn every_command_has_a_page_that_mandoc_finds_nothing_in() {
    let world = World::new().await;
    let written = world.run(&["man", "--dir", "man1"]).await.done();
    let folder = world.home.path().join("man1");
    let mut pages: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    assert!(written.out.starts_with(&format!("{} pages written", pages.len())), "{}", written.out);
    for name in ["devpocket", "devpocket-apply", "devpocket-context-use"] {
        assert!(folder.join(format!("{name}.1")).exists(), "{name} of {pages:?}");
    }
    assert!(!folder.join("devpocket-run-as.1").exists(), "what is hidden has no page");
    if !have("mandoc") {
        return;
    }
    let lint = Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).args(&pages).output();
    let lint = lint.unwrap();
    let said = String::from_utf8_lossy(&lint.stdout).into_owned();
    assert!(lint.status.success() && said.is_empty(), "{said}");
    let shown = Command::new("mandoc")
        .args(["-T", "utf8"])
        .arg(folder.join("devpocket-apply.1"))
        .output()
        .unwrap();
    // Bold is written as a letter over itself.
    let text = String::from_utf8_lossy(&shown.stdout);
    let mut plain = String::new();
    for c in text.chars() {
        if c == '\u{8}' {
            plain.truncate(plain.len() - plain.chars().last().map_or(0, char::len_utf8))
        } else {
            plain.push(c)
        }
    }
    for part in
        ["DEVPOCKET-APPLY(1)", "devpocket apply -f envs/ --wait", "--dry-run", "EXIT STATUS"]
    {
        assert!(plain.contains(part), "{part} is not in\n{plain}");
    }
}

#[tokio::test]
async fn man_shows_the_page_of_one_command() {
    let world = World::new().await;
    let page = world.run(&["man", "context", "use"]).await.done();
    assert!(page.out.contains(".TH DEVPOCKET-CONTEXT-USE 1"), "{}", page.out);
    let ended = world.run(&["man", "frobnicate"]).await;
    ended.refused(2, "error[usage]: \"frobnicate\" is not a command");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() {
    let world = World::new().await;
    world.file("taken", "a file");
    let ended = world.run(&["man", "--dir", "taken"]).await;
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(
        ended.err.starts_with("error[not-written]: taken cannot be written: "),
        "{}",
        ended.err
    );
}

#[tokio::test]
async fn schemas_need_no_server_and_name_their_kind() {
    let world = World::new().await;
    std::fs::remove_file(world.config()).unwrap();
    let listed = world.run(&["schema", "-o", "name"]).await.done();
    let kinds: Vec<&str> = listed.out.lines().collect();
    assert!(kinds.contains(&"environment") && kinds.contains(&"secret"), "{kinds:?}");
    for kind in kinds {
        let printed = world.run(&["schema", kind]).await.done();
        let schema: Value = serde_json::from_str(&printed.out).unwrap();
        let name = schema["properties"]["kind"]["const"].as_str().unwrap();
        assert_eq!(name.to_lowercase(), kind);
    }
    let ended = world.run(&["schema", "enviroment"]).await;
    ended.refused(
        2,
        "error[unknown-kind]: \"enviroment\" is not a kind; did you mean \"environment\"?",
    );
}

/// Judges a YAML file by a schema: nothing, or what is wrong.
const JUDGE: &str = "import json, sys, yaml, jsonschema
loader = yaml.SafeLoader
# JSON has no dates, and editors take them for text.
date = 'tag:yaml.org,2002:timestamp'
resolvers = loader.yaml_implicit_resolvers.items()
loader.yaml_implicit_resolvers = {c: [r for r in rs if r[0] != date] for c, rs in resolvers}
schema = json.load(open(sys.argv[1]))
jsonschema.Draft7Validator.check_schema(schema)
for document in yaml.load_all(open(sys.argv[2]), loader):
    for error in jsonschema.Draft7Validator(schema).iter_errors(document):
        print('/'.join(map(str, error.absolute_path)), error.message)
";

#[tokio::test]
async fn editors_accept_every_example_and_show_what_is_wrong() {
    let there = Command::new("python3").args(["-c", "import yaml, jsonschema"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        have("python3-jsonschema and python3-yaml");
        return;
    }
    let world = World::new().await;
    let schema = world.run(&["schema", "--all"]).await.done();
    world.file("all.json", &schema.out);
    let judged = |file: &str| {
        let output = Command::new("python3")
            .args(["-c", JUDGE, "all.json", file])
            .current_dir(world.home.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            assert_eq!(judged(path.to_str().unwrap()), "", "{}", path.display());
        }
    }
    let head = "apiVersion: devpocket.dev/v1alpha1\nkind: Environment\nmetadata: {name: a}\n";
    world.file("bad.yaml", &format!("{head}spec: {{size: 7, templete: x}}\n"));
    let said = judged("bad.yaml");
    assert!(said.contains("templete") && said.contains("spec/size"), "{said}");
    world.file("bad.yaml", "apiVersion: devpocket.dev/v1alpha1\nkind: Enviroment\n");
    assert!(judged("bad.yaml").contains("Enviroment"));
    // What the server hands out fits as well.
    world.declare("web").await;
    let stored = world.run(&["get", "env/web", "-o", "yaml"]).await.done();
    world.file("web.yaml", &stored.out);
    assert_eq!(judged("web.yaml"), "");
}
