//! `Environment`: what somebody declared they want to work in, and how far that is true.

mod status;

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::metadata::{ObjectMeta, is_default};
use crate::money::Money;
use crate::object::resource;
use crate::plan::RiskClass;

pub use status::*;

/// One dev environment, kept on one Contabo VPS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    pub metadata: ObjectMeta,
    pub spec: EnvironmentSpec,
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: EnvironmentStatus,
}
resource!(Environment);

/// What is declared. Defaults are written into the record when it is made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvironmentSpec {
    /// Name for people, unique in the namespace; 1 to 50 characters. Defaults to `metadata.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// A size of the catalogue (`vps-10-nvme`) or a Contabo product id (`V91`).
    pub size: String,
    /// A Contabo region, such as `EU`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub region: String,
    #[serde(default)]
    pub power: Power,
    /// A Template by name, or `name@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Values for the template's parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Value>,
    /// An image by name, such as `ubuntu-24.04`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Snapshots that shall exist. Not available yet: a value is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<SnapshotSpec>,
    /// When snapshots are taken by themselves. Not available yet: a value is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_schedule: Option<SnapshotSchedule>,
    /// Roll back to a snapshot, once. Not available yet: a value is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreRequest>,
    /// Restart the machine, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Request>,
    /// Reinstall the machine, once. Wipes the disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<Request>,
    /// Go on with an installation that failed, once: where it stopped, without wiping anything. Where
    /// there is nothing to go on with, it is a rebuild, which waits for an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recover: Option<Request>,
    /// Start a machine that automation stopped, once. Not available yet: a value is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake: Option<Request>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub user: UserSpec,
    /// Environment variables of the `dev` user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Absolute paths that move with the environment when it changes machines. Not available yet: a
    /// value is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_paths: Vec<String>,
    /// What becomes of the paid machine when the environment is deleted.
    #[serde(default)]
    pub reclaim: Reclaim,
    /// Whether changes made outside DevPocket are undone or only shown.
    #[serde(default)]
    pub drift: DriftPolicy,
    /// Stopping what nobody uses. Not available yet: a value is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<ActivityPolicy>,
    /// Starting and stopping by the clock. Not available yet: a value is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<PowerSchedule>,
    /// Release the environment at this time. Not available yet: a value is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Lifetime>,
    /// While set and not over, nothing is done for this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
    /// Classes of risky steps that need no approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_approve: Option<AutoApprove>,
    /// Contract term of a machine bought for this environment, in months: 1, 3, 6 or 12. It cannot be
    /// changed later.
    #[serde(default = "one_month")]
    pub contract_months: u8,
}

fn one_month() -> u8 {
    1
}

/// Whether the machine shall run. Stopping saves no money: Contabo bills by contract period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Power {
    #[default]
    Running,
    Stopped,
}

/// A snapshot that shall exist.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotSpec {
    /// 1 to 30 letters, digits, spaces or dashes (Contabo's rule).
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Snapshots made by the clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SnapshotSchedule {
    /// Hours between snapshots, at least 1.
    pub every_hours: u32,
    /// How many to keep.
    pub keep: u32,
}

/// A one-shot request: done when `status.requests` shows its id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Chosen by the requester; a new id is a new request.
    pub id: String,
}

/// A one-shot rollback to a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreRequest {
    pub id: String,
    /// Name of the snapshot.
    pub snapshot: String,
}

/// The `dev` user of the machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserSpec {
    /// Absolute path of the login shell; installed if the distribution has a package of its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// Public keys in OpenSSH's one-line form. One that is taken out is taken off the machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Whether `keys` may sign in at the machine itself, not only through the gateway.
    #[serde(default, skip_serializing_if = "is_default")]
    pub direct_ssh: bool,
    /// Secret that holds the user's password, for consoles and tools that ask for one; SSH asks for
    /// none. It reaches the machine as a hash. Without one the password is locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret: Option<SecretKeyRef>,
}

/// One environment variable: a value, or a reference to a secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvVar {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueFrom>,
}

/// Where a variable's value comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValueFrom {
    pub secret_key_ref: SecretKeyRef,
}

/// One key of a Secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretKeyRef {
    pub name: String,
    pub key: String,
}

/// What becomes of the paid machine when its environment is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Reclaim {
    /// Wiped, then claimable by the next environment; cancelled in time before its next billing
    /// date when nobody claimed it.
    #[default]
    Pool,
    /// Cancelled for the end of its term.
    CancelAtTermEnd,
    /// Left exactly as it is, no longer looked after.
    Retain,
}

/// Whether drift of power and displayName is healed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DriftPolicy {
    #[default]
    Correct,
    Report,
}

/// Stop when nobody used the environment for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActivityPolicy {
    /// Minutes without use after which the machine is stopped.
    pub stop_after_minutes: u32,
}

/// Run by the clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PowerSchedule {
    /// IANA name, such as `Europe/Berlin`.
    pub time_zone: String,
    /// Windows such as `Mon-Fri 08:00-18:00` in which the machine runs.
    pub run: Vec<String>,
}

/// When the environment ends by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lifetime {
    pub until: Timestamp,
}

/// A pause with an end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// The pause ends by itself at this time.
    pub until: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Risky steps that run without an approval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AutoApprove {
    pub classes: Vec<RiskClass>,
    /// Most the monthly cost may rise by such steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_monthly_increase: Option<Money>,
}
