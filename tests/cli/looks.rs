//! Colour, width, and terminals that cannot show everything.

use crate::answers::two;

#[tokio::test]
async fn colour_is_only_where_somebody_wants_it() {
    let world = two().await;
    let plain = world.run(&["get", "env"]).await.done();
    assert!(!plain.out.contains('\x1b'), "not a terminal: {:?}", plain.out);
    let always = world.run(&["get", "env", "--color", "always"]).await.done();
    assert!(always.out.contains("\x1b[32m"), "{:?}", always.out);
    let never = world
        .run_with(&["get", "env", "--color", "never"], &[("TERM", "xterm-256color")])
        .await
        .done();
    assert!(!never.out.contains('\x1b'));
    let document = world.run(&["get", "env", "-o", "json", "--color", "always"]).await.done();
    assert!(!document.out.contains('\x1b'), "documents have no colour");
}

#[tokio::test]
async fn under_60_columns_each_object_is_a_card_of_two_lines() {
    let world = two().await;
    let ended = world.run_with(&["get", "env"], &[("COLUMNS", "50")]).await.done();
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines.len(), 4, "{}", ended.out);
    assert_eq!(lines[2], "db  running");
    assert!(lines[3].starts_with("  True  vps-10-nvme  EU  Running"), "{}", ended.out);
    assert!(lines.iter().all(|line| line.chars().count() <= 50), "{}", ended.out);
}

#[tokio::test]
async fn too_narrow_for_all_columns_the_last_ones_leave() {
    let world = two().await;
    let ended = world.run_with(&["get", "env"], &[("COLUMNS", "62")]).await.done();
    let header = ended.out.lines().next().unwrap();
    assert_eq!(header, "NAME  READY  PHASE         SIZE         REGION  POWER");
}

#[tokio::test]
async fn without_utf_8_signs_are_words() {
    let world = two().await;
    let ended = world.run_with(&["describe", "db"], &[("LANG", "C")]).await.done();
    assert!(ended.out.is_ascii(), "{}", ended.out);
    assert!(ended.out.contains("ok Ready"), "{}", ended.out);
}

#[tokio::test]
async fn every_help_is_a_sentence_an_example_and_the_flags() {
    let world = two().await;
    let help = world.run(&["--help"]).await.done();
    for line in help.out.lines().skip_while(|line| *line != "Commands:").skip(1) {
        let Some(name) = line.split_whitespace().next() else { break };
        let help = world.run(&[name, "--help"]).await.done();
        assert!(help.out.lines().next().is_some_and(|line| line.len() > 10), "{}", help.out);
        assert!(help.out.contains("\n\nExample:\n  devpocket "), "{}", help.out);
        assert!(!help.out.contains(crate::world::TOKEN));
    }
}
