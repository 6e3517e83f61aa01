//! Completion of what a shell has so far, by the program itself: commands and flags from the
//! definition of the command line, names from the server.
//!
//! # Guarantees
//! - It only reads, never asks, and prints nothing but candidates: no server, or one that does not
//!   answer within [`PATIENCE`], means no names.
//! - It runs before anything else of the program does, in a process of its own.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use devpocket_specs::kind::Kind;
use devpocket_specs::schema::field_docs;
use serde_json::Value;

use super::args::{Cli, Globals};
use super::session::Session;

/// The name the shells know.
pub const PROGRAM: &str = "devpocket";
/// Set by the script of `devpocket completion` when the shell asks.
pub const VARIABLE: &str = "DEVPOCKET_COMPLETE";
/// How long somebody who pressed Tab waits for names.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Most names that are offered.
const MOST: usize = 500;

/// What an argument names.
#[derive(Clone, Copy, Debug)]
enum Named {
    /// A kind, then objects of it; or `KIND/NAME`.
    KindThenObjects,
    /// Environments by their name, and others as `KIND/NAME`.
    Objects,
    Environments,
    /// An environment, or a field of a kind.
    Explained,
    Kinds,
    Sizes,
    Regions,
    Templates,
    Namespaces,
    Contexts,
}

/// Which arguments of which commands; an empty command is the program.
const ARGUMENTS: [(&str, &str, Named); 26] = [
    ("", "namespace", Named::Namespaces),
    ("", "context", Named::Contexts),
    ("context use", "name", Named::Contexts),
    ("context remove", "name", Named::Contexts),
    ("get", "what", Named::KindThenObjects),
    ("describe", "what", Named::Objects),
    ("delete", "what", Named::Objects),
    ("edit", "what", Named::Objects),
    ("events", "what", Named::Objects),
    ("explain", "what", Named::Explained),
    ("schema", "kind", Named::Kinds),
    ("plan", "names", Named::Environments),
    ("wait", "names", Named::Environments),
    ("start", "names", Named::Environments),
    ("stop", "names", Named::Environments),
    ("restart", "names", Named::Environments),
    ("recover", "names", Named::Environments),
    ("logs", "environment", Named::Environments),
    ("top", "names", Named::Environments),
    ("pause", "names", Named::Environments),
    ("resume", "names", Named::Environments),
    ("undelete", "names", Named::Environments),
    ("create", "size", Named::Sizes),
    ("create", "region", Named::Regions),
    ("create", "template", Named::Templates),
    ("sizes", "region", Named::Regions),
];

/// Answers a shell that asks for candidates; the process ends then.
pub fn answer() {
    CompleteEnv::with_factory(|| completing(Cli::command_tree()))
        .var(VARIABLE)
        .bin(PROGRAM)
        .complete();
}

/// The definition with its names.
fn completing(mut tree: clap::Command) -> clap::Command {
    for (path, argument, named) in ARGUMENTS {
        let words: Vec<&str> = path.split(' ').filter(|word| !word.is_empty()).collect();
        tree = with(tree, &words, argument, named);
    }
    tree
}

fn with(command: clap::Command, path: &[&str], argument: &str, named: Named) -> clap::Command {
    match path.split_first() {
        Some((first, rest)) => {
            command.mut_subcommand(first, |inner| with(inner, rest, argument, named))
        }
        None => command.mut_arg(argument, |arg| {
            arg.add(ArgValueCompleter::new(move |current: &OsStr| candidates(named, current)))
        }),
    }
}

/// A word and what it is.
type Offer = (String, String);

fn candidates(named: Named, current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return Vec::new() };
    let offers = match named {
        Named::KindThenObjects => kind_then_objects(current),
        Named::Objects => objects(current),
        Named::Environments => of_server(Kind::Environment, ""),
        Named::Explained => explained(current),
        Named::Kinds => kinds(),
        Named::Sizes => catalogue("sizes"),
        Named::Regions => catalogue("regions"),
        Named::Templates => of_server(Kind::Template, ""),
        Named::Namespaces => of_server(Kind::Namespace, ""),
        Named::Contexts => contexts(),
    };
    let fitting = offers.into_iter().filter(|(word, _)| word.starts_with(current)).take(MOST);
    fitting
        .map(|(word, about)| {
            let about = (!about.is_empty()).then(|| about.into());
            CompletionCandidate::new(word).help(about)
        })
        .collect()
}

fn kinds() -> Vec<Offer> {
    Kind::all().map(|kind| (kind.info().plural.to_owned(), String::new())).collect()
}

fn kind_then_objects(current: &str) -> Vec<Offer> {
    if current.contains('/') {
        return slashed(current);
    }
    let words = words();
    // The word before the one that is completed, if it is a kind, says of what.
    let before = words.len().checked_sub(2).map(|last| &words[..=last]).unwrap_or_default();
    let command = before.iter().position(|word| word == "get").map_or(0, |at| at + 1);
    let named = before.get(command..).unwrap_or_default();
    match named.iter().find_map(|word| Kind::from_word(word.to_str()?)) {
        Some(kind) => of_server(kind, ""),
        None => kinds(),
    }
}

fn objects(current: &str) -> Vec<Offer> {
    if current.contains('/') {
        return slashed(current);
    }
    of_server(Kind::Environment, "")
}

/// `env/w`: names with their kind before them.
fn slashed(current: &str) -> Vec<Offer> {
    let Some((word, _)) = current.split_once('/') else { return Vec::new() };
    match Kind::from_word(word) {
        Some(kind) => of_server(kind, &format!("{word}/")),
        None => Vec::new(),
    }
}

fn explained(current: &str) -> Vec<Offer> {
    if current.contains('/') {
        return slashed(current);
    }
    let Some((kind, path)) = current.split_once('.') else {
        let fields = Kind::all().map(|kind| (kind.info().singular.to_owned(), "fields".to_owned()));
        return of_server(Kind::Environment, "env/").into_iter().chain(fields).collect();
    };
    let Some(known) = Kind::from_word(kind) else { return Vec::new() };
    let (parent, _) = path.rsplit_once('.').unwrap_or(("", path));
    let Some(docs) = field_docs(known, parent) else { return Vec::new() };
    let prefix = if parent.is_empty() { kind.to_owned() } else { format!("{kind}.{parent}") };
    let about = |doc: &str| doc.lines().next().unwrap_or_default().to_owned();
    let fields = docs.fields.into_iter();
    fields.map(|(name, docs)| (format!("{prefix}.{name}"), about(&docs.doc))).collect()
}

fn contexts() -> Vec<Offer> {
    let Some(session) = session() else { return Vec::new() };
    let known = session.contexts.contexts.iter();
    known.map(|(name, context)| (name.clone(), context.server.clone())).collect()
}

/// Names of a kind on the server, each behind `prefix`.
fn of_server(kind: Kind, prefix: &str) -> Vec<Offer> {
    let Some(session) = session() else { return Vec::new() };
    let Ok(api) = session.api() else { return Vec::new() };
    let namespace = if kind.is_namespaced() { session.namespace.as_str() } else { "" };
    let listed = ask(api.list(kind, namespace, ""));
    let Some(Ok(listing)) = listed else { return Vec::new() };
    let offer = |item: &Value| {
        let name = item["metadata"]["name"].as_str()?;
        let about = item["status"]["phase"].as_str().or(item["spec"]["description"].as_str());
        Some((format!("{prefix}{name}"), about.unwrap_or_default().to_owned()))
    };
    listing.items.iter().filter_map(offer).collect()
}

fn catalogue(what: &str) -> Vec<Offer> {
    let Some(Ok(api)) = session().map(|session| session.api()) else { return Vec::new() };
    let Some(Ok(catalogue)) = ask(api.catalogue()) else { return Vec::new() };
    let items = catalogue[what].as_array().cloned().unwrap_or_default();
    let name = |item: &Value| {
        let inner = item.get("size").or_else(|| item.get("region")).unwrap_or(item);
        inner["slug"].as_str().or(inner["name"].as_str()).map(str::to_owned)
    };
    items.iter().filter_map(name).map(|name| (name, String::new())).collect()
}

fn ask<T>(question: impl Future<Output = T>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async { tokio::time::timeout(PATIENCE, question).await.ok() })
}

/// With the flags that are on the line already, and those of the environment.
fn session() -> Option<Session> {
    let mut arguments = vec![OsString::from(PROGRAM), "version".into()];
    arguments.extend(where_flags(&words()));
    let globals: Globals = Cli::read(&arguments).ok()?.globals;
    Session::open(globals).ok()
}

/// The flags of a line that say which server and namespace.
fn where_flags(words: &[OsString]) -> Vec<OsString> {
    let takes =
        |word: &str| matches!(word, "-n" | "--namespace" | "--context" | "--server" | "--token");
    let joined = |word: &str| word.split_once('=').is_some_and(|(name, _)| takes(name));
    let mut flags = Vec::new();
    // The last word is the one that is completed.
    let complete = words.len().saturating_sub(1);
    let mut rest = words.iter().take(complete);
    while let Some(word) = rest.next() {
        match word.to_str() {
            Some(text) if takes(text) => {
                if let Some(value) = rest.next() {
                    flags.extend([word.clone(), value.clone()]);
                }
            }
            Some(text) if joined(text) => flags.push(word.clone()),
            _ => {}
        }
    }
    flags
}

/// The line so far: what the shell hands over behind `--`, up to the word that is completed.
fn words() -> Vec<OsString> {
    let mut words: Vec<OsString> =
        std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let index = std::env::var("_CLAP_COMPLETE_INDEX").ok().and_then(|at| at.parse::<usize>().ok());
    if let Some(index) = index {
        words.truncate(index.saturating_add(1));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_argument_that_is_named_is_there() {
        completing(Cli::command_tree()).debug_assert();
    }

    #[test]
    fn flags_on_the_line_say_where_to_ask() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(where_flags(&words("devpocket get -n team env --wide x")), words("-n team"));
        assert_eq!(where_flags(&words("devpocket --context=a get x")), words("--context=a"));
        // What is being completed is no value yet.
        assert!(where_flags(&words("devpocket get -n tea")).is_empty());
    }

    #[test]
    fn fields_are_completed_one_level_at_a_time() {
        let offers = explained("environment.spec.po");
        let power = offers.iter().find(|(word, _)| word == "environment.spec.power");
        assert!(power.is_some_and(|(_, about)| !about.is_empty()), "{offers:?}");
    }
}
