//! What failed on a machine and does not end by itself: which error it is, and what a person can do.

use devpocket_specs::condition::{self, Condition, ConditionStatus};
use devpocket_specs::environment::{Environment, conditions};
use devpocket_specs::install::codes;

use super::is_about_now;

const INSTALL_FAILED: &str = "install-failed";
const TOOLS_MISSING: &str = "tools-missing";
const MACHINE_IDENTITY: &str = "machine-identity";

/// An error of a machine's operating system that waits for a person.
pub struct Failed<'a> {
    /// As on the page of codes.
    pub code: &'static str,
    /// What is known, and since when.
    pub condition: &'a Condition,
    name: &'a str,
    /// The installer has nothing on the machine to go on with.
    begins_anew: bool,
}

/// The error, if there is one. A machine that only does not answer is none: it is asked again.
pub fn failed(environment: &Environment) -> Option<Failed<'_>> {
    let guest = condition::find(&environment.status.conditions, conditions::GUEST_READY)?;
    if guest.status != ConditionStatus::False
        || !is_about_now(environment, guest)
        || environment.metadata.is_deleting()
    {
        return None;
    }
    let code = match guest.reason.as_str() {
        "InstallFailed" => INSTALL_FAILED,
        "ToolsMissing" => TOOLS_MISSING,
        "MachineIdentity" => MACHINE_IDENTITY,
        _ => return None,
    };
    let error = environment.status.install.as_ref().and_then(|install| install.error.as_ref());
    let begins_anew = error
        .is_some_and(|error| matches!(error.code.as_str(), codes::CLOUD_INIT | codes::NOT_STARTED));
    Some(Failed { code, condition: guest, name: &environment.metadata.name, begins_anew })
}

/// What `recover` does where nothing can be gone on with.
const WIPES: &str = "plans to wipe the disk and install anew, which waits for an approval";

impl Failed<'_> {
    /// Commands that lead out of it, the safest first, each with what it does.
    pub fn ways(&self) -> Vec<(String, &'static str)> {
        let name = self.name;
        if self.code == MACHINE_IDENTITY {
            return vec![(format!("devpocket recover {name}"), WIPES)];
        }
        let recover = match self.begins_anew {
            false => "goes on where it stopped; nothing is wiped",
            true => WIPES,
        };
        vec![
            (format!("devpocket recover {name} --wait"), recover),
            (format!("devpocket logs {name}"), "what the installation said"),
            (format!("devpocket ssh {name}"), "a shell on the machine as it is"),
        ]
    }

    /// What was done and what was not.
    pub fn so_far(&self) -> &'static str {
        match self.code {
            MACHINE_IDENTITY => {
                "no key, password or keystroke was sent to it. Nothing is repaired by itself"
            }
            _ => "what is installed stays as it is. It is not tried again by itself",
        }
    }
}
