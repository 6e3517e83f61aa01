//! It converges, is killed in several ways, and comes back as it was.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use devpocket_controllers::sim::contabo::PanelAction;
use devpocket_specs::condition;
use devpocket_specs::environment::conditions;

use crate::support::{Home, Up};

fn kill_9(pid: &str) {
    assert!(Command::new("kill").args(["-9", pid]).status().unwrap().success());
}

#[tokio::test]
async fn it_converges_survives_kill_9_heals_drift_and_stops_cleanly() {
    let home = Home::new();
    let mut up = Up::start(&home);
    up.line_with("In another terminal");
    assert!(up.seen().contains("ready        env/demo after"), "{}", up.seen());
    let mode = std::fs::metadata(home.config()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the token is readable by others");

    let first = up.environment("demo").await;
    assert!(condition::is_true(&first.status.conditions, conditions::READY), "{first:?}");
    let ledger = up.control().ledger().await.unwrap();
    assert_eq!(ledger.entries.len(), 1, "one purchase: {ledger:?}");

    up.kill();
    let mut up = Up::start(&home);
    up.line_with("1 environment on 1 machine, as it was left");
    up.line_with("In another terminal");
    let again = up.environment("demo").await;
    assert_eq!(again.metadata.uid, first.metadata.uid);
    let instance = again.status.machine.as_ref().and_then(|m| m.instance_id);
    assert_eq!(instance, first.status.machine.as_ref().and_then(|m| m.instance_id));
    assert_eq!(up.control().ledger().await.unwrap().entries.len(), 1, "bought again");

    up.wait_ready("demo").await;
    up.control().panel("demo", PanelAction::Stop).await.unwrap();
    let line = up.line_with("outside DevPocket");
    assert!(line.contains("env/demo  stopped outside DevPocket, started again after"), "{line}");
    up.wait_ready("demo").await;
    let output = up.interrupt();
    assert_eq!(output.matches("outside DevPocket").count(), 1, "{output}");
    assert!(output.contains("Everything is kept"), "{output}");
    assert!(!home.postgres_runs(), "Postgres was left running");
}

#[tokio::test]
async fn it_comes_back_when_postgres_lost_its_first_process() {
    let home = Home::new();
    let mut up = Up::start(&home);
    up.line_with("In another terminal");
    let first = up.environment("demo").await;
    let postmaster = home.postmaster().expect("Postgres runs");
    kill_9(&postmaster);
    up.kill();
    // Children of the killed one may still be there, and its pid file is.
    assert_eq!(home.postmaster(), Some(postmaster));
    let mut up = Up::start(&home);
    up.line_with("In another terminal");
    assert_eq!(up.environment("demo").await.metadata.uid, first.metadata.uid);
    up.interrupt();
}

#[test]
fn ctrl_c_during_the_first_start_leaves_nothing_half_done() {
    let home = Home::new();
    let mut up = Up::start(&home);
    up.line_with("Preparing a database");
    let output = up.interrupt();
    assert!(output.contains("Stopped."), "{output}");
    assert!(!home.postgres_runs(), "Postgres was left running");
    let mut up = Up::start(&home);
    up.line_with("In another terminal");
    up.interrupt();
}

#[test]
fn kill_9_during_the_first_start_leaves_nothing_half_done() {
    let home = Home::new();
    let mut up = Up::start(&home);
    up.line_with("Preparing a database");
    up.kill();
    let mut up = Up::start(&home);
    up.line_with("In another terminal");
    up.interrupt();
}

#[test]
fn what_is_printed_to_type_works_as_it_stands() {
    let home = Home::new();
    let mut up = Up::start(&home);
    up.line_with("In another terminal");
    up.line_with("Ctrl-C stops everything");
    let seen = up.seen().to_owned();
    let block = seen.lines().skip_while(|line| !line.starts_with("In another terminal"));
    let lines: Vec<&str> = block.skip(1).take_while(|line| line.starts_with("  ")).collect();
    assert!(lines.len() >= 3, "{seen}");
    for line in lines {
        // The command, and behind two spaces what it does.
        let command = line.trim_start().split("  ").next().unwrap();
        let (done, output) = up.shell(command);
        assert!(done, "{command}\n{output}");
    }
    up.interrupt();
}

#[test]
fn an_ephemeral_one_keeps_nothing() {
    let home = Home::new();
    let place = home.path().join("tmp");
    std::fs::create_dir(&place).unwrap();
    let variables = [("TMPDIR", place.to_str().unwrap()), ("CONTABO_PASSWORD", "pr0duction")];
    let mut up = Up::start_with(&home, &["--ephemeral"], &variables);
    let line = up.line_with("CONTABO_PASSWORD");
    assert!(line.contains("not read"), "{line}");
    up.line_with("In another terminal");
    let ours = || {
        let entries = std::fs::read_dir(&place).unwrap().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("devpocket-")).count()
    };
    assert_eq!(ours(), 2, "its data, and the sockets of its machines");
    let output = up.interrupt();
    assert!(output.contains("Nothing is kept"), "{output}");
    assert!(!output.contains("pr0duction"), "{output}");
    assert_eq!(ours(), 0, "something was left");
}
