//! A call that could not be read: what is wrong with it, and what was probably meant.

use std::ffi::OsString;
use std::io::Write;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::args::Cli;
use super::error::{Failure, exit};
use super::output::{ColorChoice, Format};

/// Says so in the form of errors; also `--help` and `--version`, which clap treats alike.
pub(super) fn misread(error: &clap::Error, arguments: &[OsString]) -> u8 {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = std::io::stdout().write_all(error.to_string().as_bytes());
        return exit::DONE;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = std::io::stderr().write_all(error.to_string().as_bytes());
        return exit::INVALID;
    }
    let words: Vec<&str> = arguments.iter().skip(1).filter_map(|word| word.to_str()).collect();
    let (command, path) = called(&words);
    let failure = failure(error, &command, &path);
    let help = format!("devpocket {path} --help").replace("  ", " ");
    let json = words.windows(2).any(|pair| matches!(pair, ["-o" | "--output", "json"]))
        || words.iter().any(|word| matches!(*word, "-ojson" | "--output=json" | "-o=json"));
    let format = if json { Format::Json } else { Format::Table };
    let never = words.contains(&"--color=never");
    let color = if never { ColorChoice::Never } else { ColorChoice::Auto };
    super::tell(&failure.attempt(help, "").into(), format, color)
}

/// The innermost command the words name, and its name as it is typed.
fn called(words: &[&str]) -> (clap::Command, String) {
    let mut command = Cli::command_tree();
    let mut path = Vec::new();
    for word in words.iter().filter(|word| !word.starts_with('-')) {
        let Some(inner) = command.find_subcommand(word).cloned() else { break };
        path.push(inner.get_name().to_owned());
        command = inner;
    }
    (command, path.join(" "))
}

fn failure(error: &clap::Error, command: &clap::Command, path: &str) -> Failure {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(many)) => Some(many.join(", ")),
        _ => None,
    };
    let of = if path.is_empty() { "devpocket" } else { path };
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let typed = text(ContextKind::InvalidSubcommand).unwrap_or_default();
            let of = if path.is_empty() { String::new() } else { format!(" of {path}") };
            let names = command.get_subcommands().filter(|inner| !inner.is_hide_set());
            let near = nearest(&typed, names.map(clap::Command::get_name));
            Failure::usage(meant(&format!("{typed:?} is not a command{of}"), near))
        }
        ErrorKind::UnknownArgument => {
            let typed = text(ContextKind::InvalidArg).unwrap_or_default();
            if !typed.starts_with('-') {
                return Failure::usage(format!("{of} takes no more than it has before {typed:?}"));
            }
            let tree = Cli::command_tree();
            let flags = command.get_arguments().chain(tree.get_arguments());
            let flags: Vec<&str> = flags.filter_map(clap::Arg::get_long).collect();
            let near = nearest(typed.trim_start_matches('-'), flags.into_iter());
            let near = near.map(|near| format!("--{near}"));
            Failure::usage(meant(&format!("{typed} is not a flag of {of}"), near))
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = text(ContextKind::InvalidArg).unwrap_or_default();
            Failure::usage(format!("{of} needs {}", missing.replace("...", "")))
        }
        ErrorKind::MissingSubcommand => Failure::usage(format!("{of} needs a command")),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            wrong_value(error, &text(ContextKind::InvalidArg).unwrap_or_default(), &text)
        }
        _ => {
            let whole = error.to_string();
            let sentence = whole.lines().next().unwrap_or_default();
            Failure::usage(sentence.trim_start_matches("error: "))
        }
    }
}

fn wrong_value(
    error: &clap::Error,
    flag: &str,
    text: &impl Fn(ContextKind) -> Option<String>,
) -> Failure {
    let value = text(ContextKind::InvalidValue).unwrap_or_default();
    if value.is_empty() {
        return Failure::usage(format!("{flag} has no value"));
    }
    let allowed = text(ContextKind::ValidValue).filter(|allowed| !allowed.is_empty());
    let why = match allowed {
        Some(allowed) => format!("it is one of {allowed}"),
        None => std::error::Error::source(error)
            .map_or_else(|| "it is something else".to_owned(), ToString::to_string),
    };
    let near = text(ContextKind::SuggestedValue);
    Failure::usage(meant(&format!("{flag} is {value:?}; {why}"), near))
}

fn meant(sentence: &str, near: Option<String>) -> String {
    match near {
        Some(near) => format!("{sentence}; did you mean {near:?}?"),
        None => sentence.to_owned(),
    }
}

/// The one near name: at most two letters apart, and one for short words.
pub(super) fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let most = if typed.chars().count() <= 4 { 1 } else { 2 };
    let distance = |name: &str| strsim::osa_distance(name, typed);
    let near = names.filter(|name| distance(name) <= most).min_by_key(|name| distance(name));
    near.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &[&str]) -> String {
        let arguments: Vec<OsString> =
            std::iter::once("devpocket").chain(words.iter().copied()).map(Into::into).collect();
        let error = Cli::read(&arguments).expect_err("it can be read");
        let (command, path) = called(words);
        failure(&error, &command, &path).message
    }

    #[test]
    fn a_wrong_call_is_told_in_the_words_of_the_call() {
        for (words, sentence) in [
            (&["gte", "env"][..], "\"gte\" is not a command; did you mean \"get\"?"),
            (&["frobnicate"], "\"frobnicate\" is not a command"),
            (
                &["operation", "lits"],
                "\"lits\" is not a command of operation; did you mean \"list\"?",
            ),
            (&["get"], "get needs <KIND [NAME]>"),
            (&["apply"], "apply needs --file <FILE>"),
            (
                &["get", "env", "--colour"],
                "--colour is not a flag of get; did you mean \"--color\"?",
            ),
            (
                &["wait", "web", "--timeout", "0s"],
                "--timeout <TIME> is \"0s\"; it is longer than nothing",
            ),
            (&["apply", "-f", ""], "--file <FILE> has no value"),
            (
                &["get", "env", "-o", "jsno"],
                "--output <FORMAT> is \"jsno\"; it is one of json, yaml, name, wide, markdown; \
                 did you mean \"json\"?",
            ),
        ] {
            assert_eq!(said(words), sentence);
        }
    }

    #[test]
    fn short_words_are_near_only_when_one_letter_is_wrong() {
        assert_eq!(nearest("edit", ["wait", "exit"].into_iter()), Some("exit".into()));
        assert_eq!(nearest("show", ["stop"].into_iter()), None);
        assert_eq!(nearest("descrbie", ["describe"].into_iter()), Some("describe".into()));
    }
}
