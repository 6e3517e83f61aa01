//! Programs of others that tests run. One that is missing is named; in CI it is a failure.

use std::path::{Path, PathBuf};

/// The first of these programs that is there, or `None` with a word about it. `CI=true` demands it.
pub fn program(what: &str, candidates: &[PathBuf]) -> Option<PathBuf> {
    let found = candidates.iter().find(|candidate| candidate.is_file());
    if found.is_none() {
        let told = format!("{what} is not installed (.ci/run does it): {candidates:?}");
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{told}");
        eprintln!("not run: {told}");
    }
    found.cloned()
}

/// Every place a program of this name could be in.
pub fn on_path(names: &[&str]) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).collect()
}

/// A path of the project.
pub fn in_project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
