//! From bytes of a log to lines of a stream: each line once, whole, masked, with the offset it has.
//!
//! # Guarantees
//! - Only whole lines are taken, and reading goes on after the last of them. So a character, a line or
//!   a secret that is cut by the end of a chunk is seen whole with the next one, and how the bytes
//!   were cut makes no difference to the lines.
//! - Offsets grow, also when the log begins anew (truncated, rotated, written by another installation):
//!   what was is not counted again, and nothing of the new one is left out.
//! - A log that was replaced is noticed even if it is longer than the old one by now: reading begins
//!   one byte early, and that byte is the end of a line as long as it is the same log.
//!
//! # Caveats
//! A last line without its end is not taken until it has one. Where the replacement has the end of a
//! line at the very same place, it is taken for the same log.

use serde::{Deserialize, Serialize};

use super::mask::{Mask, Masked};
use super::printable::printable;
use crate::metadata::is_default;

/// Bytes of a line that are kept; the rest is cut, with a mark.
pub const MAX_LOG_LINE: usize = 8 * 1024;

/// What stands where a line was cut.
pub const CUT: &str = " [cut]";

/// Bytes beyond [`MAX_LOG_LINE`] that are waited for before a line without an end is cut: what is
/// masked must not be cut in two.
const ROOM: usize = 4 * 1024;

/// The logs of an installation, by the name of their source, in the order in which lines of the same
/// moment are told.
pub const SOURCES: [(&str, &str); 3] = [
    ("cloud-init", super::CLOUD_INIT_LOG_PATH),
    ("install", super::INSTALL_LOG_PATH),
    ("progress", super::USER_LOG_PATH),
];

/// How far a log was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPlace {
    /// Which installation wrote it: `m-0a1b/2`.
    #[serde(default)]
    pub of: String,
    /// First byte of the file that was not taken.
    #[serde(default)]
    pub position: u64,
    /// Offset in the stream of the file's first byte.
    #[serde(default)]
    pub base: u64,
    /// The rest of a line that was cut is still to come.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skips: bool,
    /// So many lines of a private key may still come.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hides: u8,
}

/// A line as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Of its first byte, in the stream of its source.
    pub offset: u64,
    /// Printable, masked, without the end of the line.
    pub text: String,
}

impl LogPlace {
    /// Offset of what comes next.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.base + self.position
    }

    /// From which byte on the file is to be read next.
    #[must_use]
    pub fn from(&self) -> u64 {
        self.position.saturating_sub(1)
    }

    /// Another installation writes the log: it begins anew.
    pub fn belongs_to(&mut self, of: &str) {
        if self.of != of {
            self.begin_anew();
            self.of = of.to_owned();
        }
    }

    fn begin_anew(&mut self) {
        *self = LogPlace {
            of: std::mem::take(&mut self.of),
            base: self.offset(),
            ..LogPlace::default()
        };
    }

    /// Takes the lines of a part of the file that begins at `from`.
    ///
    /// An answer that fits no longer (it was asked for at another place) is left alone.
    pub fn take(&mut self, from: u64, bytes: &[u8], mask: &Mask) -> Vec<LogLine> {
        if bytes.is_empty() {
            return Vec::new();
        }
        let begins = match (from == self.from(), self.position) {
            (true, 0) => bytes,
            (true, _) if self.skips || bytes[0] == b'\n' => &bytes[1..],
            (true, _) => {
                // Another log, and already longer than the old one: it is read from its beginning.
                self.begin_anew();
                return Vec::new();
            }
            // It became shorter, and the machine answered from its beginning.
            (false, _) if from == 0 => {
                self.begin_anew();
                bytes
            }
            (false, _) => return Vec::new(),
        };
        self.lines(begins, mask)
    }

    fn lines(&mut self, mut rest: &[u8], mask: &Mask) -> Vec<LogLine> {
        let mut lines = Vec::new();
        loop {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let (line, taken) = match end {
                Some(end) => (&rest[..end], end + 1),
                None if self.skips || rest.len() >= MAX_LOG_LINE + ROOM => (rest, rest.len()),
                None => return lines,
            };
            if line.is_empty() && end.is_none() {
                return lines;
            }
            let begins = !std::mem::replace(&mut self.skips, end.is_none());
            let offset = self.offset();
            self.position += taken as u64;
            rest = &rest[taken..];
            if begins {
                lines.extend(self.line(offset, line, mask));
            }
        }
    }

    fn line(&mut self, offset: u64, bytes: &[u8], mask: &Mask) -> Option<LogLine> {
        let text = String::from_utf8_lossy(bytes);
        // What was overwritten on a terminal (a bar that moves) is not what is read there.
        let text = text.trim_end_matches('\r');
        let text = text.rsplit('\r').next().unwrap_or(text);
        let text = match mask.line(&mut self.hides, text) {
            Masked::Line(text) => text,
            Masked::Nothing => return None,
        };
        let text = printable(&text, usize::MAX);
        Some(LogLine { offset, text: cut(text) })
    }
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_LOG_LINE {
        let end = (0..=MAX_LOG_LINE).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push_str(CUT);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mask() -> Mask {
        Mask::new(["hunter2-Ä-secret"])
    }

    fn texts(lines: &[LogLine]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    /// A machine's file, answered as its script does: from the beginning when it is shorter.
    fn read(place: &mut LogPlace, file: &[u8], most: usize) -> Vec<LogLine> {
        let size = file.len() as u64;
        let from = if size >= place.from() { place.from() } else { 0 };
        let bytes = &file[usize::try_from(from).unwrap()..];
        place.take(from, &bytes[..bytes.len().min(most)], &mask())
    }

    /// All there is.
    fn drain(place: &mut LogPlace, file: &[u8], most: usize) -> Vec<LogLine> {
        let mut all = Vec::new();
        loop {
            let before = place.clone();
            all.extend(read(place, file, most));
            if *place == before {
                return all;
            }
        }
    }

    #[test]
    fn a_line_is_told_once_it_is_whole() {
        let mut place = LogPlace::default();
        assert_eq!(texts(&read(&mut place, b"one\ntw", 99)), ["one"]);
        assert!(read(&mut place, b"one\ntw", 99).is_empty());
        let more = read(&mut place, b"one\ntwo\n10 %\r20 %\r\n\n", 99);
        assert_eq!(texts(&more), ["two", "20 %", ""]);
        assert_eq!(more.iter().map(|l| l.offset).collect::<Vec<_>>(), [4, 8, 19]);
    }

    #[test]
    fn a_log_that_begins_anew_is_told_from_its_beginning_with_growing_offsets() {
        let mut place = LogPlace::default();
        place.belongs_to("m/1");
        drain(&mut place, b"aaaa\nbbbb\n", 99);
        // Missing for a moment, while it is rotated.
        assert!(read(&mut place, b"", 99).is_empty());
        let shorter = drain(&mut place, b"cc\n", 99);
        assert_eq!(shorter, [LogLine { offset: 10, text: "cc".into() }]);
        // Replaced, and longer than what was taken.
        let longer = drain(&mut place, b"dddddd\neeeeeeeee\n", 99);
        assert_eq!(texts(&longer), ["dddddd", "eeeeeeeee"]);
        assert_eq!(longer[0].offset, 13);
        place.belongs_to("m/2");
        let other = drain(&mut place, b"dddddd\n", 99);
        assert_eq!(other, [LogLine { offset: 30, text: "dddddd".into() }]);
        let stale = place.take(500, b"x\n", &mask());
        assert!(stale.is_empty(), "an answer to another question");
    }

    #[test]
    fn a_line_without_end_is_cut_and_its_rest_is_left_out() {
        let mut place = LogPlace::default();
        let mut file = vec![b'x'; 40_000];
        file.extend_from_slice("\nafter ä\n".as_bytes());
        let lines = drain(&mut place, &file, 16_384);
        assert_eq!(texts(&lines)[1], "after ä");
        assert_eq!(lines[0].text.len(), MAX_LOG_LINE + CUT.len());
        assert_eq!(lines[1].offset, 40_001);
    }

    #[test]
    fn what_moves_cursors_is_text_in_the_end() {
        let mut place = LogPlace::default();
        let lines = read(&mut place, b"\x1b[31mred\x1b[0m\x1b]0;title\x07 end\n\xff\xfe\n", 99);
        assert_eq!(texts(&lines), ["red end", "\u{fffd}\u{fffd}"]);
    }

    fn logs() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            "[a-zäß€🙂 ]{0,12}",
            Just("password=hunter2-Ä-secret!".to_owned()),
            Just("x hunter2-Ä-secret y".to_owned()),
            Just(
                "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\ndef\n-----END OPENSSH PRIVATE KEY-----"
                    .into()
            ),
            Just("é".repeat(7_000)),
        ];
        prop::collection::vec(line, 0..12).prop_map(|lines| {
            lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect()
        })
    }

    proptest! {
        /// However the bytes arrive, and however often the connection drops, the lines are the same.
        #[test]
        fn the_lines_do_not_depend_on_the_chunks(
            file in logs(),
            cuts in prop::collection::vec((0usize..60_000, 1usize..20_000), 0..30),
        ) {
            let mut whole = LogPlace::default();
            let expected = drain(&mut whole, &file, usize::MAX);
            let mut place = LogPlace::default();
            let mut lines = Vec::new();
            let mut size = 0;
            for (more, most) in cuts {
                // The file grows; a look sees some of it, or its answer is lost.
                size = (size + more).min(file.len());
                let mut lost = place.clone();
                read(&mut lost, &file[..size], most);
                lines.extend(read(&mut place, &file[..size], most.max(MAX_LOG_LINE + 2 * ROOM)));
            }
            lines.extend(drain(&mut place, &file, usize::MAX));
            prop_assert_eq!(&lines, &expected);
            prop_assert_eq!(place, whole);
            let text: String = lines.iter().map(|line| line.text.as_str()).collect();
            prop_assert!(!text.contains("hunter2") && !text.contains("abc"));
        }

        /// Whatever a machine answers, offsets grow and what is kept is bounded.
        #[test]
        fn offsets_grow_whatever_is_answered(
            answers in prop::collection::vec(
                (0u64..40, prop::collection::vec(any::<u8>(), 0..40), any::<bool>()), 0..20),
        ) {
            let mut place = LogPlace::default();
            let mut last = None;
            for (from, bytes, fits) in answers {
                let from = if fits { place.from() } else { from };
                for line in place.take(from, &bytes, &mask()) {
                    prop_assert!(last.is_none_or(|last| line.offset > last));
                    prop_assert!(line.text.len() <= MAX_LOG_LINE + CUT.len());
                    prop_assert!(!line.text.chars().any(char::is_control));
                    last = Some(line.offset);
                }
            }
        }
    }
}
