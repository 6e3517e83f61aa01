//! `Machine`: one paid Contabo instance, as a PersistentVolume is to a PersistentVolumeClaim.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::condition::Condition;
use crate::environment::{Drift, Power, Reclaim};
use crate::guest::GuestStatus;
use crate::metadata::ManagedFields;
use crate::metadata::{ObjectMeta, is_default};
use crate::money::Money;
use crate::object::resource;

/// One instance in the account, bought by us or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    pub metadata: ObjectMeta,
    pub spec: MachineSpec,
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: MachineStatus,
}
resource!(Machine);

/// What was decided about the machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MachineSpec {
    /// `false`: an instance we never bought. Seen, never touched.
    pub managed: bool,
    /// What was ordered; absent for machines we never bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// **The binding.** One compare-and-swap here claims or releases; environments only mirror it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// Set from release until the machine is claimed again or gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
    /// Wiped, and free to be claimed since this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Pool>,
    /// Last day paid for, as far as the order and renewals tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date"))]
    pub paid_through: Option<Date>,
    /// Counts installs of the disk by us; 1 after the purchase, one more with each reinstall.
    #[serde(default)]
    pub install_generation: i64,
    /// The request of its environment to go on with an installation that failed; carried out once
    /// `status.guest.resumed` says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
    /// The name the instance shall carry in the account: ours, with the installation id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub display_name: String,
}

/// What was ordered, decided once. Only what is installed (image, user-data, template, parameters)
/// changes: until the order is sent, and with each reinstall.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Order {
    /// Catalogue name of the size.
    pub size: String,
    /// Contabo's product id.
    pub product_id: String,
    pub region: String,
    /// Image by name; its id is resolved when the order is sent.
    pub image: String,
    /// Contract term in months.
    pub contract_months: u8,
    /// Price per month decided on.
    pub price: Money,
    /// Due with the order: the whole term.
    pub due: Money,
    /// Day of the price list.
    #[schemars(with = "String", extend("format" = "date"))]
    pub prices_of: Date,
    /// SHA-256 of the rendered user-data, hex.
    pub user_data_digest: String,
    /// Template name and generation that were rendered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateVersion>,
    /// The template's parameters, defaults included, without those that are secret; absent where
    /// that was not written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<BTreeMap<String, Value>>,
    /// Who needs it; the Machine's own name is derived from these.
    pub demand: Demand,
}

/// A template as it was when it was rendered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TemplateVersion {
    pub name: String,
    pub generation: i64,
}

/// The need a purchase answers. The same need derives the same machine name, so a second record
/// for it fails with AlreadyExists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Demand {
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub environment_uid: Uuid,
    /// `create`, or the id of the approval that asked for a replacement.
    pub cause: String,
}

/// Which environment holds the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub uid: Uuid,
    pub namespace: String,
    pub name: String,
    pub at: Timestamp,
}

/// A released machine: stopped, recoverable until `until`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The environment that let it go.
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub uid: Uuid,
    pub namespace: String,
    pub name: String,
    pub at: Timestamp,
    /// `undelete` works until then; the disk is untouched until then.
    pub until: Timestamp,
    pub reclaim: Reclaim,
    /// The environment's spec at release, for `undelete`.
    pub spec: Value,
    /// Whose its fields were, so that they are theirs again.
    #[serde(rename = "managedFields", default, skip_serializing_if = "ManagedFields::is_empty")]
    pub managed_fields: ManagedFields,
}

/// A wiped machine, claimable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// When the wipe was proved.
    pub since: Timestamp,
}

/// Where a machine stands, from what was last seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MachineState {
    /// Recorded; the order is not sent yet.
    #[default]
    Planned,
    /// The order is sent, or its outcome is being found out.
    Ordering,
    /// Contabo prepares it.
    Provisioning,
    /// The operating system is being installed.
    Installing,
    Running,
    Stopped,
    /// It waits for a person or for money at Contabo (payment, verification, stock).
    Blocked,
    /// Contabo reports an error, or a status DevPocket does not know.
    Error,
    /// Let go, still recoverable.
    Released,
    /// Being wiped.
    Wiping,
    /// Wiped and claimable.
    Available,
    /// Proved to be gone, or past its last day.
    Gone,
    /// The order was proved never to have arrived, or was refused.
    NotBought,
}

/// How many outside changes a machine's status keeps.
pub const OUTSIDE_KEPT: usize = 10;

/// What was last seen. Written by the inventory and the machine controller only, and only when
/// something changed: the time of the look is in `Installation.status.sweep`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineStatus {
    #[serde(default)]
    pub state: MachineState,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<i64>,
    /// Contabo's name, such as `vmi2563139`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_name: Option<String>,
    /// The instance as last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// Evidence of absence, counted only by complete, trusted lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
    /// Changes somebody made outside DevPocket, newest last, at most [`OUTSIDE_KEPT`]: what, since
    /// when, by whom.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<Drift>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// What is known of its operating system; absent while nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<GuestStatus>,
}

/// One look at an instance, in our words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Contabo's status word, as it came.
    pub provider_status: String,
    /// What it means for power; absent while it is neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<Power>,
    pub display_name: String,
    pub product_id: String,
    pub region: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_v6: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date"))]
    pub cancel_date: Option<Date>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// When this look *started*; moves only when something in it changed.
    pub since: Timestamp,
}

/// Evidence that an instance is not there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Missing {
    /// Start of the first trusted list without it.
    pub since: Timestamp,
    /// Start of the latest one.
    pub latest: Timestamp,
    /// Complete trusted lists without it.
    pub sweeps: u32,
    /// A GET answered 404 at this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_found: Option<Timestamp>,
}
