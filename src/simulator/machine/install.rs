//! The first boot: the steps of the installation, at the simulated pace, with what they write.
//!
//! It is the machine's own rendering of what the installer in the user-data documents: the
//! progress file (replaced as a whole), the logs, the answers of cloud-init and of the check. The
//! power may be cut at any moment: steps that are done are not done again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use devpocket_controllers::clock::Clock as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{BadStep, Boot, InstallStep, Machine};
use crate::clock::SystemClock;

pub(super) const PROGRESS: &str = "/var/lib/devpocket/progress.json";
pub(super) const STATUS: &str = "/var/lib/cloud/status.json";
/// Somebody asked the installer to go on after a failure.
pub(super) const RESUME: &str = "/var/lib/devpocket/resume";
const LOG: &str = "/var/log/devpocket-install.log";
const CLOUD_INIT_LOG: &str = "/var/log/cloud-init-output.log";
/// Lines a step prints.
const LINES: u64 = 4;
/// Lines the progress file repeats.
const LAST_LINES: usize = 20;
/// How often a failed or hanging installer looks whether it shall go on.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

struct Installer {
    machine: Arc<Machine>,
    boot: PathBuf,
    /// What is on the disk.
    progress: Value,
    lines: Vec<String>,
}

/// Runs what is left of the first boot.
pub(super) async fn first_boot(machine: Arc<Machine>, boot: PathBuf) {
    let kept = machine.disk.read(PROGRESS).ok();
    let kept: Option<Value> = kept.and_then(|text| serde_json::from_str(&text).ok());
    let kept = kept.filter(|kept| kept["version"] == 1 && kept["plan"] == "simulated");
    if kept.as_ref().is_some_and(|kept| kept["state"] == "done") {
        return;
    }
    let steps = machine.boot.steps.len();
    let mut progress = kept.unwrap_or_else(|| {
        json!({
            "version": 1, "plan": "simulated", "state": "running", "step": "start", "index": 0,
            "steps": steps, "attempt": 1, "percent": 0, "boots": 0, "startedAt": now(),
            "updatedAt": now(), "endedAt": null, "error": null, "warnings": [], "done": [],
            "lines": [],
        })
    });
    progress["boots"] = (progress["boots"].as_u64().unwrap_or(0) + 1).into();
    let mut installer = Installer { machine, boot, progress, lines: Vec::new() };
    installer.cloud_init("running");
    installer.keep();
    installer.work().await;
}

pub(super) fn now() -> Timestamp {
    SystemClock::default().now()
}

impl Installer {
    async fn work(&mut self) {
        let steps = self.machine.boot.steps.clone();
        for (index, step) in (1..).zip(&steps) {
            if self.is_done(&step.name) {
                continue;
            }
            while !self.step(index, step).await {
                self.resumed().await;
            }
        }
        self.say("done", "everything is installed");
        for (name, value) in [("state", "done".into()), ("step", "done".into())] {
            self.progress[name] = value;
        }
        self.progress["percent"] = 100.into();
        self.progress["endedAt"] = json!(now());
        self.keep();
        self.cloud_init("done");
    }

    fn is_done(&self, name: &str) -> bool {
        let done = self.progress["done"].as_array();
        done.is_some_and(|done| done.iter().any(|step| step["name"] == name))
    }

    /// One step; `false` if it failed.
    async fn step(&mut self, index: u64, step: &InstallStep) -> bool {
        for (name, value) in [
            ("state", json!("running")),
            ("step", json!(step.name)),
            ("index", json!(index)),
            ("percent", json!(step.percent)),
            ("error", Value::Null),
        ] {
            self.progress[name] = value;
        }
        for number in 1..=LINES {
            self.say(&step.name, &format!("{} ({number} of {LINES})", step.name));
            self.keep();
            tokio::time::sleep(Duration::from_millis(step.millis / LINES)).await;
        }
        match self.bad_step().filter(|bad| bad.step == step.name) {
            None => {}
            Some(BadStep { hangs: true, .. }) => {
                while self.bad_step().is_some_and(|bad| bad.hangs && bad.step == step.name) {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
            Some(_) => {
                self.fail(&step.name);
                return false;
            }
        }
        let seconds = step.millis / 1000;
        if let Some(done) = self.progress["done"].as_array_mut() {
            done.push(json!({"name": step.name, "seconds": seconds}));
        }
        true
    }

    fn fail(&mut self, step: &str) {
        self.say(step, &format!("E: {step} has failed on purpose"));
        self.progress["state"] = "failed".into();
        self.progress["error"] = json!({
            "step": step, "code": "step-failed", "exit": 100,
            "message": format!("{step} ended with exit code 100"),
        });
        self.keep();
        // What cloud-init calls an error is its own; the installer's is in its file.
        self.cloud_init("done");
    }

    /// Waits until somebody asks the installer to go on.
    async fn resumed(&mut self) {
        let marker = self.machine.disk.at(RESUME);
        while std::fs::remove_file(&marker).is_err() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let attempt = self.progress["attempt"].as_u64().unwrap_or(1) + 1;
        self.progress["attempt"] = attempt.into();
    }

    /// What the control plane has in mind for this machine; it may change while it runs.
    fn bad_step(&self) -> Option<BadStep> {
        let bytes = std::fs::read(&self.boot).ok()?;
        serde_json::from_slice::<Boot>(&bytes).ok()?.bad_step
    }

    fn say(&mut self, step: &str, line: &str) {
        let disk = &self.machine.disk;
        let _ = disk.append(LOG, &format!("{} {step}: {line}\n", now()));
        let own = format!("/home/{}/installation-progress.log", self.machine.boot.user);
        let percent = &self.progress["percent"];
        let _ = disk.append(&own, &format!("{percent} % {step}\n"));
        self.lines.push(line.to_owned());
        let surplus = self.lines.len().saturating_sub(LAST_LINES);
        self.lines.drain(..surplus);
    }

    /// A full disk, or one that goes away with the power, shows as progress that stands still.
    fn keep(&mut self) {
        self.progress["lines"] = json!(self.lines);
        self.progress["updatedAt"] = json!(now());
        let _ = self.machine.disk.write(PROGRESS, &format!("{}\n", self.progress));
    }

    fn cloud_init(&self, status: &str) {
        let disk = &self.machine.disk;
        let _ = disk.append(CLOUD_INIT_LOG, &format!("cloud-init is {status} at {}\n", now()));
        let answer = json!({
            "status": status, "extended_status": status, "boot_status_code": "enabled-by-generator",
            "detail": "DataSourceNoCloud", "errors": [], "recoverable_errors": {},
        });
        let _ = disk.write(STATUS, &format!("{answer}\n"));
    }
}
