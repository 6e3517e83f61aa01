//! Every code the program uses is on the page of codes, and every code there is one it uses.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use devpocket_specs::kind::Kind;

/// What a code follows, where one is used.
const MARKS: [&str; 7] = [
    "Failure::new(",
    "Failure::held(",
    ".with_code(",
    ".code(",
    "code: Some(",
    "code: ",
    "Fault::new(place, ",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All code of the program, without its tests.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut pending = ["src", "specs/src", "controllers/src"].map(|f| root().join(f)).to_vec();
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.contains("tests") {
                continue;
            }
            if path.is_dir() {
                pending.push(path);
            } else if name.ends_with(".rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                found.push((path, code));
            }
        }
    }
    found
}

fn is_code(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}

/// The literal that follows, if one does.
fn literal(text: &str) -> Option<&str> {
    text.trim_start().strip_prefix('"')?.split('"').next()
}

fn used() -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (path, code) in sources() {
        for mark in MARKS {
            let after = code.match_indices(mark).map(|(at, _)| &code[at + mark.len()..]);
            used.extend(after.filter_map(literal).filter(|w| is_code(w)).map(str::to_owned));
        }
        if path.ends_with("guard/codes.rs") {
            let values = code.split("&str = ").skip(1).filter_map(literal);
            used.extend(values.map(str::to_owned));
        }
    }
    used
}

fn listed() -> BTreeSet<String> {
    let page = fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let codes: Vec<String> = cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let unique: BTreeSet<String> = codes.iter().cloned().collect();
    assert_eq!(unique.len(), codes.len(), "a code is listed twice");
    unique
}

#[test]
fn every_code_is_on_the_page() {
    let (used, listed) = (used(), listed());
    assert!(used.len() > 50, "they were not found: {used:?}");
    let missing: Vec<&String> = used.difference(&listed).collect();
    assert!(missing.is_empty(), "not in docs/errors.md: {missing:?}");
}

#[test]
fn every_code_on_the_page_is_used() {
    let code: String = sources().into_iter().map(|(_, code)| code).collect();
    // References to records are refused under the name of their kind.
    let of_kinds: Vec<String> =
        Kind::all().map(|kind| format!("unknown-{}", kind.info().singular)).collect();
    let unused: Vec<String> = listed()
        .into_iter()
        .filter(|word| !code.contains(&format!("\"{word}\"")) && !of_kinds.contains(word))
        .collect();
    assert!(unused.is_empty(), "in docs/errors.md only: {unused:?}");
}
