//! The command line: what people type, and what they read.
//!
//! stdout is the answer, stderr is everything around it: progress, questions, hints, errors.
//! No command reads stdin unless told to. Every command ends with one of the codes in
//! [`error::exit`], and every error has the form of [`error`].
//!
//! The commands (one file each in [`command`]) talk to a server through [`api`]; nothing in here
//! decides about environments, that is the server's.

pub mod args;
pub mod error;
pub mod output;
pub mod progress;
pub mod question;
pub mod standing;

mod api;
mod attach;
mod command;
mod complete;
mod follow;
mod interrupt;
mod misread;
mod password;
mod proposal;
mod refusal;
mod rehearsal;
mod session;
mod target;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use args::{Cli, Command};
use error::{Outcome, Report, exit};
use output::{ColorChoice, Format, Style};
use session::Session;

/// The program. It runs here and not in `main.rs`, so that the code behind it is generated once,
/// in the library, and not a second time in the binary.
pub fn main() -> ExitCode {
    complete::answer();
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(run(std::env::args_os().collect()));
            // A blocked read of a terminal must not keep the process alive.
            runtime.shutdown_background();
            ExitCode::from(code)
        }
        Err(error) => {
            eprintln!("error[internal]: no threads can be started: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the arguments ask for; the result is what the process exits with.
async fn run(arguments: Vec<OsString>) -> u8 {
    let cli = match Cli::read(&arguments) {
        Ok(cli) => cli,
        Err(error) => return misread::misread(&error, &arguments),
    };
    let format = cli.globals.output.unwrap_or_default();
    let color = cli.globals.color;
    match dispatch(cli).await {
        Ok(code) => code,
        Err(report) => tell(&report, format, color),
    }
}

async fn dispatch(cli: Cli) -> Outcome {
    let globals = cli.globals;
    if globals.output == Some(Format::Markdown) && !matches!(cli.command, Command::Plan(_)) {
        let failure = error::Failure::usage("-o markdown is for devpocket plan only");
        return Err(failure.attempt("devpocket plan --help", "").into());
    }
    // The server's own commands need no server, and no file of contexts that can be read.
    match cli.command {
        Command::Up(args) => command::host::up(globals, args).await,
        Command::Serve(args) => command::host::serve(*args).await,
        Command::Migrate(args) => command::host::migrate(globals, args).await,
        Command::RunAs(args) => command::host::run_as(args),
        Command::GuestMachine(args) => command::host::guest_machine(args).await,
        Command::Simulator(args) => command::simulator::run(globals, args).await,
        Command::Doctor(args) => command::doctor::run(globals, *args).await,
        command => {
            let mut session = Session::open(globals)?;
            session.settle().await;
            let asked = ask_server(&session, command).await;
            asked.map_err(|report| match session.output.format {
                // Documents have RFC 3339 in UTC.
                Format::Json | Format::Yaml => report,
                _ => report.local(&session.output.words, session.now()),
            })
        }
    }
}

async fn ask_server(session: &Session, command: Command) -> Outcome {
    match command {
        Command::Up(_)
        | Command::Serve(_)
        | Command::Migrate(_)
        | Command::RunAs(_)
        | Command::GuestMachine(_)
        | Command::Simulator(_)
        | Command::Doctor(_) => Ok(exit::DONE),
        Command::Sizes(args) => command::sizes::run(session, args).await,
        Command::Regions(args) => command::regions::run(session, args).await,
        Command::Create(args) => command::create::run(session, args).await,
        Command::Plan(args) => command::plan::run(session, args).await,
        Command::Diff(args) => command::diff::run(session, args).await,
        Command::Apply(args) => command::apply::run(session, args).await,
        Command::Get(args) => command::get::run(session, args).await,
        Command::Describe(args) => command::describe::run(session, args).await,
        Command::Explain(args) => command::explain::run(session, args).await,
        Command::Edit(args) => command::edit::run(session, args).await,
        Command::Delete(args) => command::delete::run(session, args).await,
        Command::Undelete(args) => command::undelete::run(session, args).await,
        Command::Events(args) => command::events::run(session, args).await,
        Command::Schema(args) => command::schema::run(session, &args),
        Command::Completion(args) => command::completion::run(session, &args),
        Command::Man(args) => command::man::run(session, &args),
        Command::Ssh(args) => command::ssh::ssh(session, args).await,
        Command::Exec(args) => command::ssh::exec(session, args).await,
        Command::Cp(args) => command::cp::run(session, args).await,
        Command::Logs(args) => command::logs::run(session, args).await,
        Command::Top(args) => command::top::run(session, args).await,
        Command::Wait(args) => command::wait::run(session, args).await,
        Command::Start(args) => command::power::start(session, args).await,
        Command::Stop(args) => command::power::stop(session, args).await,
        Command::Restart(args) => command::power::restart(session, args).await,
        Command::Recover(args) => command::power::recover(session, args).await,
        Command::Pause(args) => command::pause::pause(session, args).await,
        Command::Resume(args) => command::pause::resume(session, args).await,
        Command::Status(args) => command::status::run(session, args).await,
        Command::Operation(args) => command::operation::run(session, args).await,
        Command::Admin(args) => command::admin::run(session, args).await,
        Command::Token(args) => command::token::run(session, args).await,
        Command::Team(args) => command::team::run(session, args).await,
        Command::Audit(args) => command::audit::run(session, args).await,
        Command::Login(args) => command::login::run(session, args).await,
        Command::Context(args) => command::context::run(session, args),
        Command::Keys(args) => command::keys::run(session, args).await,
        Command::Kubeconfig(args) => command::kubeconfig::run(session, &args),
        Command::Version(args) => command::version::run(session, args).await,
    }
}

/// Prints why a command ends, in the form that goes with the answer's.
pub fn tell(report: &Report, format: Format, color: ColorChoice) -> u8 {
    let text = if format == Format::Json {
        format!("{}\n", report.json())
    } else {
        report.render(&Style::of(color, std::io::IsTerminal::is_terminal(&std::io::stderr())))
    };
    // Nobody reads it: the exit code still counts.
    let _ = std::io::stderr().write_all(text.as_bytes());
    report.exit
}
