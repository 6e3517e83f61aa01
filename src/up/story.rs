//! What happened, in one sentence each: told from the states of the environments, not from the
//! steps that led there. Somebody stops a machine in the panel, it is seen, recorded, started,
//! seen running: that is one thing, "stopped outside DevPocket, started again after 1.2 s".

use std::collections::BTreeMap;

use devpocket_specs::environment::{Drift, DriftPolicy, Environment, Power};
use devpocket_specs::object::{Key, Resource};
use jiff::{SignedDuration, Timestamp};

use super::screen::exactly;
use crate::cli::standing::{bare, is_ready, joined, standstill, wanted};

/// Drift that is not healed by then is told as it is.
const HEALED_SOON: SignedDuration = SignedDuration::from_secs(10);
/// Who it was, when Contabo's audits do not tell.
const NOBODY_KNOWN: &str = "unknown";

/// What is known of each environment, to tell only what is new.
#[derive(Default)]
pub struct Story {
    known: BTreeMap<Key, Known>,
}

struct Known {
    environment: Environment,
    /// Since when it is as ready, or as little ready, as it is.
    since: Timestamp,
    /// Drift that is not over, by what and since when.
    open: BTreeMap<(String, Timestamp), Open>,
    /// It stopped being ready because of drift, and its return was told with the drift.
    drifted: bool,
}

struct Open {
    /// What was declared when it was seen: a person may accept it by declaring otherwise.
    declared: Power,
    told: bool,
    /// Told as over: the machine is as declared, though the record will say so only after the look
    /// that proves it.
    over: bool,
}

impl Story {
    /// As it is now; of this nothing is told, but of drift that stands.
    pub fn begin(&mut self, environment: Environment, now: Timestamp) {
        let known = Known::new(environment, now);
        self.known.insert(known.environment.key(), known);
    }

    /// What happened to an environment that looks like this now.
    pub fn changed(&mut self, next: Environment, now: Timestamp) -> Vec<String> {
        let key = next.key();
        if let Some(known) = self.known.get_mut(&key)
            && known.environment.uid() == next.uid()
        {
            return known.changed(next, now);
        }
        let blank = Environment {
            metadata: next.metadata.clone(),
            spec: next.spec.clone(),
            status: Default::default(),
        };
        let mut known = Known::new(blank, now);
        let lines = known.changed(next, now);
        self.known.insert(key, known);
        lines
    }

    /// It is gone.
    pub fn gone(&mut self, last: &Environment) -> Vec<String> {
        self.known.remove(&last.key());
        let Some(machine) = &last.status.machine else {
            return vec!["released; it had no machine".to_owned()];
        };
        let machine = machine.instance_name.as_deref().unwrap_or(&machine.name);
        vec![format!(
            "released; {machine} keeps its disk for a while: devpocket undelete {}",
            last.metadata.name
        )]
    }

    /// What became worth telling because time went by.
    pub fn waited(&mut self, now: Timestamp) -> Vec<(Key, String)> {
        let mut lines = Vec::new();
        for (key, known) in &mut self.known {
            lines.extend(known.still_open(now).into_iter().map(|line| (key.clone(), line)));
        }
        lines
    }
}

impl Known {
    fn new(environment: Environment, now: Timestamp) -> Known {
        Known { environment, since: now, open: BTreeMap::new(), drifted: false }
    }

    fn changed(&mut self, next: Environment, now: Timestamp) -> Vec<String> {
        let before = std::mem::replace(&mut self.environment, next);
        let mut lines = Vec::new();
        lines.extend(self.bound(&before));
        lines.extend(self.drift(&before));
        lines.extend(self.stands_still(&before, now));
        lines.extend(self.readiness(&before, now));
        lines
    }

    /// A machine was bought for it, or taken.
    fn bound(&self, before: &Environment) -> Option<String> {
        let instance = |e: &Environment| e.status.machine.as_ref().and_then(|m| m.instance_id);
        let (old, new) = (instance(before), instance(&self.environment)?);
        (old != Some(new)).then(|| ordered(&self.environment))
    }

    fn drift(&mut self, before: &Environment) -> Vec<String> {
        let mut lines = Vec::new();
        for drift in &self.environment.status.drift {
            let id = (drift.what.clone(), drift.since);
            let known = before.status.drift.iter().find(|d| (&d.what, d.since) == (&id.0, id.1));
            if known.is_some_and(|known| known.healed == drift.healed) {
                continue;
            }
            let declared = wanted(&self.environment);
            let open =
                self.open.entry(id.clone()).or_insert(Open { declared, told: false, over: false });
            self.drifted = true;
            match drift.healed {
                Some(healed) => {
                    if !open.over {
                        lines.push(over(drift, open, declared, healed));
                    }
                    self.open.remove(&id);
                }
                None if is_for_a_person(&drift.what) => {
                    open.told = true;
                    lines.push(format!("{}: {}", outside(drift, declared), drift.message));
                }
                None if self.environment.spec.drift == DriftPolicy::Report => {
                    open.told = true;
                    lines.push(format!("{}; it is only reported", outside(drift, declared)));
                }
                None => {}
            }
        }
        lines
    }

    /// Paused, waiting, held or stalled. A silent Contabo is told once, for the account.
    fn stands_still(&mut self, before: &Environment, now: Timestamp) -> Option<String> {
        let (word, condition) =
            standstill(&self.environment).filter(|(word, _)| *word != "unknown")?;
        let reason = &condition.reason;
        if standstill(before).is_some_and(|(old, c)| (old, &c.reason) == (word, reason)) {
            return None;
        }
        let line = joined(word, bare(&condition.message, &self.environment, Some(word)));
        match self.untold(now, SignedDuration::ZERO) {
            Some(drift) => Some(format!("{drift}; {line}")),
            None => Some(line),
        }
    }

    fn readiness(&mut self, before: &Environment, now: Timestamp) -> Option<String> {
        let (was, is) = (is_ready(before), is_ready(&self.environment));
        if was == is {
            return None;
        }
        let took = now.duration_since(std::mem::replace(&mut self.since, now));
        if !is {
            return None;
        }
        if std::mem::take(&mut self.drifted) {
            return self.back(now);
        }
        Some(match wanted(&self.environment) {
            Power::Running => format!("ready after {}", exactly(took)),
            Power::Stopped => format!("stopped after {}, as declared", exactly(took)),
        })
    }

    /// The stop or start that is undone now.
    fn back(&mut self, now: Timestamp) -> Option<String> {
        let declared = wanted(&self.environment);
        let stands = |d: &&Drift| d.what == "power" && d.healed.is_none();
        let drift = self.environment.status.drift.iter().rev().find(stands)?;
        let open = self.open.get_mut(&(drift.what.clone(), drift.since))?;
        let line = over(drift, open, declared, now);
        (open.told, open.over) = (true, true);
        Some(line)
    }

    fn still_open(&mut self, now: Timestamp) -> Option<String> {
        let drift = self.untold(now, HEALED_SOON)?;
        let message = &self.environment.status.message;
        let gap = if message.is_empty() { "" } else { ": " };
        Some(format!("{drift}; not undone yet{gap}{message}"))
    }

    /// The drift that stands for this long and was not told; it counts as told now.
    fn untold(&mut self, now: Timestamp, least: SignedDuration) -> Option<String> {
        let drift = self.environment.status.drift.iter().rev().find(|d| d.healed.is_none())?;
        let open = self.open.get_mut(&(drift.what.clone(), drift.since))?;
        if open.told || now.duration_since(drift.since) < least {
            return None;
        }
        open.told = true;
        Some(outside(drift, open.declared))
    }
}

/// `ordered 1 × vps-10-nvme in EU (simulated, 5.50 EUR)`, without the first word.
pub fn order(environment: &Environment) -> String {
    let spec = &environment.spec;
    let price = environment.status.cost.as_ref().map(|cost| cost.monthly.to_string());
    let price = price.map(|price| format!(", {price}")).unwrap_or_default();
    format!("1 × {} in {} (simulated{price})", spec.size, spec.region)
}

fn ordered(environment: &Environment) -> String {
    match environment.status.phase {
        // A machine of the pool, or one that is taken back, runs already.
        devpocket_specs::environment::Phase::Running
        | devpocket_specs::environment::Phase::Stopped => {
            let machine = environment.status.machine.as_ref();
            let name = machine.map(|m| m.instance_name.as_deref().unwrap_or(&m.name));
            format!("took {}, which is paid for", name.unwrap_or("a machine"))
        }
        _ => format!("ordered {}", order(environment)),
    }
}

/// Nobody but a person can undo it.
fn is_for_a_person(what: &str) -> bool {
    !matches!(what, "power" | "displayName")
}

fn outside(drift: &Drift, declared: Power) -> String {
    let did = match (drift.what.as_str(), declared) {
        ("power", Power::Running) => "stopped",
        ("power", Power::Stopped) => "started",
        ("displayName", _) => "renamed",
        ("vanished", _) => "removed",
        (what, _) => what,
    };
    let by = if drift.by == NOBODY_KNOWN { String::new() } else { format!(" by {}", drift.by) };
    format!("{did} outside DevPocket{by}")
}

/// The whole of a drift that is over.
fn over(drift: &Drift, open: &Open, declared: Power, at: Timestamp) -> String {
    let took = exactly(at.duration_since(drift.since));
    let did = outside(drift, open.declared);
    let accepted = drift.what == "power" && open.declared != declared;
    let end = match (drift.what.as_str(), open.declared) {
        _ if accepted => return format!("{did}, and now declared so"),
        ("power", Power::Running) => "started again",
        ("power", Power::Stopped) => "stopped again",
        ("displayName", _) => "its name set back",
        _ => "as declared again",
    };
    format!("{did}, {end} after {took}")
}

#[cfg(test)]
mod tests;
