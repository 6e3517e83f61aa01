//! Waiting: progress, the end of patience, and Ctrl-C.

use devpocket_specs::condition::ConditionStatus;
use devpocket_specs::environment::{EnvironmentStatus, Phase};
use devpocket_specs::install::{InstallError, InstallState, InstallStatus, codes};

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

/// Ready as it was when Contabo was last seen, and a declaration that is newer.
fn kept_through_silence(status: &mut EnvironmentStatus) {
    running(status);
    status.conditions[1].observed_generation = Some(1);
    status.conditions[2].observed_generation = Some(1);
    let silent = "Contabo does not answer";
    status.conditions.push(condition("Unobserved", ConditionStatus::True, "ContaboSilent", silent));
}

#[tokio::test]
async fn what_was_ready_before_the_newest_declaration_is_not_ready() {
    let world = two().await;
    world.run(&["stop", "db"]).await.done();
    // Nobody has looked at all.
    let ended = world.run(&["wait", "db", "--timeout", "1s"]).await;
    assert_eq!(ended.code, 5, "{ended:?}");
    assert!(ended.err.contains("declared anew, not looked at yet"), "{}", ended.err);
    assert!(!ended.err.contains("ready  "), "{}", ended.err);
    // It was looked at, and Contabo could not be seen.
    world.stand("db", kept_through_silence).await;
    for goal in ["condition=Ready", "condition=MachineBound", "phase=running"] {
        let ended = world.run(&["wait", "db", "--for", goal, "--timeout", "1s"]).await;
        assert_eq!(ended.code, 5, "{goal}: {ended:?}");
        assert!(ended.err.contains("Contabo does not answer"), "{goal}: {}", ended.err);
    }
    let ended = world.run(&["explain", "env/db"]).await.done();
    assert!(!ended.out.contains("is as declared"), "{}", ended.out);
}

#[tokio::test]
async fn a_condition_is_waited_for_without_saying_ready_meanwhile() {
    let world = two().await;
    let mut waiting = world.start(&["wait", "db", "--for", "phase=stopped"]);
    let first = waiting.note().await.unwrap();
    assert!(first.ends_with("ready, 100 %: waits for phase=stopped"), "{first}");
    world.stand("db", |status| status.phase = Phase::Stopped).await;
    let (code, lines) = waiting.end().await;
    assert_eq!(code, 0, "{lines:?}");
    assert!(lines.last().unwrap().contains("stopped"), "{lines:?}");
    // What never stood still is over.
    world.run(&["wait", "db", "--for", "condition=held=false"]).await.done();
    let ended = world.run(&["wait", "db", "--for", "condition=Hold"]).await;
    ended.refused(
        2,
        "error[usage]: \"Hold\" is not a condition of environments; did you mean \"Held\"?",
    );
}

fn install_failed(status: &mut EnvironmentStatus) {
    let message = "the installation has failed in step node: npm ended with 1";
    status.phase = Phase::Error;
    status.message = message.into();
    status.conditions = ["GuestReady", "Ready"]
        .map(|kind| condition(kind, ConditionStatus::False, "InstallFailed", message))
        .to_vec();
    let error = InstallError {
        code: codes::STEP_FAILED.into(),
        step: "node".into(),
        message: "npm ended with 1".into(),
        lines: Vec::new(),
    };
    let state = InstallState::Failed;
    status.install = Some(InstallStatus { state, error: Some(error), ..Default::default() });
}

#[tokio::test]
async fn a_failed_installation_is_at_rest_and_everybody_names_what_goes_on() {
    let world = two().await;
    world.stand("api", install_failed).await;
    let ended = world.run(&["wait", "api"]).await;
    assert_eq!(ended.code, 1, "{}", ended.err);
    let first = "error[install-failed]: the installation of env/api has failed in step node: npm \
                 ended with 1";
    for said in [first, "devpocket recover api --wait", "devpocket logs api", "devpocket ssh api"] {
        assert!(ended.err.contains(said), "missing {said:?} in:\n{}", ended.err);
    }
    for call in [&["explain", "env/api"][..], &["describe", "api"]] {
        let ended = world.run(call).await.done();
        let text = ended.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            text.contains("You can: devpocket recover")
                || text.contains("You can devpocket recover"),
            "{text}"
        );
    }
    let ended = world.run(&["status"]).await.done();
    let text = ended.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("Waits env/api has failed: the installation has failed in"), "{text}");
    let ended = world.run(&["get", "env"]).await.done();
    assert!(ended.err.contains("(explain env/api)"), "{}", ended.err);
}

#[tokio::test]
async fn a_recovery_is_waited_for_until_it_was_begun() {
    let world = two().await;
    world.stand("api", install_failed).await;
    let mut waiting = world.start(&["recover", "api", "--wait"]);
    let first = waiting.note().await.unwrap();
    assert!(first.contains("env/api  declared, "), "{first}");
    let asked = world.environment("api").await.unwrap().spec.recover.unwrap().id;
    // Looked at, and the machine was not visited yet.
    world.stand("api", install_failed).await;
    world
        .stand("api", |status| {
            running(status);
            status.requests.insert("recover".into(), asked.clone());
        })
        .await;
    let (code, lines) = waiting.end().await;
    assert_eq!(code, 0, "{lines:?}");
    assert!(lines.last().unwrap().contains("ready"), "{lines:?}");
}

#[tokio::test]
async fn a_machine_with_another_key_names_a_way_that_leads_somewhere() {
    let world = two().await;
    let message = "the machine is not the one installed: another host key";
    world
        .stand("db", |status| {
            running(status);
            status.phase = Phase::Error;
            for place in [0, 2] {
                let kind = status.conditions[place].r#type.clone();
                status.conditions[place] =
                    condition(&kind, ConditionStatus::False, "MachineIdentity", message);
            }
        })
        .await;
    let ended = world.run(&["wait", "db"]).await;
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(ended.err.contains("error[machine-identity]: env/db: the machine is not"), "{ended:?}");
    assert!(ended.err.contains("devpocket recover db"), "{}", ended.err);
    let ended = world.run(&["explain", "env/db"]).await.done();
    assert!(ended.out.contains("You can: devpocket recover db (plans to wipe"), "{}", ended.out);
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
