//! How the installation of a machine is told: by the machine (files and programs it answers with),
//! and by the record (`status.install`).
//!
//! What a machine says is evidence from a place its user controls. So every reader here is total:
//! a half-written, huge, hostile or older document gives a fault or bounded, printable values, and
//! never more.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metadata::is_default;

mod checks;
mod cloud_init;
mod lines;
mod mask;
mod printable;
mod progress;

pub use checks::{Answer, CHECK_COMMAND, CheckFault, Checked, MAX_CHECK_BYTES, read_checks};
pub use cloud_init::{
    CLOUD_INIT_COMMAND, CloudInit, CloudInitFault, CloudInitState, MAX_CLOUD_INIT_BYTES,
    read_cloud_init,
};
pub use lines::{CUT, LogLine, LogPlace, MAX_LOG_LINE, SOURCES};
pub use mask::{Mask, Masked, STARS};
pub use printable::printable;
pub use progress::{
    FinishedStep, MAX_PROGRESS_BYTES, PROGRESS_VERSION, Progress, ProgressFault, ProgressState,
    StepError, read_progress,
};

/// Where the machine says how far its installation is ([`Progress`]). Replaced as a whole.
pub const PROGRESS_PATH: &str = "/var/lib/devpocket/progress.json";

/// What the installation printed.
pub const INSTALL_LOG_PATH: &str = "/var/log/devpocket-install.log";

/// One line per step, for the user `dev`.
pub const USER_LOG_PATH: &str = "/home/dev/installation-progress.log";

/// What cloud-init and the commands it ran printed.
pub const CLOUD_INIT_LOG_PATH: &str = "/var/log/cloud-init-output.log";

/// Starts the installer again where it stopped, and does not wait for it; run as `dev`. Steps that
/// are done are not repeated.
pub const RESUME_COMMAND: [&str; 6] =
    ["sudo", "-n", "systemctl", "restart", "devpocket-install.service", "--no-block"];

/// Most lines of output an error or a progress file keeps.
pub const LAST_LINES: usize = 20;

/// Longest line kept, in characters; the rest is cut with a mark.
pub const MAX_LINE: usize = 500;

/// How far the installation of the bound machine is. Written by controllers only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstallStatus {
    #[serde(default)]
    pub state: InstallState,
    /// `Machine.spec.installGeneration` this is about.
    #[serde(default)]
    pub generation: i64,
    /// What is installed: `python@3`, or the image's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub software: String,
    /// The step that runs, or ran last.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub step: String,
    /// 0 to 100; never falls within a generation.
    #[serde(default)]
    pub percent: u8,
    /// When this installation was first waited for, by the server's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it succeeded or failed, by the server's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How long installations of this kind usually take, in seconds; known once there were five.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usual_seconds: Option<u32>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<InstallError>,
    /// What went wrong and did not stop it, at most [`LAST_LINES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Versions by tool, as the template's checks answered.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub installed_tools: BTreeMap<String, String>,
    /// How often it was taken up again after a failure.
    #[serde(default, skip_serializing_if = "is_default")]
    pub recoveries: u32,
}

impl InstallStatus {
    /// Whether both are as far, whatever is said of what is installed and of how long that usually
    /// takes.
    #[must_use]
    pub fn is_same_progress(&self, other: &InstallStatus) -> bool {
        // Named one by one, so that a field that comes is not forgotten here.
        let InstallStatus {
            state,
            generation,
            software: _,
            step,
            percent,
            started_at,
            ended_at,
            usual_seconds: _,
            error,
            warnings,
            installed_tools,
            recoveries,
        } = self;
        (state, generation, step, percent)
            == (&other.state, &other.generation, &other.step, &other.percent)
            && (started_at, ended_at, recoveries)
                == (&other.started_at, &other.ended_at, &other.recoveries)
            && (error, warnings, installed_tools)
                == (&other.error, &other.warnings, &other.installed_tools)
    }

    /// Takes out of what the machine said what must not be kept of it.
    pub fn mask(&mut self, mask: &Mask) {
        let error = self.error.iter_mut();
        let error = error.flat_map(|e| std::iter::once(&mut e.message).chain(&mut e.lines));
        for text in error.chain(&mut self.warnings) {
            let masked = mask.text(text);
            if masked != *text {
                *text = masked;
            }
        }
    }

    /// Takes out all that is in the machine's own words; `why` stands for what failed.
    pub fn withhold(&mut self, why: &str) {
        self.warnings.clear();
        if let Some(error) = &mut self.error {
            why.clone_into(&mut error.message);
            error.lines.clear();
        }
    }

    /// About how long it still takes, in seconds. `None` if that is not known, and once it takes
    /// longer than usual.
    #[must_use]
    pub fn seconds_left(&self, now: Timestamp) -> Option<u32> {
        let open = matches!(self.state, InstallState::Waiting | InstallState::Running);
        let usual = i64::from(self.usual_seconds.filter(|_| open)?);
        let passed = now.duration_since(self.started_at?).as_secs().max(0);
        u32::try_from(usual - passed).ok().filter(|left| *left > 0)
    }
}

/// Where an installation stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum InstallState {
    /// Nothing was heard from the machine yet.
    #[default]
    Waiting,
    Running,
    Succeeded,
    /// It stopped with an error, or took too long; `error` says which.
    Failed,
}

/// Why an installation failed, with what a person needs to judge it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstallError {
    /// One of [`codes`].
    pub code: String,
    /// The step it happened in; empty before the first.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub step: String,
    /// One sentence.
    pub message: String,
    /// The last lines of output, at most [`LAST_LINES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

/// Codes of [`InstallError`] and [`StepError`].
pub mod codes {
    /// A step ended with an exit code other than 0.
    pub const STEP_FAILED: &str = "step-failed";
    /// A step did not end within its time.
    pub const STEP_TIMEOUT: &str = "step-timeout";
    /// A download source cannot be reached, or does not have what is asked for.
    pub const SOURCE_DOWN: &str = "source-down";
    /// The disk is full.
    pub const DISK_FULL: &str = "disk-full";
    /// The machine's clock is wrong: certificates or signatures are "not yet valid".
    pub const CLOCK_WRONG: &str = "clock-wrong";
    /// The installer itself could not run, for example because its plan is damaged.
    pub const INSTALLER: &str = "installer-broken";
    /// The machine was not heard of, or not finished, within `INSTALL_TIMEOUT_MINUTES`.
    pub const TIMEOUT: &str = "install-timeout";
    /// cloud-init itself ended with errors.
    pub const CLOUD_INIT: &str = "cloud-init-failed";
    /// cloud-init is done, and the installer never began.
    pub const NOT_STARTED: &str = "installer-not-started";

    /// Every code a machine's progress file may give.
    pub(super) const OF_STEPS: [&str; 6] =
        [STEP_FAILED, STEP_TIMEOUT, SOURCE_DOWN, DISK_FULL, CLOCK_WRONG, INSTALLER];
}

#[cfg(test)]
mod tests;
