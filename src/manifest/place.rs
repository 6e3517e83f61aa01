//! Places in files, and faults at them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use devpocket_specs::status::Cause;

/// The text of one file, under the name the person used for it.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    pub name: String,
    pub text: String,
}

/// Line and column, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// A stretch of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub start: Position,
    /// Characters, at least 1.
    pub width: usize,
}

/// Where a field's name and its value stand; list items have no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub name: Option<Stretch>,
    pub value: Stretch,
}

/// Field paths of a document with their spots.
pub(super) type Spots = BTreeMap<String, Spot>;

/// A place somebody can go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub source: Arc<Source>,
    pub position: Position,
    /// Characters to mark.
    pub width: usize,
}

impl Place {
    pub(super) fn new(source: &Arc<Source>, stretch: Stretch) -> Place {
        Place { source: source.clone(), position: stretch.start, width: stretch.width }
    }

    /// The line as it stands in the file.
    pub fn line(&self) -> &str {
        self.source.text.lines().nth(self.position.line.saturating_sub(1)).unwrap_or_default()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source.name, self.position.line, self.position.column)
    }
}

/// What is wrong at a place. The words are those of [`Cause`].
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub place: Place,
    /// `env/api`, where the document says so much about itself.
    pub object: Option<String>,
    pub cause: Cause,
}

impl Fault {
    pub(super) fn syntax(place: Place, message: impl Into<String>) -> Fault {
        Fault::new(place, "bad-yaml", message)
    }

    pub(super) fn new(place: Place, code: &str, message: impl Into<String>) -> Fault {
        let cause =
            Cause { message: message.into(), code: Some(code.to_owned()), ..Cause::default() };
        Fault { place, object: None, cause }
    }

    /// By file, then by place in it.
    pub fn order(&self) -> (&str, Position) {
        (&self.place.source.name, self.place.position)
    }
}

/// `parent.name`, or `parent[na/me]` where the name would not read as one: the server's spelling.
pub(super) fn join(parent: &str, name: &str) -> String {
    let plain =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    match (plain, parent.is_empty()) {
        (true, true) => name.to_owned(),
        (true, false) => format!("{parent}.{name}"),
        (false, _) => format!("{parent}[{name}]"),
    }
}

/// The path of what holds this field; empty for the document.
pub(super) fn parent(path: &str) -> &str {
    if path.ends_with(']') {
        return path.rfind('[').map_or("", |at| &path[..at]);
    }
    path.rfind('.').map_or("", |at| &path[..at])
}
