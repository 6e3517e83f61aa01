//! `devpocket up`, `serve` and `migrate`: the server's own commands, and how they fail.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use crate::cli::args::Globals;
use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::output::Output;
use crate::config::{ConfigErrors, MigrateArgs, ServeArgs};
use crate::embedded::PostgresUser;
use crate::serve::{self, Migration, ServeError};
use crate::server::ServerError;
use crate::simulator::SimulatorError;
use crate::store::{SchemaError, newest_schema};
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

pub async fn up(args: UpArgs) -> Outcome {
    up::run(args).await.map(|()| exit::DONE).map_err(|error| not_up(&error))
}

pub async fn serve(args: ServeArgs) -> Outcome {
    serve::run(args).await.map(|()| exit::DONE).map_err(|error| not_served(&error))
}

pub async fn migrate(globals: Globals, args: MigrateArgs) -> Outcome {
    let output = Output::new(globals.output.unwrap_or_default(), globals.color);
    let newest = newest_schema();
    let done = serve::migrate(&args).await.map_err(|error| not_served(&error))?;
    output.line(match done {
        Migration::AlreadyCurrent => {
            format!("The schema is {newest} already. Nothing was changed.")
        }
        Migration::Done => format!("The schema is {newest} now."),
        Migration::WouldRun { at: 0 } => {
            format!("The database is empty; schema {newest} would be made. Nothing was changed.")
        }
        Migration::WouldRun { at } => {
            format!("The schema would go from {at} to {newest}. Nothing was changed.")
        }
    });
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

fn not_up(error: &UpError) -> Report {
    let failure = match error {
        UpError::Folder(up::FolderError::Busy(_)) => Failure::new("busy", error.to_string())
            .so_far("nothing was started; the other one runs on")
            .attempt("devpocket status", "the one that runs")
            .attempt(
                "devpocket up --data FOLDER --port 8100 --simulator-port 8101 --control-port 8102",
                "one more, beside it",
            ),
        UpError::Listen(ServerError::Taken(address)) => {
            taken(&address.to_string(), "devpocket up --port 8100")
        }
        UpError::Simulator(SimulatorError::PortTaken { address, .. }) => {
            taken(&address.to_string(), "devpocket up --simulator-port 8101 --control-port 8102")
        }
        UpError::NotReset => Failure::new("approval", "nothing was deleted").exit(exit::REFUSED),
        UpError::Schema(error) => schema(error),
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

fn not_served(error: &ServeError) -> Report {
    match error {
        ServeError::Config(ConfigErrors(faults)) => {
            let each = faults
                .iter()
                .map(|fault| Failure::new("bad-config", fault.to_string()).exit(exit::INVALID));
            Report::new(each.collect()).summary("Nothing was started.")
        }
        ServeError::Schema(error) => schema(error).into(),
        ServeError::Listen(ServerError::Taken(address)) => {
            taken(&address.to_string(), "devpocket serve --port 8100").into()
        }
        ServeError::Listen(error @ ServerError::NotLoopback(_)) => {
            Failure::new("no-tls", error.to_string())
                .exit(exit::INVALID)
                .so_far("nothing was started")
                .attempt("devpocket serve --behind-proxy", "if something in front ends TLS")
                .into()
        }
        other => Failure::new("serve", other.to_string()).so_far("nothing was changed").into(),
    }
}

fn schema(error: &SchemaError) -> Failure {
    let so_far = "nothing was started, nothing was changed";
    let own = env!("CARGO_PKG_VERSION");
    match error {
        SchemaError::Empty => Failure::new("schema-old", "the database is empty")
            .so_far(so_far)
            .attempt("devpocket migrate", "makes the schema"),
        SchemaError::Old { at, needs } => {
            let message = format!("the database is at schema {at}, DevPocket {own} needs {needs}");
            Failure::new("schema-old", message)
                .so_far(so_far)
                .attempt("devpocket migrate --dry-run", "shows what would be done")
                .attempt("devpocket migrate", "after a backup")
        }
        SchemaError::New { at, knows } => {
            let message =
                format!("the database is at schema {at}, DevPocket {own} knows up to {knows}");
            Failure::new("schema-new", message)
                .because("a newer DevPocket migrated it; it must be served by that one")
                .so_far(so_far)
        }
        other => Failure::new("database", other.to_string()).so_far(so_far),
    }
}
