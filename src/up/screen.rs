//! What `up` prints. It is its answer, so it goes to stdout; logs go to stderr.
//!
//! On a terminal the times of the steps stand under each other at the right; elsewhere each line
//! begins with the time of day.

use std::io::{self, BufRead, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::Path;

use devpocket_controllers::clock::Clock as _;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use unicode_width::UnicodeWidthStr;

use crate::cli::output::{ColorChoice, Ink, Sign, Style, Words, count, shorten, wrap};
use crate::cli::progress::Progress;
use crate::clock::SystemClock;
use crate::picture::Picture;

/// Columns a step's line takes where there is room: what comes after is the time.
const TEXT_WIDTH: usize = 72;
/// Columns of the time a step took.
const TIME_WIDTH: usize = 7;
/// Columns of a step's word, as in [`Progress`].
const WORD_WIDTH: usize = 12;

/// The terminal, or whatever stands in its place.
#[derive(Clone)]
pub struct Screen {
    style: Style,
    words: Words,
    clock: SystemClock,
}

impl Screen {
    pub fn new(color: ColorChoice) -> Screen {
        Screen {
            style: Style::of(color, io::stdout().is_terminal()),
            words: Words::local(),
            clock: SystemClock::new(),
        }
    }

    /// Shows times of this clock from now on: it may have been moved ahead of the machine's.
    pub fn follow(&mut self, clock: &SystemClock) {
        self.clock = clock.clone();
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Progress of environments on the same stream.
    pub fn progress(&self) -> Progress {
        Progress::new(Box::new(io::stdout()), self.style, self.words.clone())
    }

    pub fn hello(&self) {
        self.prose(&format!(
            "DevPocket {} on this computer. Contabo is simulated: nothing here costs money.",
            env!("CARGO_PKG_VERSION")
        ));
        let set: Vec<String> =
            std::env::vars().map(|(name, _)| name).filter(|n| n.starts_with("CONTABO_")).collect();
        if !set.is_empty() {
            self.note(&format!("{} set, and not read: `up` never does.", set.join(", ")));
        }
    }

    /// The account is not an empty one.
    pub fn twin(&self, picture: &Picture) {
        let taken = self.words.day(picture.taken);
        let machines = count(picture.machines.len(), "machine");
        self.note(&format!(
            "The account is the picture taken on {taken}: {machines}, none of them DevPocket's yet."
        ));
    }

    /// Something to know before it goes on.
    pub fn note(&self, text: &str) {
        for line in wrap(text, self.style.prose_width().saturating_sub(2)) {
            self.print(&format!("  {line}"));
        }
    }

    /// A sentence on its own.
    pub fn prose(&self, text: &str) {
        wrap(text, self.style.prose_width()).iter().for_each(|line| self.print(line));
    }

    /// Asks before everything kept is deleted. Only on a terminal; the default is no.
    pub fn confirm_reset(&self, folder: &Path) -> bool {
        if !io::stdin().is_terminal() {
            return false;
        }
        print!("Delete everything in {}? It cannot be brought back. [y/N] ", folder.display());
        let _ = io::stdout().flush();
        let mut answer = String::new();
        let _ = io::stdin().lock().read_line(&mut answer);
        matches!(answer.trim(), "y" | "Y" | "yes")
    }

    pub fn postgres(&self, started: Instant, major: u32, folder: &Path) {
        self.done(started, &format!("Postgres {major}"), &format!("data in {}", short(folder)));
    }

    pub fn devpocket(&self, started: Instant, api: SocketAddr, contabo: SocketAddr) {
        let text = format!("http://{api}  simulator on :{}", contabo.port());
        self.done(started, "DevPocket", &text);
    }

    /// A step that is done, with the time it took.
    pub fn done(&self, started: Instant, word: &str, text: &str) {
        self.print(&self.step(word, text, started.elapsed()));
    }

    /// The line of a step that is done.
    pub fn step(&self, word: &str, text: &str, took: std::time::Duration) -> String {
        let body = format!("{word:<WORD_WIDTH$} {text}");
        let took = format!("{:.1} s", took.as_secs_f64());
        let sign = if self.style.utf8 { "✓" } else { "ok" };
        let lead = if self.style.terminal { "  ".to_owned() } else { self.stamp(self.now()) };
        let width = self.style.width.saturating_sub(1);
        let line = fit(&format!("{lead}{sign} {body}"), &took, width);
        line.replacen(sign, &self.style.sign(Sign::Done), 1)
    }

    /// Something that happened, at its time.
    pub fn event(&self, at: Timestamp, name: &str, text: &str) {
        let name = self.style.paint(Ink::Bold, name);
        self.print(&format!("{}{name}  {}", self.stamp(at), self.words.local_times(text, at)));
    }

    fn stamp(&self, at: Timestamp) -> String {
        format!("{}  ", self.words.clock(at))
    }

    /// Commands and what they do; the remarks only where they all fit.
    pub fn commands(&self, commands: &[(String, String)]) {
        let widest = commands.iter().map(|(command, _)| command.width()).max().unwrap_or(0);
        let remarks = commands.iter().map(|(_, remark)| remark.width()).max().unwrap_or(0);
        let roomy = 2 + widest + 2 + remarks <= self.style.width;
        for (command, remark) in commands {
            let gap = " ".repeat(widest - command.width() + 2);
            match roomy {
                true => self.print(&format!("  {command}{gap}{remark}")),
                false => self.print(&format!("  {command}")),
            }
        }
    }

    pub fn print(&self, line: &str) {
        // A reader that went away (`up | head`) must not end the work.
        let _ = writeln!(io::stdout(), "{}", self.style.text(line).trim_end());
    }

    pub fn stopping(&self) {
        // The terminal shows ^C at the beginning of the line.
        let lead = if self.style.terminal { "\r" } else { "" };
        self.print(&format!("{lead}Stopping: what was begun is finished first."));
    }

    pub fn stopped(&self, folder: &Path, ephemeral: bool) {
        match ephemeral {
            true => self.prose("Stopped. Nothing is kept."),
            false => self.prose(&format!("Stopped. Everything is kept in {}.", short(folder))),
        }
    }
}

/// A line with its time at the right; where there is no room the time goes first, then the end of
/// the line.
fn fit(line: &str, took: &str, width: usize) -> String {
    let text = TEXT_WIDTH.min(width.saturating_sub(TIME_WIDTH));
    let used = line.width();
    if used + 2 + took.width() <= text + TIME_WIDTH {
        let gap = " ".repeat((text + TIME_WIDTH).saturating_sub(used + took.width()));
        return format!("{line}{gap}{took}");
    }
    if used + 2 + took.width() <= width {
        return format!("{line}  {took}");
    }
    shorten(line, width)
}

/// How long something took, as exactly as anybody cares: `1.2 s`, `34 s`.
pub fn exactly(took: SignedDuration) -> String {
    match took.as_secs() {
        ..10 => format!("{:.1} s", took.as_secs_f64().max(0.0)),
        _ => crate::cli::output::span(took),
    }
}

/// A path as people write it.
pub fn short(path: &Path) -> String {
    let home = std::env::var_os("HOME").map(std::path::PathBuf::from);
    match home.and_then(|home| path.strip_prefix(home).ok().map(Path::to_owned)) {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_under_each_other_and_leave_first() {
        let short = fit("  ✓ Postgres 15  data in ~", "0.9 s", 99);
        let long = fit("  ✓ ordered      env/demo  1 × vps-10-nvme in EU", "10.1 s", 99);
        assert_eq!((short.width(), long.width()), (79, 79));
        assert!(long.ends_with(" 10.1 s"), "{long}");
        assert_eq!(fit("  ✓ ordered  env/demo", "0.9 s", 49).width(), 49);
        assert_eq!(fit(&"x".repeat(47), "0.9 s", 49), "x".repeat(47));
        assert_eq!(fit(&"x".repeat(60), "0.9 s", 49).width(), 49);
        assert_eq!(fit(&"x".repeat(90), "0.9 s", usize::MAX), format!("{}  0.9 s", "x".repeat(90)));
    }
}
