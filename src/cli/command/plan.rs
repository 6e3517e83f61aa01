//! `devpocket plan`: what would be done, and nothing else.

use std::path::PathBuf;

use clap::Args;
use devpocket_specs::plan::Plan;
use serde_json::{Value, json};

use super::files::{listed, propose, where_flags};
use super::pruning::PruneArgs;
use crate::cli::api::Api;
use crate::cli::error::{Outcome, exit};
use crate::cli::output::Format;
use crate::cli::proposal::{self, Fate, Item, Proposal, Terms};
use crate::cli::session::Session;
use crate::cli::target::Named;

/// Show what would be done, step by step, with its risk and its price.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket plan -f envs/")]
pub struct PlanArgs {
    /// Environments whose plan is shown as they are declared now
    #[arg(value_name = "NAME", required_unless_present = "file", conflicts_with = "file")]
    names: Vec<String>,
    /// File or folder with YAML, or - for stdin; may be given several times
    #[arg(short, long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Exit with 3 if something would be done
    #[arg(long)]
    exit_code: bool,
    /// Plan to take fields over that another manager owns
    #[arg(long, requires = "file")]
    force_conflicts: bool,
    #[command(flatten)]
    prune: PruneArgs,
}

pub async fn run(session: &Session, args: PlanArgs) -> Outcome {
    let api = session.api()?;
    let terms: Terms = args.prune.terms(session, args.force_conflicts)?;
    let proposal = if args.file.is_empty() {
        stored(session, &api, &args.names).await?
    } else {
        propose(session, &api, &args.file, &terms).await?
    };
    let refused = proposal::too_many(&proposal, terms.allowed, &call(session, &args, "plan")).err();
    let exactly = exactly(session, &args, &proposal).filter(|_| refused.is_none());
    match session.output.format {
        Format::Json | Format::Yaml => {
            session.output.document(&proposal::document(&api, &proposal))
        }
        Format::Markdown => {
            let text =
                proposal::markdown(session, &api, &proposal, exactly.as_deref(), refused.as_ref());
            session.output.line(text.trim_end());
        }
        _ => {
            proposal::show(session, &api, &proposal);
            if refused.is_none() {
                session.output.hint(closing(&args, &proposal, exactly.as_deref()));
            }
        }
    }
    if let Some(refused) = refused {
        return Err(refused);
    }
    let differs = args.exit_code && !proposal.is_idle();
    Ok(if differs { exit::DIFFERENT } else { exit::DONE })
}

/// The call with another verb, without the number of deletions.
fn call(session: &Session, args: &PlanArgs, verb: &str) -> String {
    let force = if args.force_conflicts { " --force-conflicts" } else { "" };
    let (flags, files, prune) = (where_flags(session), listed(&args.file), args.prune.words());
    format!("devpocket{flags} {verb} {files}{prune}{force}")
}

/// The command that does exactly what is shown, if anything is to be done by one.
fn exactly(session: &Session, args: &PlanArgs, proposal: &Proposal) -> Option<String> {
    let number = args.prune.number();
    let call = || call(session, args, "apply");
    let some = !proposal.is_idle() && !args.file.is_empty();
    some.then(|| format!("{}{number} --plan {}", call(), proposal.shown_hash()))
}

fn closing(args: &PlanArgs, proposal: &Proposal, exactly: Option<&str>) -> String {
    match exactly {
        Some(exactly) => format!("Nothing was changed. Run exactly this: {exactly}"),
        None if proposal.is_idle() => "Nothing differs; there is nothing to do.".to_owned(),
        None if args.file.is_empty() => {
            "Nothing was changed. What does not wait is being done already.".to_owned()
        }
        None => "Nothing was changed.".to_owned(),
    }
}

/// The plans of environments as they are declared.
async fn stored(
    session: &Session,
    api: &Api,
    words: &[String],
) -> Result<Proposal, crate::cli::error::Report> {
    let mut items = Vec::new();
    for name in Named::environments(words)? {
        let key = session.environment(&name);
        let answer = api.plan(&key).await.map_err(|error| session.report(&error))?;
        let plan: Plan = serde_json::from_value(answer["plan"].clone()).unwrap_or_default();
        let environment: Value = answer["environment"].clone();
        items.push(Item {
            key,
            document: Value::Null,
            fate: Fate::Unchanged,
            differences: Vec::new(),
            before: None,
            after: Value::Null,
            spec: json!(null),
            environment: api.typed(environment).ok().map(Box::new),
            plan,
            facts: Vec::new(),
            notes: Vec::new(),
            planned: true,
            owned_by_others: false,
        });
    }
    let installation = session.installation(api).await?;
    Ok(Proposal::of(items, installation, None))
}
