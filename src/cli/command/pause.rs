//! `devpocket pause` and `resume`: nothing is done for an environment, or for the account, until a
//! named time.

use clap::Args;
use devpocket_specs::installation::{self, Installation};
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::change::{failed, patch_all, told};
use super::files::where_flags;
use super::looked;
use crate::cli::api::{Api, WriteOptions};
use crate::cli::args::duration;
use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::question::{Ask, Given, consent, declined};
use crate::cli::session::{Session, is_shown_in_part};
use crate::cli::target::Named;

/// Do nothing for environments until a time; they are still looked at.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket pause web --for 2h --reason \"database migration\"")]
pub struct PauseArgs {
    /// Environments
    #[arg(value_name = "NAME", required_unless_present = "all", conflicts_with = "all")]
    names: Vec<String>,
    /// Everything in the account
    #[arg(long)]
    all: bool,
    /// How long; it ends by itself
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    lasts: SignedDuration,
    /// Why, for the others
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Judge, change nothing
    #[arg(long)]
    dry_run: bool,
}

/// End a pause; with --all also accept what a database that is behind does not know.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket resume web")]
pub struct ResumeArgs {
    /// Environments
    #[arg(value_name = "NAME", required_unless_present = "all", conflicts_with = "all")]
    names: Vec<String>,
    /// Everything in the account
    #[arg(long)]
    all: bool,
    /// Answer yes
    #[arg(short, long, requires = "all")]
    yes: bool,
    /// Judge, change nothing
    #[arg(long)]
    dry_run: bool,
}

pub async fn pause(session: &Session, args: PauseArgs) -> Outcome {
    let api = session.api()?;
    let now = session.asked_now(&api).await?;
    let until = now.checked_add(args.lasts).map_err(|_| {
        Report::from(Failure::usage("that is longer than time goes on").at("--for"))
    })?;
    let mut paused = json!({"until": until});
    if let Some(reason) = &args.reason {
        paused["reason"] = reason.as_str().into();
    }
    let change = json!({"spec": {"paused": paused}});
    let said = format!("paused until {}", session.output.words.moment(until, now));
    write(session, &api, &keys(session, &args.names, args.all)?, &change, &said, args.dry_run).await
}

pub async fn resume(session: &Session, args: ResumeArgs) -> Outcome {
    let api = session.api()?;
    let change = json!({"spec": {"paused": null}});
    if args.all {
        let installation = session.installation(&api).await?;
        if let Some(installation) = installation.as_ref().filter(|i| !is_shown_in_part(i)) {
            looked::required(session, &api, installation).await?;
        }
        let behind = installation.as_ref().is_some_and(is_behind);
        if let Some(installation) = installation.filter(|_| behind) {
            let adopted = accept(session, &api, &installation, &args).await?;
            if !adopted {
                return Ok(declined(&session.output));
            }
        }
    }
    write(session, &api, &keys(session, &args.names, args.all)?, &change, "goes on", args.dry_run)
        .await
}

fn keys(session: &Session, names: &[String], all: bool) -> Result<Vec<Key>, Report> {
    if all {
        return Ok(vec![Key::cluster(Kind::Installation, installation::NAME)]);
    }
    let names = Named::environments(names)?;
    Ok(names.iter().map(|name| session.environment(name)).collect())
}

async fn write(
    session: &Session,
    api: &Api,
    keys: &[Key],
    change: &Value,
    said: &str,
    dry_run: bool,
) -> Outcome {
    let changed = patch_all(session, api, keys, change, dry_run).await?;
    for (key, written) in keys.iter().zip(&changed) {
        told(session, key, said, written);
    }
    if dry_run {
        session.output.hint("Nothing was changed.");
    }
    Ok(exit::DONE)
}

fn is_behind(installation: &Installation) -> bool {
    installation.status.holds.iter().any(|hold| hold.code == "database-behind")
}

/// Shows every difference, asks, and lets work go on.
async fn accept(
    session: &Session,
    api: &Api,
    installation: &Installation,
    args: &ResumeArgs,
) -> Result<bool, Report> {
    let differences = &installation.status.differences;
    session.output.note(format!(
        "The account knows more than this database ({}):",
        session.account_words(api, Some(installation))
    ));
    for difference in differences {
        session.output.note(format!("  {difference}"));
    }
    let question = "Go on with the account as it is? Machines bought since for environments of \
         this database are used, all others are left alone.";
    let given = Given { yes: args.yes, plan: false };
    let command = format!("devpocket{} resume --all --yes", where_flags(session));
    if !args.dry_run && !consent(&session.output, &Ask::Yes(question), given, &command)? {
        return Ok(false);
    }
    let key = Key::cluster(Kind::Installation, installation::NAME);
    let accepted = json!({"status": {"behindAccepted": session.now()}});
    let options = WriteOptions { dry_run: args.dry_run, ..WriteOptions::default() };
    let written = api.merge(&key, "/status", &accepted, &options).await;
    written.map_err(|error| failed(session, &key, &error, &[]))?;
    Ok(true)
}
