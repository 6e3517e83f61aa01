//! Label selectors: `app=web,tier!=db,env in (test,stage),!legacy,owner`.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::{MAX_REQUIREMENTS, SelectorError, check_length};

/// A parsed label selector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    rule: Rule,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

impl LabelSelector {
    /// Reads equality (`=`, `==`, `!=`), sets (`in`, `notin`), presence (`key`, `!key`) and order
    /// (`>`, `<`, whole numbers), separated by commas.
    ///
    /// # Errors
    /// The first fault, with its place; or a selector beyond the limits of [`super`].
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        check_length(text)?;
        let mut parser = Parser { words: words(text), next: 0 };
        let mut requirements = Vec::new();
        if parser.peek() == &Word::End {
            return Ok(Self { requirements });
        }
        loop {
            if requirements.len() == MAX_REQUIREMENTS {
                return Err(SelectorError::TooMany);
            }
            requirements.push(parser.requirement()?);
            match parser.take() {
                (_, Word::End) => return Ok(Self { requirements }),
                (_, Word::Sign(",")) => {}
                found => return Err(unexpected(found, "a comma or the end")),
            }
        }
    }

    /// Whether an object's `metadata.labels` fulfil all requirements.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
        self.matches_labels(labels)
    }

    /// Whether labels fulfil all requirements; `None` is an object without labels.
    #[must_use]
    pub fn matches_labels(&self, labels: Option<&Map<String, Value>>) -> bool {
        self.requirements.iter().all(|requirement| {
            let label = labels.and_then(|l| l.get(&requirement.key)?.as_str());
            requirement.rule.allows(label)
        })
    }

    /// Whether it selects everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }
}

impl Rule {
    fn allows(&self, label: Option<&str>) -> bool {
        let number = || label.and_then(|l| l.parse::<i64>().ok());
        match self {
            Self::Exists => label.is_some(),
            Self::Absent => label.is_none(),
            Self::In(values) => label.is_some_and(|l| values.iter().any(|v| v == l)),
            Self::NotIn(values) => label.is_none_or(|l| values.iter().all(|v| v != l)),
            Self::Above(bound) => number().is_some_and(|n| n > *bound),
            Self::Below(bound) => number().is_some_and(|n| n < *bound),
        }
    }
}

impl FromStr for LabelSelector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        Self::parse(text)
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Requirement { key, rule }) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match rule {
                Rule::Exists => write!(f, "{key}")?,
                Rule::Absent => write!(f, "!{key}")?,
                Rule::In(values) if values.len() == 1 => write!(f, "{key}={}", values[0])?,
                Rule::NotIn(values) if values.len() == 1 => write!(f, "{key}!={}", values[0])?,
                Rule::In(values) => write!(f, "{key} in ({})", values.join(","))?,
                Rule::NotIn(values) => write!(f, "{key} notin ({})", values.join(","))?,
                Rule::Above(bound) => write!(f, "{key}>{bound}")?,
                Rule::Below(bound) => write!(f, "{key}<{bound}")?,
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word<'t> {
    Name(&'t str),
    Sign(&'static str),
    End,
}

const SIGNS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];

/// The words and signs of a selector, each with its place (1-based, in characters).
fn words(text: &str) -> Vec<(usize, Word<'_>)> {
    let mut words = Vec::new();
    let (mut rest, mut at) = (text, 1);
    let stops = |c: char| c.is_whitespace() || "=!(),<>".contains(c);
    loop {
        let trimmed = rest.trim_start();
        at += rest[..rest.len() - trimmed.len()].chars().count();
        rest = trimmed;
        if rest.is_empty() {
            words.push((at, Word::End));
            return words;
        }
        let (word, len) = match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            Some(sign) => (Word::Sign(sign), sign.len()),
            None => {
                let len = rest.find(stops).unwrap_or(rest.len());
                (Word::Name(&rest[..len]), len)
            }
        };
        words.push((at, word));
        at += rest[..len].chars().count();
        rest = &rest[len..];
    }
}

struct Parser<'t> {
    /// Ends in `Word::End`, which is never passed.
    words: Vec<(usize, Word<'t>)>,
    next: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> &Word<'t> {
        &self.words[self.next].1
    }

    fn take(&mut self) -> (usize, Word<'t>) {
        let word = self.words[self.next].clone();
        self.next = (self.next + 1).min(self.words.len() - 1);
        word
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let absent = self.peek() == &Word::Sign("!");
        if absent {
            self.take();
        }
        let key = match self.take() {
            (_, Word::Name(key)) => key,
            found => return Err(unexpected(found, "a label key")),
        };
        check_key(key)?;
        let rule = if absent { Rule::Absent } else { self.rule()? };
        Ok(Requirement { key: key.to_owned(), rule })
    }

    fn rule(&mut self) -> Result<Rule, SelectorError> {
        match self.peek() {
            Word::End | Word::Sign(",") => return Ok(Rule::Exists),
            _ => {}
        }
        let expected = "=, ==, !=, in, notin, > or <";
        match self.take() {
            (_, Word::Sign("=" | "==")) => Ok(Rule::In(vec![self.value()?])),
            (_, Word::Sign("!=")) => Ok(Rule::NotIn(vec![self.value()?])),
            (_, Word::Sign(">")) => Ok(Rule::Above(self.number()?)),
            (_, Word::Sign("<")) => Ok(Rule::Below(self.number()?)),
            (_, Word::Name("in")) => Ok(Rule::In(self.values()?)),
            (_, Word::Name("notin")) => Ok(Rule::NotIn(self.values()?)),
            found => Err(unexpected(found, expected)),
        }
    }

    /// One value; nothing stands for the empty one (`a=`).
    fn value(&mut self) -> Result<String, SelectorError> {
        let Word::Name(value) = *self.peek() else {
            return Ok(String::new());
        };
        check_value(value)?;
        self.take();
        Ok(value.to_owned())
    }

    fn number(&mut self) -> Result<i64, SelectorError> {
        let (at, word) = self.take();
        match word {
            Word::Name(text) if text.parse::<i64>().is_ok() => Ok(text.parse().unwrap_or(0)),
            word => Err(unexpected((at, word), "a whole number")),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, SelectorError> {
        match self.take() {
            (_, Word::Sign("(")) => {}
            found => return Err(unexpected(found, "( and values")),
        }
        let mut values = Vec::new();
        loop {
            if values.len() == MAX_REQUIREMENTS {
                return Err(SelectorError::TooMany);
            }
            values.push(self.value()?);
            match self.take() {
                (_, Word::Sign(")")) => break,
                (_, Word::Sign(",")) => {}
                found => return Err(unexpected(found, "a comma or )")),
            }
        }
        values.sort();
        values.dedup();
        Ok(values)
    }
}

fn unexpected((at, word): (usize, Word<'_>), expected: &'static str) -> SelectorError {
    let found = match word {
        Word::Name(text) => format!("{text:?}"),
        Word::Sign(sign) => format!("{sign:?}"),
        Word::End => "the end".to_owned(),
    };
    SelectorError::Syntax { at, found, expected }
}

/// A qualified name: an optional DNS prefix and a slash, then up to 63 letters, digits, `-_.`.
fn check_key(key: &str) -> Result<(), SelectorError> {
    let invalid = |reason| SelectorError::Key { key: key.to_owned(), reason };
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if name.is_empty() || !is_label_text(name) {
        return Err(invalid(
            "a name is 1 to 63 letters, digits, -, _ or ., and starts and ends with a letter or digit",
        ));
    }
    let part = |s: &str| {
        let dns = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !s.is_empty() && s.bytes().all(dns) && !s.starts_with('-') && !s.ends_with('-')
    };
    if prefix.is_some_and(|p| p.len() > 253 || !p.split('.').all(part)) {
        return Err(invalid("what is before the slash is not a DNS name"));
    }
    Ok(())
}

fn check_value(value: &str) -> Result<(), SelectorError> {
    if is_label_text(value) {
        return Ok(());
    }
    Err(SelectorError::Value {
        value: value.to_owned(),
        reason: "at most 63 letters, digits, -, _ or ., and starts and ends with a letter or digit",
    })
}

fn is_label_text(text: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
        && edge(bytes.first())
        && edge(bytes.last())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn requirements_mean_what_kubernetes_means() {
        let object = json!({"metadata": {"labels":
            {"app": "web", "env": "test", "n": "7", "x.y/z": "", "in": "in"}}});
        for (selector, expected) in [
            ("", true),
            ("  ", true),
            ("app=web", true),
            ("app == web , env != stage", true),
            ("app!=web", false),
            ("none!=x", true),
            ("env in (stage, test)", true),
            ("env in (stage)", false),
            ("env notin (stage),none notin (a,b)", true),
            ("app,!none", true),
            ("!app", false),
            ("none", false),
            ("x.y/z=", true),
            ("x.y/z=,app", true),
            ("x.y/z in ()", true),
            ("n>6,n<8", true),
            ("n>7", false),
            ("app>1", false),
            ("in in (in)", true),
        ] {
            let parsed = LabelSelector::parse(selector).unwrap();
            assert_eq!(parsed.matches(&object), expected, "{selector}");
        }
        let bare = LabelSelector::parse("a!=b,!c").unwrap();
        assert!(bare.matches(&json!({"metadata": {}})));
        assert!(!LabelSelector::parse("a").unwrap().matches(&json!(null)));
    }

    #[test]
    fn a_fault_is_named_with_its_place() {
        for (selector, message) in [
            ("a=b,", "found the end at character 5; expected a label key"),
            ("a b", "found \"b\" at character 3; expected =, ==, !=, in, notin, > or <"),
            ("a in b", "found \"b\" at character 6; expected ( and values"),
            ("a in (b", "found the end at character 8; expected a comma or )"),
            ("!a=b", "found \"=\" at character 3; expected a comma or the end"),
            ("a>b", "found \"b\" at character 3; expected a whole number"),
            (",", "found \",\" at character 1; expected a label key"),
        ] {
            let error = LabelSelector::parse(selector).unwrap_err();
            assert_eq!(error.to_string(), message, "{selector}");
        }
        for selector in ["-a=b", "a=-b", "a/b/c", "A.b/c", "/a", "a/", "ä", "a=ä"] {
            assert!(LabelSelector::parse(selector).is_err(), "{selector}");
        }
        assert!(LabelSelector::parse(&"a".repeat(64)).is_err());
        let long = "a,".repeat(super::super::MAX_SELECTOR_BYTES);
        assert!(matches!(LabelSelector::parse(&long), Err(SelectorError::TooLong { .. })));
    }

    proptest! {
        #[test]
        fn never_panics_and_reads_back(text in "\\PC{0,60}|([a-z]{0,3}(=|!=|>|<| in | notin |\\(|\\)|!|,)?[a-z0-9]{0,2}){0,6}") {
            if let Ok(parsed) = LabelSelector::parse(&text) {
                prop_assert_eq!(LabelSelector::parse(&parsed.to_string()).unwrap(), parsed);
            }
        }
    }
}
