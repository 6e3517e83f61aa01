//! What can be done about an installation that failed, without touching what is on the disk.

use jiff::Timestamp;

use devpocket_specs::install::{InstallState, InstallStatus, codes};

/// What `recover` does now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing failed.
    NotNeeded { why: String },
    /// The machine cannot be reached; it is tried once it can.
    Wait { why: String },
    /// The installer is started again on the machine
    /// ([`RESUME_COMMAND`](devpocket_specs::install::RESUME_COMMAND)). It goes on with this step;
    /// those before it are not repeated, and nothing is wiped.
    Resume { step: String },
    /// There is nothing on the machine to go on with; a reinstall, which wipes the disk and needs an
    /// approval, is the way.
    Rebuild { why: String },
}

/// Decides what `recover` does.
#[must_use]
pub fn recovery(install: Option<&InstallStatus>, reachable: bool) -> Recovery {
    let Some(install) = install else {
        return Recovery::NotNeeded { why: "nothing was installed yet".to_owned() };
    };
    let error = match (install.state, &install.error) {
        (InstallState::Failed, Some(error)) => error,
        (InstallState::Failed, None) => return Recovery::Resume { step: install.step.clone() },
        (InstallState::Succeeded, _) => {
            return Recovery::NotNeeded { why: "the installation succeeded".to_owned() };
        }
        (InstallState::Waiting | InstallState::Running, _) => {
            return Recovery::NotNeeded { why: "the installation is still under way".to_owned() };
        }
    };
    match error.code.as_str() {
        // The installer's files are what cloud-init would have written.
        codes::CLOUD_INIT | codes::NOT_STARTED => Recovery::Rebuild { why: error.message.clone() },
        _ if !reachable => Recovery::Wait {
            why: format!("the machine cannot be reached; before that, {}", error.message),
        },
        _ => Recovery::Resume { step: install.step.clone() },
    }
}

/// The record once the installer was started again: the time limit counts anew, percent stays.
#[must_use]
pub fn resumed(install: &InstallStatus, now: Timestamp) -> InstallStatus {
    InstallStatus {
        state: InstallState::Running,
        error: None,
        ended_at: None,
        started_at: Some(now),
        recoveries: install.recoveries.saturating_add(1),
        ..install.clone()
    }
}
