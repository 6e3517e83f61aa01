//! `Namespace` with the Kubernetes shape: a tenant, a person or a team.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metadata::{ObjectMeta, is_default};
use crate::object::resource;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Namespace {
    pub metadata: ObjectMeta,
    #[serde(default, skip_serializing_if = "is_default")]
    pub spec: NamespaceSpec,
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: NamespaceStatus,
}
resource!(Namespace);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamespaceSpec {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NamespaceStatus {
    /// `Active` or `Terminating`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub phase: String,
}
