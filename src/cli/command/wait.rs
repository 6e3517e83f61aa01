//! `devpocket wait`: until a condition holds.

use std::collections::BTreeMap;

use clap::Args;
use devpocket_specs::condition::ConditionStatus;
use devpocket_specs::environment::{Phase, conditions};
use serde_json::Value;

use crate::cli::error::{Failure, Outcome, Report};
use crate::cli::follow::{Goal, follow};
use crate::cli::misread::nearest;
use crate::cli::session::Session;
use crate::cli::target::Named;

/// What `--for phase=` may name.
const PHASES: [&str; 11] = [
    "creating",
    "provisioning",
    "installing",
    "configuring",
    "running",
    "stopping",
    "stopped",
    "restarting",
    "resizing",
    "error",
    "terminated",
];

/// What `--for condition=` may name.
const CONDITIONS: [&str; 14] = [
    conditions::READY,
    conditions::MACHINE_BOUND,
    conditions::GUEST_READY,
    conditions::GUEST_CONFIGURED,
    conditions::DRIFTED,
    conditions::PAUSED,
    conditions::HELD,
    conditions::WAITING,
    conditions::STALLED,
    conditions::MACHINE_ENDING,
    conditions::DISK_REPLACED,
    conditions::MACHINE_LOST,
    conditions::NOT_AS_ORDERED,
    conditions::UNOBSERVED,
];

/// Wait until environments are as declared, or until a condition holds.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket wait env/web --for condition=Ready --timeout 20m")]
pub struct WaitArgs {
    /// Environments
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// condition=NAME, condition=NAME=False, phase=WORD or deleted
    #[arg(long = "for", value_name = "WHAT", default_value = "condition=Ready")]
    goal: String,
}

pub async fn run(session: &Session, args: WaitArgs) -> Outcome {
    let goal = read(&args.goal)?;
    let api = session.api()?;
    let names = Named::environments(&args.names)?;
    let targets: BTreeMap<_, _> =
        names.iter().map(|name| (session.environment(name), goal.clone())).collect();
    follow(session, &api, targets, false).await
}

fn read(text: &str) -> Result<Goal, Report> {
    let wrong = |message: String| {
        let failure = Failure::usage(message).at("--for");
        Report::from(
            failure.because("it is condition=NAME, condition=NAME=False, phase=WORD or deleted"),
        )
    };
    match text.split_once('=') {
        None if text == "deleted" || text == "delete" => Ok(Goal::Deleted),
        Some(("phase", word)) => {
            let phase = serde_json::from_value::<Phase>(Value::from(word.to_ascii_lowercase()));
            phase.map(Goal::Phase).map_err(|_| {
                let near = nearest(word, PHASES.into_iter());
                let near = near.map(|near| format!("; did you mean {near:?}?"));
                let message = format!("{word:?} is not a phase{}", near.unwrap_or_default());
                let failure = Failure::usage(message).at("--for");
                failure.because(format!("there are {}", PHASES.join(", "))).into()
            })
        }
        Some(("condition", rest)) => {
            let (name, status) = rest.split_once('=').unwrap_or((rest, "True"));
            let status = match status.to_ascii_lowercase().as_str() {
                "true" => ConditionStatus::True,
                "false" => ConditionStatus::False,
                "unknown" => ConditionStatus::Unknown,
                _ => return Err(wrong(format!("{status:?} is not True, False or Unknown"))),
            };
            let Some(name) = CONDITIONS.into_iter().find(|known| known.eq_ignore_ascii_case(name))
            else {
                return Err(unknown_condition(name));
            };
            if name == conditions::READY && status == ConditionStatus::True {
                return Ok(Goal::Ready);
            }
            Ok(Goal::Condition { name: name.to_owned(), status })
        }
        _ => Err(wrong(format!("{text:?} is nothing to wait for"))),
    }
}

/// It would never be reached.
fn unknown_condition(name: &str) -> Report {
    let near = nearest(name, CONDITIONS.into_iter());
    let near = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
    let message = format!("{name:?} is not a condition of environments{near}");
    let failure = Failure::usage(message).at("--for");
    failure.because(format!("there are {}", CONDITIONS.join(", "))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_read() {
        assert_eq!(read("condition=Ready").unwrap(), Goal::Ready);
        assert_eq!(read("phase=running").unwrap(), Goal::Phase(Phase::Running));
        assert_eq!(read("deleted").unwrap(), Goal::Deleted);
        let held = Goal::Condition { name: "Held".into(), status: ConditionStatus::False };
        assert_eq!(read("condition=Held=false").unwrap(), held);
        for phase in PHASES {
            assert!(read(&format!("phase={phase}")).is_ok(), "{phase}");
        }
        for wrong in ["ready", "phase=fast", "condition=Ready=maybe", "condition=Nope"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
