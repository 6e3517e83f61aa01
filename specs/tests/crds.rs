//! The CustomResourceDefinitions in `crds/` are those the types give. After a change of a type:
//!
//! ```console
//! $ UPDATE_CRDS=1 cargo test -p devpocket-specs --test crds
//! ```
#![allow(clippy::disallowed_methods, reason = "a test reads and writes the files it is about")]

use std::fs;
use std::path::{Path, PathBuf};

use devpocket_specs::kind::{GROUP, Kind};
use devpocket_specs::schema::crd;

const HEAD: &str =
    "# Made from the types by specs/tests/crds.rs; its head says how. Not edited by hand.\n";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crds")
}

#[test]
fn the_definitions_are_current() {
    let update = std::env::var_os("UPDATE_CRDS").is_some();
    let mut expected = Vec::new();
    for kind in Kind::all().filter(|kind| kind.info().group == GROUP) {
        let name = format!("{}.yaml", kind.info().plural);
        let yaml = serde_yaml::to_string(&crd(kind)).unwrap();
        let text = format!("{HEAD}{yaml}");
        let path = folder().join(&name);
        if update {
            fs::write(&path, &text).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!("{}: {error}; see the head of this test", path.display())
        });
        assert!(
            found == text,
            "{} is not what the types give; see the head of this test",
            path.display()
        );
        expected.push(name);
    }
    let mut found: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "crds/ holds one file per kind and nothing else");
}
