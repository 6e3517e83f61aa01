//! What stops a start: one sentence, and a way out.

use std::net::TcpListener;

use crate::support::{Home, Up, fake_postgres, free_ports};

#[test]
fn a_second_one_is_refused_with_a_way_out() {
    let home = Home::new();
    let mut first = Up::start(&home);
    first.line_with("DevPocket 0");
    let refused = Up::refused(&home, &[]);
    assert!(refused.contains("another `devpocket up` is running"), "{refused}");
    assert!(refused.contains("--data"), "no way out: {refused}");
    first.interrupt();
}

#[test]
fn a_taken_port_is_named_with_the_flag_that_changes_it() {
    let flags = ["--port", "--simulator-port", "--control-port"];
    for (index, flag) in flags.into_iter().enumerate() {
        let home = Home::new();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ports = free_ports();
        ports[index] = taken.local_addr().unwrap().port();
        let refused = Up::refused_on(&home, ports, &[], &[]);
        assert!(refused.contains(&format!(":{} is in use", ports[index])), "{flag}: {refused}");
        assert!(refused.contains(flag), "{flag}: {refused}");
        assert!(!home.has_database(), "something was begun before the port was known");
    }
}

#[test]
fn nothing_is_reset_without_an_answer() {
    let home = Home::new();
    let mut up = Up::start(&home);
    up.line_with("Postgres");
    up.interrupt();
    let refused = Up::refused(&home, &["--reset"]);
    assert!(refused.contains("nothing was deleted"), "{refused}");
    let data = home.data().display().to_string();
    assert!(refused.contains(&format!("devpocket up --data {data} --reset --yes")), "{refused}");
    assert!(home.has_database());
}

#[test]
fn a_folder_without_a_postgres_is_refused() {
    let home = Home::new();
    let folder = home.path().join("nothing-here");
    let named = [("DEVPOCKET_POSTGRES_BIN", folder.to_str().unwrap())];
    let refused = Up::refused_on(&home, free_ports(), &[], &named);
    assert!(refused.contains("nothing-here, which holds no Postgres"), "{refused}");
}

#[test]
fn a_postgres_that_is_too_old_is_refused_by_its_version() {
    let home = Home::new();
    let folder = fake_postgres(home.path(), "13.22");
    let named = [("DEVPOCKET_POSTGRES_BIN", folder.to_str().unwrap())];
    let refused = Up::refused_on(&home, free_ports(), &[], &named);
    assert!(refused.contains("holds Postgres 13; 14 or newer is needed"), "{refused}");
}

#[test]
fn a_token_file_others_can_read_is_refused_before_anything_starts() {
    let home = Home::new();
    std::fs::write(home.config(), "contexts: {}\n").unwrap();
    let refused = Up::refused(&home, &[]);
    assert!(refused.contains("chmod 600"), "{refused}");
    assert!(!home.has_database());
}
