//! `devpocket up` as a person meets it: the real program, a real Postgres, real sockets.

mod up_support;

use std::os::unix::fs::PermissionsExt;

use devpocket_specs::condition;
use devpocket_specs::environment::conditions;
use up_support::{Home, Up};

#[tokio::test]
async fn it_converges_survives_kill_9_and_stops_cleanly() {
    let home = Home::new();
    let mut up = Up::start(&home);
    up.line_with("ready");
    let mode = std::fs::metadata(home.config()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the token is readable by others");

    let first = up.environment("demo").await;
    assert!(condition::is_true(&first.status.conditions, conditions::READY), "{first:?}");
    let ledger = up.control().ledger().await.unwrap();
    assert_eq!(ledger.entries.len(), 1, "one purchase: {ledger:?}");

    up.kill();
    let mut up = Up::start(&home);
    up.line_with("In another terminal");
    let again = up.environment("demo").await;
    assert_eq!(again.metadata.uid, first.metadata.uid);
    assert_eq!(
        again.status.machine.as_ref().and_then(|m| m.instance_id),
        first.status.machine.as_ref().and_then(|m| m.instance_id),
    );
    assert_eq!(up.control().ledger().await.unwrap().entries.len(), 1, "bought again");

    up.wait_ready("demo").await;
    let output = up.interrupt();
    assert!(output.contains("Everything is kept"), "{output}");
    assert!(!home.postgres_runs(), "Postgres was left running");
}

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
    let home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let refused = Up::refused_on(&home, port, &[]);
    assert!(refused.contains(&port.to_string()) && refused.contains("--port"), "{refused}");
}

#[test]
fn production_credentials_in_the_shell_are_not_read() {
    let home = Home::new();
    let mut up = Up::start_with(&home, &["--ephemeral"], &[("CONTABO_PASSWORD", "pr0duction")]);
    let line = up.line_with("CONTABO_PASSWORD");
    assert!(line.contains("not read"), "{line}");
    assert!(!line.contains("pr0duction"), "{line}");
    up.interrupt();
}

#[test]
fn nothing_is_reset_without_an_answer() {
    let home = Home::new();
    let mut up = Up::start(&home);
    up.line_with("ready");
    up.interrupt();
    let refused = Up::refused(&home, &["--reset"]);
    assert!(refused.contains("nothing was deleted"), "{refused}");
    assert!(home.has_database());
}
