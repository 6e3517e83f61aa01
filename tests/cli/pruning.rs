//! `apply --prune SET`: what the set made and its files no longer hold goes, and nothing else.

use devpocket_specs::environment::Environment;
use devpocket_specs::installation::{self, Installation};
use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::names;
use devpocket_specs::object::Key;
use serde_json::Value;

use crate::answers::running;
use crate::terminal::Terminal;
use crate::world::{Ended, NARROW, World};

fn environment(name: &str) -> String {
    format!(
        "apiVersion: devpocket.dev/v1alpha1\nkind: Environment\nmetadata:\n  name: {name}\n\
         spec:\n  size: vps-10-nvme\n  region: EU\n"
    )
}

/// A folder `envs` with these environments, and no others.
fn files(world: &World, names: &[&str]) {
    let folder = world.home.path().join("envs");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    for name in names {
        world.file(&format!("envs/{name}.yaml"), &environment(name));
    }
}

async fn apply(world: &World, more: &[&str]) -> Ended {
    let call = [&["apply", "-f", "envs", "--prune", "ci", "--yes"], more].concat();
    world.run(&call).await
}

/// Whether it is there, and not asked to go.
async fn stands(world: &World, name: &str) -> bool {
    world.environment(name).await.is_some_and(|found| !found.metadata.is_deleting())
}

#[tokio::test]
async fn what_the_files_no_longer_hold_goes_and_the_rest_stays() {
    let world = World::new().await;
    world.declare("byhand").await;
    files(&world, &["a", "b", "c"]);
    apply(&world, &[]).await.done();
    let label = world.environment("a").await.unwrap().metadata.labels;
    assert_eq!(label[names::APPLY_SET], "main.ci");
    // The files of another set are another matter.
    world.file("other/x.yaml", &environment("x"));
    world.run(&["apply", "-f", "other", "--prune", "cd", "--yes"]).await.done();

    files(&world, &["a"]);
    let ended = apply(&world, &[]).await.done();
    assert!(ended.out.starts_with("Plan "), "{}", ended.out);
    assert!(ended.out.contains("1 environment, 2 go  "), "{}", ended.out);
    assert!(ended.out.contains("- env/b  no machine is bound; nothing is released\n"));
    assert!(ended.out.contains("✓ env/b  deleted"), "{}", ended.out);
    for (name, stays) in [("a", true), ("b", false), ("c", false), ("byhand", true), ("x", true)] {
        assert_eq!(stands(&world, name).await, stays, "{name}");
    }
    let again = apply(&world, &[]).await.done();
    assert!(again.out.starts_with("Plan ") && !again.out.contains(" go"), "{}", again.out);
}

#[tokio::test]
async fn a_set_of_the_same_name_in_another_namespace_is_another_set() {
    let world = World::new().await;
    world.file("team.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: team-b}\n");
    world.run(&["apply", "-f", "team.yaml"]).await.done();
    files(&world, &["a"]);
    apply(&world, &[]).await.done();
    world.file("theirs/t.yaml", &environment("t"));
    let theirs = ["apply", "-n", "team-b", "-f", "theirs", "--prune", "ci", "--yes"];
    let ended = world.run(&theirs).await.done();
    assert!(!ended.out.contains("env/a"), "{}", ended.out);
    assert!(stands(&world, "a").await);
}

#[tokio::test]
async fn what_others_made_is_changed_by_the_files_and_never_deleted() {
    let world = World::new().await;
    world.declare("old").await;
    files(&world, &["a", "old"]);
    let ended = apply(&world, &[]).await.done();
    let outside = "= env/old  was not made by set ci and stays outside of it (--adopt)";
    assert!(ended.out.contains(outside), "{}", ended.out);
    files(&world, &["a"]);
    apply(&world, &[]).await.done();
    assert!(stands(&world, "old").await, "the set did not make it");
    // Taken in on purpose, it goes with its file.
    files(&world, &["a", "old"]);
    apply(&world, &["--adopt"]).await.done();
    files(&world, &["a"]);
    apply(&world, &[]).await.done();
    assert!(!stands(&world, "old").await);
}

#[tokio::test]
async fn an_object_of_another_set_is_refused_and_nothing_is_done() {
    let world = World::new().await;
    files(&world, &["a", "b"]);
    apply(&world, &[]).await.done();
    let theft = ["apply", "-f", "envs", "--prune", "cd", "--adopt", "--yes"];
    let ended = world.run(&theft).await;
    ended.refused(
        4,
        "error[ownership]: env/a belongs to set ci of main, so set cd does not take it",
    );
}

#[tokio::test]
async fn a_plain_apply_leaves_the_membership_alone() {
    let world = World::new().await;
    files(&world, &["a", "b"]);
    apply(&world, &[]).await.done();
    let plain = world.run(&["diff", "-f", "envs", "--exit-code"]).await.done();
    assert_eq!(plain.out, "");
    world.run(&["apply", "-f", "envs", "--yes"]).await.done();
    files(&world, &["a"]);
    apply(&world, &[]).await.done();
    assert!(!stands(&world, "b").await, "it still was of the set");
}

#[tokio::test]
async fn too_many_deletions_want_their_number() {
    let world = World::new().await;
    files(&world, &["a", "b", "c", "d", "e"]);
    apply(&world, &[]).await.done();
    files(&world, &["a"]);
    let ended = apply(&world, &[]).await;
    let first = "error[too-many-deletes]: 4 of 5 objects of set ci would be deleted, 3 may be";
    ended.refused(4, first).says(&[
        "  so far   nothing was changed, nothing was deleted",
        "  try      devpocket apply -f envs --prune ci --allow-deletes 4",
    ]);
    assert!(stands(&world, "e").await);
    // A reviewer is told before anybody merges.
    let planned = world.run(&["plan", "-f", "envs", "--prune", "ci", "-o", "markdown"]).await;
    assert_eq!(planned.code, 4, "{}", planned.err);
    let told = "**Refused:** `4 of 5 objects of set ci would be deleted, 3 may be`.";
    assert!(planned.out.contains(told), "{}", planned.out);
    assert!(!planned.out.contains("Run exactly this"), "{}", planned.out);
    let ended = apply(&world, &["--allow-deletes", "2"]).await;
    ended
        .refused(4, "error[too-many-deletes]: 4 of 5 objects of set ci would be deleted, 2 may be");
    apply(&world, &["--allow-deletes", "4"]).await.done();
    assert!(stands(&world, "a").await && !stands(&world, "e").await);
}

#[tokio::test]
async fn files_that_hold_nothing_delete_nothing_unless_told() {
    let world = World::new().await;
    files(&world, &["a"]);
    apply(&world, &[]).await.done();
    files(&world, &[]);
    let ended = apply(&world, &[]).await;
    let first = "error[too-many-deletes]: the files hold nothing, so all 1 object of set ci would \
                 be deleted";
    ended.refused(4, first);
    // A folder that is not there is no empty folder.
    let gone = ["apply", "-f", "nowhere", "--prune", "ci", "--allow-deletes", "9", "--yes"];
    let ended = world.run(&gone).await;
    ended.refused(2, "error[no-file]: there is no file or folder nowhere");
    assert!(stands(&world, "a").await);
    apply(&world, &["--allow-deletes", "1"]).await.done();
    assert!(!stands(&world, "a").await);
}

#[tokio::test]
async fn plan_shows_the_same_with_the_same_hash_and_one_fault_stops_it_all() {
    let world = World::new().await;
    files(&world, &["a", "b"]);
    apply(&world, &[]).await.done();
    world.stand("b", running).await;
    files(&world, &["a", "new"]);
    let planned = world.run(&["plan", "-f", "envs", "--prune", "ci"]).await.done();
    let hash = planned.out.split(' ').nth(1).unwrap().to_owned();
    assert!(
        planned.out.contains(
            "- env/b  releases vmi2563150, paid until 2026-12-15\n    The disk is untouched until "
        ),
        "{}",
        planned.out
    );
    let exactly = format!("devpocket apply -f envs --prune ci --plan {hash}");
    assert!(planned.err.contains(&exactly), "{}", planned.err);
    let document = world.run(&["plan", "-f", "envs", "--prune", "ci", "-o", "json"]).await.done();
    let document: Value = serde_json::from_str(&document.out).unwrap();
    assert!(document["hash"].as_str().unwrap().starts_with(&hash));
    assert_eq!(document["items"][2]["change"], "deleted");
    // Without --prune it is another plan, also of files that delete nothing.
    let ended = world.run(&["plan", "-f", "envs"]).await.done();
    assert!(!ended.out.contains(&hash), "{}", ended.out);
    let ended = world.run(&["apply", "-f", "envs", "--plan", &hash]).await;
    assert_eq!(ended.code, 4, "{}", ended.err);
    // A fault in a file: nothing is deleted either.
    world.file("envs/new.yaml", &environment("new").replace("vps-10-nvme", "nonsense"));
    assert_eq!(apply(&world, &[]).await.code, 2);
    assert!(stands(&world, "b").await);
    world.file("envs/new.yaml", &environment("new"));
    // Without a terminal the question is put, with what becomes of the disk.
    let ended = world.run(&["apply", "-f", "envs", "--prune", "ci"]).await;
    assert!(ended.err.contains("Delete env/b? Its disk can come back until "), "{}", ended.err);
    world.run(&["apply", "-f", "envs", "--prune", "ci", "--plan", &hash]).await.done();
    assert!(!stands(&world, "b").await && stands(&world, "new").await);
}

#[tokio::test]
async fn a_disk_that_cannot_come_back_wants_more_than_a_yes() {
    let world = World::new().await;
    files(&world, &["a", "b"]);
    apply(&world, &[]).await.done();
    world.stand("b", running).await;
    let key = Key::cluster(Kind::Installation, installation::NAME);
    let edited = world.client.edit(&key, |installation: &mut Installation| {
        installation.spec.reclaim_after_seconds = 0;
    });
    edited.await.unwrap();
    files(&world, &["a"]);
    let ended = apply(&world, &[]).await;
    assert_eq!(ended.code, 4, "{}", ended.err);
    assert!(
        ended.err.starts_with("error[approval]: This may lose data of env/b."),
        "{}",
        ended.err
    );
    assert!(stands(&world, "b").await);
}

#[tokio::test]
async fn what_an_environment_uses_stays_and_so_does_what_holds_others() {
    let world = World::new().await;
    let set = "apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n---\n\
               apiVersion: devpocket.dev/v1alpha1\nkind: Template\nmetadata: {name: used}\n\
               spec: {image: ubuntu-24.04}\n---\n\
               apiVersion: devpocket.dev/v1alpha1\nkind: Template\nmetadata: {name: unused}\n\
               spec: {image: ubuntu-24.04}\n";
    world.file("envs/all.yaml", set);
    world.file("envs/a.yaml", &environment("a"));
    apply(&world, &[]).await.done();
    let create = ["create", "web", "--size", "vps-10-nvme", "--template", "used", "--yes"];
    world.run(&create).await.done();
    files(&world, &["a"]);
    let ended = apply(&world, &[]).await.done();
    let kept = "= template/used  stays without a file: env/web uses it";
    assert!(ended.out.contains(kept), "{}", ended.out);
    assert!(ended.out.contains("= namespace/team  stays without a file: a namespace is deleted"));
    let left = world.run(&["get", "templates", "-o", "name"]).await.done();
    assert!(left.out.contains("template/used") && !left.out.contains("template/unused"));
}

#[tokio::test]
async fn a_narrow_token_plans_applies_and_waits_and_names_what_it_did_not_see() {
    let world = World::new().await;
    let narrow = [("DEVPOCKET_TOKEN", NARROW)];
    files(&world, &["a"]);
    let plan = ["plan", "-f", "envs", "--prune", "ci"];
    let ended = world.run_with(&plan, &narrow).await.done();
    let unseen = "? templates  not looked at, which this token may not: none of them is deleted";
    assert!(ended.out.lines().any(|line| line == unseen), "{}", ended.out);
    assert!(!ended.out.contains("tiers") && !ended.out.contains("namespaces"), "{}", ended.out);
    let markdown = ["plan", "-f", "envs", "--prune", "ci", "-o", "markdown"];
    let ended = world.run_with(&markdown, &narrow).await.done();
    assert!(ended.out.contains("Not looked at, which this token may not: templates."), "{ended:?}");
    // It may list and not watch, so the waiting looks again and again.
    let apply = ["apply", "-f", "envs", "--prune", "ci", "--yes", "--wait", "--token", NARROW];
    let mut applying = world.start(&apply);
    assert_eq!(applying.answer().await.as_deref().map(|line| &line[..4]), Some("Plan"));
    while world.environment("a").await.is_none() {
        applying.answer().await;
    }
    world.stand("a", running).await;
    let (code, lines) = applying.end().await;
    assert_eq!(code, 0, "{lines:?}");
    assert!(lines.last().unwrap().contains("ready"), "{lines:?}");
}

#[tokio::test]
async fn a_name_that_is_no_label_is_refused_before_anything_is_asked() {
    let world = World::new().await;
    files(&world, &["a"]);
    let ended = world.run(&["apply", "-f", "envs", "--prune", "no way", "--yes"]).await;
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(ended.err.starts_with("error[usage]: \"no way\" is no name of a set"), "{}", ended.err);
}

#[tokio::test]
async fn what_left_the_set_while_somebody_thought_about_it_stays() {
    let world = World::new().await;
    files(&world, &["a", "b"]);
    apply(&world, &[]).await.done();
    files(&world, &["a"]);
    let mut terminal = Terminal::open(&world, "apply -f envs --prune ci");
    terminal.until("[y/N]").await;
    let key = world.key("b");
    let edited = world.client.edit(&key, |environment: &mut Environment| {
        environment.metadata.labels.insert(names::APPLY_SET.into(), "main.other".into());
    });
    edited.await.unwrap();
    terminal.type_in("y\n").await;
    terminal.until("env/b left its set after this was planned, and stays").await;
    assert_eq!(terminal.end().await, 4);
    assert!(stands(&world, "b").await);
}
