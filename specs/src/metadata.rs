//! Object metadata with the Kubernetes shapes and meanings.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use managed_fields::ManagedFields;

mod managed_fields;

/// Labels and annotations DevPocket sets or reads.
pub mod names {
    /// Label on machines, operations and events: uid of the environment they are about.
    pub const ENVIRONMENT_UID: &str = "devpocket.dev/environment-uid";
    /// Label on machines and operations: name of the environment they are about.
    pub const ENVIRONMENT: &str = "devpocket.dev/environment";
    /// Label on machines and operations: namespace of the environment they are about.
    pub const NAMESPACE: &str = "devpocket.dev/namespace";
    /// Label on operations: name of the machine they act on.
    pub const MACHINE: &str = "devpocket.dev/machine";
    /// Label on operations: the verb, for counting purchases with a guard.
    pub const VERB: &str = "devpocket.dev/verb";
    /// Annotation on a new environment: uid of the deleted one whose machine it takes back.
    pub const UNDELETE_OF: &str = "devpocket.dev/undelete-of";
    /// Label on an environment: id of the account that declared it; on machines and purchases: of the
    /// one a purchase counts for. The server sets it; absent where nobody's purchases are limited:
    /// admins, and tokens of the configuration.
    pub const DECLARED_BY: &str = "devpocket.dev/declared-by";
    /// Annotation on an environment: the plan hash a person saw when they applied it.
    pub const PLAN_HASH: &str = "devpocket.dev/plan";
    /// Label: the set a manifest was applied as part of (`apply --prune SET`).
    pub const APPLY_SET: &str = "devpocket.dev/apply-set";
    /// Annotation on a template DevPocket brought: digest of the spec it brought.
    pub const SHIPPED: &str = "devpocket.dev/shipped";
    /// Label on a namespace made for an account or a team: `person` or `team`. With it and without
    /// [`TIER`] nothing is bought there.
    pub const TENANT: &str = "devpocket.dev/tenant";
    /// Label on a namespace: name of the Tier that limits it.
    pub const TIER: &str = "devpocket.dev/tier";
    /// Annotation on a namespace: what people call it.
    pub const DISPLAY_NAME: &str = "devpocket.dev/display-name";
    /// Finalizer on environments: their machine is released before the record goes.
    pub const RELEASE_FINALIZER: &str = "devpocket.dev/release";
    /// Finalizer on machines: the record stays while the instance exists or a purchase is open.
    pub const INSTANCE_FINALIZER: &str = "devpocket.dev/instance";
}

/// Metadata every object carries. Field meanings are those of Kubernetes' `ObjectMeta`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectMeta {
    /// DNS label, unique for the kind within its namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Prefix from which the server makes a name when `name` is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generate_name: Option<String>,
    /// Empty for cluster-scoped kinds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Set once by the server; never reused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "uuid"))]
    pub uid: Option<Uuid>,
    /// The store's revision at the last write, in decimal. Integers in commit order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// Counts changes of `spec`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<Timestamp>,
    /// Set when deletion was asked for while finalizers remain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_grace_period_seconds: Option<i64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owner_references: Vec<OwnerReference>,
    /// Which manager owns which fields; kept by server-side apply (see `apply`).
    #[serde(default, skip_serializing_if = "ManagedFields::is_empty")]
    pub managed_fields: ManagedFields,
}

impl ObjectMeta {
    /// Metadata with a name, in a namespace (empty for cluster-scoped kinds).
    pub fn named(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        ObjectMeta { name: name.into(), namespace: namespace.into(), ..ObjectMeta::default() }
    }

    /// The revision in `resourceVersion`, if it is set and a number.
    pub fn revision(&self) -> Option<u64> {
        self.resource_version.as_deref()?.parse().ok()
    }

    /// Whether deletion was asked for.
    pub fn is_deleting(&self) -> bool {
        self.deletion_timestamp.is_some()
    }

    /// Whether `finalizer` is among the finalizers.
    pub fn has_finalizer(&self, finalizer: &str) -> bool {
        self.finalizers.iter().any(|f| f == finalizer)
    }
}

/// A reference from an object to the one it belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReference {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub uid: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_owner_deletion: Option<bool>,
}

pub(crate) fn is_zero(n: &i64) -> bool {
    *n == 0
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
