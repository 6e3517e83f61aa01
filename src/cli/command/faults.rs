//! Faults of the simulated Contabo, armed from the command line.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::simulator::{failed, say};
use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::output::{Cell, Output, Table};
use crate::simulator::control::{ControlClient, Fault};

/// Make the simulated Contabo fail, list what is armed, or end it
#[derive(Args, Debug)]
#[command(
    before_help = "Example:\n  devpocket simulator fault add lose --how reset --on create-instance"
)]
pub struct FaultArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Add(AddArgs),
    /// List what is armed
    #[command(before_help = "Example:\n  devpocket simulator fault list")]
    List,
    /// End one fault, or all of them
    #[command(before_help = "Example:\n  devpocket simulator fault clear 3")]
    Clear {
        /// Number of the fault
        id: Option<u64>,
    },
}

/// Arm a fault
#[derive(Args, Debug)]
#[command(
    before_help = "Example:\n  devpocket simulator fault add lose --how reset --on create-instance"
)]
struct AddArgs {
    /// fail (nothing is done), lose (done, the reply is lost), delay, slow, empty-list,
    /// partial-list, short-page, missing-page, shifted-pages, order, not-cancellable,
    /// stuck-reinstall, revert-display-name, ignore, no-audit
    kind: String,
    /// any, reads, mutations, or one call, such as create-instance
    #[arg(long, value_name = "CALL", default_value = "any")]
    on: String,
    /// Of fail and lose: reset, hang, stalled, half, truncated, mistyped, a status such as 503, or
    /// 429:30 for one with Retry-After
    #[arg(long, value_name = "HOW")]
    how: Option<String>,
    /// Of delay and slow: how long
    #[arg(long, value_name = "TIME")]
    by: Option<String>,
    /// Of partial-list, short-page, missing-page and shifted-pages: the number
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    number: Option<i32>,
    /// Of order: how it turns out, such as stuck-provisioning
    #[arg(long, value_name = "WORD")]
    outcome: Option<String>,
    /// Of order with the outcome error: what Contabo says
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// How often; without it until it is cleared
    #[arg(long, value_name = "NUMBER")]
    times: Option<u32>,
    /// Calls to let pass first
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    skip: u32,
    /// Only calls about this machine
    #[arg(long, value_name = "NAME")]
    matching: Option<String>,
}

pub async fn fault(output: &Output, client: &ControlClient, args: FaultArgs) -> Outcome {
    match args.what {
        What::Add(args) => {
            let fault = read(&args)?;
            let id = client.arm(&fault).await.map_err(|error| failed(&error))?;
            let clear = format!("devpocket simulator fault clear {id}");
            say(output, &json!({"id": id}), &format!("fault {id} is armed; to end it: {clear}"));
        }
        What::List => list(output, client).await?,
        What::Clear { id: Some(id) } => {
            client.disarm(id).await.map_err(|error| failed(&error))?;
            say(output, &json!({"disarmed": 1}), &format!("fault {id} is over"));
        }
        What::Clear { id: None } => {
            let number = client.disarm_all().await.map_err(|error| failed(&error))?;
            say(output, &json!({"disarmed": number}), &format!("{number} faults are over"));
        }
    }
    Ok(exit::DONE)
}

async fn list(output: &Output, client: &ControlClient) -> Result<(), Report> {
    let faults = client.faults().await.map_err(|error| failed(&error))?;
    if output.format.is_document() {
        output.document(&faults);
        return Ok(());
    }
    if faults.is_empty() {
        output.note("No fault is armed.");
        return Ok(());
    }
    let mut table = Table::new(&[">NO", "*KIND", "*ON", ">LEFT", "DETAILS"]);
    for fault in &faults {
        let mut value = serde_json::to_value(fault).unwrap_or_default();
        // The fault may stand in a field of its own or beside its number.
        if value["fault"].is_object() {
            let inner = value["fault"].take();
            merge(&mut value, inner);
        }
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let details = ["how", "by", "over", "keep", "drop", "page", "outcome", "matching"];
        let details = details.iter().filter(|name| !value[**name].is_null());
        let details: Vec<String> = details.map(|name| format!("{name} {}", value[*name])).collect();
        table.row(vec![
            Cell::new(value["id"].to_string()),
            Cell::maybe(text("kind")),
            Cell::maybe(text("on")),
            Cell::maybe(value["times"].as_u64().map(|times| times.to_string())),
            Cell::new(details.join(", ").replace('"', "")),
        ]);
    }
    output.table(&table);
    Ok(())
}

fn merge(value: &mut Value, inner: Value) {
    if let (Some(outer), Value::Object(inner)) = (value.as_object_mut(), inner) {
        outer.extend(inner);
    }
}

/// The flags as the fault they mean. What does not fit together is said by the fault itself.
fn read(args: &AddArgs) -> Result<Fault, Report> {
    let mut fault = json!({"on": args.on, "kind": args.kind, "skip": args.skip});
    if let Some(by) = &args.by {
        let name = if args.kind == "slow" { "over" } else { "by" };
        fault[name] = match crate::cli::args::duration(by) {
            Ok(by) => json!(by),
            Err(why) => return Err(Failure::usage(why).at("--by").into()),
        };
    }
    if let Some(number) = args.number {
        let name = match args.kind.as_str() {
            "short-page" => "drop",
            "missing-page" => "page",
            "shifted-pages" => "by",
            _ => "keep",
        };
        fault[name] = number.into();
    }
    let texts = [("how", &args.how), ("outcome", &args.outcome), ("matching", &args.matching)];
    for (name, value) in texts {
        if let Some(value) = value {
            fault[name] = value.as_str().into();
        }
    }
    if let Some(message) = &args.message {
        fault["outcome"] = json!({"error": message});
    }
    if let Some(times) = args.times {
        fault["times"] = times.into();
    }
    serde_json::from_value(fault).map_err(|error| {
        let failure = Failure::usage(format!("that is no fault: {error}"));
        failure.attempt("devpocket simulator fault add --help", "").into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(kind: &str) -> AddArgs {
        AddArgs {
            kind: kind.into(),
            on: "any".into(),
            how: None,
            by: None,
            number: None,
            outcome: None,
            message: None,
            times: Some(1),
            skip: 0,
            matching: None,
        }
    }

    #[test]
    fn faults_are_read_from_flags() {
        assert!(
            read(&AddArgs {
                how: Some("reset".into()),
                on: "create-instance".into(),
                ..args("lose")
            })
            .is_ok()
        );
        assert!(
            read(&AddArgs { how: Some("503".into()), on: "reads".into(), ..args("fail") }).is_ok()
        );
        assert!(read(&AddArgs { number: Some(3), ..args("partial-list") }).is_ok());
        assert!(read(&AddArgs { by: Some("5s".into()), ..args("delay") }).is_ok());
        assert!(
            read(&AddArgs { outcome: Some("stuck-provisioning".into()), ..args("order") }).is_ok()
        );
        assert!(read(&args("empty-list")).is_ok());
        assert!(read(&AddArgs { by: Some("5s".into()), ..args("slow") }).is_ok());
        assert!(read(&AddArgs { number: Some(-2), ..args("shifted-pages") }).is_ok());
        assert!(read(&AddArgs { how: Some("429:30".into()), ..args("fail") }).is_ok());
        let message = Some("no space".into());
        assert!(read(&AddArgs { outcome: Some("error".into()), message, ..args("order") }).is_ok());
        assert!(read(&args("nonsense")).is_err());
    }
}
