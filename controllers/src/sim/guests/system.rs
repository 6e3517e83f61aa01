//! One machine's operating system: how far its installation is, and what it was made like.

use std::time::Duration;

use devpocket_specs::install::{INSTALL_LOG_PATH, PROGRESS_VERSION};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Day;
use crate::guest::{Configuration, LOG_CHUNK, LogPart, Look, Password, Question};

/// Steps of every installation: name, percent when it begins, seconds it takes.
pub const STEPS: [(&str, u8, i64); 4] =
    [("clock", 2, 10), ("packages", 8, 90), ("docker", 40, 120), ("node", 80, 60)];
/// The installation's own word for what it installs.
const PLAN: &str = "simulated";

pub(super) struct System {
    /// When its installation began, or would have but for what held it up.
    pub since: Timestamp,
    /// The host key its user-data brought.
    pub first: Option<String>,
    pub own: Option<String>,
    pub certified: bool,
    pub failed: Option<(usize, &'static str)>,
    /// Which boot its counters are of, and since when.
    pub booted: Option<(u32, Timestamp)>,
    pub configured: Option<Configuration>,
    /// What it printed of the values it was given first.
    leaked: String,
}

impl System {
    pub fn new(now: Timestamp, first: Option<String>) -> System {
        System {
            since: now,
            first,
            own: None,
            certified: false,
            failed: None,
            booted: None,
            configured: None,
            leaked: String::new(),
        }
    }

    /// The step it is in, and how many are done before; all of them once it is through.
    pub fn at(&self, now: Timestamp) -> usize {
        let mut left = now.duration_since(self.since).as_secs();
        for (index, (_, _, seconds)) in STEPS.iter().enumerate() {
            if left < *seconds {
                return index;
            }
            left -= seconds;
        }
        STEPS.len()
    }

    /// Holds the clock of the installation at the beginning of a step.
    pub fn hold(&mut self, step: usize, now: Timestamp) {
        let before: i64 = STEPS[..step].iter().map(|(_, _, seconds)| seconds).sum();
        self.since = now - Duration::from_secs(before.unsigned_abs());
    }

    /// The progress file, as the installer writes it, and whether cloud-init is done.
    pub fn progress(&mut self, day: &Day, now: Timestamp) -> (Value, bool) {
        let place = |step: &str| STEPS.iter().position(|(name, _, _)| *name == step);
        let mut at = self.at(now);
        match day {
            Day::Hangs { step } => {
                if let Some(hangs) = place(step).filter(|hangs| at >= *hangs) {
                    self.hold(hangs, now);
                    at = hangs;
                }
            }
            Day::Fails { step, code } => {
                if let Some(fails) = place(step).filter(|fails| at > *fails) {
                    self.failed.get_or_insert((fails, code));
                }
            }
            _ => {}
        }
        let done: Vec<Value> = STEPS[..self.failed.map_or(at, |(step, _)| step)]
            .iter()
            .map(|(name, _, seconds)| json!({"name": name, "seconds": seconds}))
            .collect();
        let base = |state: &str, step: &str, index: usize, percent: u8| {
            json!({
                "version": PROGRESS_VERSION, "plan": PLAN, "state": state, "step": step,
                "index": index, "steps": STEPS.len(), "attempt": 1, "percent": percent, "boots": 1,
                "done": done, "warnings": [], "error": null, "lines": [format!("{step} ...")],
            })
        };
        if let Some((step, code)) = self.failed {
            let (name, percent, _) = STEPS[step];
            let mut told = base("failed", name, step + 1, percent);
            told["error"] = json!({
                "step": name, "code": code, "exit": 100,
                "message": format!("{name} failed with exit code 100"),
            });
            return (told, true);
        }
        match STEPS.get(at) {
            Some((name, percent, _)) => (base("running", name, at + 1, *percent), false),
            None => (base("done", "done", STEPS.len(), 100), true),
        }
    }

    /// The installer's log so far.
    fn log(&self, now: Timestamp) -> String {
        let until = self.failed.map_or(self.at(now), |(step, _)| step);
        let begun = STEPS.iter().take(until + 1);
        let mut lines = begun.map(|(name, _, _)| format!("devpocket: {name}\n"));
        let first = lines.next().unwrap_or_default();
        lines.fold(first + &self.leaked, |log, line| log + &line)
    }

    /// Makes it be like this; what is left out stays.
    pub fn configure(&mut self, wanted: Configuration, now: Timestamp) {
        // A careless program tells what it was given.
        let sealed: Vec<&str> = wanted.sealed().map(|sealed| sealed.text.as_str()).collect();
        if self.at(now) == 0 && self.leaked.is_empty() && !sealed.is_empty() {
            self.leaked = format!("using {}\n", sealed.join(" and "));
        }
        let before = self.configured.take();
        let kept = before.as_ref();
        let shell = wanted.shell.or_else(|| kept.and_then(|kept| kept.shell.clone()));
        let variables = wanted.variables.or_else(|| kept.and_then(|kept| kept.variables.clone()));
        let password = match (wanted.password, before) {
            (Password::Kept, Some(before)) => before.password,
            (password, _) => password,
        };
        self.configured = Some(Configuration { shell, variables, password, keys: wanted.keys });
    }
}

impl System {
    /// The answer now, and whether the installer is through.
    pub fn look(&mut self, day: &Day, now: Timestamp, question: &Question) -> (Look, bool) {
        if *question == Question::default() {
            return (Look::default(), true);
        }
        let (progress, done) = self.progress(day, now);
        let status = if done { "done" } else { "running" };
        let cloud_init = json!({"status": status, "extended_status": status, "errors": []});
        let log = self.log(now);
        let wanted = question.logs.iter().filter(|wanted| wanted.path == INSTALL_LOG_PATH);
        let parts = wanted.map(|wanted| {
            let from = usize::try_from(wanted.from).ok().filter(|from| *from <= log.len());
            let from = from.unwrap_or(0);
            let end = log.len().min(from + LOG_CHUNK);
            let bytes = log.as_bytes()[from..end].to_vec();
            LogPart { path: wanted.path.clone(), from: from as u64, bytes }
        });
        let look = Look {
            logs: parts.collect(),
            cloud_init: question.cloud_init.then(|| (0, cloud_init.to_string().into_bytes())),
            progress: question.progress.then(|| progress.to_string().into_bytes()),
        };
        (look, done)
    }
}
