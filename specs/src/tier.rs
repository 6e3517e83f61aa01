//! `Tier`: what a namespace may have. Enforced where an environment is declared, and again by
//! the leader before anything is bought.

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
    /// How many machines may be bought in a calendar month (UTC), whatever became of them: creating
    /// and deleting in a loop buys no more. Counted for the namespace, and for the person who declares
    /// one, over all namespaces they buy in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_purchases_per_month: Option<u32>,
    /// Sizes that may be declared, by catalogue name; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<String>,
    /// Least hours between scheduled snapshots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_snapshot_hours: Option<u32>,
    /// Most a namespace may cost in a calendar month (UTC): what is bought in it, and a month of each
    /// machine it had before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly_budget: Option<Money>,
}

impl TierSpec {
    /// Whether a size may be declared.
    pub fn allows(&self, size: &str) -> bool {
        self.sizes.is_empty() || self.sizes.iter().any(|known| known == size)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TierStatus {}
