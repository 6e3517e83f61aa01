//! `devpocket edit`: what becomes of an edit, good or not, alone or against others.

use devpocket_specs::environment::{Environment, Power};
use serde_json::Value;

use crate::terminal::Terminal;
use crate::world::{Ended, World};

/// An editor that is a script; `$1` is the file, `$n` counts how often it was opened.
fn editor(world: &World, script: &str) {
    let counting = "n=$(( $(cat count 2>/dev/null || echo 0) + 1 )); echo $n >count\n\
                    cp \"$1\" seen.$n\n";
    world.file("editor.sh", &format!("{counting}{script}\n"));
}

async fn edit(world: &World, arguments: &[&str]) -> Ended {
    let variables = [("EDITOR", "sh editor.sh"), ("PATH", "/usr/bin:/bin")];
    world.run_with(&[&["edit"], arguments].concat(), &variables).await
}

/// What the editor was shown the nth time.
fn seen(world: &World, nth: usize) -> String {
    std::fs::read_to_string(world.home.path().join(format!("seen.{nth}"))).unwrap_or_default()
}

/// Folders of edits that were kept.
fn kept(world: &World) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(world.home.path()).unwrap().map(|entry| entry.unwrap().path());
    let is_edit = |path: &std::path::PathBuf| path.to_string_lossy().contains("devpocket-edit-");
    entries.filter(is_edit).collect()
}

async fn power(world: &World, name: &str) -> Power {
    world.environment(name).await.unwrap().spec.power
}

#[tokio::test]
async fn an_edit_shows_its_plan_and_changes_what_was_edited() {
    let world = World::new().await;
    world.declare("web").await;
    editor(&world, "sed -i 's/power: Running/power: Stopped/' \"$1\"");
    let ended = edit(&world, &["env/web", "--yes"]).await.done();
    assert!(ended.out.starts_with("Plan "), "{}", ended.out);
    assert!(ended.out.contains("~ env/web  power Running → Stopped"), "{}", ended.out);
    assert!(ended.out.ends_with("✓ env/web  changed\n"), "{}", ended.out);
    assert_eq!(power(&world, "web").await, Power::Stopped);
    let text = seen(&world, 1);
    let server = format!("# env/web of main at http://{}\n", world.address);
    assert!(text.starts_with(&server), "{text}");
    assert!(text.contains("\n# Unchanged or empty: nothing is done."), "{text}");
    for hidden in ["managedFields", "status:", "uid:", "resourceVersion"] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
    assert!(kept(&world).is_empty(), "nothing is left behind");
    let owner = world.run(&["describe", "web"]).await.done();
    assert!(owner.out.contains("power: devpocket-edit"), "{}", owner.out);
}

#[tokio::test]
async fn unchanged_or_emptied_nothing_is_done() {
    let world = World::new().await;
    world.declare("web").await;
    let before = world.environment("web").await.unwrap().metadata.resource_version;
    for script in ["true", ": >\"$1\"", "echo '# a comment only' >\"$1\"", "echo '# more' >>\"$1\""]
    {
        editor(&world, script);
        let ended = edit(&world, &["web", "--yes"]).await.done();
        assert_eq!(ended.err, "Nothing differs; nothing was changed.\n", "{script}");
        assert_eq!(ended.out, "");
    }
    assert_eq!(world.environment("web").await.unwrap().metadata.resource_version, before);
    assert!(kept(&world).is_empty());
}

#[tokio::test]
async fn what_is_wrong_is_told_at_the_top_and_the_editor_opens_again() {
    let world = World::new().await;
    world.declare("web").await;
    editor(
        &world,
        "if [ $n = 1 ]; then sed -i 's/power: Running/power: Off/' \"$1\"; echo '# mine' >>\"$1\"\n\
         else sed -i 's/power: Off/power: Stopped/' \"$1\"; fi",
    );
    edit(&world, &["env/web", "--yes"]).await.done();
    assert_eq!(power(&world, "web").await, Power::Stopped);
    let text = seen(&world, 2);
    assert!(
        text.contains("# error[bad-value]: spec.power is \"Off\"; it is Running or Stopped\n"),
        "{text}"
    );
    assert!(text.contains("# mine"), "what the person wrote stays: {text}");
    // The place is the one in the file with its new head.
    let at = text.lines().find_map(|line| line.split("at       line ").nth(1)).unwrap();
    let number: usize = at.split(':').next().unwrap().parse().unwrap();
    assert_eq!(text.lines().nth(number - 1).unwrap(), "  power: Off", "{text}");
    assert!(kept(&world).is_empty());
}

#[tokio::test]
async fn yaml_that_cannot_be_read_and_another_name_are_faults_too() {
    let world = World::new().await;
    world.declare("web").await;
    for (script, code) in [
        ("printf 'spec:\\n\\tx: 1\\n' >\"$1\"", "bad-yaml"),
        ("sed -i 's/name: web/name: db/' \"$1\"", "bad-value"),
        ("sed -i 's/size:/sise:/' \"$1\"", "bad-value"),
    ] {
        let _ = std::fs::remove_file(world.home.path().join("count"));
        editor(&world, &format!("[ $n = 1 ] || exit 0\n{script}"));
        let ended = edit(&world, &["env/web", "--yes"]).await;
        assert_eq!(ended.code, 2, "{script}: {}", ended.err);
        assert!(ended.err.contains(&format!("error[{code}]: ")), "{script}: {}", ended.err);
        assert!(ended.err.contains("; the edit is kept in"), "{}", ended.err);
        assert!(seen(&world, 2).contains("# It cannot be so."), "{}", seen(&world, 2));
    }
    assert_eq!(kept(&world).len(), 3);
}

#[tokio::test]
async fn a_kept_edit_is_taken_up_again() {
    let world = World::new().await;
    world.declare("web").await;
    editor(&world, "sed -i 's/power: Running/power: Stopped/' \"$1\"; exit 7");
    let ended = edit(&world, &["env/web", "--yes"]).await;
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(ended.err.starts_with("error[editor-failed]: "), "{}", ended.err);
    let again = ended.err.lines().find_map(|line| line.split_once("devpocket ")).unwrap().1;
    let words: Vec<&str> = again.split_whitespace().take(4).collect();
    assert_eq!(words[..3], ["edit", "env/web", "--from"]);
    assert!(std::fs::read_to_string(words[3]).unwrap().contains("power: Stopped"));
    // An editor that does not even start leaves nothing to keep.
    editor(&world, "exit 7");
    let failed = edit(&world, &["env/web", "--yes"]).await;
    assert!(!failed.err.contains("kept"), "{}", failed.err);
    assert_eq!(kept(&world).len(), 1);
    // Without an editor, since the answer is given.
    let unattended = [&words[1..], &["--yes"]].concat();
    world.run(&[&["edit"], unattended.as_slice()].concat()).await.done();
    assert_eq!(power(&world, "web").await, Power::Stopped);
}

#[tokio::test]
async fn without_anybody_to_ask_the_edit_is_kept_and_the_command_that_does_it_is_printed() {
    let world = World::new().await;
    world.declare("web").await;
    editor(&world, "sed -i 's/power: Running/power: Stopped/' \"$1\"");
    let ended = edit(&world, &["env/web"]).await;
    assert_eq!(ended.code, 4, "{}", ended.err);
    assert!(ended.err.starts_with("error[approval]: "), "{}", ended.err);
    assert_eq!(power(&world, "web").await, Power::Running);
    let exactly = ended.err.lines().find_map(|line| line.strip_prefix("  try      devpocket "));
    let words: Vec<&str> = exactly.unwrap().split(' ').collect();
    assert_eq!((words[0], words[4]), ("edit", "--plan"));
    let other = [&words[..5], &["123456"]].concat();
    let stale = world.run(&other).await;
    stale.refused(4, "error[plan-stale]: plan 123456 no longer fits the world");
    world.run(&words).await.done();
    assert_eq!(power(&world, "web").await, Power::Stopped);
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_keeps_the_edit() {
    let world = World::new().await;
    world.declare("web").await;
    editor(&world, "sed -i 's/power: Running/power: Stopped/' \"$1\"");
    let dry = edit(&world, &["env/web", "--dry-run"]).await.done();
    assert!(dry.out.contains("power Running → Stopped"), "{}", dry.out);
    assert!(dry.err.contains("Nothing was changed. The edit is in "), "{}", dry.err);
    assert_eq!(power(&world, "web").await, Power::Running);
    assert_eq!(kept(&world).len(), 1);
}

#[tokio::test]
async fn what_somebody_else_changed_meanwhile_is_shown_and_kept() {
    let world = World::new().await;
    world.declare("web").await;
    // While the editor is open for the first time, somebody labels and renames.
    editor(
        &world,
        "sed -i 's/power: Running/power: Stopped/' \"$1\"\n\
         if [ $n = 1 ]; then touch opened; while [ ! -e changed ]; do sleep 0.05; done; fi",
    );
    let editing = edit(&world, &["env/web", "--yes"]);
    let others = async {
        let opened = world.home.path().join("opened");
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
        while !opened.exists() {
            assert!(tokio::time::Instant::now() < deadline, "the editor was never opened");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let key = world.key("web");
        let edited = world.client.edit(&key, |environment: &mut Environment| {
            environment.spec.display_name = Some("Shop".into());
        });
        edited.await.unwrap();
        world.file("changed", "");
    };
    let (ended, ()) = tokio::join!(editing, others);
    ended.done();
    let text = seen(&world, 2);
    assert!(text.contains("# env/web was changed by somebody else meanwhile:\n"), "{text}");
    assert!(text.contains("→ Shop\n"), "{text}");
    assert!(text.contains("\n  power: Stopped\n"), "the edit is on top of it: {text}");
    let stands = world.environment("web").await.unwrap();
    assert_eq!(stands.spec.display_name.as_deref(), Some("Shop"));
    assert_eq!(stands.spec.power, Power::Stopped);
}

#[tokio::test]
async fn other_kinds_are_edited_too_and_secrets_stay_private() {
    let world = World::new().await;
    world.file(
        "secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {a: first}\n",
    );
    world.run(&["apply", "-f", "secret.yaml"]).await.done();
    // "first" and "other" in Base64.
    editor(
        &world,
        "stat -c %a \"$1\" \"$(dirname \"$1\")\" >modes; sed -i 's/Zmlyc3Q=/b3RoZXI=/' \"$1\"",
    );
    let ended = edit(&world, &["secret/db", "--yes"]).await.done();
    assert!(!ended.out.contains("b3RoZXI"), "{}", ended.out);
    let modes = std::fs::read_to_string(world.home.path().join("modes")).unwrap();
    assert_eq!(modes, "600\n700\n");
    let stored = world.run(&["get", "secret/db", "-o", "json"]).await.done();
    let stored: Value = serde_json::from_str(&stored.out).unwrap();
    assert_eq!(stored["data"]["a"], "b3RoZXI=");
    let ended = edit(&world, &["env/a", "env/b"]).await;
    ended.refused(2, "error[usage]: edit takes one object, not 2");
    let ended = edit(&world, &["env/nothing"]).await;
    ended.refused(1, "error[not-found]: there is no env/nothing in main");
}

#[tokio::test]
async fn without_an_editor_it_says_how_to_name_one() {
    let world = World::new().await;
    world.declare("web").await;
    let ended = world.run(&["edit", "web"]).await;
    ended.refused(2, "error[no-editor]: no editor is named");
}

#[tokio::test]
async fn somebody_who_was_faster_than_the_answer_is_heard_and_the_edit_asked_about_again() {
    let world = World::new().await;
    world.declare("web").await;
    editor(&world, "sed -i 's/power: Running/power: Stopped/' \"$1\"");
    let mut terminal = Terminal::open(&world, "edit env/web");
    terminal.until("[y/N]").await;
    let key = world.key("web");
    let edited = world.client.edit(&key, |environment: &mut Environment| {
        environment.spec.display_name = Some("Shop".into());
    });
    edited.await.unwrap();
    terminal.type_in("y\n").await;
    terminal.until("[y/N]").await;
    assert!(seen(&world, 2).contains("# env/web was changed by somebody else meanwhile:"));
    assert_eq!(power(&world, "web").await, Power::Running, "nothing was written in between");
    terminal.type_in("y\n").await;
    terminal.until("changed").await;
    assert_eq!(terminal.end().await, 0);
    let stands = world.environment("web").await.unwrap();
    assert_eq!(stands.spec.display_name.as_deref(), Some("Shop"));
    assert_eq!(stands.spec.power, Power::Stopped);
}

#[tokio::test]
async fn no_and_ctrl_c_change_nothing_and_name_the_file() {
    let world = World::new().await;
    world.declare("web").await;
    editor(&world, "sed -i 's/power: Running/power: Stopped/' \"$1\"");
    for (answer, code) in [("n\n", 4), ("\u{3}", 130)] {
        let mut terminal = Terminal::open(&world, "edit env/web");
        terminal.until("[y/N]").await;
        terminal.type_in(answer).await;
        terminal.until("he edit is kept in ").await;
        assert_eq!(terminal.end().await, code);
    }
    assert_eq!(power(&world, "web").await, Power::Running);
    assert_eq!(kept(&world).len(), 2);
}
