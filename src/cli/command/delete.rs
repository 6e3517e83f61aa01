//! `devpocket delete`: lets an environment go. Its machine is stopped and can come back until a
//! named time; only then something happens to the disk.

use std::collections::BTreeMap;

use clap::Args;
use devpocket_specs::environment::{Environment, Reclaim};
use devpocket_specs::installation::Installation;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::{Key, Resource};
use jiff::{SignedDuration, Timestamp};

use super::edit::{failed, told};
use super::files::where_flags;
use crate::cli::api::{Api, WriteOptions};
use crate::cli::error::{Outcome, Report, exit};
use crate::cli::follow::{Goal, absent_failure, follow};
use crate::cli::output::{Ink, Sign, count};
use crate::cli::question::{Ask, Given, consent, declined};
use crate::cli::session::Session;
use crate::cli::target::Named;
use crate::manifest::short_name;

/// Release environments; their disks can come back until the time it names.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket delete env/web")]
pub struct DeleteArgs {
    /// Environments, or a kind and names
    #[arg(required = true, value_name = "NAME")]
    what: Vec<String>,
    /// Answer yes to everything but loss of data
    #[arg(short, long)]
    yes: bool,
    /// Say what would be released, do nothing
    #[arg(long)]
    dry_run: bool,
    /// Wait until it is released
    #[arg(long)]
    wait: bool,
}

pub async fn run(session: &Session, args: DeleteArgs) -> Outcome {
    let api = session.api()?;
    let named = Named::read(&args.what, false)?;
    let keys = named.keys(session);
    let installation = session.installation(&api).await?;
    let environments = existing(session, &api, &keys).await?;
    let output = &session.output;
    let word =
        if named.kind == Kind::Environment { "environment" } else { named.kind.info().singular };
    let account = session.account_words(&api, installation.as_ref());
    output.hint(format!("Delete {}  {account}", count(keys.len(), word)));
    let until = until(session, installation.as_ref());
    for key in &keys {
        let environment = environments.get(key);
        let words = environment.map(|environment| released(session, environment, until));
        let name = output.err.paint(Ink::Bold, &short_name(key));
        let (words, disk) = words.unwrap_or_default();
        output.hint(format!("{} {name}  {words}", output.err.sign(Sign::Goes)).trim_end());
        if !disk.is_empty() {
            output.hint(format!("    {disk}"));
        }
    }
    if args.dry_run {
        output.hint("Nothing was changed.");
        return Ok(exit::DONE);
    }
    if !agreed(session, &args, &keys, &environments, until)? {
        return Ok(declined(output));
    }
    let mut targets = BTreeMap::new();
    for key in keys {
        let uid = environments.get(&key).map(|environment| environment.uid().to_string());
        let answer = api.delete(&key, uid.as_deref(), &WriteOptions::default()).await;
        let written = answer.map_err(|error| failed(session, &key, &error))?;
        let bound = environments.get(&key).is_some_and(|e| e.status.machine.is_some());
        let said = match (until, bound) {
            (Some(until), true) => {
                let until = output.words.moment(until, session.now());
                format!("released; undo until {until}: devpocket undelete {}", key.name)
            }
            _ => "deleted".to_owned(),
        };
        told(session, &key, &said, &written);
        targets.insert(key, Goal::Deleted);
    }
    let wait = args.wait && named.kind == Kind::Environment;
    if wait { follow(session, &api, targets, false).await } else { Ok(exit::DONE) }
}

/// The environments among what is named; all of it must be there, or nothing is done.
async fn existing(
    session: &Session,
    api: &Api,
    keys: &[Key],
) -> Result<BTreeMap<Key, Environment>, Report> {
    let mut found = BTreeMap::new();
    let mut absent = Vec::new();
    for key in keys {
        match api.get(key).await {
            Ok(value) if key.kind == Kind::Environment => {
                let environment = api.typed(value).map_err(|error| session.report(&error))?;
                found.insert(key.clone(), environment);
            }
            Ok(_) => {}
            Err(error) if error.is_not_found() => {
                absent.push(absent_failure(key).so_far("nothing was changed"));
            }
            Err(error) => return Err(session.report(&error)),
        }
    }
    if absent.is_empty() { Ok(found) } else { Err(Report::new(absent)) }
}

/// Until when a machine that is released now can come back.
fn until(session: &Session, installation: Option<&Installation>) -> Option<Timestamp> {
    let seconds = installation?.spec.reclaim_after_seconds;
    let until = session.now().checked_add(SignedDuration::from_secs(seconds)).ok();
    until.filter(|_| seconds > 0)
}

/// What becomes of the machine and the disk.
fn released(
    session: &Session,
    environment: &Environment,
    until: Option<Timestamp>,
) -> (String, String) {
    let Some(machine) = &environment.status.machine else {
        return ("no machine is bound; nothing is released".to_owned(), String::new());
    };
    let machine = machine.instance_name.as_deref().unwrap_or(&machine.name);
    let paid = environment.status.cost.as_ref().and_then(|cost| cost.paid_until);
    let paid = paid.map(|day| format!(", paid until {day}")).unwrap_or_default();
    let disk = match (environment.spec.reclaim, until) {
        (Reclaim::Retain, _) => "It stays as it is, no longer looked after.".to_owned(),
        (_, None) => "Its disk is wiped, and cannot come back.".to_owned(),
        (reclaim, Some(until)) => {
            let until = session.output.words.moment(until, session.now());
            let then = match reclaim {
                Reclaim::CancelAtTermEnd => "cancelled for the end of its term",
                _ => "wiped for the next environment",
            };
            format!("The disk is untouched until {until}, then {then}.")
        }
    };
    (format!("releases {machine}{paid}"), disk)
}

fn agreed(
    session: &Session,
    args: &DeleteArgs,
    keys: &[Key],
    environments: &BTreeMap<Key, Environment>,
    until: Option<Timestamp>,
) -> Result<bool, Report> {
    let names: Vec<String> = keys.iter().map(short_name).collect();
    let names = names.join(" ");
    let given = Given { yes: args.yes, plan: false };
    let command = format!("devpocket{} delete {names} --yes", where_flags(session));
    let bound = environments.values().any(|environment| {
        environment.status.machine.is_some() && environment.spec.reclaim != Reclaim::Retain
    });
    if bound && until.is_none() {
        let question = format!("This loses the data of {names}.");
        let name = keys.first().map_or("", |key| key.name.as_str());
        let ask = Ask::Type { question: &question, name };
        return consent(&session.output, &ask, given, &command);
    }
    consent(&session.output, &Ask::Yes(&format!("Delete {names}?")), given, &command)
}
