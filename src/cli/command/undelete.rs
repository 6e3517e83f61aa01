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
    let mut refused = Vec::new();
    for name in Named::environments(&args.names)? {
        let key = session.environment(&name);
        if let Some(failure) = still_there(session, &api, &key).await? {
            refused.push(failure);
            continue;
        }
        match api.act(&key, "undelete", &body, args.dry_run).await {
            Ok(written) => {
                told(session, &key, "comes back with its machine and its disk as it was", &written);
                targets.insert(key, Goal::Ready);
            }
            Err(ref error @ ApiError::Refused { ref status, ref request_id, .. }) => {
                let report = refusal::refused(status, request_id.as_deref());
                let report = report.about(&short_name(&key));
                refused.extend(report.failures.into_iter().map(
                    |failure| match error.is_not_found() {
                        true => {
                            failure.attempt("devpocket get machines", "which machines there are")
                        }
                        false => failure,
                    },
                ));
            }
            Err(error) => {
                return Err(session.report(&error).so_far(&so_far(&targets, args.dry_run)));
            }
        }
    }
    if !refused.is_empty() {
        return Err(Report::new(refused).so_far(&so_far(&targets, args.dry_run)));
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

/// What is true of all that was named, where some of it was refused.
fn so_far(back: &BTreeMap<Key, Goal>, dry_run: bool) -> String {
    let names: Vec<String> = back.keys().map(short_name).collect();
    match names.as_slice() {
        [] => "nothing was changed, nothing was bought".to_owned(),
        _ if dry_run => "nothing was changed, nothing was bought".to_owned(),
        [one] => format!("{one} comes back. Nothing was bought"),
        many => format!("{} come back. Nothing was bought", many.join(", ")),
    }
}

/// What was not let go of yet cannot be brought back: it is still there.
async fn still_there(session: &Session, api: &Api, key: &Key) -> Result<Option<Failure>, Report> {
    let found = api.find::<Environment>(&key.namespace, &key.name).await;
    let Some(environment) = found.map_err(|error| session.report(&error))? else {
        return Ok(None);
    };
    let name = short_name(key);
    if !environment.metadata.is_deleting() {
        let failure = Failure::new("already-exists", format!("{name} is there, and not deleted"));
        let failure = failure.exit(exit::REFUSED);
        return Ok(Some(failure.attempt(format!("devpocket describe {name}"), "what it is")));
    }
    let failure = Failure::new("already-exists", format!("{name} is still being released"));
    let failure = failure.exit(exit::REFUSED).because(environment.status.message);
    let failure = failure.retry(Retry::Later(None));
    let wait = format!("devpocket wait {name} --for deleted");
    Ok(Some(failure.attempt(wait, "then it can be brought back")))
}
