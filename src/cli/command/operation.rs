//! `devpocket operation`: effects on the world, and what became of those nobody knows about.

use clap::{Args, Subcommand};
use devpocket_specs::kind::Kind;
use devpocket_specs::object::{Key, Resource};
use devpocket_specs::operation::{Operation, OperationPhase, Resolution};
use serde_json::json;

use super::change::{failed, told};
use super::columns::View;
use super::describe::field;
use super::files::where_flags;
use crate::cli::api::Api;
use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::output::{Format, Ink, age};
use crate::cli::question::{Ask, Given, consent, declined};
use crate::cli::session::Session;

/// List and show effects on the world, or say what became of one whose outcome is unknown.
#[derive(Args, Debug)]
#[command(
    before_help = "Example:\n  devpocket operation resolve m-0b9c41d2-purchase-0 --not-happened"
)]
pub struct OperationArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// List them, the open ones unless --all
    #[command(before_help = "Example:\n  devpocket operation list --all")]
    List {
        /// Also those that are over
        #[arg(long)]
        all: bool,
    },
    /// Show one in full: what was sent when, why, and what became of it
    #[command(before_help = "Example:\n  devpocket operation show m-0b9c41d2-purchase-0")]
    Show {
        /// Name of the operation
        name: String,
    },
    /// Say whether one happened whose outcome is unknown
    #[command(
        before_help = "Example:\n  devpocket operation resolve m-0b9c41d2-purchase-0 --not-happened"
    )]
    Resolve(ResolveArgs),
}

#[derive(Args, Debug)]
struct ResolveArgs {
    /// Name of the operation
    name: String,
    /// It happened
    #[arg(long, conflicts_with = "not_happened", required_unless_present = "not_happened")]
    happened: bool,
    /// It did not happen, and may be done again
    #[arg(long)]
    not_happened: bool,
    /// The instance a purchase became
    #[arg(long, value_name = "ID", requires = "happened")]
    instance_id: Option<i64>,
    /// Answer yes
    #[arg(short, long)]
    yes: bool,
    /// Judge, change nothing
    #[arg(long)]
    dry_run: bool,
}

pub async fn run(session: &Session, args: OperationArgs) -> Outcome {
    match args.what {
        What::List { all } => list(session, all).await,
        What::Show { name } => show(session, &name).await,
        What::Resolve(args) => resolve(session, &args).await,
    }
}

async fn list(session: &Session, all: bool) -> Outcome {
    let api = session.api()?;
    let mut items =
        api.list(Kind::Operation, "", "").await.map_err(|error| session.report(&error))?.items;
    if !all {
        items.retain(|item| {
            let operation = serde_json::from_value::<Operation>(item.clone());
            operation.map_or(true, |operation| operation.status.phase.is_open())
        });
    }
    let view = View { kind: Kind::Operation, wide: false, all: false, now: session.now() };
    match session.output.format {
        Format::Json | Format::Yaml => {
            session.output.document(&json!({"apiVersion": "v1", "kind": "List", "items": items}));
        }
        Format::Name => items.iter().for_each(|item| {
            let name = item["metadata"]["name"].as_str().unwrap_or_default();
            session.output.line(format!("operation/{name}"));
        }),
        _ if items.is_empty() => {
            let hint = if all { "" } else { " All: devpocket operation list --all" };
            session.output.note(format!("Nothing is open.{hint}"));
        }
        _ => {
            let mut table = view.table();
            items.iter().for_each(|item| table.row(view.cells(item)));
            session.output.table(&table);
        }
    }
    Ok(exit::DONE)
}

/// The operation, or that there is none of this name.
async fn find(session: &Session, api: &Api, name: &str) -> Result<Operation, Report> {
    let name = name.strip_prefix("operation/").unwrap_or(name);
    let found = api.find::<Operation>("", name).await.map_err(|error| session.report(&error))?;
    found.ok_or_else(|| {
        let failure = Failure::new("not-found", format!("there is no operation/{name}"));
        failure.attempt("devpocket operation list --all", "what there is").into()
    })
}

async fn show(session: &Session, name: &str) -> Outcome {
    let api = session.api()?;
    let operation = find(session, &api, name).await?;
    if session.output.format.is_document() {
        session.output.document(&operation);
        return Ok(exit::DONE);
    }
    let (spec, status) = (&operation.spec, &operation.status);
    let now = session.now();
    let name = &operation.metadata.name;
    session.output.line(session.output.out.paint(Ink::Bold, &format!("operation/{name}")));
    let mut facts = vec![("What", format!("{} of {}", spec.verb.word(), spec.machine))];
    if let Some(environment) = &spec.environment {
        facts.push(("For", format!("env/{} in {}", environment.name, environment.namespace)));
    }
    facts.push(("Why", spec.reason.clone()));
    if let Some(money) = &spec.spends {
        facts.push(("Spends", money.to_string()));
    }
    let resolution = status.resolution.map(|r| format!(", {r:?}")).unwrap_or_default();
    facts.push(("Phase", format!("{:?}{resolution}", status.phase)));
    for (label, at) in [("Sent", status.issued_at), ("Ended", status.ended_at)] {
        if let Some(at) = at {
            let stamp = session.output.words.moment(at, now);
            facts.push((label, format!("{stamp}, {} ago", age(at, now))));
        }
    }
    facts.push(("Request", operation.uid().to_string()));
    if let Some(hold) = &status.held {
        facts.push(("Held", format!("{} ({})", hold.message, hold.code)));
    }
    if !status.message.is_empty() {
        facts.push(("Outcome", status.message.clone()));
    }
    if status.phase == OperationPhase::Unknown {
        facts.push(("You can", format!("devpocket operation resolve {name} --not-happened")));
    }
    facts.iter().for_each(|(label, text)| field(session, label, text));
    Ok(exit::DONE)
}

async fn resolve(session: &Session, args: &ResolveArgs) -> Outcome {
    let api = session.api()?;
    let operation = find(session, &api, &args.name).await?;
    let name = &operation.metadata.name;
    let key = Key::cluster(Kind::Operation, name);
    let installation = session.installation(&api).await?;
    let account = session.account_words(&api, installation.as_ref());
    let verb = operation.spec.verb.word();
    session.output.hint(format!("Resolve {verb} of {}  {account}", operation.spec.machine));
    let resolution = if args.happened { Resolution::Happened } else { Resolution::NotHappened };
    let spends = operation.spec.spends.as_ref().map(|m| format!(" of {m}")).unwrap_or_default();
    let question = match resolution {
        Resolution::Happened => format!("Record that this {verb} happened?"),
        Resolution::NotHappened => format!(
            "Record that this {verb}{spends} never happened? It may then be done once more."
        ),
    };
    let flag = if args.happened { "--happened" } else { "--not-happened" };
    let command =
        format!("devpocket{} operation resolve {name} {flag} --yes", where_flags(session));
    let given = Given { yes: args.yes, plan: false };
    if !args.dry_run && !consent(&session.output, &Ask::Yes(&question), given, &command)? {
        return Ok(declined(&session.output));
    }
    let mut body = json!({"resolution": resolution});
    if let Some(id) = args.instance_id {
        body["instanceId"] = id.into();
    }
    let written = api.act(&key, "resolve", &body, args.dry_run).await;
    let written = written.map_err(|error| failed(session, &key, &error, &[]))?;
    let said = if args.happened { "it happened" } else { "it did not happen" };
    told(session, &key, said, &written);
    Ok(exit::DONE)
}
