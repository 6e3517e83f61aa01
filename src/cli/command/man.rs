//! `devpocket man`: manual pages, one for each command.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use clap::Args;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::args::Cli;
use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::output::count;
use crate::cli::session::Session;

/// The day of the pages; a build of the same source makes the same pages.
const DATE: &str = "2026-11-25";
const MANUAL: &str = "DevPocket manual";
/// What every command ends with; the full table is in `docs/errors.md`.
const EXIT_STATUS: [(&str, &str); 8] = [
    ("0", "Done, or nothing to do."),
    ("1", "Failed, or not found."),
    ("2", "Wrong call or invalid file; nothing was sent."),
    ("3", "There are differences (plan and diff with --exit-code)."),
    ("4", "Refused or held: a stale plan, an approval, a quota, a budget."),
    ("5", "Waited too long; the work goes on."),
    ("6", "The server is not reachable, not trusted, or does not know who asks."),
    ("130", "Ctrl-C."),
];

/// Print the manual page of a command, or write all of them into a folder.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket man get\n  devpocket man --dir man1")]
pub struct ManArgs {
    /// The command, such as apply or context use; without it the program
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    command: Vec<String>,
    /// Folder to write all pages to, such as /usr/local/share/man/man1
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub fn run(session: &Session, args: &ManArgs) -> Outcome {
    let mut tree = Cli::command_tree();
    tree.build();
    if let Some(folder) = &args.dir {
        let mut written = 0;
        write_all(&tree, folder, &mut written).map_err(|error| not_written(folder, &error))?;
        session.output.line(format!("{} written to {}", count(written, "page"), folder.display()));
        return Ok(exit::DONE);
    }
    let mut command = &tree;
    for word in &args.command {
        command = command.find_subcommand(word).ok_or_else(|| {
            let message = format!("{:?} is not a command", args.command.join(" "));
            Failure::usage(message).attempt("devpocket --help", "the commands there are")
        })?;
    }
    let text = page(command).map_err(|error| Failure::new("internal", error.to_string()))?;
    if !session.output.out.terminal || !shown(&text) {
        session.output.line(text.trim_end());
    }
    Ok(exit::DONE)
}

/// Whether the reader of manual pages, where there is one, showed it.
fn shown(page: &str) -> bool {
    let reader = Command::new("man").args(["-l", "-"]).stdin(Stdio::piped()).spawn();
    let Ok(mut reader) = reader else { return false };
    if let Some(mut input) = reader.stdin.take() {
        // Who has read enough closes it.
        let _ = input.write_all(page.as_bytes());
    }
    reader.wait().is_ok_and(|ended| ended.success())
}

fn write_all(command: &clap::Command, folder: &Path, written: &mut usize) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        write_all(inner, folder, written)?;
    }
    fs::write(folder.join(format!("{}.1", name(command))), page(command)?)?;
    *written += 1;
    Ok(())
}

fn not_written(folder: &Path, error: &io::Error) -> Report {
    Failure::new("not-written", format!("{} cannot be written: {error}", folder.display()))
        .at("--dir")
        .attempt("devpocket man --dir man1", "a folder here")
        .into()
}

/// `devpocket-context-use`
fn name(command: &clap::Command) -> String {
    command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned()
}

fn page(command: &clap::Command) -> io::Result<String> {
    let man = Man::new(command.clone())
        .title(name(command).to_uppercase())
        .date(DATE)
        .source(concat!("DevPocket ", env!("CARGO_PKG_VERSION")))
        .manual(MANUAL);
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    synopsis(command).to_writer(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.get_subcommands().any(|inner| !inner.is_hide_set()) {
        man.render_subcommands_section(&mut text)?;
    }
    let mut own = Roff::new();
    own.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXIT_STATUS {
        own.control("TP", []);
        own.text([bold(code)]);
        own.text([roman(meaning)]);
    }
    verbatim(&mut own, "EXAMPLES", command.get_before_help());
    verbatim(&mut own, "NOTES", command.get_after_help());
    own.to_writer(&mut text)?;
    Ok(with_plain_gaps(&String::from_utf8_lossy(&text)))
}

/// How it is called, as `--help` has it: the options are in their own section, with their values.
fn synopsis(command: &clap::Command) -> Roff {
    let usage = command.clone().render_usage().to_string();
    let mut own = Roff::new();
    own.control("SH", ["SYNOPSIS"]);
    for (index, line) in usage.trim_start_matches("Usage:").lines().enumerate() {
        if index > 0 {
            own.control("br", []);
        }
        own.text([roman(line.trim())]);
    }
    own
}

/// A gap is an empty line between two line breaks there, and page checkers complain of all three.
fn with_plain_gaps(text: &str) -> String {
    let mut page = text.replace("\n.br\n\n.br\n", "\n.sp\n");
    if !page.ends_with('\n') {
        page.push('\n');
    }
    page
}

/// Lines as they stand.
fn verbatim(page: &mut Roff, heading: &str, text: Option<&clap::builder::StyledStr>) {
    let Some(text) = text.map(ToString::to_string) else { return };
    page.control("SH", [heading]);
    page.control("nf", []);
    for line in text.lines().filter(|line| *line != "Example:") {
        page.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
    }
    page.control("fi", []);
}
