//! The table that is printed.

use std::fmt;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Enough to prove that it works.
    Short,
    /// Enough for the figures to mean something.
    Full,
}

impl Scale {
    pub fn pick<T>(self, short: T, full: T) -> T {
        match self {
            Scale::Short => short,
            Scale::Full => full,
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    pub what: String,
    pub ours: String,
    pub peer: String,
    pub ratio: String,
    pub goal: &'static str,
}

impl Row {
    pub fn new(what: impl Into<String>, ours: impl Into<String>, goal: &'static str) -> Row {
        let none = || "-".to_owned();
        Row { what: what.into(), ours: ours.into(), peer: none(), ratio: none(), goal }
    }

    pub fn against(mut self, peer: impl Into<String>, ratio: f64) -> Row {
        self.peer = peer.into();
        self.ratio = format!("{ratio:.2}x");
        self
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { what, ours, peer, ratio, goal } = self;
        write!(f, "| {what} | {ours} | {peer} | {ratio} | {goal} |")
    }
}

pub fn print(rows: &[Row], scale: Scale) {
    if scale == Scale::Short {
        println!("Short mode: this proves that the measuring works; the figures mean nothing.");
    }
    println!("| what | DevPocket | peer | ratio | goal |\n|---|---|---|---|---|");
    for row in rows {
        println!("{row}");
    }
}
