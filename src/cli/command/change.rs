//! Edits of what is declared, of one field of some environments.

use std::collections::BTreeMap;

use clap::Args;
use devpocket_specs::object::Key;
use serde_json::Value;

use crate::cli::api::{Api, ApiError, WriteOptions};
use crate::cli::error::{Outcome, Report, exit};
use crate::cli::follow::{Goal, follow};
use crate::cli::output::{Format, Ink, Sign};
use crate::cli::refusal;
use crate::cli::session::Session;
use crate::cli::target::Named;
use crate::manifest::short_name;

/// Flags of commands that change one thing.
#[derive(Args, Debug)]
pub struct ChangeArgs {
    /// Environments
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Judge, change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Wait until it is so
    #[arg(long)]
    pub wait: bool,
}

/// What is changed, and how it is told.
pub struct Change {
    pub patch: Value,
    /// `env/web  to be stopped`
    pub said: String,
    pub goal: Goal,
}

pub async fn change(session: &Session, args: &ChangeArgs, change: Change) -> Outcome {
    let api = session.api()?;
    let names = Named::environments(&args.names)?;
    let keys: Vec<Key> = names.iter().map(|name| session.environment(name)).collect();
    let changed = patch_all(session, &api, &keys, &change.patch, args.dry_run).await?;
    for (key, written) in keys.iter().zip(&changed) {
        told(session, key, &change.said, written);
    }
    if args.dry_run {
        session.output.hint("Nothing was changed.");
        return Ok(exit::DONE);
    }
    let targets: BTreeMap<_, _> = keys.into_iter().map(|key| (key, change.goal.clone())).collect();
    if args.wait { follow(session, &api, targets, false).await } else { Ok(exit::DONE) }
}

/// Writes one edit of several objects. All are judged first: one that is refused, and none is
/// changed.
pub async fn patch_all(
    session: &Session,
    api: &Api,
    keys: &[Key],
    patch: &Value,
    dry_run: bool,
) -> Result<Vec<Value>, Report> {
    let mut answers = Vec::new();
    let mut faults = Vec::new();
    let judge = WriteOptions { dry_run: true, ..WriteOptions::default() };
    for key in keys {
        match api.merge(key, "", patch, &judge).await {
            Ok(answer) => answers.push(answer),
            Err(error @ ApiError::Refused { .. }) => {
                faults.extend(failed(session, key, &error, &[]).failures);
            }
            Err(error) => return Err(session.report(&error)),
        }
    }
    if !faults.is_empty() {
        return Err(Report::new(faults));
    }
    if dry_run {
        return Ok(answers);
    }
    answers.clear();
    let mut done = Vec::new();
    for key in keys {
        let written = api.merge(key, "", patch, &WriteOptions::default()).await;
        answers.push(written.map_err(|error| failed(session, key, &error, &done))?);
        done.push(short_name(key));
    }
    Ok(answers)
}

/// An error about one object, after others were done.
pub fn failed(session: &Session, key: &Key, error: &ApiError, done: &[String]) -> Report {
    let report = match error {
        error if error.is_not_found() => crate::cli::follow::absent_failure(key).into(),
        ApiError::Refused { status, request_id, .. } => {
            refusal::refused(status, request_id.as_deref()).about(&short_name(key))
        }
        _ => session.report(error),
    };
    match done {
        [] => report.so_far("nothing was changed"),
        done => report.first_done(&format!("{} stand as asked for", done.join(", "))),
    }
}

/// The answer of an edit in the format asked for.
pub fn told(session: &Session, key: &Key, said: &str, written: &Value) {
    let output = &session.output;
    match output.format {
        Format::Json | Format::Yaml => output.next_document(written),
        Format::Name => output.line(short_name(key)),
        _ => {
            let name = output.out.paint(Ink::Bold, &short_name(key));
            output.line(format!("{} {name}  {said}", output.out.sign(Sign::Done)));
        }
    }
}
