//! The page at the control plane's root, in a real browser.

use tokio::process::Command;

use super::programs::{on_path, program};
use super::*;

/// Longest wait for the browser.
const LIMIT: Duration = Duration::from_secs(60);
/// What a careless page would run.
const MARKUP: &str = "<img src=x onerror=alert(1)>";

#[tokio::test]
async fn the_page_shows_machines_ledger_calls_and_faults_in_a_browser() {
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    let Some(browser) = program("Chromium", &on_path(&names)) else { return };
    let world = World::start().await;
    world.bought("env-demo").await;
    world.send("POST", "/v1/compute/instances", Some(order(MARKUP))).await;
    world.control.scenario(devpocket::simulator::control::Scenario::Outage).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom"])
        .args(["--window-size=390,844", "--virtual-time-budget=4000", "--no-proxy-server"])
        .arg(format!("--user-data-dir={}", folder.path().display()))
        .arg(world.simulator.control_url())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LIMIT, run).await.expect("the browser ends").unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("data-ready=\"true\""), "{shown}");
    for part in ["env-demo", "running", "€11.00", "fail on any", "create-instance", "198.18."] {
        assert!(shown.contains(part), "{part} is not on the page: {shown}");
    }
    assert!(shown.contains("&lt;img src=x"), "a name is text, not markup");
    assert!(!shown.contains(MARKUP), "a name is text, not markup");
}
