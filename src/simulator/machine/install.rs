//! The first boot: the steps of the installation, at the simulated pace, with what they write.
//!
//! It is the machine's own rendering of what the installer in the user-data documents: the
//! progress file (replaced as a whole), the logs, the answers of cloud-init and of the check. The
//! power may be cut at any moment: steps that are done are not done again.

use std::sync::Arc;
use std::time::Duration;

use devpocket_controllers::clock::Clock as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{BadStep, InstallStep, Machine};
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

/// Codes of the installer, what a step of that kind prints, and what is made of it.
const SIGNS: [(&str, &str, &str); 3] = [
    ("disk-full", "write: No space left on device", ": the disk is full"),
    (
        "source-down",
        "curl: (7) Failed to connect to the mirror",
        ": a download source does not answer or lacks what was asked for",
    ),
    (
        "clock-wrong",
        "the Release file is not valid yet (invalid for another 3 h)",
        ": the machine's clock seems wrong",
    ),
];

struct Installer {
    machine: Arc<Machine>,
    /// What is on the disk.
    progress: Value,
    lines: Vec<String>,
}

/// Runs what is left of the first boot.
pub(super) async fn first_boot(machine: Arc<Machine>) {
    let kept = machine.disk.read(PROGRESS).ok();
    let kept: Option<Value> = kept.and_then(|text| serde_json::from_str(&text).ok());
    let plan = plan(&machine);
    let kept = kept.filter(|kept| kept["version"] == 1 && kept["plan"] == json!(plan));
    if kept.as_ref().is_some_and(|kept| kept["state"] == "done") {
        return;
    }
    let steps = machine.boot.steps.len();
    let mut progress = kept.unwrap_or_else(|| {
        json!({
            "version": 1, "plan": plan, "state": "running", "step": "start", "index": 0,
            "steps": steps, "attempt": 1, "percent": 0, "boots": 0, "startedAt": now(),
            "updatedAt": now(), "endedAt": null, "error": null, "warnings": [], "done": [],
            "lines": [],
        })
    });
    progress["steps"] = steps.into();
    if progress["startedAt"].is_null() {
        progress["startedAt"] = json!(now());
    }
    progress["boots"] = (progress["boots"].as_u64().unwrap_or(0) + 1).into();
    let mut installer = Installer { machine, progress, lines: Vec::new() };
    installer.cloud_init("running");
    installer.keep();
    installer.work().await;
}

/// What is installed is known by its plan's digest, so that what an earlier installation left is not
/// taken for this one.
fn plan(machine: &Machine) -> String {
    let plan = machine.boot.plan.as_ref().and_then(|path| machine.disk.read(path).ok());
    let Some(plan) = plan else { return "none".to_owned() };
    Sha256::digest(plan.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
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
            ("attempt", json!(1)),
            ("percent", json!(step.percent)),
            ("error", Value::Null),
            ("endedAt", Value::Null),
        ] {
            self.progress[name] = value;
        }
        for number in 1..=LINES {
            self.say(&step.name, &format!("{} ({number} of {LINES})", step.name));
            self.keep();
            tokio::time::sleep(Duration::from_millis(step.millis / LINES)).await;
        }
        match self.bad_step(&step.name).map(|bad| bad.code) {
            None => {}
            Some(Some(code)) => {
                self.fail(&step.name, &code);
                return false;
            }
            Some(None) => {
                while self.bad_step(&step.name).is_some_and(|bad| bad.code.is_none()) {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
        }
        let seconds = step.millis / 1000;
        if let Some(done) = self.progress["done"].as_array_mut() {
            done.push(json!({"name": step.name, "seconds": seconds}));
        }
        true
    }

    fn fail(&mut self, step: &str, code: &str) {
        let said = SIGNS.iter().find(|(known, _, _)| *known == code);
        let (printed, why) = said.map_or(("it has failed on purpose", ""), |(_, p, w)| (p, w));
        self.say(step, &format!("E: {step}: {printed}"));
        self.progress["state"] = "failed".into();
        self.progress["endedAt"] = json!(now());
        self.progress["error"] = json!({
            "step": step, "code": code, "exit": 100,
            "message": format!("{step} failed with exit code 100{why}"),
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
        let boots = self.progress["boots"].as_u64().unwrap_or(1) + 1;
        self.progress["boots"] = boots.into();
    }

    /// What goes wrong in this step now; it may change while it runs.
    fn bad_step(&self, step: &str) -> Option<BadStep> {
        self.machine.boot_now()?.bad_step.filter(|bad| bad.step == step)
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
