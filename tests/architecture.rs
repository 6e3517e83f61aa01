//! The walls between the parts, tested. A wall that is only written down falls with the first
//! convenient import.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Longest source file, in lines: beyond it a file has two subjects.
const FILE_LINES_MAX: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a folder.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![root().join(folder)];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "{folder} holds no sources");
    found
}

/// Lines of code of a file: no comments, nothing below `#[cfg(test)]`.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim() == "#[cfg(test)]" {
            break;
        }
        if !line.trim_start().starts_with("//") {
            lines.push((index + 1, line.to_owned()));
        }
    }
    lines
}

/// Asserts that no code in `folder` holds one of the `words`.
fn forbid(folder: &str, words: &[&str], why: &str) {
    let mut found = Vec::new();
    for path in sources(folder) {
        for (number, line) in code(&path) {
            for word in words.iter().filter(|word| contains_word(&line, word)) {
                let place = path.strip_prefix(root()).unwrap().display().to_string();
                found.push(format!("{place}:{number} {word}"));
            }
        }
    }
    assert!(found.is_empty(), "{why}:\n{}", found.join("\n"));
}

/// Whether `word` stands in the line by itself, not inside a longer name.
fn contains_word(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        !before.is_some_and(is_name) && !after.is_some_and(is_name)
    })
}

/// Names of the normal dependencies of a workspace crate.
fn dependencies(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo answers");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|p| p["name"] == package).expect("the package is there");
    let normal = package["dependencies"].as_array().unwrap().iter();
    normal
        .filter(|dependency| dependency["kind"].is_null())
        .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
        .collect()
}

fn forbid_dependencies(package: &str, forbidden: &[&str]) {
    let found = dependencies(package);
    for name in forbidden {
        assert!(!found.iter().any(|f| f == name), "{package} must not depend on {name}");
    }
}

#[test]
fn specs_is_pure() {
    forbid_dependencies(
        "devpocket-specs",
        &["tokio", "sqlx", "axum", "reqwest", "devpocket-controllers", "devpocket", "fastrand"],
    );
    forbid(
        "specs/src",
        &["std::fs", "std::net", "std::time", "std::env", "std::process", "Timestamp::now"],
        "specs does no I/O and reads no clock",
    );
}

#[test]
fn controllers_know_the_world_only_through_their_ports() {
    forbid_dependencies(
        "devpocket-controllers",
        &["sqlx", "axum", "reqwest", "hyper", "devpocket"],
    );
    forbid(
        "controllers/src",
        &["std::fs", "std::net", "std::env", "std::process", "SystemTime", "std::time::Instant"],
        "controllers reach outside only through Store, Cloud, Guest and Clock",
    );
}

#[test]
fn the_runtime_names_no_kind() {
    forbid(
        "controllers/src/runtime",
        &["Environment", "Machine", "Operation", "Template", "Tier", "Installation", "Instance"],
        "the runtime serves any kind",
    );
}

#[test]
fn client_and_simulator_share_no_type() {
    forbid(
        "src/contabo",
        &["simulator", "sim::contabo", "sim"],
        "a type shared with the simulator would hide a shared mistake",
    );
    for folder in ["src/simulator", "controllers/src/sim/contabo"] {
        forbid(
            folder,
            &["crate::contabo", "crate::cloud", "devpocket_controllers::cloud", "devpocket_specs"],
            "a type shared with the client would hide a shared mistake",
        );
    }
}

#[test]
fn servers_do_not_reach_into_the_command_line() {
    for folder in ["src/kube", "src/access", "src/store", "src/cache", "src/contabo"] {
        forbid(folder, &["crate::cli", "crate::up"], "the command line is on top");
    }
}

#[test]
fn files_stay_readable() {
    let mut long = Vec::new();
    for folder in ["specs/src", "controllers/src", "src", "tests"] {
        for path in sources(folder) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            if lines > FILE_LINES_MAX {
                long.push(format!("{lines} {}", path.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(long.is_empty(), "over {FILE_LINES_MAX} lines:\n{}", long.join("\n"));
}
