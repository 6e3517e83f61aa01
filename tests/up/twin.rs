//! `up --twin`: the simulator begins on a picture of an account, and nothing in it is touched.

use std::fs;
use std::time::Duration;

use tokio::time::Instant;

use crate::support::{Home, PATIENCE, Up};

const PICTURE: &str = "kind: ContaboAccount
version: 1
taken: 2026-03-10T12:00:00Z
machines:
- product: V91
  region: EU
  status: running
  image: ubuntu-24.04
  created: 2025-11-20T08:00:00Z
  monthly: 4.40 EUR
  name: machine-1 dp-00000001-m-1
- product: V94
  region: JPN
  status: stopped
  created: 2025-12-25T08:00:00Z
marks:
- {installation: 1, calls: 7, written: 2026-03-01T00:00:00Z}
secrets: {keys: 2}
";

fn picture(home: &Home, text: &str) -> String {
    let file = home.path().join("of-a-friend.yaml");
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

/// Machines are recorded one after the other, once the first list has come.
async fn both_are_recorded_as_not_ours(up: &Up) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let command = format!("{} get machines -o json", crate::support::PROGRAM);
        let (done, machines) = up.shell(&command);
        assert!(done, "{machines}");
        if machines.matches("\"managed\": false").count() == 2 {
            return;
        }
        assert!(Instant::now() < deadline, "{machines}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_twin_is_looked_at_rehearsed_on_and_kept() {
    let home = Home::new();
    let file = picture(&home, PICTURE);
    let data = home.data().display().to_string();
    let mut up = Up::start_with(&home, &["--data", &data, "--twin", &file], &[]);
    let line = up.line_with("the picture taken on 2026-03-10");
    assert!(line.contains("2 machines"), "{line}");
    up.line_with("In another terminal");
    let there = up.control().instances().await.unwrap();
    assert_eq!(there.iter().filter(|instance| instance.gone.is_none()).count(), 2);
    assert_eq!(up.control().state().await.unwrap()["tags"].as_object().unwrap().len(), 1);
    // What fell due since it was taken, and nothing that DevPocket did.
    let charges = up.control().ledger().await.unwrap().entries;
    let kind =
        |charge: &devpocket_controllers::sim::contabo::LedgerEntry| format!("{:?}", charge.kind);
    assert!(!charges.is_empty() && charges.iter().all(|c| kind(c) == "Renewal"), "{charges:?}");
    both_are_recorded_as_not_ours(&up).await;
    let (done, told) = up.shell(&format!("{} get env", crate::support::PROGRAM));
    assert!(done && told.contains("devpocket create"), "nothing is declared: {told}");
    up.control().advance("31d").await.unwrap();
    let later = up.control().ledger().await.unwrap().entries;
    assert!(later.len() >= charges.len() + 2, "both renew within a month");
    let mutations = up.control().calls(1000).await.unwrap().calls;
    assert!(mutations.iter().all(|call| !call.operation.is_mutation()), "{mutations:?}");
    up.interrupt();

    // It goes on without the picture, and no demo is bought into it.
    let mut up = Up::start(&home);
    up.line_with("In another terminal");
    assert_eq!(up.control().ledger().await.unwrap().entries.len(), later.len());
    up.interrupt();
    let refused = Up::refused(&home, &["--twin", &file]);
    for part in ["holds a simulated account already", "--ephemeral --twin", "as it was"] {
        assert!(refused.contains(part), "{part} is not in:\n{refused}");
    }
}

#[test]
fn a_bad_picture_is_refused_by_its_field_and_nothing_is_started() {
    let home = Home::new();
    for (text, part) in [
        (PICTURE.replace("V94", "my-server"), "machines[1].product is \"my-server\""),
        (PICTURE.replace("status: stopped", "status: 5"), "machines[1].status"),
        (PICTURE.replace("version: 1", "version: 9"), "version is not 1"),
        (PICTURE.replace("keys: 2", "keyz: 2"), "secrets"),
        ("CONTABO_PASSWORD=hunter2\n".to_owned(), "holds no picture of an account"),
    ] {
        let file = picture(&home, &text);
        let refused = Up::refused(&home, &["--twin", &file]);
        for part in [part, "error[picture]", "nothing was started"] {
            assert!(refused.contains(part), "{part} is not in:\n{refused}");
        }
        assert!(!refused.contains("hunter2"), "{refused}");
        assert!(!home.data().exists(), "nothing was begun");
    }
    let missing = Up::refused(&home, &["--twin", "/nowhere/twin.yaml"]);
    assert!(missing.contains("/nowhere/twin.yaml cannot be read"), "{missing}");
}
