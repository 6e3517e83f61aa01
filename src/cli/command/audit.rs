//! `devpocket audit`: who did what, from where, and what it changed.

use clap::Args;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::Value;

use crate::cli::args::duration;
use crate::cli::error::{Outcome, exit};
use crate::cli::output::{Cell, Format, Ink, Table, shorten};
use crate::cli::session::Session;

/// Lines shown where nothing is said.
const LINES: u32 = 50;
/// Characters of what changed in a table.
const CHANGE_CHARS: usize = 60;

/// Show who did what: in your namespace as its owner, else what you did yourself.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket audit --since 2d --kind environment")]
pub struct AuditArgs {
    /// Only of this person
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Only of this kind: environment, secret, member, token, account, ...
    #[arg(long)]
    kind: Option<String>,
    /// Only of this name
    #[arg(long)]
    name: Option<String>,
    /// Only this verb: create, update, delete, login, invite, ...
    #[arg(long)]
    verb: Option<String>,
    /// Only of this request
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// Not older than this
    #[arg(long, value_parser = duration, value_name = "TIME")]
    since: Option<SignedDuration>,
    /// What you did yourself, in any namespace
    #[arg(long, conflicts_with = "all")]
    mine: bool,
    /// In all namespaces; for admins
    #[arg(short = 'A', long)]
    all: bool,
    /// Also what DevPocket did by itself
    #[arg(long)]
    system: bool,
    /// Lines at most
    #[arg(long, default_value_t = LINES)]
    limit: u32,
    /// Go on where the last page ended
    #[arg(long = "continue", value_name = "TOKEN")]
    after: Option<String>,
}

pub async fn run(session: &Session, args: AuditArgs) -> Outcome {
    let api = session.api()?;
    let now = session.asked_now(&api).await?;
    let since = args.since.map(|since| (now - since).to_string());
    let limit = args.limit.to_string();
    let namespace = Some(session.namespace.clone()).filter(|_| !args.mine && !args.all);
    let given = [
        ("namespace", &namespace),
        ("actor", &args.user),
        ("kind", &args.kind),
        ("name", &args.name),
        ("verb", &args.verb),
        ("request_id", &args.request),
        ("since", &since),
        ("continue", &args.after),
    ];
    let mut query: Vec<(&str, &str)> = vec![("limit", &limit)];
    query.extend(given.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))));
    if args.system {
        query.push(("system", "true"));
    }
    // Only to write the query as it has to be written.
    let address = reqwest::Url::parse_with_params("http://audit", &query);
    let query = address.as_ref().ok().and_then(reqwest::Url::query).unwrap_or_default();
    let page = api.rest(Method::GET, &format!("/audit?{query}"), None).await;
    let page = page.map_err(|error| session.report(&error))?;
    if matches!(session.output.format, Format::Json | Format::Yaml) {
        session.output.document(&page);
        return Ok(exit::DONE);
    }
    let items = page["items"].as_array().cloned().unwrap_or_default();
    if items.is_empty() {
        session.output.note("Nothing was done that fits. All of it: devpocket audit");
        return Ok(exit::DONE);
    }
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let mut table = Table::new(&["*WHEN", "*WHO", "VERB", "OBJECT", "FROM", "CHANGE"]);
    for line in &items {
        let at = text(line, "at");
        let at = at.parse().map_or(at, |at| session.output.words.moment(at, now));
        let name = text(line, "name");
        let object = if name.is_empty() {
            text(line, "kind")
        } else {
            format!("{}/{name}", text(line, "kind"))
        };
        table.row(vec![
            Cell::new(at),
            Cell::new(text(line, "actor")).ink(Ink::Bold),
            Cell::new(text(line, "verb")),
            Cell::new(object),
            Cell::new(text(line, "address")),
            Cell::new(shorten(&change(line), CHANGE_CHARS)),
        ]);
    }
    session.output.table(&table);
    if let Some(next) = page["continue"].as_str() {
        session.output.hint(format!("There is more: devpocket audit --continue {next}"));
    }
    Ok(exit::DONE)
}

/// What differs, as `spec.power: Running → Stopped`.
fn change(line: &Value) -> String {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    flat(&line["before"], "", &mut before);
    flat(&line["after"], "", &mut after);
    if line["before"].is_null() || line["after"].is_null() {
        return String::new();
    }
    let find = |list: &[(String, Value)], path: &str| {
        let found = list.iter().find(|(known, _)| known == path);
        found.map_or("none".to_owned(), |(_, value)| plain(value))
    };
    let mut paths: Vec<&String> = before.iter().chain(&after).map(|(path, _)| path).collect();
    paths.sort();
    paths.dedup();
    let told = paths.into_iter().filter_map(|path| {
        let (was, is) = (find(&before, path), find(&after, path));
        (was != is).then(|| format!("{path}: {was} → {is}"))
    });
    told.collect::<Vec<_>>().join("; ")
}

fn flat(value: &Value, path: &str, into: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flat(member, &path, into);
            }
        }
        Value::Null => {}
        other => into.push((path.to_owned(), other.clone())),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_reads_as_what_was_and_what_is() {
        let line = json!({
            "before": {"spec": {"power": "Running"}, "metadata": {"generation": 1}},
            "after": {"spec": {"power": "Stopped", "paused": true}, "metadata": {"generation": 2}},
        });
        assert_eq!(
            change(&line),
            "metadata.generation: 1 → 2; spec.paused: none → true; spec.power: Running → Stopped"
        );
        assert_eq!(change(&json!({"before": null, "after": {"spec": {}}})), "");
    }
}
