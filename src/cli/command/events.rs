//! `devpocket events`: what happened, to one object or to all of them, oldest first.

use std::collections::BTreeMap;

use clap::Args;
use devpocket_controllers::runtime::recorder::SYSTEM_NAMESPACE;
use devpocket_specs::event::{EVENT_HOURS, Event};
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use serde_json::{Value, json};

use super::describe::{is_of, last};
use crate::cli::api::{Api, ApiError, Change, Watcher};
use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::follow::absent_failure;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::{Cell, Format, Ink, Table, ago, shorten};
use crate::cli::session::Session;
use crate::cli::target::Named;
use crate::manifest::short_name;

/// Fewest columns of a message, however narrow the terminal is.
const MESSAGE: usize = 24;
/// Columns of everything before the message where rows come one by one.
const BEFORE: usize = 60;

/// Show what happened, to one object or to all of a namespace, oldest first.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket events env/web -w")]
pub struct EventsArgs {
    /// The object: web, env/web, machine/m-1; without it all of the namespace
    #[arg(value_name = "KIND/NAME")]
    what: Vec<String>,
    /// Go on showing what happens
    #[arg(short, long)]
    watch: bool,
    /// Of every namespace
    #[arg(short = 'A', long, conflicts_with = "what")]
    all_namespaces: bool,
    /// Only those that somebody may have to do something about
    #[arg(long)]
    warnings: bool,
}

/// Which events are shown.
struct Wanted {
    object: Option<Key>,
    /// Of the object there is now: another may have had its name before.
    uid: Option<String>,
    is_missing: bool,
    namespace: String,
    warnings: bool,
}

pub async fn run(session: &Session, args: EventsArgs) -> Outcome {
    let api = session.api()?;
    let mut wanted = Wanted::read(session, &args)?;
    wanted.identify(session, &api).await?;
    if args.watch {
        return watch(session, &api, &wanted).await;
    }
    let listing = api.list(Kind::Event, &wanted.namespace, "").await;
    let items = listing.map_err(|error| session.report(&error))?.items;
    let events = wanted.of(&api, items).map_err(|error| session.report(&error))?;
    if let Some(key) = wanted.object.as_ref().filter(|_| events.is_empty() && wanted.is_missing) {
        return Err(absent_failure(key).into());
    }
    let output = &session.output;
    match output.format {
        Format::Json | Format::Yaml => {
            let items: Vec<&Value> = events.iter().map(|(_, item)| item).collect();
            output.document(
                &json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items}),
            );
        }
        Format::Name => events.iter().for_each(|(event, _)| output.line(named(event))),
        _ if events.is_empty() => output.note(wanted.nothing()),
        _ => {
            let mut table = wanted.table();
            let room = wanted.room(session, events.iter().map(|(event, _)| event));
            for (event, _) in &events {
                table.row(wanted.cells(session, event, room));
            }
            output.table(&table);
        }
    }
    Ok(exit::DONE)
}

fn named(event: &Event) -> String {
    short_name(&Key::cluster(Kind::Event, event.metadata.name.clone()))
}

impl Wanted {
    fn read(session: &Session, args: &EventsArgs) -> Result<Wanted, Report> {
        let mut object = None;
        if !args.what.is_empty() {
            let named = Named::read(&args.what, false)?;
            let keys = named.keys(session);
            let [key] = keys.as_slice() else {
                let message = format!("events of one object at a time, not of {}", keys.len());
                return Err(Failure::usage(message).attempt("devpocket events env/web", "").into());
            };
            object = Some(key.clone());
        }
        let namespace = match &object {
            Some(key) if key.namespace.is_empty() => SYSTEM_NAMESPACE.to_owned(),
            _ if args.all_namespaces => String::new(),
            _ => session.namespace.clone(),
        };
        Ok(Wanted { object, uid: None, is_missing: false, namespace, warnings: args.warnings })
    }

    fn is(&self, event: &Event) -> bool {
        let about = &event.involved_object;
        let of = self.object.as_ref().is_none_or(|key| {
            about.kind.as_deref() == Some(key.kind.info().name)
                && about.name.as_deref() == Some(&key.name)
        });
        let of = of && is_of(event, self.uid.as_deref());
        of && (!self.warnings || event.r#type == "Warning")
    }

    /// The events that are wanted, oldest first, with what they were read from.
    fn of(&self, api: &Api, items: Vec<Value>) -> Result<Vec<(Event, Value)>, ApiError> {
        let mut events = Vec::new();
        for item in items {
            let event: Event = api.typed(item.clone())?;
            if self.is(&event) {
                events.push((event, item));
            }
        }
        events.sort_by_key(|(event, _)| last(event));
        Ok(events)
    }

    /// Of one that is gone, what happened to it is told all the same.
    async fn identify(&mut self, session: &Session, api: &Api) -> Result<(), Report> {
        let Some(key) = &self.object else { return Ok(()) };
        match api.get(key).await {
            Ok(found) => self.uid = found["metadata"]["uid"].as_str().map(str::to_owned),
            Err(error) if error.is_not_found() => self.is_missing = true,
            // Who may see events only sees all of that name.
            Err(error) if error.is_forbidden() => {}
            Err(error) => return Err(session.report(&error)),
        }
        Ok(())
    }

    fn nothing(&self) -> String {
        let of = match &self.object {
            Some(key) => format!(" about {}", short_name(key)),
            None if self.namespace.is_empty() => String::new(),
            None => format!(" in {}", self.namespace),
        };
        let what = if self.warnings { "warnings" } else { "events" };
        format!("No {what}{of} in the last {EVENT_HOURS} h.")
    }

    fn table(&self) -> Table {
        let mut headers = vec!["*LAST", "TYPE", "*REASON"];
        if self.object.is_none() {
            headers.push("*OBJECT");
        }
        headers.push("*MESSAGE");
        Table::new(&headers)
    }

    /// A message is cut where the line ends; `-o yaml` has it whole.
    fn cells(&self, session: &Session, event: &Event, room: usize) -> Vec<Cell> {
        let now = session.now();
        let ink = if event.r#type == "Warning" { Ink::Yellow } else { Ink::Plain };
        let mut cells = vec![
            Cell::maybe(last(event).map(|at| ago(at, now))),
            Cell::new(&event.r#type).ink(ink),
            Cell::new(&event.reason).ink(ink),
        ];
        if self.object.is_none() {
            cells.push(Cell::new(about(event)).ink(Ink::Bold));
        }
        let message = session.output.words.local_times(&event.message, now).replace('\n', " ");
        let times = times(event);
        let message = shorten(&message, room.saturating_sub(times.len()).max(MESSAGE));
        cells.push(Cell::new(format!("{message}{times}")));
        cells
    }

    /// Columns left for messages beside the rest of the rows.
    fn room<'a>(&self, session: &Session, events: impl Iterator<Item = &'a Event>) -> usize {
        let rest = events.map(|event| {
            let object = if self.object.is_none() { about(event).len() + 2 } else { 0 };
            "LAST".len() + event.reason.len() + object + 4
        });
        let width = session.output.out.width;
        // Narrow terminals lose columns before they lose the message.
        width.saturating_sub(rest.max().unwrap_or(0).min(BEFORE)).max(MESSAGE)
    }
}

/// `env/web`
fn about(event: &Event) -> String {
    let object = &event.involved_object;
    let name = object.name.clone().unwrap_or_default();
    match object.kind.as_deref().and_then(Kind::from_word) {
        Some(kind) => short_name(&Key::cluster(kind, name)),
        None => name,
    }
}

/// ` (4 times in 2h)`, where it is more than once.
fn times(event: &Event) -> String {
    let first = event.first_timestamp.or(event.metadata.creation_timestamp);
    match (event.count, first, last(event)) {
        (..=1, ..) => String::new(),
        (count, Some(first), Some(last)) => format!(" ({count} times in {})", ago(first, last)),
        (count, ..) => format!(" ({count} times)"),
    }
}

/// The history, then each event as it happens. Ctrl-C ends it.
async fn watch(session: &Session, api: &Api, wanted: &Wanted) -> Outcome {
    let failed = |error: ApiError| session.report(&error);
    let mut watcher = Watcher::new(api, Kind::Event, &wanted.namespace);
    let mut interrupt = Interrupt::listen();
    watcher.start().await.map_err(failed)?;
    // The watcher begins with what there is, in no order; history has one.
    let mut known = BTreeMap::new();
    let mut history = Vec::new();
    for _ in 0..watcher.known().count() {
        if let Change::Present(item) = watcher.next().await.map_err(failed)? {
            history.push(item);
        }
    }
    let mut first = true;
    for (event, item) in wanted.of(api, history).map_err(failed)? {
        known.insert(event.metadata.name.clone(), event.count);
        print_row(session, wanted, &event, &item, first);
        first = false;
    }
    if first {
        if let Some(key) = wanted.object.as_ref().filter(|_| wanted.is_missing) {
            return Err(absent_failure(key).into());
        }
        session.output.hint(format!("{} Waiting for the first.", wanted.nothing()));
    }
    loop {
        let change = tokio::select! {
            biased;
            () = interrupt.heard() => {
                session.output.hint("Stopped watching; the work goes on.");
                return Ok(exit::INTERRUPTED);
            }
            change = watcher.next() => change.map_err(failed)?,
        };
        // One that is forgotten after its day is no news.
        let Change::Present(item) = change else { continue };
        for (event, item) in wanted.of(api, vec![item]).map_err(failed)? {
            // A new list after a cut connection brings the old ones again.
            if known.insert(event.metadata.name.clone(), event.count) == Some(event.count) {
                continue;
            }
            print_row(session, wanted, &event, &item, first);
            first = false;
        }
    }
}

fn print_row(session: &Session, wanted: &Wanted, event: &Event, item: &Value, header: bool) {
    let output = &session.output;
    match output.format {
        Format::Json | Format::Yaml => output.next_document(item),
        Format::Name => output.line(named(event)),
        _ => {
            let mut table = wanted.table();
            let room = wanted.room(session, std::iter::once(event));
            table.row(wanted.cells(session, event, room));
            let text = table.padded().render(&output.out);
            let skip = usize::from(!header && text.lines().count() > 1 && text.starts_with("LAST"));
            text.lines().skip(skip).for_each(|line| output.line(line));
        }
    }
}
