//! `devpocket simulator …`, the program itself, against a running control plane.

use tokio::process::Command;

use super::*;

/// Longest wait for one command.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a command against this simulator; whether it succeeded, and what it said.
async fn devpocket(world: &World, folder: &Path, args: &[&str]) -> (bool, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_devpocket"))
        .arg("simulator")
        .args(args)
        .env("DEVPOCKET_SIMULATOR", world.simulator.control_url())
        .env("DEVPOCKET_CONFIG", folder.join("config.yaml"))
        .current_dir(folder)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LIMIT, run).await.expect("it ends").unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn a_bad_day_is_made_recorded_and_replayed_from_the_command_line() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    let run = async |args: &[&str]| {
        let (done, said) = devpocket(&world, folder.path(), args).await;
        assert!(done, "{args:?}: {said}");
        said
    };
    world.bought("env-a").await;
    assert!(run(&["scenario", "lost-reply"]).await.contains("its reply is lost"));
    let request = world.request("POST", "/v1/compute/instances").json(&order("lost"));
    request.send().await.expect_err("the reply is lost");
    assert!(run(&["ledger"]).await.contains("11.00 EUR"));

    run(&["fault", "add", "fail", "--how", "429:7", "--on", "reads", "--times", "1"]).await;
    let throttled = world.request("GET", "/v1/tags").send().await.unwrap();
    assert_eq!(throttled.headers()["retry-after"], "7");
    run(&["fault", "add", "shifted-pages", "--number", "-1", "--on", "list-instances"]).await;
    run(&["fault", "add", "slow", "--by", "1s"]).await;
    let listed = run(&["fault", "list"]).await;
    assert!(listed.contains("shifted-pages") && listed.contains("slow"), "{listed}");
    run(&["scenario", "normal"]).await;
    run(&["panel", "stop", "env-a"]).await;
    assert!(run(&["clock", "advance", "30d"]).await.contains("2026-04-09"));

    assert!(run(&["journal", "--last", "3"]).await.contains("list-tags"));
    assert!(run(&["journal", "--save", "calls.jsonl"]).await.contains("calls are in"));
    assert!(run(&["replay", "calls.jsonl"]).await.contains("answered as before"));
    run(&["state", "save", "account.json"]).await;
    run(&["panel", "remove", "env-a"]).await;
    run(&["state", "load", "account.json"]).await;
    let instances = run(&["instances"]).await;
    assert!(instances.contains("env-a") && !instances.contains("gone"), "{instances}");

    std::fs::create_dir(folder.path().join("kept")).unwrap();
    std::fs::write(folder.path().join("kept/snapshot.json"), "{}").unwrap();
    for (wrong, why) in [
        (&["scenario", "nice-day"][..], "slow-install"),
        (&["replay", "nowhere.jsonl"][..], "nowhere.jsonl cannot be read"),
        (&["replay", "account.json"][..], "line 1 of the recording"),
        (&["state", "load", "calls.jsonl"][..], "holds no account"),
        (&["panel", "stop", "nobody"][..], "nobody"),
        (&["serve", "--twin", "account.json"][..], "holds no picture of an account"),
        (&["serve", "--twin", "account.json", "--data", "kept"][..], "holds a simulated account"),
    ] {
        let (done, said) = devpocket(&world, folder.path(), wrong).await;
        assert!(!done && said.contains(why), "{wrong:?}: {said}");
    }
}
