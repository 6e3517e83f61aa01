//! `devpocket apply`: what `plan` shows, done.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use devpocket_specs::plan::{Hold, StandstillKind};
use serde_json::{Value, json};

use super::files::{listed, propose, where_flags};
use super::pruning::PruneArgs;
use crate::cli::api::Api;
use crate::cli::error::{Failure, Outcome, Report, Retry, exit};
use crate::cli::follow::{Goal, follow};
use crate::cli::output::{Format, Ink, Sign};
use crate::cli::proposal::{self, Fate, Item, Manner, Proposal, release};
use crate::cli::question::{Given, declined};
use crate::cli::session::Session;
use crate::manifest::short_name;

/// Make what the files declare true: show the plan, ask, and do it.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket apply -f envs/ --wait")]
pub struct ApplyArgs {
    /// File or folder with YAML, or - for stdin; may be given several times
    #[arg(short, long, value_name = "FILE", required = true)]
    file: Vec<PathBuf>,
    /// Do exactly this plan, or nothing
    #[arg(long, value_name = "HASH")]
    plan: Option<String>,
    /// Answer yes to everything but loss of data
    #[arg(short, long)]
    yes: bool,
    /// Wait until everything is as declared
    #[arg(long)]
    wait: bool,
    /// Show the plan, do nothing
    #[arg(long)]
    dry_run: bool,
    /// Take fields over that another manager owns
    #[arg(long)]
    force_conflicts: bool,
    #[command(flatten)]
    prune: PruneArgs,
}

pub async fn run(session: &Session, args: ApplyArgs) -> Outcome {
    let api = session.api()?;
    let terms = args.prune.terms(session, args.force_conflicts)?;
    let proposal = propose(session, &api, &args.file, &terms).await?;
    let force = if args.force_conflicts { " --force-conflicts" } else { "" };
    let wait = if args.wait { " --wait" } else { "" };
    let prune = args.prune.words();
    let bare = format!(
        "devpocket{} apply {}{prune}{force}{wait}",
        where_flags(session),
        listed(&args.file)
    );
    let refused = proposal::too_many(&proposal, terms.allowed, &bare).err();
    let again = format!("{bare}{}", args.prune.number());
    let given = Given { yes: args.yes, plan: args.plan.is_some() };
    let manner = Manner { force: args.force_conflicts, given };
    let (hash, dry_run, wait) = (args.plan, args.dry_run, args.wait);
    let call = Call { again, hash, dry_run, wait, manner, refused };
    carry_out(session, &api, &proposal, &call).await
}

/// How a proposal is carried out; shared with `create`.
pub struct Call {
    /// The command that would do it again, without the hash.
    pub again: String,
    /// Only this plan.
    pub hash: Option<String>,
    pub dry_run: bool,
    pub wait: bool,
    pub manner: Manner,
    /// Why it is shown and not done, whoever agrees.
    pub refused: Option<Report>,
}

/// Shows, asks, writes, waits.
pub async fn carry_out(session: &Session, api: &Api, proposal: &Proposal, call: &Call) -> Outcome {
    let output = &session.output;
    let documents = output.format.is_document();
    if let Some(hash) = &call.hash
        && !proposal.is_meant(hash)
    {
        return Err(proposal::stale(session, api, proposal, hash, &call.again).await);
    }
    if call.dry_run && documents {
        output.document(&proposal::document(api, proposal));
        return call.refused.clone().map_or(Ok(exit::DONE), Err);
    }
    if !documents && output.format != Format::Name {
        proposal::show(session, api, proposal);
    }
    if let Some(refused) = &call.refused {
        return Err(refused.clone());
    }
    let exactly = format!("{} --plan {}", call.again, proposal.shown_hash());
    if call.dry_run {
        output.hint(format!("Nothing was changed. Run exactly this: {exactly}"));
        return Ok(exit::DONE);
    }
    if !proposal::ask(session, proposal, call.manner.given, &exactly)? {
        return Ok(declined(output));
    }
    let written = proposal::send(session, api, proposal, call.manner).await?;
    match output.format {
        Format::Json | Format::Yaml => print_documents(session, &written.records),
        Format::Name => proposal.items.iter().for_each(|item| output.line(short_name(&item.key))),
        _ => results(session, proposal),
    }
    if !call.wait {
        return standing_still(proposal);
    }
    let waited = proposal.items.iter().filter(|item| item.is_environment());
    let goal = |item: &Item| if item.fate == Fate::Goes { Goal::Deleted } else { Goal::Ready };
    let targets: BTreeMap<_, _> = waited.map(|item| (item.key.clone(), goal(item))).collect();
    follow(session, api, targets, true).await
}

/// What was declared stands, but a brake or a missing consent keeps a step from being done.
fn standing_still(proposal: &Proposal) -> Outcome {
    let mut failures = Vec::new();
    for item in proposal.items.iter().filter(|item| item.fate != Fate::Goes) {
        let holds = item.plan.steps.iter().filter_map(|step| step.hold.as_ref());
        let stuck =
            |hold: &&Hold| matches!(hold.kind, StandstillKind::Held | StandstillKind::Waiting);
        let Some(hold) = holds.into_iter().find(stuck) else { continue };
        let name = short_name(&item.key);
        failures.push(
            Failure::held(&hold.code, hold.message.clone())
                .at(&name)
                .so_far(format!("{name} is declared; this step was not done"))
                .attempt(format!("devpocket explain {name}"), "")
                .retry(Retry::GoesOn),
        );
    }
    if failures.is_empty() { Ok(exit::DONE) } else { Err(Report::new(failures)) }
}

fn results(session: &Session, proposal: &Proposal) {
    let style = session.output.out;
    let until = release::until(session, proposal.installation.as_ref());
    for item in proposal.items.iter().filter(|item| item.fate != Fate::Unchanged) {
        let word = match item.fate {
            Fate::New => "declared".to_owned(),
            Fate::Goes => release::said(session, item.environment.as_deref(), until),
            _ => "changed".to_owned(),
        };
        let name = style.paint(Ink::Bold, &short_name(&item.key));
        session.output.line(format!("{} {name}  {word}", style.sign(Sign::Done)));
    }
    if proposal.is_idle() {
        session.output.hint("Nothing differs; nothing was changed.");
    }
}

fn print_documents(session: &Session, written: &[Value]) {
    match written {
        [one] => session.output.document(one),
        many => {
            session.output.document(&json!({"apiVersion": "v1", "kind": "List", "items": many}))
        }
    }
}
