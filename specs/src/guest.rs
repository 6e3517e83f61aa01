//! What is known of a machine's operating system, as the machine's record keeps it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::environment::{Environment, EnvironmentSpec, SecretKeyRef};
use crate::install::InstallStatus;
use crate::object::Resource as _;
use crate::plan::hex;
use crate::template::secret_parameters;

/// A machine's operating system, as far as it was reached. Written by the guest controller only;
/// all of it is about one installation and begins anew with the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GuestStatus {
    /// `spec.installGeneration` this is about.
    pub generation: i64,
    /// When this installation was first waited for.
    pub first_awaited: Timestamp,
    pub contact: Contact,
    /// Since when `contact` is what it is.
    pub since: Timestamp,
    /// The evidence, in a sentence; empty while it answers.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The host key by which it is known, in OpenSSH's one-line form: made by the machine at the
    /// first contact, and certified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<String>,
    /// A host key it has made and may not serve yet: written down before the machine is told to
    /// take it, so that it is known whichever it presents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_host_key: Option<String>,
    /// When `host_key` was certified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certified_at: Option<Timestamp>,
    /// How far the installation is; absent until the machine said anything about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install: Option<InstallStatus>,
    /// It is installed, and not all it printed meanwhile was taken: its logs are read until it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
    /// Tools of the template that do not answer, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_tools: Vec<String>,
    /// The last request to go on with a failed installation that was carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<String>,
    /// When the tools were last asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Timestamp>,
    /// What of the declared configuration was applied last; absent before the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configured: Option<Configured>,
}

/// What of the declared configuration (shell, keys, password, variables) a guest was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Configured {
    /// `metadata.uid` of the environment that declared it.
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub environment: Uuid,
    /// Its `metadata.generation` at the time.
    pub generation: i64,
    /// [`configuration_digest`] of what was declared.
    pub declared: String,
    /// Digest of all that was to be sent, SHA-256 in hex: of the values of Secrets it covers their
    /// sealed form, so that nothing can be found out from it.
    pub sent: String,
    /// Whether the shell was part of it, which is set by the installation until that is done.
    pub whole: bool,
    /// When it was applied, or first tried in vain.
    pub at: Timestamp,
    /// Why not all of it is on the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<ConfigurationFault>,
}

/// Why a guest is not configured as declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigurationFault {
    /// `SecretMissing`, or `NotConfigured`: the machine or a value stands against it.
    pub reason: String,
    /// One sentence that names what is wrong, and a way out. Never a value.
    pub message: String,
}

impl Configured {
    /// Whether it is about what this environment declares now.
    #[must_use]
    pub fn is_current(&self, environment: &Environment) -> bool {
        let metadata = environment.metadata();
        metadata.uid == Some(self.environment)
            && (metadata.generation == self.generation
                || configuration_digest(&environment.spec) == self.declared)
    }
}

/// Names what an environment declares of its user, variables and secret parameters: SHA-256 in
/// hex. It covers references to Secrets and not their values.
#[must_use]
pub fn configuration_digest(spec: &EnvironmentSpec) -> String {
    let secret: Vec<_> = secret_parameters(spec).collect();
    let text = serde_json::to_vec(&(&spec.user, &spec.env, secret)).unwrap_or_default();
    hex(&Sha256::digest(&text))
}

/// What an environment's guest needs of Secrets: each reference with the field that makes it, such
/// as `spec.env[0].valueFrom.secretKeyRef`.
#[must_use]
pub fn secret_references(spec: &EnvironmentSpec) -> Vec<(String, SecretKeyRef)> {
    let password = spec.user.password_secret.clone();
    let mut found: Vec<(String, SecretKeyRef)> = password
        .map(|secret| ("spec.user.passwordSecret".to_owned(), secret))
        .into_iter()
        .collect();
    for (index, variable) in spec.env.iter().enumerate() {
        if let Some(from) = &variable.value_from {
            let field = format!("spec.env[{index}].valueFrom.secretKeyRef");
            found.push((field, from.secret_key_ref.clone()));
        }
    }
    let parameters = secret_parameters(spec);
    found.extend(
        parameters.map(|(name, secret)| (format!("spec.parameters.{name}.secretKeyRef"), secret)),
    );
    found
}

/// Whether the machine's operating system answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Contact {
    /// It has not answered since it was installed.
    #[default]
    Waiting,
    /// It answers, and proved who it is.
    Answering,
    /// It answered before, and does not now.
    Silent,
    /// It is the right machine and does not let DevPocket in.
    Refused,
    /// Another host key than the recorded one. Nothing is sent to it.
    WrongIdentity,
    /// It lets DevPocket in, and what it answers is no use.
    Broken,
}
