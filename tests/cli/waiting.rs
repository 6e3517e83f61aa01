//! Waiting: progress, the end of patience, and Ctrl-C.

use devpocket_specs::condition::ConditionStatus;
use devpocket_specs::environment::Phase;

use crate::answers::{condition, running, two};
use crate::world::World;

#[tokio::test]
async fn wait_ends_when_it_is_ready_and_a_log_has_every_stage() {
    let world = two().await;
    let mut waiting = world.start(&["wait", "env/api"]);
    let first = waiting.note().await.unwrap();
    let said = "env/api  ordered, 30 %: ordered, waits for Contabo to prepare it";
    assert!(first.ends_with(said), "{first}");
    world.stand("api", running).await;
    let (code, lines) = waiting.end().await;
    assert_eq!(code, 0, "{lines:?}");
    assert!(lines.last().unwrap().contains("ready"), "{lines:?}");
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
    let mut waiting = world.start(&["wait", "env/api"]);
    waiting.note().await.unwrap();
    let id = waiting.child.id().unwrap().to_string();
    let killed = std::process::Command::new("kill").args(["-INT", &id]).status();
    assert!(killed.expect("this test needs the program `kill`").success());
    let (code, lines) = waiting.end().await;
    assert_eq!(code, 130, "{lines:?}");
    let last = "Stopped watching; the work goes on. Look again: devpocket wait env/api";
    assert_eq!(lines.last().unwrap(), last);
}

#[tokio::test]
async fn get_watch_prints_what_changes() {
    let world = two().await;
    let mut watching = world.start(&["get", "env", "-w", "-o", "name"]);
    assert_eq!(watching.answer().await.as_deref(), Some("env/api"));
    assert_eq!(watching.answer().await.as_deref(), Some("env/db"));
    world.stand("api", running).await;
    assert_eq!(watching.answer().await.as_deref(), Some("env/api"));
}
