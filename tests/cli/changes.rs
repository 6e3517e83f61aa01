//! Plans, questions, and what the commands that change leave behind.

use devpocket_specs::environment::{BoundMachine, Environment, Power};
use devpocket_specs::installation::{self, Installation};
use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::names;
use devpocket_specs::object::Key;

use crate::answers::running;
use crate::terminal::Terminal;
use crate::world::{TENANT, World};

#[tokio::test]
async fn the_plan_names_server_money_and_the_command_that_does_exactly_this() {
    let world = World::bare().await;
    world.account(false).await;
    let file = "apiVersion: devpocket.dev/v1alpha1\nkind: Environment\nmetadata: {name: api}\n\
                spec: {size: vps-20-nvme, region: EU}\n";
    world.file("api.yaml", file);
    let planned = world.run(&["plan", "-f", "api.yaml"]).await.done();
    let mut lines = planned.out.lines();
    let head = lines.next().unwrap();
    let hash = head.split(' ').nth(1).unwrap().to_owned();
    let server = format!("http://{}", world.address);
    assert_eq!(head, format!("Plan {hash}  1 environment  {server}  REAL MONEY, Contabo DE-54321"));
    assert_eq!(lines.next().unwrap(), "+ env/api  vps-20-nvme in EU");
    assert!(lines.next().unwrap().contains("money"), "{}", planned.out);
    let exactly =
        format!("Nothing was changed. Run exactly this: devpocket apply -f api.yaml --plan {hash}");
    assert_eq!(planned.err.trim_end(), exactly);
    assert!(world.environment("api").await.is_none(), "a plan changes nothing");
    let applied = world.run(&["apply", "-f", "api.yaml", "--plan", &hash]).await.done();
    assert!(applied.out.contains("env/api  declared"), "{}", applied.out);
    assert!(world.environment("api").await.is_some());
}

#[tokio::test]
async fn a_plan_that_no_longer_fits_is_refused_whole() {
    let world = World::new().await;
    world.file(
        "api.yaml",
        "apiVersion: devpocket.dev/v1alpha1\nkind: Environment\nmetadata: {name: api}\n\
         spec: {size: vps-20-nvme, region: EU}\n",
    );
    let ended = world.run(&["apply", "-f", "api.yaml", "--plan", "7c41e9"]).await;
    ended
        .refused(4, "error[plan-stale]: plan 7c41e9 no longer fits the world")
        .says(&["  so far   nothing was changed, nothing was bought"]);
    assert!(world.environment("api").await.is_none());
}

#[tokio::test]
async fn without_a_terminal_nothing_is_bought_unasked() {
    let world = World::new().await;
    let ended = world.run(&["create", "api", "--size", "vps-10-nvme", "--region", "EU"]).await;
    assert_eq!(ended.code, 4, "{}", ended.err);
    assert!(ended.err.starts_with("error[approval]: Buy 1 machine for 5.50 EUR?"), "{}", ended.err);
    assert!(
        ended.err.contains("devpocket create api --size vps-10-nvme --region EU --plan "),
        "{}",
        ended.err
    );
    assert!(world.environment("api").await.is_none());
}

#[tokio::test]
async fn create_prints_the_yaml_it_would_send() {
    let world = World::new().await;
    let call = ["create", "api", "--size", "vps-10-nvme", "--dry-run", "-o", "yaml"];
    let printed = world.run(&call).await.done();
    world.file("api.yaml", &printed.out);
    world.run(&["apply", "-f", "api.yaml", "--yes"]).await.done();
    assert!(world.environment("api").await.is_some());
}

#[tokio::test]
async fn start_and_stop_edit_what_is_declared() {
    let world = World::new().await;
    world.declare("web").await;
    let dry = world.run(&["stop", "web", "--dry-run"]).await.done();
    assert!(dry.err.contains("Nothing was changed."));
    assert_eq!(world.environment("web").await.unwrap().spec.power, Power::Running);
    world.run(&["stop", "env/web"]).await.done();
    assert_eq!(world.environment("web").await.unwrap().spec.power, Power::Stopped);
    world.run(&["start", "web"]).await.done();
    assert_eq!(world.environment("web").await.unwrap().spec.power, Power::Running);
    world.run(&["restart", "web"]).await.done();
    let first = world.environment("web").await.unwrap().spec.restart.unwrap();
    world.run(&["restart", "web"]).await.done();
    assert_ne!(world.environment("web").await.unwrap().spec.restart.unwrap(), first);
    let ended = world.run(&["stop", "nothing"]).await;
    ended.refused(1, "error[not-found]: there is no env/nothing in main");
}

#[tokio::test]
async fn a_pause_has_an_end_and_can_be_ended() {
    let world = World::new().await;
    world.declare("web").await;
    world.run(&["pause", "web", "--for", "2h", "--reason", "migration"]).await.done();
    let pause = world.environment("web").await.unwrap().spec.paused.unwrap();
    assert_eq!(pause.reason.as_deref(), Some("migration"));
    world.run(&["resume", "web"]).await.done();
    assert!(world.environment("web").await.unwrap().spec.paused.is_none());
    world.run(&["pause", "--all", "--for", "1h"]).await.done();
    let status = world.run(&["status"]).await.done();
    assert!(status.out.contains("devpocket resume --all"), "{}", status.out);
    world.run(&["resume", "--all"]).await.done();
    let status = world.run(&["status"]).await.done();
    assert!(!status.out.contains("devpocket resume --all"), "{}", status.out);
}

/// Budget and limits are the operators'. What nobody told is not guessed: neither that there is no budget,
/// nor that a disk is lost.
#[tokio::test]
async fn a_tenant_is_told_nothing_of_a_budget_they_may_not_read_and_the_truth_about_their_disk() {
    let world = World::new().await;
    world.declare("web").await;
    let machine = BoundMachine { name: "m-1".into(), ..BoundMachine::default() };
    world.stand("web", |status| status.machine = Some(machine.clone())).await;
    let file = "apiVersion: devpocket.dev/v1alpha1\nkind: Environment\nmetadata: {name: api}\n\
                spec: {size: vps-20-nvme, region: EU}\n";
    world.file("api.yaml", file);
    let tenant = [("DEVPOCKET_TOKEN", TENANT)];
    let admins = world.run(&["plan", "-f", "api.yaml"]).await.done();
    assert!(admins.out.contains("; budget 0.00 of 300.00 EUR"), "{}", admins.out);
    for call in [&["plan", "-f", "api.yaml"][..], &["plan", "-f", "api.yaml", "-o", "markdown"]] {
        let theirs = world.run_with(call, &tenant).await.done();
        assert!(theirs.out.contains("Due now 7.50 EUR"), "{}", theirs.out);
        assert!(!theirs.out.contains("budget") && !theirs.err.contains("budget"), "{theirs:?}");
    }
    let asked = world.run_with(&["apply", "-f", "api.yaml"], &tenant).await;
    assert!(asked.code == 4 && !asked.err.contains("budget"), "{asked:?}");
    let delete = world.run_with(&["delete", "web"], &tenant).await;
    assert!(delete.err.contains("The disk is untouched until tomorrow"), "{}", delete.err);
    assert!(!delete.err.contains("cannot come back"), "{}", delete.err);
    let unset = |installation: &mut Installation| installation.spec.monthly_budget = None;
    let key = Key::cluster(Kind::Installation, installation::NAME);
    world.client.edit(&key, unset).await.unwrap();
    let admins = world.run(&["plan", "-f", "api.yaml"]).await.done();
    assert!(admins.out.contains("; no budget is set, so nothing is bought"), "{}", admins.out);
}

#[tokio::test]
async fn delete_asks_and_says_until_when_it_can_come_back() {
    let world = World::new().await;
    world.declare("web").await;
    let ended = world.run(&["delete", "web"]).await;
    assert_eq!(ended.code, 4, "{}", ended.err);
    let server = format!("http://{}", world.address);
    let first = ended.err.lines().next().unwrap();
    assert!(first.starts_with("Delete "), "{first}");
    assert!(first.ends_with(&format!("  1 environment  {server}  simulated")), "{first}");
    assert!(ended.err.contains("devpocket delete env/web --yes"), "{}", ended.err);
    assert!(!world.environment("web").await.unwrap().metadata.is_deleting());
    world.run(&["delete", "web", "--yes"]).await.done();
    let left = world.environment("web").await;
    assert!(left.is_none_or(|environment| environment.metadata.is_deleting()));
    let ended = world.run(&["undelete", "other"]).await;
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(ended.err.starts_with("error[nothing-to-undelete]: "), "{}", ended.err);
}

#[tokio::test]
async fn what_was_not_let_go_of_is_not_brought_back() {
    let world = World::new().await;
    world.declare("web").await;
    let ended = world.run(&["undelete", "web"]).await;
    ended.refused(4, "error[already-exists]: env/web is there, and not deleted");
}

/// Something keeps it from going at once, as a machine does.
async fn keep(world: &World, name: &str) {
    let key = world.key(name);
    let kept = world.client.edit(&key, |environment: &mut Environment| {
        environment.metadata.finalizers.push(names::RELEASE_FINALIZER.into());
    });
    kept.await.unwrap();
}

#[tokio::test]
async fn what_a_brake_keeps_from_going_is_not_called_released() {
    let world = World::new().await;
    for name in ["gone", "kept"] {
        world.declare(name).await;
        world.stand(name, running).await;
    }
    keep(&world, "kept").await;
    let mut deleting = world.start(&["delete", "gone", "kept", "--yes"]);
    let first = deleting.answer().await.unwrap();
    assert!(first.starts_with("✓ env/gone  released; undo until "), "{first}");
    let budget = "at most 3 releases an hour";
    world
        .stand("kept", |status| {
            let step = serde_json::json!({
                "call": "release", "summary": "release vmi2563150", "class": "reversible",
                "hold": {"kind": "held", "code": "deletion-budget", "message": budget},
            });
            status.plan = serde_json::from_value(serde_json::json!({
                "hash": "0123456789ab", "steps": [step],
            }))
            .ok();
            assert!(status.plan.is_some());
        })
        .await;
    assert_eq!(deleting.answer().await.unwrap(), "✓ env/kept  declared to go");
    let (code, lines) = deleting.end().await;
    assert_eq!(code, 4, "{lines:?}");
    let said = format!("held[deletion-budget]: {budget}");
    assert!(lines.contains(&said), "{lines:?}");
}

#[tokio::test]
async fn one_that_is_refused_keeps_no_other() {
    let world = World::new().await;
    world.declare("web").await;
    let ended = world.run(&["undelete", "web", "nope"]).await;
    assert_eq!(ended.code, 4, "{}", ended.err);
    assert!(ended.err.contains("error[already-exists]: env/web is there"), "{}", ended.err);
    assert!(ended.err.contains("error[nothing-to-undelete]: "), "{}", ended.err);
}

#[tokio::test]
async fn nothing_goes_on_before_the_account_was_looked_at_since_the_start() {
    let world = World::new().await;
    world.run(&["resume", "--all"]).await.done();
    let key = Key::cluster(Kind::Installation, installation::NAME);
    let seen = world.client.edit_status(&key, |installation: &mut Installation| {
        let sweep = installation.status.sweep.as_mut().unwrap();
        sweep.as_of = "2026-01-01T00:00:00Z".parse().unwrap();
    });
    seen.await.unwrap();
    let ended = world.run(&["resume", "--all"]).await;
    let first = "held[not-observed]: the account was not looked at since this server started";
    ended.refused(4, first);
    let ended = world.run(&["status"]).await.done();
    let said = "Differs     not looked at since this server started";
    assert!(ended.out.lines().any(|line| line == said), "{}", ended.out);
}

#[tokio::test]
async fn ctrl_c_at_a_question_is_an_answer_with_its_own_code() {
    let world = World::new().await;
    world.declare("web").await;
    let mut terminal = Terminal::open(&world, "delete web");
    terminal.until("[y/N]").await;
    terminal.type_in("\u{3}").await;
    terminal.until("error[interrupted]:").await;
    assert_eq!(terminal.end().await, 130);
    assert!(!world.environment("web").await.unwrap().metadata.is_deleting());
}

#[tokio::test]
async fn an_operation_is_shown_in_full_or_named_as_missing() {
    let world = World::new().await;
    let ended = world.run(&["operation", "show", "m-0-purchase-0"]).await;
    ended
        .refused(1, "error[not-found]: there is no operation/m-0-purchase-0")
        .says(&["  try      devpocket operation list --all    what there is"]);
}

#[tokio::test]
async fn signing_in_is_remembered_and_contexts_can_be_changed() {
    let world = World::new().await;
    std::fs::remove_file(world.config()).unwrap();
    let ended = world.run(&["get", "env"]).await;
    assert_eq!(ended.code, 6);
    assert!(ended.err.contains("devpocket up"), "{}", ended.err);
    world.file("token", crate::world::TOKEN);
    let server = format!("http://{}", world.address);
    let signed =
        world.run(&["login", &server, "--name", "dev", "--token-file", "token"]).await.done();
    assert_eq!(signed.out, format!("Signed in to {server} as admin; context dev.\n"));
    world.run(&["get", "env"]).await.done();
    let listed = world.run(&["context", "-o", "name"]).await.done();
    assert_eq!(listed.out, "dev\n");
    world.file("wrong", "wrong-token-0123456789");
    let ended = world.run(&["login", &server, "--name", "x", "--token-file", "wrong"]).await;
    assert_eq!(ended.code, 6, "{}", ended.err);
    assert_eq!(world.run(&["context", "-o", "name"]).await.out, "dev\n", "nothing was remembered");
    let shown = world.run(&["context", "show"]).await.done();
    assert!(shown.out.contains("dev") && shown.out.contains(&server), "{}", shown.out);
    assert!(!shown.out.contains(crate::world::TOKEN), "a token is never shown");
    assert_eq!(world.run(&["context", "show", "nobody"]).await.code, 2);
    world.run(&["context", "delete", "dev"]).await.done();
    assert_eq!(world.run(&["context", "-o", "name"]).await.out, "");
}

#[tokio::test]
async fn what_a_brake_holds_is_declared_and_told() {
    let world = World::new().await;
    let key = Key::cluster(Kind::Installation, installation::NAME);
    let edited = world.client.edit(&key, |installation: &mut Installation| {
        installation.spec.monthly_budget = None;
    });
    edited.await.unwrap();
    let ended = world.run(&["create", "web", "--size", "vps-10-nvme", "--yes"]).await;
    assert_eq!(ended.code, 4, "{} {}", ended.out, ended.err);
    assert!(ended.err.starts_with("held["), "{}", ended.err);
    assert!(ended.err.contains("so far   env/web is declared"), "{}", ended.err);
    assert!(world.environment("web").await.is_some(), "the record stands");
}
