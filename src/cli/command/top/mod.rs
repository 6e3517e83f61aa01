//! `devpocket top`: how machines are doing, and how they were.

mod course;

use clap::Args;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use devpocket_specs::sample::KEPT_DAYS;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::args::duration;
use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::follow::absent_failure;
use crate::cli::output::{Cell, Format, Ink, Table, age, ago, wrap};
use crate::cli::session::Session;
use crate::cli::target::Named;
use course::Course;

/// From so many percent on somebody should look.
const HIGH: f64 = 90.0;

/// Show how machines are doing: CPU, memory, disk, network, uptime.
#[derive(Args, Debug)]
#[command(
    before_help = "Example:\n  devpocket top web --since 24h",
    after_help = "IN and OUT are bytes a second, of the last minute. With --since: the same over that \
                  time, with means and the most (of minutes up to a day back, of five minutes up to a \
                  week, else of half hours)."
)]
pub struct TopArgs {
    /// Names of environments; without any, all of the namespace
    names: Vec<String>,
    /// Of every namespace
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Of one environment: how it was doing over this time, such as 24h; at most 30d
    #[arg(long, value_parser = duration, value_name = "TIME", conflicts_with = "all_namespaces")]
    since: Option<SignedDuration>,
}

pub async fn run(session: &Session, args: TopArgs) -> Outcome {
    let names = match args.names.as_slice() {
        [] => Vec::new(),
        words => Named::environments(words)?,
    };
    let over = match args.since {
        Some(_) if names.len() != 1 => return Err(one_only(&names)),
        Some(since) => Some((since, hours(since)?)),
        None => None,
    };
    let all = args.all_namespaces;
    let items = read(session, all, &names).await?;
    if let (Some((since, hours)), [item]) = (over, items.as_slice()) {
        return course::show(session, item, since, hours).await;
    }
    match session.output.format {
        Format::Json | Format::Yaml => session.output.document(&json!({"items": items})),
        Format::Name => {
            items.iter().for_each(|item| session.output.line(format!("env/{}", name(item))));
        }
        _ if items.is_empty() => {
            let place = if all { String::new() } else { format!(" in {}", session.namespace) };
            session.output.note(format!(
                "No environments{place}. Declare one: devpocket create web --size vps-10-nvme --region EU"
            ));
        }
        _ => table(session, &items, all),
    }
    Ok(exit::DONE)
}

/// Those that are named, in the order they were named; all, if none is.
async fn read(session: &Session, all: bool, names: &[String]) -> Result<Vec<Value>, Report> {
    let api = session.api()?;
    session.asked_now(&api).await?;
    let query = if all { String::new() } else { format!("?namespace={}", session.namespace) };
    let answer = api.rest(Method::GET, &format!("/environments/metrics{query}"), None).await;
    let answer = answer.map_err(|error| session.report(&error))?;
    let items = answer["items"].as_array().cloned().unwrap_or_default();
    if names.is_empty() {
        return Ok(items);
    }
    let (mut found, mut absent) = (Vec::new(), Vec::new());
    for wanted in names {
        let named: Vec<Value> = items.iter().filter(|item| name(item) == wanted).cloned().collect();
        if named.is_empty() {
            let namespace = if all { "" } else { session.namespace.as_str() };
            absent.push(absent_failure(&Key::new(Kind::Environment, namespace, wanted)));
        }
        found.extend(named);
    }
    if absent.is_empty() { Ok(found) } else { Err(Report::new(absent)) }
}

fn one_only(names: &[String]) -> Report {
    let example = names.first().map_or("web", String::as_str);
    let failure = Failure::usage("--since is about one environment, which has to be named");
    failure.attempt(format!("devpocket top {example} --since 24h"), "").into()
}

fn table(session: &Session, items: &[Value], all: bool) {
    let mut headers = vec!["*NAME", ">CPU", ">MEMORY", ">DISK", ">IN", ">OUT", ">UP"];
    let with_course = session.output.out.utf8;
    if with_course {
        headers.push("LAST-HOUR");
    }
    if all {
        headers.insert(0, "*NAMESPACE");
    }
    let mut table = Table::new(&headers);
    for item in items {
        let mut cells = vec![Cell::new(name(item)).ink(Ink::Bold)];
        cells.extend(cells_of(item, session.now()));
        if with_course {
            let recent = item["cpu_recent"].as_array().into_iter().flatten().map(Value::as_f64);
            cells.push(Cell::new(Course::new(recent.collect()).of(100.0)).ink(Ink::Dim));
        }
        if all {
            cells.insert(0, Cell::new(item["namespace"].as_str().unwrap_or_default()));
        }
        table.row(cells);
    }
    session.output.table(&table);
    for item in items {
        if let Some(line) = silence(session, item) {
            session.output.hint(line);
        }
    }
}

/// What is of now; empty where that is not known.
fn cells_of(item: &Value, now: Timestamp) -> Vec<Cell> {
    let is_now = item["message"].is_null();
    let number = |field: &str| item[field].as_f64().filter(|_| is_now);
    let share = |percent: &str, text: Option<String>| {
        let ink = match number(percent) {
            Some(percent) if percent >= HIGH => Ink::Yellow,
            _ => Ink::Plain,
        };
        Cell::maybe(text).ink(ink)
    };
    let of = |used: &str, total: &str| Some(of_all(number(used)?, number(total)?));
    let up = number("uptime").zip(last(item)).and_then(|(seconds, at)| {
        let since = at.checked_sub(SignedDuration::from_secs(seconds as i64)).ok()?;
        Some(ago(since, now))
    });
    vec![
        share("cpu_usage", number("cpu_usage").map(percent)),
        share("memory_usage", of("memory_used", "memory_total")),
        share("storage_usage", of("storage_used", "storage_total")),
        Cell::maybe(number("network_rx").map(rate)),
        Cell::maybe(number("network_tx").map(rate)),
        Cell::maybe(up),
    ]
}

/// Why there is nothing of now.
fn silence(session: &Session, item: &Value) -> Option<String> {
    let why = session.output.words.local_times(item["message"].as_str()?, session.now());
    let name = name(item);
    let line = match last(item) {
        Some(last) => {
            format!("{name}: last sample {} ago: {why}", age(last, session.now()))
        }
        None => format!("{name}: {why}"),
    };
    Some(wrap(&line, session.output.err.width).join("\n  "))
}

fn last(item: &Value) -> Option<Timestamp> {
    item["last_updated"].as_str()?.parse().ok()
}

fn name(item: &Value) -> &str {
    item["environment_name"].as_str().unwrap_or_default()
}

/// `12 %`
fn percent(value: f64) -> String {
    format!("{value:.0} %")
}

/// `1.9 of 8 GB`
fn of_all(used: f64, total: f64) -> String {
    let total = total / GB;
    let total = if total < 10.0 && total.fract() > 0.05 {
        format!("{total:.1}")
    } else {
        format!("{total:.0}")
    };
    format!("{:.1} of {total} GB", used / GB)
}

/// Sizes are told as machines are sold: 8 GB are eight times 2^30 bytes.
const GB: f64 = 1_073_741_824.0;

/// `0 B/s`, `1.2 kB/s`, `48 MB/s`
fn rate(bytes: f64) -> String {
    let mut value = bytes;
    for unit in ["B", "kB", "MB"] {
        if value < 999.5 {
            return match unit {
                "B" => format!("{value:.0} B/s"),
                unit if value < 9.95 => format!("{value:.1} {unit}/s"),
                unit => format!("{value:.0} {unit}/s"),
            };
        }
        value /= 1_000.0;
    }
    format!("{value:.1} GB/s")
}

/// Hours the server is asked for, so that all of a time is in them.
fn hours(since: SignedDuration) -> Result<i64, Report> {
    let hours = (since.as_secs() + 3_599) / 3_600;
    if hours <= KEPT_DAYS * 24 {
        return Ok(hours);
    }
    let failure = Failure::usage(format!("--since goes back {KEPT_DAYS} days at most"));
    Err(failure.because("older samples are not kept").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_short_as_they_are_useful() {
        let rates = [0.0, 999.0, 1_200.0, 48_000.0, 999_600.0, 48e6, 1.25e9].map(rate);
        assert_eq!(
            rates,
            ["0 B/s", "999 B/s", "1.2 kB/s", "48 kB/s", "1.0 MB/s", "48 MB/s", "1.2 GB/s"]
        );
        assert_eq!(of_all(1.9 * GB, 8.0 * GB), "1.9 of 8 GB");
        assert_eq!(of_all(18.4 * GB, 73.3 * GB), "18.4 of 73 GB");
        assert_eq!(of_all(1.9 * GB, 7.7 * GB), "1.9 of 7.7 GB");
        assert_eq!(percent(0.4), "0 %");
    }

    #[test]
    fn a_time_is_asked_for_in_whole_hours_and_no_longer_than_it_is_kept() {
        assert_eq!(hours(SignedDuration::from_mins(1)).ok(), Some(1));
        assert_eq!(hours(SignedDuration::from_mins(61)).ok(), Some(2));
        assert_eq!(hours(SignedDuration::from_hours(720)).ok(), Some(720));
        assert!(hours(SignedDuration::from_hours(721)).is_err());
    }
}
