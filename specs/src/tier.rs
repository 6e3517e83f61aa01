//! `Tier`: what a namespace may have. Stored and shown; enforced with accounts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metadata::{ObjectMeta, is_default};
use crate::money::Money;
use crate::object::resource;

/// A set of limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tier {
    pub metadata: ObjectMeta,
    pub spec: TierSpec,
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: TierStatus,
}
resource!(Tier);

/// The limits; absent means none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TierSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// How many paid-for machines (not running ones) a namespace may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_machines: Option<u32>,
    /// Sizes that may be declared, by catalogue name; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<String>,
    /// Least hours between scheduled snapshots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_snapshot_hours: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly_budget: Option<Money>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TierStatus {}
