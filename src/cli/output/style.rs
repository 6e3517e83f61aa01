//! Colour, signs and width of one stream. Sign and word carry the meaning, colour repeats it.

use std::env;

use clap::ValueEnum;

/// Prose is wrapped here, also on wider terminals.
const PROSE_WIDTH: usize = 88;
/// Prose is not squeezed into less.
const PROSE_LEAST: usize = 40;
/// Where the width is not known nothing is left out.
const UNBOUNDED: usize = usize::MAX;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    Always,
    Never,
}

/// What a colour stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ink {
    #[default]
    Plain,
    /// Done.
    Green,
    /// Waits or is held.
    Yellow,
    /// Failed, or data at risk.
    Red,
    /// As expected.
    Dim,
    /// Names.
    Bold,
}

/// The signs of progress and plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    New,
    Changes,
    Goes,
    Unchanged,
    Waits,
    Done,
    UnderWay,
    Failed,
    Unknown,
}

/// How one stream is written to.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub color: bool,
    pub utf8: bool,
    /// Columns of the terminal.
    pub width: usize,
    pub terminal: bool,
}

impl Style {
    pub fn of(choice: ColorChoice, terminal: bool) -> Style {
        let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        let color = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !set("NO_COLOR") && !dumb,
        };
        Style { color, utf8: speaks_utf8(), width: width(terminal), terminal }
    }

    /// Without colour, in UTF-8, as wide as needed.
    pub fn plain() -> Style {
        Style { color: false, utf8: true, width: UNBOUNDED, terminal: false }
    }

    pub fn prose_width(&self) -> usize {
        self.width.clamp(PROSE_LEAST, PROSE_WIDTH)
    }

    pub fn paint(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Plain => return text.to_owned(),
            _ if !self.color || text.is_empty() => return text.to_owned(),
            Ink::Green => "32",
            Ink::Yellow => "33",
            Ink::Red => "31",
            Ink::Dim => "2",
            Ink::Bold => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// The sign in its colour.
    pub fn sign(&self, sign: Sign) -> String {
        let (wide, narrow, ink) = match sign {
            Sign::New => ("+", "+", Ink::Green),
            Sign::Changes => ("~", "~", Ink::Yellow),
            Sign::Goes => ("-", "-", Ink::Red),
            Sign::Unchanged => ("=", "=", Ink::Dim),
            Sign::Waits => ("!", "!", Ink::Yellow),
            Sign::Done => ("✓", "ok", Ink::Green),
            Sign::UnderWay => ("●", "..", Ink::Yellow),
            Sign::Failed => ("✗", "xx", Ink::Red),
            Sign::Unknown => ("?", "??", Ink::Yellow),
        };
        self.paint(ink, if self.utf8 { wide } else { narrow })
    }

    /// The text in what the stream can show.
    pub fn text(&self, text: &str) -> String {
        if self.utf8 || text.is_ascii() {
            return text.to_owned();
        }
        let mut ascii = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '→' => ascii.push_str("->"),
                '×' => ascii.push('x'),
                '·' => ascii.push('-'),
                '…' => ascii.push_str("..."),
                '█' => ascii.push('#'),
                '░' => ascii.push('.'),
                '✓' => ascii.push_str("ok"),
                '●' => ascii.push_str(".."),
                '✗' => ascii.push_str("xx"),
                other => ascii.push(other),
            }
        }
        ascii
    }
}

/// What the locale says, in the order the C library asks.
fn speaks_utf8() -> bool {
    let value = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
    value.is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        value.contains("utf-8") || value.contains("utf8")
    })
}

/// `COLUMNS` wins, so that a script can say how much room there is.
fn width(terminal: bool) -> usize {
    let told = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    told.filter(|columns| *columns > 0)
        .or_else(|| {
            let size = terminal.then(terminal_size::terminal_size).flatten();
            size.map(|(width, _)| usize::from(width.0))
        })
        .unwrap_or(UNBOUNDED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_utf_8_everything_is_still_said() {
        let ascii = Style { utf8: false, ..Style::plain() };
        assert_eq!(ascii.text("a → b · 1 × c ██░"), "a -> b - 1 x c ##.");
        assert_eq!(ascii.sign(Sign::Done), "ok");
        assert_eq!(Style::plain().sign(Sign::Unknown), "?");
    }

    #[test]
    fn colour_is_only_where_it_is_wanted() {
        assert_eq!(Style::plain().paint(Ink::Red, "x"), "x");
        let color = Style { color: true, ..Style::plain() };
        assert_eq!(color.paint(Ink::Red, "x"), "\x1b[31mx\x1b[0m");
        assert_eq!(color.paint(Ink::Red, ""), "");
    }
}
