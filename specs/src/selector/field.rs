//! Field selectors: `metadata.name=web,status.phase!=running`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use super::{MAX_REQUIREMENTS, SelectorError, check_length};

/// A parsed field selector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSelector {
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    path: String,
    equal: bool,
    value: String,
}

impl FieldSelector {
    /// Reads `PATH=VALUE`, `PATH==VALUE` and `PATH!=VALUE`, separated by commas. In values `\,`,
    /// `\=` and `\\` stand for the sign itself.
    ///
    /// # Errors
    /// The first requirement that is none, or a selector beyond the limits of [`super`].
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        check_length(text)?;
        let mut requirements = Vec::new();
        for part in split(text, ',') {
            if part.is_empty() {
                continue;
            }
            if requirements.len() == MAX_REQUIREMENTS {
                return Err(SelectorError::TooMany);
            }
            requirements.push(
                requirement(part)
                    .ok_or_else(|| SelectorError::Field { requirement: part.to_owned() })?,
            );
        }
        Ok(Self { requirements })
    }

    /// Refuses paths that a kind does not offer, as Kubernetes does: a misspelled path would
    /// otherwise select nothing, or with `!=` everything. `supported` are paths, or prefixes that
    /// end in `.*`.
    ///
    /// # Errors
    /// Names the first path that is not offered, and all that are.
    pub fn supported_by(self, supported: &[&str]) -> Result<Self, SelectorError> {
        let offered = |path: &str| {
            supported.iter().any(|known| match known.strip_suffix('*') {
                Some(prefix) => path.len() > prefix.len() && path.starts_with(prefix),
                None => path == *known,
            })
        };
        match self.requirements.iter().find(|r| !offered(&r.path)) {
            None => Ok(self),
            Some(requirement) => Err(SelectorError::Unsupported {
                path: requirement.path.clone(),
                supported: supported.join(", "),
            }),
        }
    }

    /// With every path as another version of the kind names it.
    #[must_use]
    pub fn renamed(mut self, name: impl Fn(&str) -> String) -> Self {
        for requirement in &mut self.requirements {
            requirement.path = name(&requirement.path);
        }
        self
    }

    /// Every path it asks for.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.requirements.iter().map(|requirement| requirement.path.as_str())
    }

    /// Whether an object fulfils all requirements.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        self.requirements
            .iter()
            .all(|r| (field(object, &r.path).as_deref() == Some(&*r.value)) == r.equal)
    }

    /// The value a path must have, if the selector says so; with `metadata.name` a list becomes a
    /// look-up.
    #[must_use]
    pub fn required(&self, path: &str) -> Option<&str> {
        let exact = self.requirements.iter().find(|r| r.equal && r.path == path);
        exact.map(|r| &*r.value)
    }

    /// Whether it selects everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }
}

impl FromStr for FieldSelector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        Self::parse(text)
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, r) in self.requirements.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let sign = if r.equal { "=" } else { "!=" };
            let value = r.value.replace('\\', "\\\\");
            let value = value.replace(',', "\\,").replace('=', "\\=");
            write!(f, "{comma}{}{sign}{value}", r.path)?;
        }
        Ok(())
    }
}

/// The field as text: absent and null are empty, composites are no text at all.
fn field<'v>(object: &'v Value, path: &str) -> Option<Cow<'v, str>> {
    let found = path.split('.').try_fold(object, |at, name| at.get(name));
    match found {
        None | Some(Value::Null) => Some(Cow::Borrowed("")),
        Some(Value::String(text)) => Some(Cow::Borrowed(text)),
        Some(Value::Bool(value)) => Some(Cow::Owned(value.to_string())),
        Some(Value::Number(value)) => Some(Cow::Owned(value.to_string())),
        Some(Value::Array(_) | Value::Object(_)) => None,
    }
}

fn requirement(part: &str) -> Option<Requirement> {
    let sign = part.find('=')?;
    let (path, equal) = match part[..sign].strip_suffix('!') {
        Some(path) => (path, false),
        None => (&part[..sign], true),
    };
    let rest = &part[sign + 1..];
    let value = if equal { rest.strip_prefix('=').unwrap_or(rest) } else { rest };
    let path = path.trim();
    let named = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric());
    if !path.split('.').all(named) {
        return None;
    }
    Some(Requirement { path: path.to_owned(), equal, value: unescape(value)? })
}

/// Splits at a sign that no backslash precedes.
fn split(text: &str, sign: char) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        if c == sign && !escaped {
            parts.push(&text[start..at]);
            start = at + c.len_utf8();
        }
        escaped = c == '\\' && !escaped;
    }
    parts.push(&text[start..]);
    parts
}

fn unescape(value: &str) -> Option<String> {
    let mut plain = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.push(chars.next().filter(|c| matches!(c, '\\' | ',' | '='))?),
            '=' => return None,
            c => plain.push(c),
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_compared_as_text_and_absent_is_empty() {
        let object = json!({
            "metadata": {"name": "web", "generation": 3},
            "spec": {"paused": true, "snapshots": [], "note": "a,b=c"},
            "involvedObject": {"name": "api"},
        });
        for (selector, expected) in [
            ("", true),
            ("metadata.name=web", true),
            ("metadata.name==web,spec.paused=true", true),
            ("metadata.generation=3", true),
            ("metadata.name!=web", false),
            ("status.phase=", true),
            ("status.phase!=running", true),
            ("status.phase=running", false),
            ("involvedObject.name=api", true),
            (r"spec.note=a\,b\=c", true),
            ("spec.snapshots=", false),
            ("spec.snapshots!=x", true),
        ] {
            let parsed = FieldSelector::parse(selector).unwrap();
            assert_eq!(parsed.matches(&object), expected, "{selector}");
            assert_eq!(FieldSelector::parse(&parsed.to_string()).unwrap(), parsed);
        }
    }

    #[test]
    fn what_is_no_requirement_is_an_error() {
        for text in ["metadata.name", "=x", "a b=c", "a=b=c", "a..b=c", r"a=\x", "a in (b)"] {
            assert!(FieldSelector::parse(text).is_err(), "{text}");
        }
        let many = "a=b,".repeat(MAX_REQUIREMENTS + 1);
        assert_eq!(FieldSelector::parse(&many), Err(SelectorError::TooMany));
    }

    #[test]
    fn a_path_the_kind_does_not_offer_is_refused() {
        let offered = ["metadata.name", "spec.*"];
        let parse = |s: &str| FieldSelector::parse(s).unwrap().supported_by(&offered);
        assert!(parse("metadata.name=a,spec.size=b").is_ok());
        assert!(FieldSelector::parse("spec.=b").is_err());
        let error = parse("metadata.nmae=a").unwrap_err();
        assert_eq!(
            error.to_string(),
            "field \"metadata.nmae\" cannot be selected on; can be: metadata.name, spec.*"
        );
        let pinned = parse("metadata.name=a").unwrap();
        assert_eq!(pinned.required("metadata.name"), Some("a"));
        assert_eq!(parse("metadata.name!=a").unwrap().required("metadata.name"), None);
    }

    proptest! {
        #[test]
        fn never_panics_and_reads_back(text in "\\PC{0,60}|([a-z.]{0,8}!?==?[a-z\\\\,=]{0,8},?){0,4}") {
            if let Ok(parsed) = FieldSelector::parse(&text) {
                prop_assert_eq!(FieldSelector::parse(&parsed.to_string()).unwrap(), parsed);
            }
        }
    }
}
