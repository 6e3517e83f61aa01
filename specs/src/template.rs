//! `Template`: a versioned recipe that renders to cloud-init user-data. Editing one never touches
//! an existing machine.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::metadata::{ObjectMeta, is_default};
use crate::object::resource;

/// A recipe for a machine's software.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Template {
    pub metadata: ObjectMeta,
    pub spec: TemplateSpec,
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: TemplateStatus,
}
resource!(Template);

/// What the template installs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TemplateSpec {
    /// Name for people, 1 to 50 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Image by name; `ubuntu-24.04` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Debian packages installed on first boot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// Commands run as root on first boot, in order, each as an argument list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<TemplateStep>,
    /// Parameters an environment may set, with their defaults.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Value>,
    /// Shown, but not to be used for new environments.
    #[serde(default, skip_serializing_if = "is_default")]
    pub deprecated: bool,
}

/// One step of an installation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateStep {
    /// Short name shown in progress, such as `docker`.
    pub name: String,
    /// Argument list; never a shell line.
    pub run: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateStatus {
    #[serde(default)]
    pub observed_generation: i64,
}
