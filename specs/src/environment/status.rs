//! How far an environment's declaration is true.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::condition::Condition;
use crate::install::InstallStatus;
use crate::money::Money;
use crate::plan::Plan;

use super::Power;

/// The mobile app's words for where an environment stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    #[default]
    Creating,
    Provisioning,
    Installing,
    Configuring,
    Running,
    Stopping,
    Stopped,
    Restarting,
    Resizing,
    Error,
    Terminated,
}

/// How far the declaration is true. Written by controllers only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentStatus {
    #[serde(default)]
    pub phase: Phase,
    /// One sentence: what it waits for, from whom, since when, what is left. Empty when nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Mirror of the bound machine; the binding itself is `Machine.spec.claim`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<BoundMachine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_power: Option<EffectivePower>,
    /// The plan as last computed; empty when the world is as declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<RenderedTemplate>,
    /// How far the installation of the bound machine is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install: Option<InstallStatus>,
    /// Ids of one-shot requests that are done, by request (`restart`, ...).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, String>,
    /// Drift seen on the bound machine, newest last, at most [`DRIFT_KEPT`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<Drift>,
    /// `metadata.generation` this status is about.
    #[serde(default)]
    pub observed_generation: i64,
}

/// How many drift entries a status keeps.
pub const DRIFT_KEPT: usize = 10;

/// The bound machine as people see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BoundMachine {
    /// Name of the Machine record.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<i64>,
    /// Contabo's name, such as `vmi2563139`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Since when it is bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// Which power holds now, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EffectivePower {
    pub power: Power,
    /// `Spec`, `Schedule`, `Activity` or `Wake`.
    pub reason: String,
}

/// A person's consent to steps of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Fingerprints of the approved steps.
    pub fingerprints: Vec<String>,
    pub by: String,
    /// Id of the account whose purchases these count among; none for admins and tokens of the
    /// configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "uuid"))]
    pub account: Option<Uuid>,
    pub at: Timestamp,
    /// 24 h after `at` unless said otherwise.
    pub expires: Timestamp,
}

/// How long an approval lives unless it says otherwise, in hours.
pub const APPROVAL_HOURS: i64 = 24;

/// What the environment costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    pub monthly: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date"))]
    pub paid_until: Option<Date>,
    /// Day of the price list the amount is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date"))]
    pub prices_of: Option<Date>,
}

/// What was rendered for the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RenderedTemplate {
    pub name: String,
    pub generation: i64,
    /// SHA-256 of the user-data, hex.
    pub digest: String,
    /// The template's current version, if it is newer. It is taken when `spec.template` names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer: Option<i64>,
}

/// One difference somebody made outside DevPocket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// `power`, `displayName`, `cancelled`, `reinstalled` or `vanished`.
    pub what: String,
    /// What was seen and what was declared, in a sentence.
    pub message: String,
    pub since: Timestamp,
    /// The user Contabo's audits name, or `unknown`.
    pub by: String,
    /// When it was undone; absent while it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healed: Option<Timestamp>,
}

/// Condition types of an Environment.
pub mod conditions {
    /// Everything declared is true and usable.
    pub const READY: &str = "Ready";
    /// A paid machine is bound.
    pub const MACHINE_BOUND: &str = "MachineBound";
    /// The guest answers and is installed; `Unknown`/`NotObserved` until it can be looked at.
    pub const GUEST_READY: &str = "GuestReady";
    /// The user's shell, keys, password, variables and secret parameters are on the machine as
    /// declared.
    pub const GUEST_CONFIGURED: &str = "GuestConfigured";
    /// Something differs that nobody declared.
    pub const DRIFTED: &str = "Drifted";
    /// A person paused it.
    pub const PAUSED: &str = "Paused";
    /// A brake, limit or budget holds a step.
    pub const HELD: &str = "Held";
    /// A step waits for an approval.
    pub const WAITING: &str = "Waiting";
    /// Tried several times and gave up.
    pub const STALLED: &str = "Stalled";
    /// It was cancelled outside and ends on a known day.
    pub const MACHINE_ENDING: &str = "MachineEnding";
    /// It was reinstalled outside.
    pub const DISK_REPLACED: &str = "DiskReplaced";
    /// It is proved to be gone.
    pub const MACHINE_LOST: &str = "MachineLost";
    /// Contabo delivered another product or region than was ordered.
    pub const NOT_AS_ORDERED: &str = "NotAsOrdered";
    /// Contabo cannot be asked; the other conditions keep their last values.
    pub const UNOBSERVED: &str = "Unobserved";
}
