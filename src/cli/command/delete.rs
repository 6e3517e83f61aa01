//! `devpocket delete`: lets an environment go. Its machine is stopped and can come back until a
//! named time; only then something happens to the disk.

mod aftermath;

use std::collections::BTreeMap;

use clap::Args;
use devpocket_specs::environment::Environment;
use devpocket_specs::installation::Installation;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::{Key, Resource};
use devpocket_specs::plan::{Plan, hex};
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::change::{failed, told};
use super::files::where_flags;
use crate::cli::api::{Api, ApiError, WriteOptions};
use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::follow::{Goal, absent_failure, follow};
use crate::cli::output::{Ink, Sign, count};
use crate::cli::proposal::HASH_SHOWN;
use crate::cli::proposal::release::{self, released, until};
use crate::cli::question::{Ask, Given, consent, declined};
use crate::cli::session::{Session, account_name};
use crate::cli::target::Named;
use crate::manifest::short_name;

/// Release environments; their disks can come back until the time it names.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket delete env/web")]
pub struct DeleteArgs {
    /// Environments, or a kind and names
    #[arg(required = true, value_name = "NAME")]
    what: Vec<String>,
    /// Do exactly this plan, or nothing
    #[arg(long, value_name = "HASH")]
    plan: Option<String>,
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

/// One object that is to go.
struct Going {
    key: Key,
    /// Absent for objects of other kinds.
    environment: Option<Environment>,
    plan: Plan,
}

impl Going {
    /// A machine that is let go of; with `Retain` it is left as it is.
    fn releases(&self) -> bool {
        self.environment.as_ref().is_some_and(release::releases)
    }
}

pub async fn run(session: &Session, args: DeleteArgs) -> Outcome {
    let api = session.api()?;
    let named = Named::read(&args.what, false)?;
    let keys = named.keys(session);
    let installation = session.installation(&api).await?;
    let going = existing(session, &api, &keys).await?;
    let output = &session.output;
    let until = until(session, installation.as_ref());
    let hash = hash(&going, until.is_some());
    let names = keys.iter().map(short_name).collect::<Vec<_>>().join(" ");
    let again = format!("devpocket{} delete {names}", where_flags(session));
    if let Some(meant) = &args.plan
        && !(meant.len() >= HASH_SHOWN && hash.starts_with(meant.as_str()))
    {
        return Err(stale(&going, meant, &hash, &again));
    }
    if args.dry_run && output.format.is_document() {
        output.document(&document(&api, &going, &hash, installation.as_ref()));
        return Ok(exit::DONE);
    }
    show(session, &api, &going, &hash, installation.as_ref());
    if args.dry_run {
        let exactly = format!("{again} --plan {}", &hash[..HASH_SHOWN]);
        output.hint(format!("Nothing was changed. Run exactly this: {exactly}"));
        return Ok(exit::DONE);
    }
    if !agreed(session, &args, &going, &hash, &again, until)? {
        return Ok(declined(output));
    }
    let (sent, refused) = send(session, &api, going).await?;
    if args.wait && named.kind == Kind::Environment && refused.is_none() {
        let targets: BTreeMap<_, _> = sent
            .into_iter()
            .map(|(item, written)| {
                let undo = release::undo(session, item.environment.as_ref(), until);
                let undo = undo.map(|undo| format!("; {undo}")).unwrap_or_default();
                told(session, &item.key, &format!("is to be released{undo}"), &written);
                (item.key, Goal::Deleted)
            })
            .collect();
        return follow(session, &api, targets, false).await;
    }
    let held = aftermath::tell(session, &api, &sent, until).await;
    let mut failures = held;
    failures.extend(refused.into_iter().flat_map(|report| report.failures));
    if failures.is_empty() { Ok(exit::DONE) } else { Err(Report::new(failures)) }
}

/// What was asked to go, with the answers, and what was refused. One that is refused keeps no other.
async fn send(
    session: &Session,
    api: &Api,
    going: Vec<Going>,
) -> Result<(Vec<(Going, serde_json::Value)>, Option<Report>), Report> {
    let mut sent: Vec<(Going, serde_json::Value)> = Vec::new();
    let mut refused = Vec::new();
    for item in going {
        match release(api, &item).await {
            Ok(written) => sent.push((item, written)),
            Err(error @ ApiError::Refused { .. }) => refused.push((item.key, error)),
            Err(error) => {
                let done: Vec<String> =
                    sent.iter().map(|(item, _)| short_name(&item.key)).collect();
                return Err(failed(session, &item.key, &error, &done));
            }
        }
    }
    let done: Vec<String> = sent.iter().map(|(item, _)| short_name(&item.key)).collect();
    let failures: Vec<Failure> = refused
        .iter()
        .flat_map(|(key, error)| failed(session, key, error, &done).failures)
        .collect();
    Ok((sent, (!failures.is_empty()).then(|| Report::new(failures))))
}

/// Exactly this object and, for an environment, exactly this plan.
async fn release(api: &Api, item: &Going) -> Result<serde_json::Value, ApiError> {
    let uid = item.environment.as_ref().map(|environment| environment.uid().to_string());
    let plan_hash = item.environment.as_ref().map(|_| item.plan.hash.clone());
    let options = WriteOptions { plan_hash, ..WriteOptions::default() };
    api.delete(&item.key, uid.as_deref(), &options).await
}

/// Covers what is released, how, and whether it can come back.
fn hash(going: &[Going], can_come_back: bool) -> String {
    let mut hasher = Sha256::new();
    for item in going {
        let reclaim = item.environment.as_ref().map(|environment| environment.spec.reclaim);
        let line = format!("{}\0{}\0{reclaim:?}\0{can_come_back}\n", item.key, item.plan.hash);
        hasher.update(line.as_bytes());
    }
    hex(&hasher.finalize())[..12].to_owned()
}

/// What would go, with what becomes of machine and disk.
fn show(
    session: &Session,
    api: &Api,
    going: &[Going],
    hash: &str,
    installation: Option<&Installation>,
) {
    let output = &session.output;
    let kind = going.first().map_or(Kind::Environment, |item| item.key.kind);
    let account = session.account_words(api, installation);
    let what = count(going.len(), kind.info().singular);
    output.hint(format!("Delete {}  {what}  {account}", &hash[..HASH_SHOWN]));
    for item in going {
        let words = item
            .environment
            .as_ref()
            .map(|environment| released(session, environment, until(session, installation)));
        let name = output.err.paint(Ink::Bold, &short_name(&item.key));
        let (words, disk) = words.unwrap_or_default();
        output.hint(format!("{} {name}  {words}", output.err.sign(Sign::Goes)).trim_end());
        if !disk.is_empty() {
            output.hint(format!("    {disk}"));
        }
        for hold in item.plan.steps.iter().filter_map(|step| step.hold.as_ref()) {
            let why = output.words.local_times(&hold.message, session.now());
            output.hint(format!("    {} {why}", output.err.sign(Sign::Waits)));
        }
    }
}

fn document(
    api: &Api,
    going: &[Going],
    hash: &str,
    installation: Option<&Installation>,
) -> serde_json::Value {
    let account = installation.and_then(|installation| installation.spec.account.as_ref());
    let items: Vec<_> = going
        .iter()
        .map(|item| {
            json!({
                "kind": item.key.kind.info().name,
                "namespace": item.key.namespace,
                "name": item.key.name,
                "change": "deleted",
                "plan": item.plan,
            })
        })
        .collect();
    json!({
        "hash": hash,
        "server": api.server(),
        "account": account.map(account_name),
        "simulated": account.map(|account| account.simulated),
        "items": items,
    })
}

/// Something else would go than what the person has seen.
fn stale(going: &[Going], meant: &str, hash: &str, again: &str) -> Report {
    let steps: Vec<&str> = going
        .iter()
        .flat_map(|item| item.plan.steps.iter().map(|step| step.summary.as_str()))
        .collect();
    let now = if steps.is_empty() { "release nothing".to_owned() } else { steps.join("; ") };
    Failure::new("plan-stale", format!("plan {meant} no longer fits the world"))
        .exit(exit::REFUSED)
        .because(format!("it would now be {}: {now}", &hash[..HASH_SHOWN]))
        .so_far("nothing was changed, nothing was bought")
        .attempt(format!("{again} --dry-run"), "the plan as it is now")
        .into()
}

/// What is named, with its plans; all of it must be there, or nothing is done.
async fn existing(session: &Session, api: &Api, keys: &[Key]) -> Result<Vec<Going>, Report> {
    let failed = |error| session.report(&error);
    let mut found = Vec::new();
    let mut absent = Vec::new();
    for key in keys {
        let (mut environment, mut plan) = (None, Plan::default());
        match api.get(key).await {
            Ok(value) if key.kind == Kind::Environment => {
                environment = Some(api.typed(value).map_err(failed)?);
                let answer = api.plan_of_deletion(key).await.map_err(failed)?;
                plan = serde_json::from_value(answer["plan"].clone()).unwrap_or_default();
            }
            Ok(_) => {}
            Err(error) if error.is_not_found() => {
                absent.push(absent_failure(key).so_far("nothing was changed"));
                continue;
            }
            Err(error) => return Err(failed(error)),
        }
        found.push(Going { key: key.clone(), environment, plan });
    }
    if absent.is_empty() { Ok(found) } else { Err(Report::new(absent)) }
}

fn agreed(
    session: &Session,
    args: &DeleteArgs,
    going: &[Going],
    hash: &str,
    again: &str,
    until: Option<Timestamp>,
) -> Result<bool, Report> {
    let given = Given { yes: args.yes, plan: args.plan.is_some() };
    let names: Vec<String> = going.iter().map(|item| short_name(&item.key)).collect();
    let lost: Vec<&Going> = going.iter().filter(|item| item.releases()).collect();
    if until.is_none() && !lost.is_empty() {
        let of: Vec<String> = lost.iter().map(|item| short_name(&item.key)).collect();
        let question = format!("This loses the data of {}.", of.join(", "));
        let name = match lost.as_slice() {
            [one] => one.key.name.as_str(),
            _ => &hash[..HASH_SHOWN],
        };
        let ask = Ask::Type { question: &question, name };
        let command = format!("{again} --plan {}", &hash[..HASH_SHOWN]);
        return consent(&session.output, &ask, given, &command);
    }
    let disk = match until {
        Some(until) if !lost.is_empty() => {
            let until = session.output.words.moment(until, session.now());
            let whose = if lost.len() == 1 { "Its disk" } else { "Their disks" };
            format!(" {whose} can come back until {until}.")
        }
        _ => String::new(),
    };
    let question = format!("Delete {}?{disk}", names.join(", "));
    consent(&session.output, &Ask::Yes(&question), given, &format!("{again} --yes"))
}
