//! Power, restarts, reinstallations and bad days of a machine.

use std::process::Stdio;

use devpocket::simulator::control::{GuestFault, PanelAction};
use serde_json::Value;
use tokio::net::TcpStream;

use super::world::{World, has};

fn ready() -> bool {
    ["ssh", "ssh-keygen", "bwrap"].into_iter().all(has)
}

#[tokio::test]
async fn a_machine_that_is_off_refuses_and_its_disk_survives() {
    if !ready() {
        return;
    }
    let world = World::new().await;
    world.run("echo kept >file; nohup sleep 1000 >/dev/null 2>&1 &").await;
    let port = world.port().await;
    let mut ssh = world.command("ssh").await;
    let mut session =
        ssh.args(["dev@127.0.0.1", "sleep 1000"]).stdin(Stdio::null()).spawn().unwrap();
    world.panel(PanelAction::Stop).await;
    world.until("off", |guest| !guest.running).await;
    assert_eq!(session.wait().await.unwrap().code(), Some(255), "the session ended with it");
    refused(port).await;
    world.panel(PanelAction::Start).await;
    assert_eq!(world.answering().await, port, "the port stays");
    assert_eq!(world.run("cat file").await, "kept");
    assert_eq!(world.run("pgrep -c sleep || true").await, "0", "nothing ran on");

    let world = world.restarted().await;
    world.answering().await;
    assert_eq!(world.run("cat file").await, "kept", "the simulator's end is not the disk's");
}

async fn refused(port: u16) {
    let asked = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), asked).await.expect("it refuses");
}

#[tokio::test]
async fn a_reinstalled_machine_has_an_empty_disk_and_a_stranger_another_key() {
    if !ready() {
        return;
    }
    let world = World::new().await;
    world.run("echo old >file").await;
    // Another machine in its place: OpenSSH, which wrote the key down, does not talk to it.
    world.control.spoil("demo", None, true).await.unwrap();
    let asked = async {
        loop {
            let output = world.ssh(&["true"]).await;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            if said.contains("host key") || said.contains("HOST IDENTIFICATION") {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), asked).await.expect("another key");
    std::fs::remove_file(world.folder.path().join("known")).unwrap();
    world.answering().await;
    assert!(!world.ssh(&["cat file"]).await.status.success(), "the disk is empty");
}

async fn progress(world: &World) -> Value {
    let text = world.run("cat /var/lib/devpocket/progress.json").await;
    serde_json::from_str(&text).unwrap_or_default()
}

async fn until(world: &World, what: &str, so: impl Fn(&Value) -> bool) -> Value {
    let asked = async {
        loop {
            let seen = progress(world).await;
            if so(&seen) {
                return seen;
            }
        }
    };
    let in_time = tokio::time::timeout(std::time::Duration::from_secs(30), asked).await;
    in_time.unwrap_or_else(|_| panic!("never {what}"))
}

#[tokio::test]
async fn the_first_boot_goes_step_by_step_fails_where_told_and_goes_on() {
    if !ready() {
        return;
    }
    let world = World::new().await;
    let done = until(&world, "done", |seen| seen["state"] == "done").await;
    assert_eq!(done["percent"], 100);
    let names: Vec<_> =
        done["done"].as_array().unwrap().iter().map(|s| s["name"].clone()).collect();
    assert_eq!(names, ["tools", "docker"]);
    let status: Value = serde_json::from_str(&world.run("cloud-init status").await).unwrap();
    assert_eq!(status["status"], "done");

    // The same machine installed anew, on a bad day.
    let fault = GuestFault::Fails { step: "docker".into(), code: None };
    world.control.spoil("demo", Some(fault), false).await.unwrap();
    world.control.spoil("demo", None, true).await.unwrap();
    let _ = std::fs::remove_file(world.folder.path().join("known"));
    world.answering().await;
    let failed = until(&world, "failed", |seen| seen["state"] == "failed").await;
    assert_eq!(failed["error"]["step"], "docker");
    assert!(!failed["lines"].as_array().unwrap().is_empty());
    // A restart in the middle does nothing twice; going on is asked for as on a real one.
    world.control.spoil("demo", None, false).await.unwrap();
    world.run("sudo -n systemctl restart devpocket-install.service").await;
    let done = until(&world, "done", |seen| seen["state"] == "done").await;
    assert_eq!(done["boots"], 2);
    assert_eq!(done["done"].as_array().unwrap().len(), 2);
}
