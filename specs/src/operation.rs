//! `Operation`: one effect on the world, its intent written before it is sent.
//!
//! `Planned -> Issued -> Succeeded | Rejected | Unknown -> Resolved`. The uid is the request id
//! Contabo records in its audits. Only the process whose compare-and-swap made it `Issued` sends,
//! and it sends once.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::environment::Power;
use crate::machine::TemplateVersion;
use crate::metadata::{ObjectMeta, is_default};
use crate::money::Money;
use crate::object::resource;
use crate::plan::RiskClass;

/// One effect on one machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Operation {
    pub metadata: ObjectMeta,
    pub spec: OperationSpec,
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: OperationStatus,
}
resource!(Operation);

/// The effect. Each maps to one call of the provider.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Verb {
    /// Buy an instance. Irrevocable.
    Purchase,
    Start,
    /// A hard power cut.
    Stop,
    /// Ask the guest to power off.
    Shutdown,
    Restart,
    /// Set the displayName.
    Rename,
    /// Install the image anew. Wipes the disk.
    Reinstall,
    /// End the contract. One-way.
    Cancel,
}

impl Verb {
    /// Repeatable effects are settled by looking and may be planned again; the others are not
    /// planned again until it is resolved whether they happened.
    pub fn is_repeatable(self) -> bool {
        matches!(self, Verb::Start | Verb::Stop | Verb::Shutdown | Verb::Rename)
    }

    /// The class of a step that does this.
    pub fn class(self) -> RiskClass {
        match self {
            Verb::Purchase => RiskClass::Money,
            Verb::Start | Verb::Rename => RiskClass::Reversible,
            Verb::Stop | Verb::Shutdown | Verb::Restart => RiskClass::Reboot,
            Verb::Reinstall | Verb::Cancel => RiskClass::DataRisk,
        }
    }

    /// The word used in labels and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Verb::Purchase => "purchase",
            Verb::Start => "start",
            Verb::Stop => "stop",
            Verb::Shutdown => "shutdown",
            Verb::Restart => "restart",
            Verb::Rename => "rename",
            Verb::Reinstall => "reinstall",
            Verb::Cancel => "cancel",
        }
    }
}

/// The intent. Never edited after creation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperationSpec {
    pub verb: Verb,
    /// Name of the Machine record it acts on.
    pub machine: String,
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub machine_uid: Uuid,
    /// Absent for purchases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<i64>,
    /// The environment it is done for, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentRef>,
    /// Why, in one sentence.
    pub reason: String,
    /// Fingerprint of the plan step, where the step needs consent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// What it spends, for purchases: the whole term.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spends: Option<Money>,
    /// Rename: the name to set. Purchase: the name in the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Start, stop, shutdown: the power wanted afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<Power>,
    /// Purchase, reinstall: image by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Purchase, reinstall: SHA-256 of the user-data that must be sent, hex. The text itself is
    /// rendered again when it is sent, and the call is refused when the digest differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data_digest: Option<String>,
    /// Reinstall for an environment: the template and the parameters in that user-data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateVersion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<BTreeMap<String, Value>>,
    /// Reinstall with user-data: the machine's `installGeneration` once it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install_generation: Option<i64>,
    /// Restart and other one-shot requests: the request's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Whether a person asked for it just now; such calls go first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub by_person: bool,
}

/// An environment by name and uid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentRef {
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub uid: Uuid,
    pub namespace: String,
    pub name: String,
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OperationPhase {
    /// Intent written, nothing sent.
    #[default]
    Planned,
    /// One process may send it, or has sent it.
    Issued,
    /// The provider said yes.
    Succeeded,
    /// The provider said no, or it was certain that nothing was sent: nothing happened.
    Rejected,
    /// It is not known whether it happened.
    Unknown,
    /// It was unknown and has been found out.
    Resolved,
}

impl OperationPhase {
    /// Whether the effect may still be under way or undecided.
    pub fn is_open(self) -> bool {
        matches!(self, OperationPhase::Planned | OperationPhase::Issued | OperationPhase::Unknown)
    }
}

/// What an unknown outcome turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Resolution {
    Happened,
    NotHappened,
}

/// Progress and evidence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationStatus {
    #[serde(default)]
    pub phase: OperationPhase,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// When it became `Issued`, and by which holder and epoch of the leader lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_by: Option<String>,
    #[serde(default)]
    pub issued_epoch: i64,
    /// The sender gives up waiting at this time; no reply can be recorded later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// When the outcome became known, or became `Unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// HTTP status of the reply, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// What was answered or found out, in one sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The instance bought, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<i64>,
    /// While `Unknown`: complete trusted sweeps that showed no sign of it, and the first of them.
    #[serde(default)]
    pub silent_sweeps: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_since: Option<Timestamp>,
    /// Start of the latest sweep counted in `silent_sweeps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_latest: Option<Timestamp>,
    /// A step that a brake or a person's absence keeps from being sent, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<crate::plan::Hold>,
}
