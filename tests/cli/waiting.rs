//! Waiting: progress, the end of patience, and Ctrl-C.

use std::io::Read;
use std::process::Stdio;

use devpocket_specs::condition::ConditionStatus;
use devpocket_specs::environment::Phase;

use crate::answers::{condition, running, two};
use crate::world::{Ended, World};

#[tokio::test]
async fn wait_ends_when_it_is_ready_and_a_log_has_every_stage() {
    let world = two().await;
    let mut command = world.program(&["wait", "env/api"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut err = child.stderr.take().unwrap();
    let first = tokio::task::spawn_blocking(move || {
        let mut first = [0; 1];
        err.read_exact(&mut first).unwrap();
        (first, err)
    });
    let (first, mut err) = first.await.unwrap();
    world.stand("api", running).await;
    let ended = tokio::task::spawn_blocking(move || {
        let mut text = String::from_utf8(first.to_vec()).unwrap();
        err.read_to_string(&mut text).unwrap();
        (child.wait().unwrap().code(), text)
    });
    let (code, text) = ended.await.unwrap();
    assert_eq!(code, Some(0), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].ends_with("env/api  ordered, 30 %: ordered, waits for Contabo to prepare it"),
        "{text}"
    );
    assert!(lines.last().unwrap().contains("ready"), "{text}");
}

#[tokio::test]
async fn waiting_too_long_is_its_own_code_and_the_work_goes_on() {
    let world = two().await;
    let ended = world.run(&["wait", "api", "--timeout", "1s"]).await;
    assert_eq!(ended.code, 5, "{}", ended.err);
    assert!(
        ended.err.contains("error[timeout]: env/api did not get there in 1 s"),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("so far   the work goes on"), "{}", ended.err);
}

#[tokio::test]
async fn what_needs_a_person_is_not_waited_for() {
    let world = two().await;
    world
        .stand("api", |status| {
            status.phase = Phase::Creating;
            status.conditions = vec![
                condition("Ready", ConditionStatus::False, "Approval", "waits"),
                condition(
                    "Waiting",
                    ConditionStatus::True,
                    "Approval",
                    "step 1 waits for an approval",
                ),
            ];
        })
        .await;
    let ended = world.run(&["wait", "api"]).await;
    assert_eq!(ended.code, 4, "{}", ended.err);
    assert!(
        ended.err.contains("held[waiting]: env/api is waiting: step 1 waits for an approval"),
        "{}",
        ended.err
    );
}

#[tokio::test]
async fn wait_knows_what_is_gone_and_what_never_was() {
    let world = World::new().await;
    world.run(&["wait", "nothing", "--for", "deleted"]).await.done();
    let ended = world.run(&["wait", "nothing"]).await;
    assert_eq!(ended.code, 1, "{}", ended.err);
}

#[tokio::test]
async fn ctrl_c_ends_the_watching_and_says_so() {
    let world = two().await;
    let mut command = world.program(&["wait", "env/api"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let id = child.id().to_string();
    let mut child = child;
    let mut err = child.stderr.take().unwrap();
    let (first, mut err) = tokio::task::spawn_blocking(move || {
        let mut first = [0; 1];
        err.read_exact(&mut first).unwrap();
        (first, err)
    })
    .await
    .unwrap();
    let killed = std::process::Command::new("kill").args(["-INT", &id]).status();
    assert!(killed.expect("this test needs the program `kill`").success());
    let ended = tokio::task::spawn_blocking(move || {
        let mut text = String::from_utf8(first.to_vec()).unwrap();
        err.read_to_string(&mut text).unwrap();
        Ended { code: child.wait().unwrap().code().unwrap_or(-1), out: String::new(), err: text }
    });
    let ended = ended.await.unwrap();
    assert_eq!(ended.code, 130, "{}", ended.err);
    let last = "Stopped watching; the work goes on. Look again: devpocket wait env/api";
    assert_eq!(ended.err.lines().last().unwrap(), last);
}

#[tokio::test]
async fn get_watch_prints_what_changes() {
    let world = two().await;
    let mut command = world.program(&["get", "env", "-w", "-o", "name"]);
    command.stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let (lines, mut out) = tokio::task::spawn_blocking(move || {
        let mut lines = Vec::new();
        for _ in 0..2 {
            let mut line = String::new();
            std::io::BufRead::read_line(&mut out, &mut line).unwrap();
            lines.push(line);
        }
        (lines, out)
    })
    .await
    .unwrap();
    assert_eq!(lines, ["env/api\n", "env/db\n"]);
    world.stand("api", running).await;
    let next = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut out, &mut line).unwrap();
        line
    });
    assert_eq!(next.await.unwrap(), "env/api\n");
    child.kill().unwrap();
    child.wait().unwrap();
}
