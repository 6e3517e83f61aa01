//! The form of every error: one sentence after `error[code]:`, then `at`, `because`, `so far` and
//! `try`, each only if it says something. With `-o json` the same as one line on stderr.
//!
//! A refusal is not a failure: `held[...]` in yellow, the record stands. A warning never changes
//! the exit code.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::output::{Ink, Style, Words, wrap};

/// Exit codes, the same for every command.
pub mod exit {
    /// Done, or nothing to do.
    pub const DONE: u8 = 0;
    /// Failed, or not found.
    pub const FAILED: u8 = 1;
    /// Wrong call or invalid file; nothing was sent.
    pub const INVALID: u8 = 2;
    /// There are differences (`--exit-code` of `plan` and `diff`).
    pub const DIFFERENT: u8 = 3;
    /// Refused or held.
    pub const REFUSED: u8 = 4;
    /// Waited too long; the work goes on.
    pub const TIMEOUT: u8 = 5;
    /// The server is not reachable, or does not know who asks.
    pub const UNREACHABLE: u8 = 6;
    /// Ctrl-C.
    pub const INTERRUPTED: u8 = 130;
}

/// What kind of message it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// It did not happen and will not by itself.
    #[default]
    Error,
    /// Refused or held; the record stands.
    Held,
}

/// Whether trying again makes sense.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    Never,
    #[default]
    AfterChange,
    /// With seconds, where they are known.
    Later(Option<u32>),
    GoesOn,
}

/// A line of a file with a mark under a part of it.
#[derive(Clone, Debug)]
pub struct Snippet {
    pub number: usize,
    pub line: String,
    /// From 1, in characters.
    pub column: usize,
    pub width: usize,
    pub remark: String,
}

/// One message in the form.
#[derive(Clone, Debug, Default)]
pub struct Failure {
    pub tone: Tone,
    pub code: String,
    pub message: String,
    pub at: Option<String>,
    pub snippet: Option<Snippet>,
    pub because: Option<String>,
    pub so_far: Option<String>,
    /// Commands, each with a remark that may be empty.
    pub attempts: Vec<(String, String)>,
    pub retry: Retry,
    pub request_id: Option<String>,
    pub exit: u8,
}

/// Most commands under `try`.
const ATTEMPTS: usize = 3;
/// Columns of a label with the spaces around it.
const LABEL: usize = 11;
/// A longer command does not push the remarks of the others aside.
const COMMAND: usize = 32;

impl Failure {
    pub fn new(code: &str, message: impl Into<String>) -> Failure {
        Failure {
            code: code.to_owned(),
            message: message.into(),
            exit: exit::FAILED,
            ..Failure::default()
        }
    }

    /// A wrong call: nothing was sent.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new("usage", message).exit(exit::INVALID).so_far("nothing was sent")
    }

    pub fn held(code: &str, message: impl Into<String>) -> Failure {
        Failure { tone: Tone::Held, ..Failure::new(code, message) }.exit(exit::REFUSED)
    }

    pub fn exit(mut self, code: u8) -> Failure {
        self.exit = code;
        self
    }

    pub fn at(mut self, at: impl Into<String>) -> Failure {
        self.at = Some(at.into()).filter(|at| !at.is_empty());
        self
    }

    pub fn because(mut self, because: impl Into<String>) -> Failure {
        self.because = Some(because.into()).filter(|because| !because.is_empty());
        self
    }

    pub fn so_far(mut self, so_far: impl Into<String>) -> Failure {
        self.so_far = Some(so_far.into());
        self
    }

    pub fn retry(mut self, retry: Retry) -> Failure {
        self.retry = retry;
        self
    }

    /// A command that works as it stands, and what it does.
    pub fn attempt(mut self, command: impl Into<String>, remark: &str) -> Failure {
        if self.attempts.len() < ATTEMPTS {
            self.attempts.push((command.into(), remark.to_owned()));
        }
        self
    }

    pub fn render(&self, style: &Style) -> String {
        let (word, ink) = match self.tone {
            Tone::Error => ("error", Ink::Red),
            Tone::Held => ("held", Ink::Yellow),
        };
        let head = style.paint(ink, &format!("{word}[{}]:", self.code));
        let mut text = format!("{head} {}\n", self.message);
        let mut label = |name: &str, value: &str| {
            let width = style.prose_width().saturating_sub(LABEL);
            for (index, line) in wrap(value, width).iter().enumerate() {
                let name = if index == 0 { name } else { "" };
                text.push_str(&format!("  {name:<9}{line}\n"));
            }
        };
        if let Some(at) = &self.at {
            label("at", at);
        }
        if let Some(because) = &self.because {
            label("because", because);
        }
        if let Some(so_far) = &self.so_far {
            label("so far", so_far);
        }
        if let Some(snippet) = &self.snippet {
            text.push_str(&snippet.render());
        }
        let longest = self.attempts.iter().filter(|(_, remark)| !remark.is_empty());
        let longest = longest.map(|(command, _)| command.chars().count().min(COMMAND)).max();
        for (index, (command, remark)) in self.attempts.iter().enumerate() {
            let name = if index == 0 { "try" } else { "" };
            let command = match (remark.is_empty(), longest) {
                (false, Some(width)) => format!("{command:<width$}    {remark}"),
                _ => command.clone(),
            };
            text.push_str(&format!("  {name:<9}{command}\n"));
        }
        if let Some(id) = &self.request_id {
            text.push_str(&format!("  {:<9}{id}\n", "request"));
        }
        text
    }

    pub fn json(&self) -> Value {
        let mut error = json!({"code": self.code, "message": self.message});
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                error[name] = value;
            }
        };
        put("at", json!(self.at));
        put("because", json!(self.because));
        put("so_far", json!(self.so_far));
        if !self.attempts.is_empty() {
            let commands: Vec<&String> = self.attempts.iter().map(|(command, _)| command).collect();
            put("try", json!(commands));
        }
        let (retry, after) = match self.retry {
            Retry::Never => ("never", None),
            Retry::AfterChange => ("after_change", None),
            Retry::Later(after) => ("later", after),
            Retry::GoesOn => ("goes_on", None),
        };
        put("retry", json!(retry));
        put("retry_after", json!(after));
        put("request_id", json!(self.request_id));
        error
    }
}

impl Snippet {
    fn render(&self) -> String {
        let before: String = self.line.chars().take(self.column.saturating_sub(1)).collect();
        let gap: String = before.chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let marks = "^".repeat(self.width);
        let remark =
            if self.remark.is_empty() { String::new() } else { format!(" {}", self.remark) };
        format!("{:>8} | {}\n{:>8} | {gap}{marks}{remark}\n", self.number, self.line, "")
    }
}

/// Why a command ends: one or more messages, and what to exit with.
#[derive(Clone, Debug)]
pub struct Report {
    pub failures: Vec<Failure>,
    /// The last line, where there is more than one message to count.
    pub summary: Option<String>,
    pub exit: u8,
}

impl Report {
    pub fn new(failures: Vec<Failure>) -> Report {
        let exit = failures.iter().map(|failure| failure.exit).max().unwrap_or(exit::FAILED);
        Report { failures, summary: None, exit }
    }

    pub fn summary(mut self, summary: impl Into<String>) -> Report {
        self.summary = Some(summary.into());
        self
    }

    /// Says what was done before it failed, where the messages do not say so.
    pub fn so_far(mut self, so_far: &str) -> Report {
        for failure in &mut self.failures {
            failure.so_far.get_or_insert_with(|| so_far.to_owned());
        }
        self
    }

    /// Says what was done before it failed, before what the messages say themselves.
    pub fn first_done(mut self, done: &str) -> Report {
        for failure in &mut self.failures {
            let rest = failure.so_far.take().map(|rest| format!("; {rest}"));
            failure.so_far = Some(format!("{done}{}", rest.unwrap_or_default()));
        }
        self
    }

    /// Names the object, where the messages do not say where they are.
    pub fn about(mut self, at: &str) -> Report {
        for failure in &mut self.failures {
            failure.at.get_or_insert_with(|| at.to_owned());
        }
        self
    }

    /// For people: with the server's times in the local zone.
    pub fn local(mut self, words: &Words, now: Timestamp) -> Report {
        for failure in &mut self.failures {
            failure.message = words.local_times(&failure.message, now);
            for text in [&mut failure.because, &mut failure.so_far].into_iter().flatten() {
                *text = words.local_times(text, now);
            }
        }
        self
    }

    pub fn render(&self, style: &Style) -> String {
        let separate = |failure: &Failure| failure.so_far.is_some() || !failure.attempts.is_empty();
        let mut text = String::new();
        for (index, failure) in self.failures.iter().enumerate() {
            if index > 0 && (separate(failure) || separate(&self.failures[index - 1])) {
                text.push('\n');
            }
            text.push_str(&failure.render(style));
        }
        if let Some(summary) = &self.summary {
            text.push_str(&format!("{summary}\n"));
        }
        style.text(&text)
    }

    /// One line.
    pub fn json(&self) -> Value {
        let mut line = json!({});
        line["error"] = self.failures.first().map_or(Value::Null, Failure::json);
        if self.failures.len() > 1 {
            line["errors"] = self.failures.iter().map(Failure::json).collect();
        }
        if let Some(summary) = &self.summary {
            line["summary"] = json!(summary);
        }
        line
    }
}

impl From<Failure> for Report {
    fn from(failure: Failure) -> Report {
        Report { exit: failure.exit, failures: vec![failure], summary: None }
    }
}

/// How a command ends.
pub type Outcome = Result<u8, Report>;
