//! What is known of a machine's operating system, as the machine's record keeps it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::install::InstallStatus;

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
    /// Tools of the template that do not answer, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_tools: Vec<String>,
    /// The last request to go on with a failed installation that was carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<String>,
    /// When the tools were last asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Timestamp>,
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
