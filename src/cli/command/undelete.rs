//! `devpocket undelete`: a deleted environment with its machine and its disk as it was.

use std::collections::BTreeMap;

use clap::Args;
use devpocket_specs::environment::Environment;
use devpocket_specs::object::Key;
use serde_json::json;

use super::change::told;
use crate::cli::api::{Api, ApiError};
use crate::cli::error::{Failure, Outcome, Report, Retry, exit};
use crate::cli::follow::{Goal, follow};
use crate::cli::refusal;
use crate::cli::session::Session;
use crate::cli::target::Named;
use crate::manifest::short_name;

/// Bring a deleted environment back, with its disk as it was.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket undelete web --wait")]
pub struct UndeleteArgs {
    /// Environments
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// The machine that is meant, where several are kept; then NAME may be any that is free
    #[arg(long, value_name = "MACHINE")]
    machine: Option<String>,
    /// Judge, change nothing
    #[arg(long)]
    dry_run: bool,
    /// Wait until it is ready
    #[arg(long)]
    wait: bool,
}

pub async fn run(session: &Session, args: UndeleteArgs) -> Outcome {
    let api = session.api()?;
    let mut targets = BTreeMap::new();
    let body = match &args.machine {
        Some(_) if args.names.len() > 1 => {
            let text = "--machine brings back one environment, and several are named";
            return Err(Failure::usage(text).into());
        }
        Some(machine) => json!({"machine": machine}),
        None => json!({}),
    };
    for name in Named::environments(&args.names)? {
        let key = session.environment(&name);
        if let Some(failure) = still_there(session, &api, &key).await? {
            return Err(failure.into());
        }
        let answer = api.act(&key, "undelete", &body, args.dry_run).await;
        let written = answer.map_err(|error| match &error {
            ApiError::Refused { status, request_id, .. } => {
                let mut report = refusal::refused(status, request_id.as_deref());
                for failure in &mut report.failures {
                    if error.is_not_found() {
                        let machines = "devpocket get machines";
                        *failure =
                            std::mem::take(failure).attempt(machines, "which machines there are");
                    }
                }
                report.about(&short_name(&key)).so_far("nothing was changed, nothing was bought")
            }
            _ => session.report(&error),
        })?;
        told(session, &key, "comes back with its machine and its disk as it was", &written);
        targets.insert(key, Goal::Ready);
    }
    if targets.is_empty() {
        return Err(Failure::usage("no environment is named").into());
    }
    if args.dry_run {
        session.output.hint("Nothing was changed.");
        return Ok(exit::DONE);
    }
    if args.wait { follow(session, &api, targets, true).await } else { Ok(exit::DONE) }
}

/// What was not let go of yet cannot be brought back: it is still there.
async fn still_there(session: &Session, api: &Api, key: &Key) -> Result<Option<Failure>, Report> {
    let found = api.find::<Environment>(&key.namespace, &key.name).await;
    let Some(environment) = found.map_err(|error| session.report(&error))? else {
        return Ok(None);
    };
    let name = short_name(key);
    let so_far = "nothing was changed, nothing was bought";
    if !environment.metadata.is_deleting() {
        let failure = Failure::new("already-exists", format!("{name} is there, and not deleted"));
        let failure = failure.exit(exit::REFUSED).so_far(so_far);
        return Ok(Some(failure.attempt(format!("devpocket describe {name}"), "what it is")));
    }
    let failure = Failure::new("already-exists", format!("{name} is still being released"));
    let failure = failure.exit(exit::REFUSED).because(environment.status.message);
    let failure = failure.so_far(so_far).retry(Retry::Later(None));
    let wait = format!("devpocket wait {name} --for deleted");
    Ok(Some(failure.attempt(wait, "then it can be brought back")))
}
