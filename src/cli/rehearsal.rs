//! `--dry-run` of commands about people: what would be done, said after everything was looked up that
//! can be without changing anything.

use clap::Args;
use serde_json::json;

use super::error::{Outcome, exit};
use super::session::Session;

/// The flag.
#[derive(Args, Clone, Copy, Debug)]
pub struct DryRun {
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Says what would be done.
pub fn would(session: &Session, what: &str) -> Outcome {
    if session.output.format.is_document() {
        session.output.document(&json!({"dryRun": true, "would": what}));
    } else {
        session.output.line(format!("would {what}"));
        session.output.note("Nothing was changed.");
    }
    Ok(exit::DONE)
}
