//! What was answered survives: a clean end, a crash, and a torn write.

use std::fs;
use std::io::Write;

use devpocket::simulator::SimulatorError;
use devpocket::simulator::control::PanelAction;

use super::*;

/// What the folder holds at this moment: what a kill -9 would leave.
fn crash_image(folder: &Path) -> tempfile::TempDir {
    let image = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), image.path().join(entry.file_name())).unwrap();
    }
    image
}

async fn state(world: &World) -> (Value, Value) {
    let state = world.control.state().await.unwrap();
    (state["instances"].clone(), state["ledger"].clone())
}

#[tokio::test]
async fn everything_answered_survives_a_crash_and_a_torn_write() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::with(Settings::prompt(), Some(folder.path()), TestClock::new()).await;
    let id = world.bought("env-a").await;
    world.send("POST", &format!("/v1/compute/instances/{id}/actions/stop"), None).await;
    world.control.panel("env-a", PanelAction::Rename { display_name: "b".into() }).await.unwrap();
    world.control.change_settings(&json!({ "defaultPageSize": 3 })).await.unwrap();
    let before = state(&world).await;

    let image = crash_image(folder.path());
    let mut journal =
        fs::OpenOptions::new().append(true).open(image.path().join("journal.jsonl")).unwrap();
    assert!(journal.metadata().unwrap().len() > 0, "it is the journal that is replayed");
    journal.write_all(br#"{"sequence":9,"now":"2026-03-"#).unwrap();
    let again = World::with(Settings::prompt(), Some(image.path()), world.clock.clone()).await;
    assert_eq!(state(&again).await, before);
    assert_eq!(again.instance(id).await["status"], "stopped");
    assert_eq!(again.control.settings().await.unwrap().default_page_size, 3);

    // And once more, after the repaired journal was written to.
    again.bought("env-c").await;
    let after = state(&again).await;
    let image = crash_image(image.path());
    let third = World::with(Settings::prompt(), Some(image.path()), world.clock.clone()).await;
    assert_eq!(state(&third).await, after);
}

#[tokio::test]
async fn a_clean_end_keeps_everything_and_the_clock_does_not_go_back() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::with(Settings::prompt(), Some(folder.path()), TestClock::new()).await;
    let id = world.bought("env-a").await;
    let clock = world.control.advance("30d").await.unwrap();
    assert_eq!(clock.now, "2026-04-09T12:04:40Z".parse().unwrap());
    let before = state(&world).await;
    let crashed = crash_image(folder.path());
    world.simulator.shutdown().await;

    // A crash after the new snapshot and before the journal is emptied replays nothing twice.
    let snapshot = "snapshot.json";
    fs::copy(folder.path().join(snapshot), crashed.path().join(snapshot)).unwrap();
    let twice = World::with(Settings::prompt(), Some(crashed.path()), TestClock::new()).await;
    assert_eq!(state(&twice).await, before);

    let again = World::with(Settings::prompt(), Some(folder.path()), TestClock::new()).await;
    assert_eq!(again.control.clock().await.unwrap().now, clock.now);
    assert_eq!(*again.clock.0.lock().unwrap(), clock.now, "the shared clock was moved along");
    assert_eq!(state(&again).await, before);
    assert_eq!(again.instance(id).await["displayName"], "env-a");
}

#[tokio::test]
async fn a_folder_in_use_damage_and_another_builds_journal_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::with(Settings::prompt(), Some(folder.path()), TestClock::new()).await;
    world.bought("env-a").await;
    let open = |folder: &Path| {
        let config = SimulatorConfig {
            data: Some(folder.to_owned()),
            ..SimulatorConfig::in_memory(Settings::prompt(), TestClock::new().handle())
        };
        async { Simulator::start(config).await.err().map(|error| error.to_string()).unwrap() }
    };
    assert!(open(folder.path()).await.contains("another simulator uses"));

    let image = crash_image(folder.path());
    let journal = image.path().join("journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replace("\"answer\":\"201 2", "\"answer\":\"201 3")).unwrap();
    assert!(open(image.path()).await.contains("left by another build"));
    fs::write(&journal, format!("nonsense\n{text}")).unwrap();
    assert!(open(image.path()).await.contains("journal.jsonl, line 1"));
    fs::write(image.path().join("snapshot.json"), "{}").unwrap();
    assert!(open(image.path()).await.contains("snapshot.json"));
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let world = World::start().await;
    let taken = world.simulator.control_address();
    let clock = TestClock::new().handle();
    let config = SimulatorConfig {
        control: taken,
        ..SimulatorConfig::in_memory(Settings::default(), clock)
    };
    match Simulator::start(config).await.err() {
        Some(SimulatorError::PortTaken { address, .. }) => {
            assert_eq!(address, loopback(taken.port()));
        }
        other => panic!("{other:?}"),
    }
}
