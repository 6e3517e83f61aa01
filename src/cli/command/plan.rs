//! `devpocket plan`: what would be done, and nothing else.

use std::path::PathBuf;

use clap::Args;
use devpocket_specs::plan::Plan;
use serde_json::{Value, json};

use super::files::{listed, propose, where_flags};
use crate::cli::api::Api;
use crate::cli::error::{Outcome, exit};
use crate::cli::output::Format;
use crate::cli::proposal::{self, Fate, Item, Proposal};
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
}

pub async fn run(session: &Session, args: PlanArgs) -> Outcome {
    let api = session.api()?;
    let proposal = if args.file.is_empty() {
        stored(session, &api, &args.names).await?
    } else {
        propose(session, &api, &args.file, args.force_conflicts).await?
    };
    match session.output.format {
        Format::Json | Format::Yaml => {
            session.output.document(&proposal::document(&api, &proposal))
        }
        _ => {
            proposal::show(session, &api, &proposal);
            session.output.hint(closing(session, &args, &proposal));
        }
    }
    let differs = args.exit_code && !proposal.is_idle();
    Ok(if differs { exit::DIFFERENT } else { exit::DONE })
}

fn closing(session: &Session, args: &PlanArgs, proposal: &Proposal) -> String {
    if proposal.is_idle() {
        return "Nothing differs; there is nothing to do.".to_owned();
    }
    if args.file.is_empty() {
        return "Nothing was changed. What does not wait is being done already.".to_owned();
    }
    let force = if args.force_conflicts { " --force-conflicts" } else { "" };
    format!(
        "Nothing was changed. Run exactly this: devpocket{} apply {}{force} --plan {}",
        where_flags(session),
        listed(&args.file),
        proposal.shown_hash()
    )
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
            spec: json!(null),
            environment: api.typed(environment).ok().map(Box::new),
            plan,
            facts: Vec::new(),
            planned: true,
        });
    }
    let installation = session.installation(api).await?;
    Ok(Proposal::of(items, installation))
}
