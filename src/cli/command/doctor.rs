//! `devpocket doctor`: a look at a real account, read-only, and what `serve` would do with it.

mod document;
mod screen;

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::start_failure::{not_served, picture_failure};
use crate::cli::args::Globals;
use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::output::Output;
use crate::clock::SystemClock;
use crate::config::{DoctorConfig, ServeArgs};
use crate::doctor::{self, Examination};
use crate::picture::{self, PictureError};
use crate::serve::ServeError;
use devpocket_controllers::clock::Clock as _;

/// Look at a Contabo account, change nothing, and say what `serve` would do with it.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket doctor --env-file production.env")]
pub struct DoctorArgs {
    /// Write a picture of the account here, without anything that says whose it is
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    #[command(flatten)]
    config: ServeArgs,
}

pub async fn run(globals: Globals, args: DoctorArgs) -> Outcome {
    let output = Output::new(globals.output.unwrap_or_default(), globals.color);
    let now: Timestamp = SystemClock::new().now();
    let today = now.to_zoned(TimeZone::UTC).date();
    let config = DoctorConfig::load(&args.config, today)
        .map_err(|errors| not_served(&ServeError::Config(errors)))?;
    // Known before Contabo is asked for minutes.
    if let Some(file) = args.save.as_deref().filter(|file| file.exists()) {
        let exists = PictureError::Exists { path: file.to_owned() };
        return Err(picture_failure(&exists).so_far("Contabo was not asked").into());
    }
    if output.err.terminal && !output.format.is_document() {
        output.note(format!("Looking at {}; nothing is changed.", config.contabo.api_url));
    }
    let found = doctor::examine(&config)
        .await
        .map_err(|error| Report::from(Failure::new("doctor", error.to_string())))?;
    let saved = args.save.as_deref().map(|file| save(&found, file));
    if output.format.is_document() {
        let written = args.save.as_deref().filter(|_| matches!(saved, Some(Ok(_))));
        output.document(&document::document(&found, written));
    } else {
        screen::show(&output, &found, &config);
    }
    if let Some((file, saved)) = args.save.as_deref().zip(saved) {
        let machines = saved?;
        screen::saved(&output, file, machines);
    }
    Ok(if found.needs_somebody() { exit::FAILED } else { exit::DONE })
}

/// Writes the picture; the machines that are in it.
fn save(found: &Examination, file: &Path) -> Result<usize, Report> {
    let taken = doctor::picture(found).map_err(|because| {
        let message = format!("no picture of the account was written to {}", file.display());
        Failure::new("picture", message).because(because).so_far("the account was only read")
    })?;
    let written = picture::write(&taken, file);
    written.map_err(|error| picture_failure(&error).so_far("the account was only read"))?;
    Ok(taken.machines.len())
}
