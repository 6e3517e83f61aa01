//! `Installation`: the one record that ties this database to one Contabo account, and holds what
//! is known and decided about the account as a whole: reachability, budget, brakes, the last look.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::metadata::{ObjectMeta, is_default};
use crate::money::Money;
use crate::object::resource;
use crate::plan::Hold;

/// Name of the only Installation.
pub const NAME: &str = "devpocket";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Installation {
    pub metadata: ObjectMeta,
    pub spec: InstallationSpec,
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: InstallationStatus,
}
resource!(Installation);

/// Facts fixed at the first start, and the limits an operator set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InstallationSpec {
    /// 8 lower-case hex digits, drawn at the first start; part of every displayName we set.
    pub id: String,
    /// The account this database drives. Another one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// Most that purchases may cost in a calendar month (UTC). Absent: nothing is bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly_budget: Option<Money>,
    /// Most purchases in any hour.
    #[serde(default = "three")]
    pub purchases_per_hour: u32,
    /// What to do when a purchase is proved never to have arrived.
    #[serde(default)]
    pub unknown_purchase: UnknownPurchase,
    /// How long a released machine can be taken back, in seconds.
    #[serde(default = "one_day")]
    pub reclaim_after_seconds: i64,
    /// A look begun less than this many seconds after an effect says nothing about it.
    #[serde(default = "lag_allowance")]
    pub lag_allowance_seconds: i64,
    /// How long silence must last before absence counts as proved, in seconds.
    #[serde(default = "settle_time")]
    pub settle_seconds: i64,
    /// Nothing is done while set and not over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<crate::environment::Pause>,
}

fn three() -> u32 {
    3
}
fn one_day() -> i64 {
    86_400
}
fn lag_allowance() -> i64 {
    60
}
fn settle_time() -> i64 {
    1_800
}

/// One Contabo account at one address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Account {
    /// Base address of the API.
    pub api: String,
    /// `DE` or `INT`.
    pub tenant: String,
    pub customer: String,
    /// Whether that address is DevPocket's own simulator, where nothing costs money.
    pub simulated: bool,
}

/// After it is proved that an unanswered purchase never arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UnknownPurchase {
    /// A person decides (`devpocket operation resolve`).
    #[default]
    Hold,
    /// Buy once more, within the budget.
    Proceed,
}

/// What is known of the account now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstallationStatus {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The last complete look at the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Sweep>,
    /// What holds mutations of the whole account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// Machines on which account and database disagree, in sentences, while `database-behind`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<String>,
    /// A person looked at the differences and lets work go on (`resume --all`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind_accepted: Option<Timestamp>,
    /// Templates DevPocket brought so far, by name: one that is deleted does not come back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shipped_templates: Vec<String>,
    /// Public key of the authority whose certificates sign in on machines, in OpenSSH's one-line
    /// form; part of every user-data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_ca: Option<String>,
    /// The mark last written into the account (see [`Mark`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
}

/// A complete list of the account's instances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sweep {
    /// When the look *started*: nothing newer is claimed by it.
    pub as_of: Timestamp,
    pub instances: u32,
    /// All pages arrived and agreed.
    pub complete: bool,
    /// No brake distrusts it; only a trusted sweep is evidence of absence.
    pub trusted: bool,
    /// Counts sweeps since the first start.
    pub count: u64,
}

/// A sign kept in the account, and only there, that tells an older database that it is behind.
/// It is the name of a tag: `devpocket:<installation id>:<sequence>:<unix seconds>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mark {
    /// Contabo's id of the tag.
    pub tag_id: i64,
    /// Counts operations issued by this installation; never falls.
    pub sequence: u64,
    pub written: Timestamp,
}

/// Condition types of the Installation.
pub mod conditions {
    /// Contabo answers and accepts the credentials.
    pub const CONTABO_REACHABLE: &str = "ContaboReachable";
    /// The account is the recorded one.
    pub const ACCOUNT_MATCHES: &str = "AccountMatches";
    /// The account knows no more than the database.
    pub const DATABASE_CURRENT: &str = "DatabaseCurrent";
    /// The last list was complete and plausible.
    pub const INVENTORY_TRUSTED: &str = "InventoryTrusted";
}
