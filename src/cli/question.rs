//! Questions. Only on a terminal, the default is no, and loss of data wants the name typed.

use std::io::{self, BufRead, Write};

use super::error::{Failure, Report, exit};
use super::interrupt::Interrupt;
use super::output::{Output, hanging};

/// Columns an answer takes.
const ANSWER: usize = 4;

/// What a command wants consent for.
pub enum Ask<'a> {
    /// Names the money, or what is interrupted.
    Yes(&'a str),
    /// Data would be lost: the name has to be typed.
    Type { question: &'a str, name: &'a str },
}

/// How consent may already have been given on the command line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given {
    /// `--yes`: everything but data-risk.
    pub yes: bool,
    /// `--plan HASH`: exactly this plan, data-risk included.
    pub plan: bool,
}

/// Whether to go on.
///
/// # Errors
/// Without a terminal and without consent on the command line: nothing is done, and `command` is
/// printed as what does it.
pub fn consent(
    output: &Output,
    ask: &Ask<'_>,
    given: Given,
    command: &str,
) -> Result<bool, Report> {
    let risks_data = matches!(ask, Ask::Type { .. });
    if given.plan || (given.yes && !risks_data) {
        return Ok(true);
    }
    if !output.can_ask() {
        return Err(nobody_to_ask(ask, command));
    }
    let (prompt, expected) = match ask {
        Ask::Yes(question) => (format!("{question} [y/N] "), None),
        Ask::Type { question, name } => (format!("{question} Type {name} to go on: "), Some(*name)),
    };
    let prompt = hanging(&prompt, output.err.width.saturating_sub(ANSWER)).join("\n");
    eprint!("{}", output.err.text(&prompt));
    let _ = io::stderr().flush();
    let answer = answered(command)?;
    let answer = answer.trim();
    Ok(match expected {
        Some(name) => answer == name,
        None => matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"),
    })
}

/// A line from the terminal, or that somebody pressed Ctrl-C.
fn answered(command: &str) -> Result<String, Report> {
    let typed = tokio::task::block_in_place(|| {
        tokio::runtime::Handle::current().block_on(async {
            let mut interrupt = Interrupt::listen();
            let line = tokio::task::spawn_blocking(|| {
                let mut line = String::new();
                // What cannot be read is no yes.
                let _ = io::stdin().lock().read_line(&mut line);
                line
            });
            tokio::select! {
                line = line => Some(line.unwrap_or_default()),
                () = interrupt.heard() => None,
            }
        })
    });
    if typed.as_ref().is_none_or(String::is_empty) {
        // Ctrl-C and Ctrl-D leave the cursor behind the question.
        eprintln!();
    }
    typed.ok_or_else(|| {
        Failure::new("interrupted", "stopped at the question")
            .exit(exit::INTERRUPTED)
            .so_far("nothing was changed, nothing was bought")
            .attempt(command, "does it without asking")
            .into()
    })
}

fn nobody_to_ask(ask: &Ask<'_>, command: &str) -> Report {
    let (message, because) = match ask {
        Ask::Yes(question) => (*question, "there is no terminal to ask on, and no --yes"),
        Ask::Type { question, .. } => {
            (*question, "data may be lost, and there is no terminal to ask on; --yes is not enough")
        }
    };
    Failure::new("approval", message)
        .exit(exit::REFUSED)
        .because(because)
        .so_far("nothing was changed, nothing was bought")
        .attempt(command, "")
        .into()
}

/// What is said after a no.
pub fn declined(output: &Output) -> u8 {
    output.note("Nothing was changed, nothing was bought.");
    exit::REFUSED
}
