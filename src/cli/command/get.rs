//! `devpocket get`: what there is.

use clap::Args;
use devpocket_specs::environment::Environment;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use serde_json::{Value, json};

use super::columns::View;
use crate::cli::api::{Api, Change, Watcher};
use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::follow::absent_failure;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::{Format, Table, wrap};
use crate::cli::session::Session;
use crate::cli::standing::{Standing, failed, joined};
use crate::cli::target::Named;
use crate::manifest::short_name;

/// Show what there is, as a table, or whole objects with -o.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket get env web -o wide")]
pub struct GetArgs {
    /// Kind and names: env, env web db, env/web, machines, templates, events
    #[arg(required = true, value_name = "KIND [NAME]")]
    what: Vec<String>,
    /// Go on showing changes
    #[arg(short, long)]
    watch: bool,
    /// Of every namespace
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Only those with these labels, such as team=a
    #[arg(short = 'l', long, value_name = "LABELS", default_value = "", hide_default_value = true)]
    selector: String,
}

pub async fn run(session: &Session, args: GetArgs) -> Outcome {
    let api = session.api()?;
    let named = Named::read(&args.what, true)?;
    let all = args.all_namespaces && named.kind.is_namespaced();
    let namespace = if all || !named.kind.is_namespaced() { "" } else { &session.namespace };
    let wide = session.output.format == Format::Wide;
    let view = View { kind: named.kind, wide, all, now: session.now() };
    if args.watch {
        return watch(session, &api, &named, namespace, view).await;
    }
    let (items, absent) = read(session, &api, &named, namespace, &args.selector).await?;
    let view = View { now: session.now(), ..view };
    match session.output.format {
        Format::Json | Format::Yaml if items.is_empty() && !absent.is_empty() => {}
        Format::Json | Format::Yaml => match (named.names.as_slice(), items.as_slice()) {
            ([_], [one]) => session.output.document(one),
            _ => session.output.document(
                &json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items}),
            ),
        },
        Format::Name => items.iter().for_each(|item| session.output.line(name(named.kind, item))),
        _ if items.is_empty() && absent.is_empty() => {
            let why = empty(&api, &named, namespace, &args.selector).await;
            session.output.note(why);
        }
        _ if items.is_empty() => {}
        _ => {
            let mut table = view.table();
            items.iter().for_each(|item| table.row(view.cells(item)));
            session.output.table(&table);
            for line in hints(session, named.kind, &items) {
                session.output.hint(line);
            }
        }
    }
    if absent.is_empty() { Ok(exit::DONE) } else { Err(Report::new(absent)) }
}

/// Why a list is empty, and what fills it.
async fn empty(api: &Api, named: &Named, namespace: &str, selector: &str) -> String {
    let plural = named.kind.info().plural;
    if !namespace.is_empty() {
        let key = Key::cluster(Kind::Namespace, namespace);
        // Who may not look at namespaces is not told that one is missing.
        if api.get(&key).await.is_err_and(|error| error.is_not_found()) {
            return format!(
                "No {plural}: there is no namespace {namespace}. What there is: devpocket get namespaces"
            );
        }
    }
    if selector.is_empty() {
        return nothing(named.kind, namespace);
    }
    let place = if namespace.is_empty() { String::new() } else { format!(" in {namespace}") };
    format!("No {plural}{place} with {selector}. All of them: devpocket get {plural}")
}

async fn read(
    session: &Session,
    api: &Api,
    named: &Named,
    namespace: &str,
    selector: &str,
) -> Result<(Vec<Value>, Vec<Failure>), Report> {
    let mut items = Vec::new();
    if named.names.is_empty() {
        let listing = api.list(named.kind, namespace, selector).await;
        items = listing.map_err(|error| session.report(&error))?.items;
        if named.kind == Kind::Event {
            let last = |event: &Value| event["lastTimestamp"].as_str().map(str::to_owned);
            items.sort_by_key(last);
        }
        return Ok((items, Vec::new()));
    }
    let mut absent = Vec::new();
    for key in named.keys(session) {
        match api.get(&key).await {
            Ok(item) => items.push(item),
            Err(error) if error.is_not_found() => absent.push(absent_failure(&key)),
            Err(error) => return Err(session.report(&error)),
        }
    }
    Ok((items, absent))
}

fn name(kind: Kind, item: &Value) -> String {
    short_name(&Key::cluster(kind, item["metadata"]["name"].as_str().unwrap_or_default()))
}

/// An empty list says so, with the command that fills it.
fn nothing(kind: Kind, namespace: &str) -> String {
    let place = if namespace.is_empty() { String::new() } else { format!(" in {namespace}") };
    let plural = kind.info().plural;
    match kind {
        Kind::Environment => format!(
            "No environments{place}. Declare one: devpocket create web --size vps-10-nvme --region EU"
        ),
        Kind::Namespace | Kind::Secret | Kind::Template | Kind::Tier => {
            format!("No {plural}{place}. Declare one: devpocket apply -f FILE")
        }
        Kind::Machine => {
            "No machines. One is ordered for an environment: devpocket create web --size vps-10-nvme"
                .to_owned()
        }
        _ => format!("No {plural}{place}."),
    }
}

/// One line for each environment that is not as it shall be.
fn hints(session: &Session, kind: Kind, items: &[Value]) -> Vec<String> {
    if kind != Kind::Environment {
        return Vec::new();
    }
    let environments =
        items.iter().filter_map(|item| serde_json::from_value::<Environment>(item.clone()).ok());
    environments
        .filter_map(|environment| {
            let standing = Standing::of(&environment);
            let name = &environment.metadata.name;
            let still = failed(&environment).is_some()
                || ["paused", "held", "waiting", "stalled", "unknown"].contains(&standing.word);
            let quiet = standing.message.is_empty();
            let why = if still { format!(" (explain env/{name})") } else { String::new() };
            (!quiet).then(|| {
                let message = session.output.words.local_times(&standing.message, session.now());
                let what = if still { joined(standing.word, &message) } else { message };
                wrap(&format!("{name}: {what}{why}"), session.output.err.width).join("\n  ")
            })
        })
        .collect()
}

/// The table, then a row for each change. Ctrl-C ends it.
async fn watch(
    session: &Session,
    api: &Api,
    named: &Named,
    namespace: &str,
    view: View,
) -> Outcome {
    let mut watcher = Watcher::new(api, named.kind, namespace);
    let mut interrupt = Interrupt::listen();
    let mut first = true;
    loop {
        let change = tokio::select! {
            biased;
            () = interrupt.heard() => {
                session.output.hint("Stopped watching; the work goes on.");
                return Ok(exit::INTERRUPTED);
            }
            change = watcher.next() => change.map_err(|error| session.report(&error))?,
        };
        let (item, gone) = match change {
            Change::Present(item) => (item, false),
            Change::Gone(item) => (item, true),
        };
        let its_name = item["metadata"]["name"].as_str().unwrap_or_default();
        if !named.names.is_empty() && !named.names.iter().any(|name| name == its_name) {
            continue;
        }
        match session.output.format {
            Format::Json | Format::Yaml if gone => {
                session.output.next_document(&json!({"type": "DELETED", "object": item}));
            }
            Format::Json | Format::Yaml => session.output.next_document(&item),
            Format::Name => session.output.line(name(named.kind, &item)),
            _ => {
                let view = View { now: session.now(), ..view };
                let row = row(view, &item, gone);
                print_row(session, row, first);
                first = false;
            }
        }
    }
}

fn row(view: View, item: &Value, gone: bool) -> Table {
    let mut table = view.table();
    let mut cells = view.cells(item);
    if gone && view.kind == Kind::Environment {
        cells[2 + usize::from(view.all)].text = "released".to_owned();
    }
    table.row(cells);
    table
}

/// Rows come one by one, so each column is as wide as its header or its value.
fn print_row(session: &Session, table: Table, with_header: bool) {
    let text = table.padded().render(&session.output.out);
    let card = session.output.out.width < 60;
    let lines = text.lines().skip(usize::from(!with_header && !card));
    for line in lines {
        session.output.line(line);
    }
}
