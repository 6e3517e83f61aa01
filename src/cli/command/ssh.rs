//! `devpocket ssh` and `exec`: into the machine, no set-up.

use std::io::IsTerminal as _;

use clap::Args;
use devpocket_specs::object::Key;

use crate::cli::attach::{Attached, Ended, Escape, Keyboard};
use crate::cli::error::{Failure, Outcome, Report};
use crate::cli::follow::absent_failure;
use crate::cli::session::Session;
use crate::cli::target::Named;

/// What `ssh` and `exec` return for failures of their own.
const OWN_FAILURE: u8 = 255;
/// Signals as shells count them: 128 and the number.
const SIGNALS: [(&str, u8); 9] = [
    ("HUP", 129),
    ("INT", 130),
    ("QUIT", 131),
    ("ABRT", 134),
    ("KILL", 137),
    ("USR1", 138),
    ("SEGV", 139),
    ("PIPE", 141),
    ("TERM", 143),
];

/// Open a shell on the environment's machine, or run a command there
#[derive(Args, Debug)]
#[command(
    before_help = "Example:\n  devpocket ssh demo",
    after_help = "~. at the beginning of a line leaves a session that hangs."
)]
pub struct SshArgs {
    /// Name of the environment
    environment: String,
    /// A command instead of a shell; its exit code is this program's
    #[arg(last = true)]
    command: Vec<String>,
}

/// Run a command on the environment's machine; its exit code is this program's
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket exec demo -- uname -a")]
pub struct ExecArgs {
    /// Name of the environment
    environment: String,
    /// Pass this program's input on
    #[arg(short = 'i', long)]
    stdin: bool,
    /// Run it on a terminal
    #[arg(short, long)]
    tty: bool,
    /// The command and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

pub async fn ssh(session: &Session, args: SshArgs) -> Outcome {
    let is_shell = args.command.is_empty();
    let has_terminal = std::io::stdin().is_terminal();
    let how = How { stdin: is_shell || !has_terminal, tty: is_shell && has_terminal };
    run(session, &args.environment, args.command, how).await
}

pub async fn exec(session: &Session, args: ExecArgs) -> Outcome {
    let how = How { stdin: args.stdin || args.tty, tty: args.tty };
    run(session, &args.environment, args.command, how).await
}

struct How {
    stdin: bool,
    tty: bool,
}

async fn run(session: &Session, name: &str, command: Vec<String>, how: How) -> Outcome {
    let name = Named::environments(&[name.to_owned()])?.remove(0);
    let key = session.environment(&name);
    let mut query: Vec<(&str, String)> =
        command.into_iter().map(|word| ("command", word)).collect();
    if how.tty {
        let (columns, rows) = Keyboard::size();
        let term = std::env::var("TERM").unwrap_or_default();
        query.extend([("tty", "true".into()), ("term", term)]);
        query.extend([("cols", columns.to_string()), ("rows", rows.to_string())]);
    }
    let attached = attach(session, &key, &query).await?;
    let keyboard = how.tty.then(Keyboard::take).flatten();
    let escape = keyboard.as_ref().map(|_| Escape::default());
    let input = how.stdin.then(tokio::io::stdin);
    let (out, err) = (tokio::io::stdout(), tokio::io::stderr());
    let ended = attached.run(input, out, err, Keyboard::sizes(), escape).await;
    drop(keyboard);
    finish(&key, ended)
}

/// Opens a session; a failure is this program's own.
pub async fn attach(
    session: &Session,
    key: &Key,
    query: &[(&str, String)],
) -> Result<Attached, Report> {
    let api = session.api()?;
    let upgraded = api.attach(key, query).await;
    match upgraded {
        Ok(upgraded) => Ok(Attached::over(upgraded).await),
        Err(error) => Err(told(key, session.report(&error))),
    }
}

/// What was not sent, and what can be done, beside what the server said.
fn told(key: &Key, mut report: Report) -> Report {
    report.exit = OWN_FAILURE;
    let name = &key.name;
    let explain =
        |failure: Failure, remark| failure.attempt(format!("devpocket explain env/{name}"), remark);
    let tell = |failure: Failure| match failure.code.as_str() {
        "not-found" => absent_failure(key).so_far("nothing was sent to a machine"),
        "machine-identity" => {
            let text =
                "no key, password or keystroke was sent to it. Nothing is repaired by itself";
            explain(failure.so_far(text), "what is known since when, and what can be done")
        }
        "guest-not-ready" => failure
            .so_far("nothing was sent to the machine")
            .attempt(format!("devpocket wait env/{name}"), "until it is ready"),
        "guest-unreachable" | "guest-refused" | "guest-broken" => {
            explain(failure.so_far("nothing was run. Its disk is as it was"), "since when, and why")
        }
        _ => failure,
    };
    report.failures = std::mem::take(&mut report.failures).into_iter().map(tell).collect();
    report
}

fn finish(key: &Key, ended: Ended) -> Outcome {
    match ended {
        Ended::Code(code) => Ok(code),
        Ended::Signal(name) => {
            let known = SIGNALS.iter().find(|(known, _)| *known == name);
            Ok(known.map_or(OWN_FAILURE, |(_, code)| *code))
        }
        Ended::Left => Ok(OWN_FAILURE),
        Ended::Lost(why) => {
            let message = format!("the session on env/{} was lost", key.name);
            let failure = Failure::new("session-lost", message)
                .because(why)
                .so_far("whether the command went on is not known")
                .attempt(format!("devpocket ssh {}", key.name), "a new session")
                .attempt(format!("devpocket explain env/{}", key.name), "whether the machine runs");
            Err(Report { exit: OWN_FAILURE, ..failure.into() })
        }
    }
}
