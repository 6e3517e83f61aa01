//! Whether a guest is ready: installed, reachable as `dev`, and every tool of the template answers.

use devpocket_specs::condition::ConditionStatus;
use devpocket_specs::install::{Checked, InstallState, InstallStatus};

/// What the condition `GuestReady` shall say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestVerdict {
    pub status: ConditionStatus,
    pub reason: &'static str,
    pub message: String,
}

/// Judges. `checked` is the answer of the template's check over SSH as `dev`, which is the proof
/// that one can sign in; none if it was not asked or did not answer.
#[must_use]
pub fn guest_ready(install: Option<&InstallStatus>, checked: Option<&Checked>) -> GuestVerdict {
    let verdict = |status, reason, message: String| GuestVerdict { status, reason, message };
    let Some(install) = install else {
        let message = "the guest was not looked at yet".to_owned();
        return verdict(ConditionStatus::Unknown, "NotObserved", message);
    };
    match install.state {
        InstallState::Waiting => {
            let message = "nothing was heard from the machine yet".to_owned();
            return verdict(ConditionStatus::False, "Waiting", message);
        }
        InstallState::Running => {
            let message = format!("installing, {} % ({})", install.percent, install.step);
            return verdict(ConditionStatus::False, "Installing", message);
        }
        InstallState::Failed => {
            let message = install.error.as_ref().map(|e| e.message.clone()).unwrap_or_default();
            return verdict(ConditionStatus::False, "InstallFailed", message);
        }
        InstallState::Succeeded => {}
    }
    let Some(checked) = checked else {
        let message = "installed; its tools were not asked yet".to_owned();
        return verdict(ConditionStatus::Unknown, "NotChecked", message);
    };
    let missing: Vec<String> =
        checked.missing().map(|(tool, why)| format!("{tool} ({why})")).collect();
    if !missing.is_empty() {
        let message = format!("installed, but these tools do not answer: {}", missing.join(", "));
        return verdict(ConditionStatus::False, "ToolsMissing", message);
    }
    let count = checked.tools.len();
    let message = format!("installed, reached as dev, and {count} tools answer");
    verdict(ConditionStatus::True, "Ready", message)
}
