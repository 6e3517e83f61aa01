//! What a controller decided about an environment, why, and on what: the record behind `explain`.
//!
//! A record is written in the transaction of the first write that carries the decision out, and
//! nowhere else: a pass that decides nothing leaves none. In words it is complete by itself
//! ([`DecisionRecord::seen`], [`DecisionRecord::steps`], [`DecisionRecord::did`]). For a replay it
//! names the revision of each record the decision was made from ([`DecisionRecord::inputs`]) and
//! what the brakes answered ([`DecisionRecord::brakes`]): the store's log holds the rest for as long
//! as it reaches back. So a record is small, and holds nothing of other people's environments.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::plan::{Fact, Hold, Plan, hex};

/// How many records a store keeps of one environment (of one uid); the oldest go.
pub const DECISIONS_KEPT: usize = 32;
/// How long a record is kept at most, in days: as long as a finished operation. It does not end
/// with its environment.
pub const DECISION_DAYS: i64 = 90;
/// Records one look at an environment's name returns at most: of this one and of those before it.
pub const DECISIONS_READ: usize = 4 * DECISIONS_KEPT;
/// Facts, steps, writes and news one record holds at most, each.
pub const LINES_MAX: usize = 24;
/// Records a decision rests on that are named one by one; with more it cannot be replayed.
pub const INPUTS_MAX: usize = 256;
/// Characters of one sentence.
pub const SENTENCE_MAX: usize = 400;

/// One decision about one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecisionRecord {
    /// The `now` it was decided at.
    pub at: Timestamp,
    pub environment: Decided,
    /// Version of the rules: the DevPocket that decided.
    pub version: String,
    /// What was seen outside the environment's own record, as people say it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<Fact>,
    /// Hash of the plan; also of an empty one.
    pub plan: String,
    /// The plan's steps, and what holds them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<DecidedStep>,
    /// What was written to carry it out, in order; empty when only the status changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub did: Vec<String>,
    /// News it made, as in the events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<Told>,
    /// The environment's message from then on; empty when it waits for nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The records it was made from, each as `Kind/name@revision`, in the order they were looked at;
    /// the environment first.
    pub inputs: Vec<String>,
    /// Inputs that are not named, because there were more than [`INPUTS_MAX`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub inputs_left_out: usize,
    /// What the brakes were asked, and what they said, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brakes: Vec<BrakeAnswer>,
    /// SHA-256 (16 hex digits) of plan, writes and status: a replay must come to the same.
    pub digest: String,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The environment a decision is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decided {
    pub namespace: String,
    pub name: String,
    pub uid: Uuid,
    /// Of the spec that was decided on.
    pub generation: i64,
}

/// A step of the plan, shortened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecidedStep {
    pub summary: String,
    /// Why it is not done now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
}

/// A piece of news.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// CamelCase word, as in the event.
    pub reason: String,
    pub message: String,
}

/// What a brake answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BrakeAnswer {
    /// `purchase dp-…`: a verb and a machine.
    pub asked: String,
    /// Absent: go ahead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
}

impl DecisionRecord {
    /// Shortens what is longer than the limits. Nothing a replay needs is touched.
    #[must_use]
    pub fn bounded(mut self) -> DecisionRecord {
        self.seen.truncate(LINES_MAX);
        for fact in &mut self.seen {
            cut(&mut fact.name);
            cut(&mut fact.value);
        }
        self.steps.truncate(LINES_MAX);
        for step in &mut self.steps {
            cut(&mut step.summary);
            step.hold.iter_mut().for_each(|hold| cut(&mut hold.message));
        }
        self.did.truncate(LINES_MAX);
        self.did.iter_mut().for_each(cut);
        self.told.truncate(LINES_MAX);
        self.told.iter_mut().for_each(|told| cut(&mut told.message));
        cut(&mut self.message);
        if self.inputs.len() > INPUTS_MAX {
            self.inputs_left_out = self.inputs.len() - INPUTS_MAX;
            self.inputs.truncate(INPUTS_MAX);
        }
        self
    }

    /// Whether it names everything it was made from.
    pub fn is_whole(&self) -> bool {
        self.inputs_left_out == 0
    }
}

/// The digest of what was decided. `status` and `writes` are JSON.
pub fn digest(plan: &Plan, status: &str, writes: &[String]) -> String {
    let mut hasher = Sha256::new();
    let plan = serde_json::to_string(plan).expect("plans have string keys only");
    for part in [plan.as_str(), status].into_iter().chain(writes.iter().map(String::as_str)) {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    hex(&hasher.finalize())[..16].to_owned()
}

fn cut(text: &mut String) {
    if let Some((at, _)) = text.char_indices().nth(SENTENCE_MAX) {
        text.truncate(at);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> DecisionRecord {
        DecisionRecord {
            at: "2026-11-22T12:00:00Z".parse().unwrap(),
            environment: Decided {
                namespace: "main".into(),
                name: "web".into(),
                uid: Uuid::from_u128(7),
                generation: 1,
            },
            version: "0.1.0".into(),
            seen: Vec::new(),
            plan: "0".repeat(12),
            steps: Vec::new(),
            did: Vec::new(),
            told: Vec::new(),
            message: String::new(),
            inputs: Vec::new(),
            inputs_left_out: 0,
            brakes: Vec::new(),
            digest: "0".repeat(16),
        }
    }

    #[test]
    fn a_record_stays_small_whatever_it_is_about() {
        let long = "ü".repeat(10_000);
        let fact = Fact { name: long.clone(), value: long.clone(), since: None, by: None };
        let record = DecisionRecord {
            seen: vec![fact; 500],
            did: vec![long.clone(); 500],
            told: vec![Told { reason: "X".into(), message: long.clone() }; 500],
            message: long,
            inputs: (0..10_000).map(|n| format!("Operation/o-{n}@{n}")).collect(),
            ..record()
        };
        let record = record.bounded();
        assert_eq!(record.inputs_left_out, 10_000 - INPUTS_MAX);
        assert!(!record.is_whole(), "what is left out cannot be replayed, and says so");
        assert_eq!(record.message.chars().count(), SENTENCE_MAX + 1);
        let bytes = serde_json::to_vec(&record).unwrap().len();
        assert!(bytes < 128 * 1024, "{bytes}");
    }

    #[test]
    fn a_usual_record_is_not_changed_by_its_limits() {
        let record = DecisionRecord { did: vec!["plans a start".into()], ..record() };
        assert_eq!(record.clone().bounded(), record);
        let text = serde_json::to_string(&record).unwrap();
        assert!(!text.contains("inputsLeftOut") && !text.contains("brakes"), "{text}");
    }
}
