//! Asking for a password: nothing of it is shown, and the terminal is as before whatever happens.

use std::io::{self, BufRead as _, Write as _};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::error::{Failure, Report, exit};
use super::interrupt::Interrupt;
use super::output::Output;

/// Switches the echo of the terminal off; on again when dropped.
struct Silent(Termios);

impl Silent {
    fn begin() -> io::Result<Silent> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        quiet.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Silent(before))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// A line somebody types after a question on a terminal.
pub fn line(output: &Output, question: &str) -> Result<String, Report> {
    eprint!("{}", output.err.text(question));
    let _ = io::stderr().flush();
    let mut text = String::new();
    let read = io::stdin().lock().read_line(&mut text);
    read.map_err(|error| unread(&error))?;
    Ok(text.trim().to_owned())
}

/// A password somebody types without seeing it.
pub async fn hidden(output: &Output, question: &str) -> Result<String, Report> {
    let mut interrupt = Interrupt::listen();
    let silent = Silent::begin().map_err(|error| unread(&error))?;
    eprint!("{}", output.err.text(question));
    let _ = io::stderr().flush();
    let typed = tokio::task::spawn_blocking(|| {
        let mut text = String::new();
        io::stdin().lock().read_line(&mut text).map(|_| text)
    });
    let typed = tokio::select! {
        typed = typed => typed,
        () = interrupt.heard() => {
            drop(silent);
            eprintln!();
            let failure = Failure::new("interrupted", "stopped").so_far("nothing was sent");
            return Err(failure.exit(exit::INTERRUPTED).into());
        }
    };
    drop(silent);
    let text = typed.map_err(io::Error::other).flatten().map_err(|error| unread(&error))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// The first line of a file, or of stdin for `-`.
pub fn from_file(file: &Path, flag: &str) -> Result<String, Report> {
    let text = match file.as_os_str() == "-" {
        true => {
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line).map(|_| line)
        }
        false => std::fs::read_to_string(file),
    };
    let fault = |message: String| Report::from(Failure::usage(message).at(flag));
    let text =
        text.map_err(|error| fault(format!("{} cannot be read: {error}", file.display())))?;
    let line = text.lines().next().unwrap_or_default().trim_end_matches('\r').to_owned();
    if line.is_empty() { Err(fault(format!("{} is empty", file.display()))) } else { Ok(line) }
}

fn unread(error: &io::Error) -> Report {
    Failure::usage(format!("nothing can be read from the terminal: {error}")).into()
}
