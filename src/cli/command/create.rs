//! `devpocket create`: an environment from flags.
//!
//! It is written by server-side apply, so that a file may later say something else without a
//! conflict between two commands of one person. That it is new is checked before; if somebody
//! creates the same name in between, the plan has another hash and the write is refused.

use clap::{Args, ValueEnum};
use devpocket_specs::kind::Kind;
use devpocket_specs::object::{Key, Resource};
use serde_json::{Value, json};

use super::apply::{Call, carry_out};
use super::files::{quoted, where_flags};
use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::output::Format;
use crate::cli::proposal::{Manner, Terms, Wanted, build};
use crate::cli::question::Given;
use crate::cli::refusal;
use crate::cli::session::Session;
use crate::manifest::short_name;

/// Declare a new environment, with a plan and a question before anything is bought.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket create web --size vps-10-nvme --region EU --wait")]
pub struct CreateArgs {
    /// Name: small letters, digits and dashes
    name: String,
    /// Size, as `devpocket sizes` lists them
    #[arg(long, value_name = "SIZE")]
    size: String,
    /// Region, as `devpocket regions` lists them
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Template, as `devpocket get templates` lists them
    #[arg(long, value_name = "TEMPLATE")]
    template: Option<String>,
    /// Image, such as ubuntu-24.04
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Name for people
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,
    /// What becomes of the paid machine when the environment is deleted
    #[arg(long, value_enum, value_name = "WHAT")]
    reclaim: Option<ReclaimChoice>,
    /// Do exactly this plan, or nothing
    #[arg(long, value_name = "HASH")]
    plan: Option<String>,
    /// Answer yes to everything but loss of data
    #[arg(short, long)]
    yes: bool,
    /// Wait until it is ready
    #[arg(long)]
    wait: bool,
    /// Show the plan, do nothing; with -o yaml print the YAML instead
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ReclaimChoice {
    /// Wiped, then free for the next environment
    Pool,
    /// Cancelled for the end of its term
    CancelAtTermEnd,
    /// Left as it is
    Retain,
}

impl ReclaimChoice {
    fn word(self) -> &'static str {
        match self {
            ReclaimChoice::Pool => "Pool",
            ReclaimChoice::CancelAtTermEnd => "CancelAtTermEnd",
            ReclaimChoice::Retain => "Retain",
        }
    }
}

pub async fn run(session: &Session, args: CreateArgs) -> Outcome {
    let key = session.environment(&args.name);
    let document = document(&args, &key);
    if args.dry_run && session.output.format == Format::Yaml {
        session.output.document(&document);
        return Ok(exit::DONE);
    }
    let api = session.api()?;
    let there = api.find::<devpocket_specs::environment::Environment>(&key.namespace, &key.name);
    if let Some(there) = there.await.map_err(|error| session.report(&error))? {
        return Err(taken(&there.key()));
    }
    let wanted = [Wanted { key: key.clone(), document }];
    let judged = build(session, &api, &wanted, &Terms::default()).await?;
    let proposal = judged.map_err(|refusals| flags_refused(&key, &refusals))?;
    let given = Given { yes: args.yes, plan: args.plan.is_some() };
    let call = Call {
        again: again(session, &args),
        hash: args.plan.clone(),
        dry_run: args.dry_run,
        wait: args.wait,
        manner: Manner { force: false, given },
        refused: None,
    };
    carry_out(session, &api, &proposal, &call).await
}

fn document(args: &CreateArgs, key: &Key) -> Value {
    let mut spec = json!({"size": args.size});
    let mut put = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            spec[name] = value.into();
        }
    };
    put("displayName", args.display_name.as_deref());
    put("region", args.region.as_deref());
    put("template", args.template.as_deref());
    put("image", args.image.as_deref());
    put("reclaim", args.reclaim.map(ReclaimChoice::word));
    json!({
        "apiVersion": Kind::Environment.api_version(),
        "kind": Kind::Environment.info().name,
        "metadata": {"name": key.name, "namespace": key.namespace},
        "spec": spec,
    })
}

fn again(session: &Session, args: &CreateArgs) -> String {
    let mut words = format!(
        "devpocket{} create {} --size {}",
        where_flags(session),
        quoted(&args.name),
        quoted(&args.size)
    );
    let mut put = |flag: &str, value: Option<&str>| {
        if let Some(value) = value {
            words.push_str(&format!(" {flag} {}", quoted(value)));
        }
    };
    put("--region", args.region.as_deref());
    put("--template", args.template.as_deref());
    put("--image", args.image.as_deref());
    put("--display-name", args.display_name.as_deref());
    let reclaim = args.reclaim.and_then(|choice| choice.to_possible_value());
    put("--reclaim", reclaim.as_ref().map(clap::builder::PossibleValue::get_name));
    if args.wait {
        words.push_str(" --wait");
    }
    words
}

fn taken(key: &Key) -> Report {
    let name = short_name(key);
    Failure::new("already-exists", format!("{name} is there already, in {}", key.namespace))
        .exit(exit::REFUSED)
        .so_far("nothing was changed, nothing was bought")
        .attempt(format!("devpocket describe {name}"), "what it is")
        .into()
}

/// The faults of the flags; a value came from the flag its field is named after.
fn flags_refused(key: &Key, refusals: &[(usize, devpocket_specs::status::Status)]) -> Report {
    let mut failures = Vec::new();
    for (_, status) in refusals {
        for mut failure in refusal::refused(status, None).failures {
            let field =
                failure.at.as_deref().and_then(|at| at.strip_prefix("spec.")).map(str::to_owned);
            let flag = field.as_deref().and_then(|field| match field.split(' ').next()? {
                "size" => Some("--size"),
                "region" => Some("--region"),
                "template" => Some("--template"),
                "image" => Some("--image"),
                "displayName" => Some("--display-name"),
                _ => None,
            });
            if let Some(flag) = flag {
                failure.at = Some(format!("{flag} of {}", short_name(key)));
            }
            for (attempt, _) in &mut failure.attempts {
                // `size: vps-10-nvme` is for a file.
                if let Some((name, value)) = attempt.split_once(": ").filter(|(n, _)| *n == "size")
                {
                    *attempt = format!("--{name} {value}");
                }
            }
            let bare = failure.message.strip_prefix("spec.").map(str::to_owned);
            failure.message = bare.unwrap_or(failure.message);
            failures.push(failure);
        }
    }
    Report::new(failures).so_far("nothing was sent")
}
