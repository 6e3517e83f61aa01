//! What is printed and how: streams, colour, signs, tables, and the words for numbers and times.

mod style;
mod table;
mod words;

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

pub use style::{ColorChoice, Ink, Sign, Style};
pub use table::{Cell, Table};
pub use words::{Words, age, ago, count, hanging, shorten, span, wrap};

/// What the answer looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table, for people.
    #[default]
    #[value(skip)]
    Table,
    Json,
    Yaml,
    /// One `env/demo` a line
    Name,
    /// A table with more columns
    Wide,
    /// For a comment under a pull request; of plan only
    Markdown,
}

impl Format {
    /// One document for programs: no colour, no hints, errors as JSON.
    pub fn is_document(self) -> bool {
        matches!(self, Format::Json | Format::Yaml | Format::Markdown)
    }
}

/// stdout is the answer, stderr is everything around it.
#[derive(Clone, Debug)]
pub struct Output {
    pub format: Format,
    pub out: Style,
    pub err: Style,
    pub words: Words,
    /// Whether documents hold `metadata.managedFields`, as the server has them.
    pub managed_fields: bool,
}

impl Output {
    pub fn new(format: Format, color: ColorChoice) -> Output {
        let plain = if format.is_document() { ColorChoice::Never } else { color };
        Output {
            format,
            out: Style::of(plain, io::stdout().is_terminal()),
            err: Style::of(color, io::stderr().is_terminal()),
            words: Words::local(),
            managed_fields: false,
        }
    }

    /// Whether a person is there to answer a question.
    pub fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && self.err.terminal
    }

    /// A line of the answer.
    pub fn line(&self, line: impl AsRef<str>) {
        self.answer(&format!("{}\n", self.out.text(line.as_ref())));
    }

    /// A line of the answer that may be longer than the terminal is wide.
    pub fn hang(&self, line: &str) {
        hanging(line, self.out.width).iter().for_each(|line| self.line(line));
    }

    pub fn table(&self, table: &Table) {
        self.answer(&self.out.text(&table.render(&self.out)));
    }

    /// A line around the answer: a hint, a head line of a question.
    pub fn note(&self, line: impl AsRef<str>) {
        let text = format!("{}\n", self.err.text(line.as_ref()));
        // Nobody reads what is around the answer: the answer still counts.
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// Hints are for people.
    pub fn hint(&self, line: impl AsRef<str>) {
        if !self.format.is_document() && self.format != Format::Name {
            self.note(line);
        }
    }

    /// A whole document.
    pub fn document(&self, value: &impl Serialize) {
        let value = self.shown(value);
        let text = match self.format {
            Format::Yaml => serde_yaml::to_string(&value).unwrap_or_default(),
            _ => format!("{value:#}\n"),
        };
        self.answer(&text);
    }

    /// One document of several, as they come: YAML documents, or one JSON a line.
    pub fn next_document(&self, value: &Value) {
        let value = self.shown(value);
        match self.format {
            Format::Yaml => {
                let text = serde_yaml::to_string(&value).unwrap_or_default();
                self.answer(&format!("---\n{text}"));
            }
            _ => self.answer(&format!("{value}\n")),
        }
    }

    /// An object, a list or a change of one, without what only few want to see.
    fn shown(&self, value: &impl Serialize) -> Value {
        let mut value = serde_json::to_value(value).unwrap_or(Value::Null);
        if self.managed_fields {
            return value;
        }
        let hide = |object: &mut Value| {
            let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
            metadata.map(|metadata| metadata.remove("managedFields"));
        };
        hide(&mut value);
        value.get_mut("object").map(hide);
        let items = value.get_mut("items").and_then(Value::as_array_mut);
        items.into_iter().flatten().for_each(hide);
        value
    }

    fn answer(&self, text: &str) {
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        if written.is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            // `devpocket get env | head -1`: who read the answer has read enough.
            std::process::exit(0);
        }
    }
}
