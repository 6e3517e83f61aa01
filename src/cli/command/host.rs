//! `devpocket up`, `serve` and `migrate`: the server's own commands, and how they fail.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::start_failure::{not_served, picture_failure, schema_refusal};
use crate::cli::args::Globals;
use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::output::Output;
use crate::config::{MigrateArgs, ServeArgs};
use crate::embedded::{EmbeddedError, PostgresUser, VARIABLE};
use crate::serve::{self, Migration};
use crate::server::ServerError;
use crate::simulator::SimulatorError;
use crate::store::{Pending, newest_schema};
use crate::up::{self, UpArgs, UpError};

/// How Postgres is started as another user: this program changes user and becomes Postgres.
#[derive(Args, Debug)]
pub struct RunAsArgs {
    #[arg(long)]
    uid: u32,
    #[arg(long)]
    gid: u32,
    #[arg(last = true, required = true)]
    program: Vec<OsString>,
}

#[derive(Args, Debug)]
pub struct GuestMachineArgs {
    /// What it is started with
    #[arg(long)]
    boot: PathBuf,
    /// Where it listens
    #[arg(long)]
    socket: PathBuf,
}

pub async fn up(globals: Globals, args: UpArgs) -> Outcome {
    up::run(args, globals.color).await.map(|()| exit::DONE).map_err(|error| not_up(&error))
}

pub async fn serve(args: ServeArgs) -> Outcome {
    serve::run(args).await.map(|()| exit::DONE).map_err(|error| not_served(&error))
}

pub async fn migrate(globals: Globals, args: MigrateArgs) -> Outcome {
    let output = Output::new(globals.output.unwrap_or_default(), globals.color);
    let newest = newest_schema();
    let done = serve::migrate(&args).await.map_err(|error| not_served(&error))?;
    match done {
        Migration::AlreadyCurrent => {
            output.line(format!("The schema is {newest} already. Nothing was changed."));
        }
        Migration::Done => output.line(format!("The schema is {newest} now.")),
        Migration::WouldRun { at, steps } => {
            output.line(match at {
                0 => format!("The database is empty; schema {newest} would be made:"),
                at => format!("The schema would go from {at} to {newest}:"),
            });
            for Pending { version, description } in steps {
                output.line(format!("  {version}  {description}"));
            }
            output.line("Nothing was changed.");
        }
    }
    Ok(exit::DONE)
}

/// Returns only if it failed.
pub fn run_as(args: RunAsArgs) -> Outcome {
    let user = PostgresUser { uid: args.uid, gid: args.gid };
    let mut words = args.program.into_iter();
    let program = words.next().map(PathBuf::from).unwrap_or_default();
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    let error = crate::embedded::run_as(user, &program, &words);
    Err(Failure::new("run-as", format!("{} cannot be started: {error}", program.display())).into())
}

/// Runs until the simulator is gone.
pub async fn guest_machine(args: GuestMachineArgs) -> Outcome {
    let ended = crate::simulator::machine::run(&args.boot, &args.socket).await;
    ended.map(|()| exit::DONE).map_err(|error| {
        Failure::new("guest-machine", format!("the simulated machine ended: {error}")).into()
    })
}

fn not_up(error: &UpError) -> Report {
    let failure = match error {
        UpError::Folder(up::FolderError::Busy(_)) => Failure::new("busy", error.to_string())
            .so_far("nothing was started; the other one runs on")
            .attempt("devpocket status", "the one that runs")
            .attempt(
                "devpocket up --data FOLDER --port 8100 --simulator-port 8101 --control-port 8102",
                "one more, beside it",
            ),
        UpError::Twin(error) => picture_failure(error).so_far("nothing was started"),
        UpError::Folder(up::FolderError::HasAccount(_)) => Failure::new("busy", error.to_string())
            .exit(exit::REFUSED)
            .so_far("nothing was started, the account there is as it was")
            .attempt("devpocket up --ephemeral --twin FILE", "in a folder that goes afterwards")
            .attempt("devpocket up --data FOLDER --twin FILE", "in a folder of its own")
            .attempt("devpocket up --reset --twin FILE", "deletes the account that is there"),
        UpError::Listen(ServerError::Taken(address)) => {
            taken(&address.to_string(), "devpocket up --port 8100")
        }
        UpError::Simulator(SimulatorError::PortTaken { address, .. }) => {
            taken(&address.to_string(), "devpocket up --simulator-port 8101 --control-port 8102")
        }
        UpError::NotReset(folder) => Failure::new("approval", error.to_string())
            .exit(exit::REFUSED)
            .because("nobody said yes, and without a terminal nobody can be asked")
            .attempt(
                format!("devpocket up --data {} --reset --yes", folder.display()),
                "deletes it for good and starts over",
            ),
        UpError::Embedded(EmbeddedError::Download { because }) => {
            Failure::new("no-postgres", error.to_string())
                .because(because.clone())
                .so_far("nothing was started")
                .attempt("apt-get install postgresql", "or your system's package of it")
                .attempt(
                    format!("{VARIABLE}=FOLDER devpocket up"),
                    "the folder with postgres, initdb and pg_ctl",
                )
        }
        UpError::Schema(error) => schema_refusal(error),
        other => Failure::new("up", other.to_string()),
    };
    failure.into()
}

fn taken(address: &str, other: &str) -> Failure {
    Failure::new("port-taken", format!("{address} is in use by another process"))
        .because("another `devpocket up`, or something else that listens there")
        .so_far("nothing was started")
        .attempt("devpocket status", "whether it is a DevPocket")
        .attempt(other, "beside it")
}
