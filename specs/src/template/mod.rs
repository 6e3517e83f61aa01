//! `Template`: a versioned recipe that renders to cloud-init user-data. Editing one never touches
//! an existing machine.
//!
//! A template's version is its generation: it counts the edits of `spec`. The versions before are
//! kept in the status ([`TemplateStatus::earlier`], written by admission in the same write), so that
//! an environment keeps the one it was installed from until its spec names another.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::metadata::{ObjectMeta, is_default};
use crate::object::resource;

mod parameters;
mod shipped;
mod version;

pub use parameters::{Resolved, parameter_faults, resolve, secret_parameters, usage_faults};
pub(crate) use parameters::{matches, value_fault};
pub use shipped::{SHIPPED, is_untouched, shipped, shipped_template};
pub use version::{
    EARLIER_KEPT, MAX_EARLIER_BYTES, Named, VersionError, keep_earlier, named, newer, version_for,
};

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
    /// Packages of the distribution, installed before the steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// What is done on the first boot, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<TemplateStep>,
    /// Parameters an environment may set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Parameter>,
    /// TCP ports that are open to everybody, beside SSH's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// How each tool is asked for its version once everything is installed. A tool that does not
    /// answer keeps the environment from being ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<ToolCheck>,
    /// Shown, but not to be used for new environments.
    #[serde(default, skip_serializing_if = "is_default")]
    pub deprecated: bool,
}

/// One step of an installation: exactly one of `use`, `run` and `script` says what it does. It must
/// bear being run twice: after a reboot the installation goes on with the step it was in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TemplateStep {
    /// Short name shown in progress, such as `docker`; with `use`, that name if absent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// A step DevPocket ships, such as `docker` or `node`.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub shipped: Option<String>,
    /// What a shipped step is given, such as the packages `npm` installs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// A program and its arguments; never a shell line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub run: Vec<String>,
    /// Bash, under `set -euo pipefail`. Parameters are variables, such as
    /// `$DEVPOCKET_PARAMETER_NODE_VERSION`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// Who runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<StepUser>,
    /// How often it is tried before the installation fails; 3 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tries: Option<u32>,
    /// How long one try may take; 600 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
    /// Whether its failure is a warning and the installation goes on.
    #[serde(default, skip_serializing_if = "is_default")]
    pub optional: bool,
}

impl TemplateStep {
    /// The name shown in progress.
    #[must_use]
    pub fn title(&self) -> &str {
        match self.shipped.as_deref().filter(|_| self.name.is_empty()) {
            Some(shipped) => shipped,
            None => &self.name,
        }
    }
}

/// Who runs a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepUser {
    Root,
    Dev,
}

/// One parameter of a template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Parameter {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub r#type: ParameterType,
    /// Used by environments that set none. Without it every environment has to set one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// The only values there are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<Value>,
    /// A regular expression the whole of a text matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<i64>,
    /// The value is secret. An environment gives it as `{secretKeyRef: {name, key}}`; it is never
    /// part of user-data, so no step sees it, and reaches the user's variables over SSH.
    #[serde(default, skip_serializing_if = "is_default")]
    pub secret: bool,
}

/// What values of a parameter are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ParameterType {
    #[default]
    String,
    Integer,
    Boolean,
}

/// How one tool is asked for its version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolCheck {
    /// Name of the tool, such as `node`; the key in `status.install.installedTools`.
    pub tool: String,
    /// A program and its arguments, run as `dev` with a login shell's variables. Exit code 0 means
    /// that the tool is there; the first number in what it prints is its version.
    pub run: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateStatus {
    #[serde(default)]
    pub observed_generation: i64,
    /// The versions before the current one, newest first, at most [`EARLIER_KEPT`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierVersion>,
    /// Installations that succeeded, newest last, at most [`RUNS_KEPT`]: from these the time left
    /// of others is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<InstallRun>,
}

/// How many installations a template remembers.
pub const RUNS_KEPT: usize = 40;

/// A version that was current once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EarlierVersion {
    pub generation: i64,
    pub spec: TemplateSpec,
}

/// One installation that succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstallRun {
    /// The version of the template.
    pub generation: i64,
    /// Catalogue name of the machine's size.
    pub size: String,
    /// From the first sign of the machine to the end, by the server's clock.
    pub seconds: u32,
}

#[cfg(test)]
mod tests;
