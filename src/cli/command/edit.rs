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

/// Flags of commands that edit.
#[derive(Args, Debug)]
pub struct EditArgs {
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
pub struct Edit {
    pub patch: Value,
    /// `env/web  to be stopped`
    pub said: String,
    pub goal: Goal,
}

pub async fn edit(session: &Session, args: &EditArgs, edit: Edit) -> Outcome {
    let api = session.api()?;
    let names = Named::environments(&args.names)?;
    let options = WriteOptions { dry_run: args.dry_run, ..WriteOptions::default() };
    let mut targets = BTreeMap::new();
    for name in &names {
        let key = session.environment(name);
        let written = patch(session, &api, &key, &edit.patch, &options).await?;
        told(session, &key, &edit.said, &written);
        targets.insert(key, edit.goal.clone());
    }
    if args.dry_run {
        session.output.hint("Nothing was changed.");
        return Ok(exit::DONE);
    }
    if args.wait { follow(session, &api, targets, false).await } else { Ok(exit::DONE) }
}

/// Writes one edit; an error names the object.
pub async fn patch(
    session: &Session,
    api: &Api,
    key: &Key,
    patch: &Value,
    options: &WriteOptions,
) -> Result<Value, Report> {
    api.merge(key, "", patch, options).await.map_err(|error| failed(session, key, &error))
}

/// An error about one object.
pub fn failed(session: &Session, key: &Key, error: &ApiError) -> Report {
    match error {
        error if error.is_not_found() => crate::cli::follow::absent_failure(key).into(),
        ApiError::Refused { status, request_id, .. } => {
            let report = refusal::refused(status, request_id.as_deref());
            report.about(&short_name(key)).so_far("nothing was changed")
        }
        _ => session.report(error),
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
