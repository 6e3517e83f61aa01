//! `devpocket context`: the servers known here.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::output::{Cell, Format, Ink, Table};
use crate::cli::session::{Session, contexts_failure, contexts_path};

/// List the servers known here, or choose the one to use.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket context use local")]
pub struct ContextArgs {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand, Debug)]
enum What {
    /// List them
    #[command(before_help = "Example:\n  devpocket context list")]
    List,
    /// Use another one from now on
    #[command(before_help = "Example:\n  devpocket context use local")]
    Use {
        /// Its name
        name: String,
    },
    /// Show one, without its token; the one in use if none is named
    #[command(before_help = "Example:\n  devpocket context show local")]
    Show {
        /// Its name
        name: Option<String>,
    },
    /// Forget one, with its token
    #[command(visible_alias = "delete", before_help = "Example:\n  devpocket context remove old")]
    Remove {
        /// Its name
        name: String,
    },
}

pub fn run(session: &Session, args: ContextArgs) -> Outcome {
    match args.what {
        None | Some(What::List) => list(session),
        Some(What::Use { name }) => choose(session, &name)?,
        Some(What::Show { name }) => show(session, name.as_deref())?,
        Some(What::Remove { name }) => remove(session, &name)?,
    }
    Ok(exit::DONE)
}

fn list(session: &Session) {
    let contexts = &session.contexts;
    let is_current = |name: &str| contexts.current.as_deref() == Some(name);
    match session.output.format {
        Format::Json | Format::Yaml => {
            let items: Vec<_> = contexts
                .contexts
                .iter()
                .map(|(name, context)| {
                    json!({
                        "name": name,
                        "server": context.server,
                        "namespace": context.namespace,
                        "current": is_current(name),
                    })
                })
                .collect();
            session.output.document(&json!({"items": items}));
        }
        Format::Name => contexts.contexts.keys().for_each(|name| session.output.line(name)),
        _ if contexts.contexts.is_empty() => session.output.note(
            "No server is known here. One on this computer: devpocket up. \
             Another: devpocket login URL --token-file FILE",
        ),
        _ => {
            let mut table = Table::new(&["*NAME", "IN-USE", "*SERVER", "NAMESPACE"]);
            for (name, context) in &contexts.contexts {
                table.row(vec![
                    Cell::new(name).ink(Ink::Bold),
                    Cell::new(if is_current(name) { "yes" } else { "" }),
                    Cell::new(&context.server),
                    Cell::new(&context.namespace),
                ]);
            }
            session.output.table(&table);
        }
    }
}

fn show(session: &Session, name: Option<&str>) -> Result<(), Report> {
    let contexts = &session.contexts;
    let Some(name) = name.or(contexts.current.as_deref()) else {
        let failure = Failure::usage("no context is in use, and none is named");
        return Err(failure.attempt("devpocket context list", "which there are").into());
    };
    let Some(context) = contexts.contexts.get(name) else { return Err(unknown(session, name)) };
    let current = contexts.current.as_deref() == Some(name);
    match session.output.format {
        Format::Json | Format::Yaml => session.output.document(&json!({
            "name": name,
            "server": context.server,
            "namespace": context.namespace,
            "current": current,
            "authority": context.authority,
        })),
        Format::Name => session.output.line(name),
        _ => {
            let trusts = match context.authority {
                Some(_) => "certificates of the system, and one of its own",
                None => "certificates of the system",
            };
            let used = if current { "yes" } else { "no" };
            let lines = [
                ("Server", &*context.server),
                ("Namespace", &*context.namespace),
                ("Trusts", trusts),
            ];
            session.output.line(format!("{:<11} {name}", "Context"));
            for (word, value) in lines.into_iter().chain([("In use", used)]) {
                session.output.line(format!("{word:<11} {value}"));
            }
        }
    }
    Ok(())
}

fn choose(session: &Session, name: &str) -> Result<(), Report> {
    let mut contexts = session.contexts.clone();
    let Some(context) = contexts.contexts.get(name) else { return Err(unknown(session, name)) };
    let server = context.server.clone();
    contexts.current = Some(name.to_owned());
    contexts.save(&contexts_path()?).map_err(|error| contexts_failure(&error))?;
    session.output.line(format!("Using {name}: {server}"));
    Ok(())
}

fn remove(session: &Session, name: &str) -> Result<(), Report> {
    let mut contexts = session.contexts.clone();
    if contexts.contexts.remove(name).is_none() {
        return Err(unknown(session, name));
    }
    if contexts.current.as_deref() == Some(name) {
        contexts.current = None;
    }
    contexts.save(&contexts_path()?).map_err(|error| contexts_failure(&error))?;
    session.output.line(format!("{name} is forgotten here; nothing changed on the server."));
    Ok(())
}

fn unknown(session: &Session, name: &str) -> Report {
    let known: Vec<&str> = session.contexts.contexts.keys().map(String::as_str).collect();
    let because =
        if known.is_empty() { String::new() } else { format!("there are: {}", known.join(", ")) };
    Failure::usage(format!("there is no context {name:?}")).because(because).into()
}
