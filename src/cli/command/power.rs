//! `devpocket start`, `stop`, `restart` and `recover`: edits of what is declared.

use clap::Args;
use devpocket_controllers::clock::Ids as _;
use serde_json::json;

use super::change::{Change, ChangeArgs, change};
use crate::cli::error::Outcome;
use crate::cli::follow::Goal;
use crate::cli::session::Session;
use crate::clock::RandomIds;

/// Declare that environments run.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket start web --wait")]
pub struct StartArgs {
    #[command(flatten)]
    change: ChangeArgs,
}

/// Declare that environments are stopped; stopped or not, they cost the same.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket stop web --wait")]
pub struct StopArgs {
    #[command(flatten)]
    change: ChangeArgs,
}

/// Restart the machines of environments, once.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket restart web --wait")]
pub struct RestartArgs {
    #[command(flatten)]
    change: ChangeArgs,
}

/// Go on with an installation that failed, where it stopped; nothing is wiped.
#[derive(Args, Debug)]
#[command(
    before_help = "Example:\n  devpocket recover web --wait",
    after_help = "Where there is nothing to go on with, it is planned to install anew, which wipes \
                  the disk and waits for an approval."
)]
pub struct RecoverArgs {
    #[command(flatten)]
    change: ChangeArgs,
}

pub async fn start(session: &Session, args: StartArgs) -> Outcome {
    let edit = Change {
        patch: json!({"spec": {"power": "Running"}}),
        said: "declared Running".into(),
        goal: Goal::Ready,
    };
    change(session, &args.change, edit).await
}

pub async fn stop(session: &Session, args: StopArgs) -> Outcome {
    let edit = Change {
        patch: json!({"spec": {"power": "Stopped"}}),
        said: "declared Stopped; it costs the same".into(),
        goal: Goal::Ready,
    };
    change(session, &args.change, edit).await
}

fn request() -> String {
    let id = RandomIds.uid().simple().to_string();
    id.get(..12).unwrap_or_default().to_owned()
}

pub async fn recover(session: &Session, args: RecoverArgs) -> Outcome {
    let id = request();
    let edit = Change {
        patch: json!({"spec": {"recover": {"id": id}}}),
        said: format!("recovery asked for (request {id})"),
        goal: Goal::Requested("recover", id),
    };
    change(session, &args.change, edit).await
}

pub async fn restart(session: &Session, args: RestartArgs) -> Outcome {
    let id = request();
    let edit = Change {
        patch: json!({"spec": {"restart": {"id": id}}}),
        said: format!("restart asked for (request {id})"),
        goal: Goal::Requested("restart", id),
    };
    change(session, &args.change, edit).await
}
