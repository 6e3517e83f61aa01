//! The README's first session is a real one: its commands are run against a real `up`, and what
//! they print is compared with what the README says they print. Times, ids, hashes, ports and ages
//! differ from run to run and are not compared.
//!
//! `DEVPOCKET_UPDATE_README=1` writes what was printed into the README instead.

use std::path::PathBuf;
use std::time::Duration;

use regex::Regex;
use tokio::time::Instant;

use crate::support::{Home, PATIENCE, PROGRAM, Up};

/// Where the session begins and ends.
const HEADING: &str = "## A first session";
/// How the README calls the program.
const CALLED: &str = "target/release/devpocket";
/// Where the README says the data is.
const KEPT_IN: &str = "~/.local/share/devpocket";
const UPDATE: &str = "DEVPOCKET_UPDATE_README";

/// Commands that only read, with what they show once the dust has settled.
const SETTLED: [(&str, &str); 3] =
    [("get env", "running"), ("explain env/demo", "running at"), ("simulator ledger", " 2 ")];

/// A command of the README and what it is said to print.
#[derive(Debug)]
struct Shown {
    command: String,
    output: Vec<String>,
    /// Lines of the README the output takes.
    lines: std::ops::Range<usize>,
}

fn readme() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"))
}

/// The commands of the session, in order.
fn session(text: &str) -> Vec<Shown> {
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.iter().position(|line| *line == HEADING).expect(HEADING);
    let mut shown: Vec<Shown> = Vec::new();
    let mut inside = false;
    for (number, line) in lines.iter().enumerate().skip(start + 1) {
        match *line {
            line if line.starts_with("## ") => break,
            "```console" => inside = true,
            "```" => inside = false,
            line if inside && line.starts_with("$ ") => shown.push(Shown {
                command: line[2..].to_owned(),
                output: Vec::new(),
                lines: number + 1..number + 1,
            }),
            line if inside => {
                let last = shown.last_mut().expect("a command comes before its output");
                last.output.push(line.to_owned());
                last.lines.end = number + 1;
            }
            _ => {}
        }
    }
    shown
}

/// What a terminal would show of it in the end: progress that is redrawn there leaves nothing.
fn as_on_a_terminal(output: &str) -> Vec<String> {
    let passing = Regex::new(r"^\d\d:\d\d:\d\d  env/\S+  [a-z]+, \d+ %").unwrap();
    let stamped = Regex::new(r"^\d\d:\d\d:\d\d  ([✓✗!?]) ").unwrap();
    let server = Regex::new(r"127\.0\.0\.1:\d+").unwrap();
    let lines = output.lines().filter(|line| !passing.is_match(line));
    let lines = lines.map(|line| stamped.replace(line, "  $1 ").into_owned());
    lines.map(|line| server.replace_all(&line, "127.0.0.1:8000").into_owned()).collect()
}

/// The line without what differs from run to run.
fn alike(line: &str) -> String {
    let mut line = line.to_owned();
    for (pattern, word) in [
        (r"\d{4}-\d\d-\d\d", "DATE"),
        (r"\b\d\d:\d\d(:\d\d)?\b", "TIME"),
        (r"\bdp-[0-9a-f]+-m-[0-9a-f]+\b|\bm-[0-9a-f]{16}\b", "NAME"),
        (r"\bvmi\d+\b", "VMI"),
        (r"\b\d{9}\b", "INSTANCE"),
        (r"(^|\s)(Plan|Delete|--plan) [0-9a-f]{6,}\b", "$1$2 HASH"),
        (r"\brequest [0-9a-f]{8}\b", "request ID"),
        (r"\bPostgres \d+\b", "Postgres N"),
        // A thing that is seen again is counted.
        (r" \(\d+ times\)", ""),
        (r"\b\d+(\.\d)? (s|min|h)\b|\b\d+[smh]\b", "SPAN"),
        // What took less than a second is not timed.
        (r"( after SPAN)?\.? +Next:", " Next:"),
        // The day may turn while it runs.
        (r"\btomorrow TIME|\bDATE TIME", "THEN"),
        (r"\s+", " "),
    ] {
        line = Regex::new(pattern).unwrap().replace_all(&line, word).into_owned();
    }
    line.trim().to_owned()
}

fn all_alike(lines: &[String]) -> Vec<String> {
    // Prose wraps at other words when an id is longer: compared as one text.
    lines
        .iter()
        .map(|line| alike(line))
        .collect::<Vec<_>>()
        .join(" ")
        .split(' ')
        .map(str::to_owned)
        .collect()
}

/// The first screen with the folder, ports and last line of a start without flags.
fn without_flags(line: &str, folder: &str) -> String {
    let port = Regex::new(r"simulator on :\d+").unwrap();
    let line = port.replace(&line.replace(folder, KEPT_IN), "simulator on :8001").into_owned();
    let line = line.replace("the same with --reset starts", "`up --reset` starts");
    // Times stand under each other.
    let timed = Regex::new(r"^(  ✓ .*?) +(\d+\.\d s)$").unwrap();
    timed
        .replace(&line, |found: &regex::Captures<'_>| format!("{:<72}{:>7}", &found[1], &found[2]))
        .into_owned()
}

/// Runs the command; one that only reads, until it shows what the README shows.
fn run(up: &Up, shown: &Shown, update: bool) -> Vec<String> {
    let command = shown.command.replacen(CALLED, &format!("'{PROGRAM}'"), 1);
    let settled = SETTLED.iter().find(|(words, _)| shown.command.ends_with(words));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (done, output) = up.shell(&format!("{command} 2>&1"));
        assert!(done, "{command}\n{output}");
        let output = as_on_a_terminal(&output);
        let Some((_, sign)) = settled else { return output };
        let there = match update {
            true => output.iter().any(|line| line.contains(sign)),
            false => all_alike(&output) == all_alike(&shown.output),
        };
        if there || Instant::now() >= deadline {
            return output;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn the_first_session_of_the_readme_is_what_really_happens() {
    let update = std::env::var_os(UPDATE).is_some();
    let text = std::fs::read_to_string(readme()).unwrap();
    let session = session(&text);
    assert!(session.len() >= 7, "the README has no session: {session:?}");
    let home = Home::new();
    let mut up = Up::start(&home);
    up.line_with("Ctrl-C stops everything");
    let data = home.data().display().to_string();
    let mut printed: Vec<Vec<String>> = Vec::new();
    for shown in &session {
        printed.push(if shown.command.ends_with("devpocket up") {
            let seen: Vec<String> = as_on_a_terminal(up.seen());
            let seen = seen.iter().map(|line| line.replace(PROGRAM, CALLED));
            let debug = PROGRAM.strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/"));
            let seen = seen.map(|line| line.replace(debug.unwrap_or(PROGRAM), CALLED));
            seen.map(|line| without_flags(&line, &data)).collect()
        } else {
            run(&up, shown, update)
        });
    }
    up.interrupt();
    if update {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for (shown, printed) in session.iter().zip(printed).rev() {
            lines.splice(shown.lines.clone(), printed);
        }
        std::fs::write(readme(), lines.join("\n") + "\n").unwrap();
        return;
    }
    for (shown, printed) in session.iter().zip(&printed) {
        assert_eq!(
            all_alike(printed),
            all_alike(&shown.output),
            "`{}` prints something else than the README says; {UPDATE}=1 rewrites it. It printed:\n{}",
            shown.command,
            printed.join("\n"),
        );
    }
}
