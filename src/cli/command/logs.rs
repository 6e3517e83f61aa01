//! `devpocket logs`: what the installation of an environment prints.

use clap::Args;
use jiff::Timestamp;
use serde_json::Value;

use crate::cli::api::LogReader;
use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::follow::absent_failure;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::Format;
use crate::cli::session::Session;
use crate::cli::target::Named;

/// Show what the installation of an environment prints, oldest first.
#[derive(Args, Debug)]
#[command(
    before_help = "Example:\n  devpocket logs -f web",
    after_help = "With -f it goes on until the installation has ended; the exit code is then 0 if it \
                  succeeded and 1 if it failed."
)]
pub struct LogsArgs {
    /// Name of the environment
    environment: String,
    /// Go on with what comes, until the installation has ended
    #[arg(short, long)]
    follow: bool,
    /// Only the last lines
    #[arg(long, value_name = "COUNT")]
    tail: Option<u64>,
    /// Only of this log: cloud-init, install or progress (which repeats each step, and is left out
    /// otherwise)
    #[arg(long, value_name = "NAME", value_parser = ["cloud-init", "install", "progress"])]
    source: Option<String>,
    /// With the time of each line
    #[arg(long)]
    timestamps: bool,
}

pub async fn run(session: &Session, args: LogsArgs) -> Outcome {
    let api = session.api()?;
    let named = Named::environments(std::slice::from_ref(&args.environment))?;
    let key = session.environment(&named[0]);
    let mut reader = LogReader::new(&api, &key, args.follow, args.tail);
    let mut interrupt = Interrupt::listen();
    loop {
        let document = tokio::select! {
            biased;
            () = interrupt.heard() => return Ok(exit::INTERRUPTED),
            document = reader.next() => document,
        };
        let document = document.map_err(|error| match error.is_not_found() {
            true => absent_failure(&key).into(),
            false => session.report(&error),
        })?;
        let Some(document) = document else { return Ok(exit::DONE) };
        if document["line"].is_string() {
            show(session, &args, &document);
        } else if args.follow {
            return ended(&args.environment, &document);
        }
    }
}

fn show(session: &Session, args: &LogsArgs, document: &Value) {
    let source = document["source"].as_str().unwrap_or_default();
    let output = &session.output;
    let for_programs = matches!(output.format, Format::Json | Format::Yaml);
    let shown = match args.source.as_deref() {
        Some(wanted) => wanted == source,
        None => for_programs || source != "progress",
    };
    if !shown {
        return;
    }
    if for_programs {
        return output.next_document(document);
    }
    let line = document["line"].as_str().unwrap_or_default();
    let at = document["at"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
    match at.filter(|_| args.timestamps) {
        Some(at) => output.line(format!("{}  {line}", output.words.clock(at))),
        None => output.line(line),
    }
}

/// How it ended is the exit code, and a sentence where it went wrong.
fn ended(name: &str, document: &Value) -> Result<u8, Report> {
    if document["end"] != "Failed" {
        return Ok(exit::DONE);
    }
    let error = &document["error"];
    let message = error["message"].as_str().unwrap_or("it has failed");
    let step = error["step"].as_str().filter(|step| !step.is_empty());
    let step = step.map(|step| format!(" in step {step}")).unwrap_or_default();
    let message = match error["code"].as_str() {
        Some(code) => format!("{message} ({code})"),
        None => message.to_owned(),
    };
    let what = format!("the installation of env/{name} has failed{step}");
    let failure = Failure::new("install-failed", what).because(message);
    let failure = failure.so_far("what is installed stays as it is");
    Err(failure.attempt(format!("devpocket recover {name}"), "goes on where it stopped").into())
}
