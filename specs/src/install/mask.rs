//! What must not be in a log, taken out of its lines before anybody keeps them.
//!
//! Known secrets are taken out by value; what looks like one, by its look. A mask too many costs a
//! word of a log, one too few costs a secret.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What stands for a secret.
pub const STARS: &str = "***";

/// Shortest value that is masked: a shorter one is in every other word.
const SHORTEST: usize = 4;

/// Most lines of a private key: one whose end never comes does not swallow the rest of a log.
const KEY_LINES: u8 = 100;

/// Masks lines of one installation.
#[derive(Clone, Default)]
pub struct Mask {
    /// Longest first, so that none is left in part.
    values: Vec<String>,
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mask").field("values", &self.values.len()).finish()
    }
}

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Masked {
    Line(String),
    /// It is a part of a key, whose first line stands for all of it.
    Nothing,
}

/// What looks like a secret, and the group that is one; the text before it stays.
static LOOKS: LazyLock<[Regex; 5]> = LazyLock::new(|| {
    [
        // Tokens by their prefix, and JSON web tokens.
        r"()\b(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|npm_[A-Za-z0-9]{16,}|sk-[\w-]{16,}|dp[a-z]_[\w-]{16,}|xox[a-z]-[\w-]{10,}|AKIA[0-9A-Z]{16}|AIza[\w-]{20,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)",
        // `https://user:word@host`
        r"([a-z][a-z0-9+.-]*://)[^/\s:@]*:[^/\s@]+@",
        // Hashes of passwords, as in shadow.
        r"()\$(?:[156y]|2[abxy]|argon2(?:id|i|d))\$[^\s:]{8,}",
        r"(?i)(\bbearer\s+|\bauthorization\s*:\s*basic\s+)[A-Za-z0-9._~+/=-]{6,}",
        // `NPM_TOKEN=...`, `"password": "..."`, `--password ...` is not: it cannot be told from prose.
        r#"(?i)([a-z0-9_-]*(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key)["']?\s*[:=]\s*)(?:"[^"]{3,}"|'[^']{3,}'|[^\s"',;]{3,})"#,
    ]
    .map(|pattern| Regex::new(pattern).expect("a constant pattern"))
});

static KEY_BEGINS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"-----BEGIN [A-Z ]*PRIVATE KEY-----").expect("a constant pattern")
});
static KEY_ENDS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"-----END [A-Z ]*PRIVATE KEY-----").expect("a constant pattern"));

impl Mask {
    /// Masks these values besides what looks like a secret. Of a value of several lines each line is
    /// one.
    pub fn new<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> Mask {
        let values = values.into_iter();
        let mut values: Vec<String> = values
            .flat_map(|value| value.as_ref().lines().map(str::to_owned).collect::<Vec<_>>())
            .map(|line| line.trim().to_owned())
            .filter(|line| line.len() >= SHORTEST)
            .collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.dedup();
        Mask { values }
    }

    /// A line without its secrets. `hides` is how many lines of a private key may still come; it is
    /// kept from line to line.
    pub fn line(&self, hides: &mut u8, line: &str) -> Masked {
        if *hides > 0 {
            *hides = if KEY_ENDS.is_match(line) { 0 } else { *hides - 1 };
            return Masked::Nothing;
        }
        if let Some(begin) = KEY_BEGINS.find(line) {
            *hides = if KEY_ENDS.is_match(&line[begin.end()..]) { 0 } else { KEY_LINES };
            return Masked::Line(format!("{}{STARS}", self.text(&line[..begin.start()])));
        }
        Masked::Line(self.text(line))
    }

    /// A text of one line, without its secrets.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let mut text = Cow::Borrowed(text);
        for value in &self.values {
            if text.contains(value.as_str()) {
                text = Cow::Owned(text.replace(value, STARS));
            }
        }
        for look in LOOKS.iter() {
            if look.is_match(&text) {
                let stars = |found: &Captures<'_>| {
                    let at = if found[0].ends_with('@') { "@" } else { "" };
                    format!("{}{STARS}{at}", &found[1])
                };
                text = Cow::Owned(look.replace_all(&text, stars).into_owned());
            }
        }
        text.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(line: &str) -> String {
        Mask::default().text(line)
    }

    #[test]
    fn what_looks_like_a_secret_is_masked_and_the_rest_is_left() {
        for (line, expected) in [
            ("export NPM_TOKEN=abcdef12345 && go", "export NPM_TOKEN=*** && go"),
            (r#"{"password": "x y z", "user": "dev"}"#, r#"{"password": ***, "user": "dev"}"#),
            ("cloning https://ann:pa55@git.example/x.git", "cloning https://***@git.example/x.git"),
            ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
            ("got ghp_0123456789abcdefABCD ok", "got *** ok"),
            ("dev:$6$salt$abcdefghijk:19000", "dev:***:19000"),
            ("jwt eyJhbGciOiJI.eyJzdWIiOiIx.c2ln", "jwt ***"),
        ] {
            assert_eq!(masked(line), expected);
            assert_eq!(masked(&masked(line)), expected, "masking twice changes nothing");
        }
        for plain in [
            "Get:1 http://deb.debian.org/debian trixie InRelease [140 kB]",
            "Setting up passwd (1:4.17) ...",
            "the password is asked for later",
            "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        ] {
            assert_eq!(masked(plain), plain);
        }
    }

    #[test]
    fn known_values_are_masked_wherever_they_stand() {
        let mask = Mask::new(["s3cret-value", "s3cret", "ab", "line one\nline two"]);
        assert_eq!(mask.text("a=s3cret-value,s3cret;ab"), "a=***,***;ab");
        assert_eq!(mask.text("xline twox"), "x***x");
    }

    #[test]
    fn a_private_key_is_one_mark_however_many_lines_it_has() {
        let mask = Mask::default();
        let mut hides = 0;
        let lines =
            ["-----BEGIN RSA PRIVATE KEY-----", "AAAA", "-----END RSA PRIVATE KEY-----", "on"];
        let told: Vec<Masked> = lines.iter().map(|line| mask.line(&mut hides, line)).collect();
        let line = |text: &str| Masked::Line(text.into());
        assert_eq!(told, [line("***"), Masked::Nothing, Masked::Nothing, line("on")]);
    }
}
