//! First starts by different people, with a Postgres from different places.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::support::{Home, PROGRAM, Up, command_of, free_ports};

/// The traditional "nobody": a user that has nothing.
const NOBODY: u32 = 65_534;

#[tokio::test]
async fn a_person_who_is_not_root_needs_nothing_more() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        // Then every other test here starts it as such a person.
        return;
    }
    let home = Home::new();
    chown(home.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    // The build folder may be one that others cannot enter.
    let program = home.path().join("devpocket");
    if fs::hard_link(PROGRAM, &program).is_err() {
        fs::copy(PROGRAM, &program).unwrap();
    }
    let ports = free_ports();
    let mut command = command_of(&program, &home, ports);
    command
        .uid(NOBODY)
        .gid(NOBODY)
        .current_dir(home.path())
        .env("HOME", home.path())
        .env_remove("XDG_DATA_HOME");
    let mut up = Up::spawn(&home, command, ports);
    up.line_with("data in ~/.local/share/devpocket");
    up.line_with("  ./devpocket get env");
    let data = home.path().join(".local/share/devpocket");
    let owner = |path: &Path| fs::metadata(path).unwrap().uid();
    assert_eq!(owner(&data.join("postgres/data/PG_VERSION")), NOBODY);
    assert_eq!(owner(&home.config()), NOBODY);
    let output = up.interrupt();
    assert!(output.contains("Everything is kept in ~/.local/share/devpocket"), "{output}");
}

#[tokio::test]
async fn as_root_only_the_postgres_children_are_somebody_else() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        // Only root changes user.
        return;
    }
    let home = Home::new();
    let mut up = Up::start(&home);
    up.line_with("In another terminal");
    let pid = home.postmaster().expect("Postgres runs");
    let runs_as = fs::metadata(format!("/proc/{pid}")).unwrap().uid();
    assert_ne!(runs_as, 0, "Postgres runs as root");
    assert_eq!(fs::metadata(home.data().join("admin-token")).unwrap().uid(), 0);
    assert_eq!(fs::metadata(home.data().join("admin-token")).unwrap().mode() & 0o777, 0o600);
    up.interrupt();
}
