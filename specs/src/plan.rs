//! What would be done, as data: the same plan answers `devpocket plan`, the phone's confirm screen
//! and the controller.

use std::sync::LazyLock;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::money::Money;

mod fact;

pub use fact::{Fact, PlanMade, moved, steps_moved};

/// How much a step can hurt, mildest first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum RiskClass {
    /// Only looks.
    Observe,
    /// Can be undone without a trace.
    Reversible,
    /// Interrupts what runs on the machine.
    Reboot,
    /// Data on the disk, or the way back to it, may be lost.
    DataRisk,
    /// Spends money that does not come back.
    Money,
}

impl RiskClass {
    /// Whether a step of this class needs consent.
    pub fn needs_approval(self) -> bool {
        self >= RiskClass::DataRisk
    }

    /// The word used in YAML and tables.
    pub fn word(self) -> &'static str {
        match self {
            RiskClass::Observe => "observe",
            RiskClass::Reversible => "reversible",
            RiskClass::Reboot => "reboot",
            RiskClass::DataRisk => "data-risk",
            RiskClass::Money => "money",
        }
    }
}

/// The five ways of standing still, never mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StandstillKind {
    /// A person said so.
    Paused,
    /// A budget, limit or brake.
    Held,
    /// An approval is missing.
    Waiting,
    /// Tried several times and gave up.
    Stalled,
    /// It cannot be seen.
    Unknown,
}

/// Why a step is not done now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    pub kind: StandstillKind,
    /// Stable code, kebab-case: `budget`, `approval`, `purchase-undecided`, `database-behind`, ...
    pub code: String,
    /// One sentence: why, since when, what ends it.
    pub message: String,
    /// When it ends by itself, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What it does: a verb of `operation::Verb` in lower case, or `claim`, `bind`, `release`.
    pub call: String,
    /// The machine it acts on; for a purchase the name the new record will have.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub machine: String,
    /// One line for people: `buy 1 x vps-10-nvme in EU, 1 month`.
    pub summary: String,
    pub class: RiskClass,
    /// How long the environment is down, in seconds; absent when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downtime_seconds: Option<u32>,
    /// Change of the monthly cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly: Option<Money>,
    /// Due when the step is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Money>,
    /// Identity of a risky step, see [`fingerprint`]; absent when no consent is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Whether consent is there: implied by creating or deleting the record, or given.
    #[serde(default)]
    pub approved: bool,
    /// What refuses or holds it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
}

/// Everything that would be done for one environment, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub steps: Vec<Step>,
    /// Covers the fingerprints of the risky steps and the calls of the others, in order.
    pub hash: String,
}

impl Plan {
    /// A plan of these steps, with its hash.
    pub fn of(steps: Vec<Step>) -> Plan {
        let hash = hash(&steps);
        Plan { steps, hash }
    }

    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// The facts that identify a risky step. No times, text or progress: finishing another step must
/// not void a consent.
#[derive(Clone, Debug, Serialize)]
pub struct StepFacts<'a> {
    pub environment_uid: uuid::Uuid,
    pub generation: i64,
    pub template_digest: &'a str,
    pub call: &'a str,
    pub machine: &'a str,
    /// Arguments of the call, canonical JSON (sorted keys).
    pub arguments: serde_json::Value,
    /// Price in cents with its currency; empty when the step is free.
    pub price: &'a str,
}

/// SHA-256 over the canonical JSON of the facts, hex.
pub fn fingerprint(facts: &StepFacts<'_>) -> String {
    let text = serde_json::to_string(facts).expect("facts have string keys only");
    hex(&Sha256::digest(text.as_bytes()))
}

/// The hash people pass to `apply --plan`: the first 12 hex digits are enough to be unique.
pub fn hash(steps: &[Step]) -> String {
    // Nearly every plan is empty, and each pass makes one.
    static EMPTY: LazyLock<String> = LazyLock::new(|| digest(&[]));
    if steps.is_empty() { EMPTY.clone() } else { digest(steps) }
}

fn digest(steps: &[Step]) -> String {
    let mut hasher = Sha256::new();
    for step in steps {
        hasher.update(step.call.as_bytes());
        hasher.update([0]);
        hasher.update(step.machine.as_bytes());
        hasher.update([0]);
        hasher.update(step.fingerprint.as_deref().unwrap_or("").as_bytes());
        hasher.update([0xff]);
    }
    hex(&hasher.finalize()[..6])
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
