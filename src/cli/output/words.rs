//! Numbers, ages, dates and times as people read them. Times are in the local zone.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use unicode_width::UnicodeWidthStr;

pub use crate::columns::ago;

/// The zone times are shown in.
#[derive(Clone, Debug)]
pub struct Words {
    zone: TimeZone,
}

impl Words {
    pub fn local() -> Words {
        Words { zone: TimeZone::system() }
    }

    pub fn utc() -> Words {
        Words { zone: TimeZone::UTC }
    }

    /// `12:04:11`
    pub fn clock(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string()
    }

    pub fn day(&self, at: Timestamp) -> Date {
        at.to_zoned(self.zone.clone()).date()
    }

    /// A sentence of the server with its times in the local zone.
    pub fn local_times(&self, text: &str, now: Timestamp) -> String {
        let words = text.split(' ').map(|word| {
            let bare = word.trim_end_matches(['.', ',', ';', ':', ')']);
            let looks = bare.len() >= 20 && bare.as_bytes().get(10) == Some(&b'T');
            match bare.parse::<Timestamp>().ok().filter(|_| looks) {
                Some(at) => {
                    let time = if self.day(at) == self.day(now) {
                        self.clock(at)
                    } else {
                        self.moment(at, now)
                    };
                    format!("{time}{}", &word[bare.len()..])
                }
                None => word.to_owned(),
            }
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// `14:05`, `tomorrow 14:05`, `2026-12-15 14:05`
    pub fn moment(&self, at: Timestamp, now: Timestamp) -> String {
        let time = at.to_zoned(self.zone.clone()).strftime("%H:%M").to_string();
        let (day, today) = (self.day(at), self.day(now));
        if day == today {
            time
        } else if today.tomorrow().is_ok_and(|tomorrow| tomorrow == day) {
            format!("tomorrow {time}")
        } else {
            format!("{day} {time}")
        }
    }
}

/// An age in a sentence: `12 s` `6 min` `3 h` `41 days`.
pub fn age(since: Timestamp, now: Timestamp) -> String {
    let short = ago(since, now);
    let (number, unit) = short.split_at(short.len() - 1);
    let unit = match unit {
        "m" => "min",
        "d" => "days",
        other => other,
    };
    format!("{number} {unit}")
}

/// How long something took: `0.9 s`, `3 s`, `2m 14s`, `1h 05m`, `3d 04h`.
pub fn span(took: SignedDuration) -> String {
    let took = took.max(SignedDuration::ZERO);
    let seconds = took.as_secs();
    match seconds {
        0 => format!("{:.1} s", took.as_secs_f64()),
        1..60 => format!("{seconds} s"),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {:02}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// `1 environment`, `2 environments`.
pub fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// Text that hangs is not squeezed into less.
const HANGING_LEAST: usize = 20;

/// Columns of a text on a terminal: a change of colour takes none.
fn columns(text: &str) -> usize {
    let mut parts = text.split('\x1b');
    let plain = parts.next().unwrap_or_default().width();
    plain
        + parts.map(|part| part.split_once('m').map_or(0, |(_, rest)| rest.width())).sum::<usize>()
}

/// A line, and where it is too long the rest of it under its text.
pub fn hanging(line: &str, width: usize) -> Vec<String> {
    let indent = line.len() - line.trim_start().len();
    let inner = width.saturating_sub(indent).max(HANGING_LEAST);
    let gap = " ".repeat(indent);
    let below = " ".repeat(indent + 2);
    let lines = wrap(line.trim_start(), inner.saturating_sub(2));
    let place = |(index, line): (usize, String)| match index {
        0 => format!("{gap}{line}"),
        _ => format!("{below}{line}"),
    };
    match columns(line) <= width {
        true => vec![line.to_owned()],
        false => lines.into_iter().enumerate().map(place).collect(),
    }
}

/// The text in lines of at most `width` columns; words longer than that stay whole.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && columns(&line) + 1 + columns(word) > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// The text cut to `width` columns.
pub fn shorten(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        if short.width() + 1 >= width {
            break;
        }
        short.push(c);
    }
    format!("{}…", short.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_takes_no_columns_and_the_rest_hangs_under_the_text() {
        assert_eq!(wrap("\x1b[33mfour\x1b[0m five", 9), ["\x1b[33mfour\x1b[0m five"]);
        assert_eq!(
            hanging("    ! it is held until noon", 24),
            ["    ! it is held until", "      noon"]
        );
        assert_eq!(hanging("  1  as it stands", 40), ["  1  as it stands"]);
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn ages_have_one_unit() {
        let ages: Vec<String> = [-5, 12, 360, 10_800, 100_000, 41 * 86_400]
            .iter()
            .map(|seconds| ago(at(0), at(*seconds)))
            .collect();
        assert_eq!(ages, ["0s", "12s", "6m", "3h", "27h", "41d"]);
    }

    #[test]
    fn durations_are_as_exact_as_they_are_useful() {
        let spans: Vec<String> = [900, 3_000, 134_000, 3_900_000, 273_600_000]
            .iter()
            .map(|ms| span(SignedDuration::from_millis(*ms)))
            .collect();
        assert_eq!(spans, ["0.9 s", "3 s", "2m 14s", "1h 05m", "3d 04h"]);
    }

    #[test]
    fn prose_is_wrapped_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("averylongword x", 4), ["averylongword", "x"]);
        assert_eq!(shorten("installing", 6), "insta…");
    }

    #[test]
    fn times_in_sentences_are_local_and_other_words_stay() {
        let text = "sent at 2027-01-15T08:00:03.764469001Z; paid until 2027-02-15.";
        let words = Words::utc();
        let local = words.local_times(text, at(1_800_000_000));
        assert_eq!(local, "sent at 08:00:03; paid until 2027-02-15.");
    }

    #[test]
    fn moments_are_named_by_how_near_they_are() {
        let words = Words::utc();
        let now = at(1_800_000_000);
        assert_eq!(words.moment(now, now), "08:00");
        assert_eq!(words.moment(at(1_800_000_000 + 86_400), now), "tomorrow 08:00");
        assert_eq!(words.moment(at(1_800_000_000 + 864_000), now), "2027-01-25 08:00");
    }
}
