//! Reads YAML into values and the places they stand at.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::{Map, Value};

use super::limits;
use super::place::{Fault, Place, Position, Source, Spot, Spots, Stretch, join};
use super::scalar::plain;

/// One document as it was read.
pub(super) struct Parsed {
    pub value: Value,
    pub spots: Spots,
}

/// All documents of a text that are not empty, and all faults. What follows a syntax error cannot
/// be read, so there is at most one of those.
pub(super) fn parse(source: &Arc<Source>) -> (Vec<Parsed>, Vec<Fault>) {
    let mut reader = Reader {
        source,
        parser: Parser::new_from_str(&source.text),
        faults: Vec::new(),
        spots: Spots::new(),
        anchors: BTreeMap::new(),
        nodes: 0,
    };
    let mut documents = Vec::new();
    if let Err(fault) = reader.documents(&mut documents) {
        reader.faults.push(*fault);
    }
    (documents, reader.faults)
}

/// Reading stops with this fault.
type Stop = Box<Fault>;

struct Reader<'a> {
    source: &'a Arc<Source>,
    parser: Parser<'a, StrInput<'a>>,
    faults: Vec<Fault>,
    spots: Spots,
    /// Values of anchors with how many values each unfolds to.
    anchors: BTreeMap<usize, (Value, usize)>,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn documents(&mut self, documents: &mut Vec<Parsed>) -> Result<(), Stop> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(()),
                Event::DocumentStart(_) => {
                    self.nodes = 0;
                    self.anchors.clear();
                    self.spots.clear();
                    let (event, span) = self.next()?;
                    let value = self.value(event, span, "", None, 0)?;
                    if !value.is_null() {
                        let spots = std::mem::take(&mut self.spots);
                        documents.push(Parsed { value, spots });
                    }
                }
                Event::Nothing | Event::StreamStart | Event::DocumentEnd => {}
                _ => return Err(self.stop(span, "is out of place")),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.parser.next_event() {
            None => Ok((Event::StreamEnd, Span::default())),
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let start = position(error.marker());
                let place = Place::new(self.source, Stretch { start, width: 1 });
                Err(Box::new(syntax(place, error.info())))
            }
        }
    }

    fn value(
        &mut self,
        event: Event<'a>,
        span: Span,
        path: &str,
        name: Option<Stretch>,
        depth: usize,
    ) -> Result<Value, Stop> {
        if depth > limits::DEPTH {
            return Err(self.stop(span, &format!("is deeper than {} levels", limits::DEPTH)));
        }
        self.count(1, span)?;
        self.spots.insert(path.to_owned(), Spot { name, value: stretch(span) });
        let before = self.nodes;
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, self.scalar(text, style, tag, span))
            }
            Event::SequenceStart(anchor, _) => (anchor, self.sequence(path, depth)?),
            Event::MappingStart(anchor, _) => (anchor, self.mapping(path, depth)?),
            Event::Alias(anchor) => {
                let Some((value, size)) = self.anchors.get(&anchor).cloned() else {
                    return Err(self.stop(span, "is an alias of a value that is not complete yet"));
                };
                self.count(size, span)?;
                (0, value)
            }
            _ => return Err(self.stop(span, "is not a value")),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (value.clone(), self.nodes - before + 1));
        }
        Ok(value)
    }

    fn count(&mut self, more: usize, span: Span) -> Result<(), Stop> {
        self.nodes += more;
        if self.nodes <= limits::NODES {
            return Ok(());
        }
        let what = format!("makes the document larger than {} values", limits::NODES);
        Err(self.stop(span, &what))
    }

    fn scalar(
        &mut self,
        text: Cow<'a, str>,
        style: ScalarStyle,
        tag: Option<Cow<'a, Tag>>,
        span: Span,
    ) -> Value {
        let tag = tag.map(|tag| (tag.is_yaml_core_schema(), tag.suffix.clone()));
        match tag {
            None if style == ScalarStyle::Plain => plain(&text),
            None => Value::String(text.into_owned()),
            Some((true, kind)) if kind == "str" => Value::String(text.into_owned()),
            Some((true, kind)) if matches!(kind.as_str(), "int" | "float" | "bool" | "null") => {
                plain(&text)
            }
            Some((_, kind)) => {
                self.fault(span, &format!("tag {kind:?} has no meaning here"));
                Value::Null
            }
        }
    }

    fn sequence(&mut self, path: &str, depth: usize) -> Result<Value, Stop> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Value::Array(items));
            }
            let path = format!("{path}[{}]", items.len());
            items.push(self.value(event, span, &path, None, depth + 1)?);
        }
    }

    fn mapping(&mut self, path: &str, depth: usize) -> Result<Value, Stop> {
        let mut members = Map::new();
        loop {
            let (event, span) = self.next()?;
            let name = match event {
                Event::MappingEnd => return Ok(Value::Object(members)),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err(self.stop(span, "is a list or an object where a name is expected")),
            };
            let inner = join(path, &name);
            let first = self.spots.get(&inner).copied();
            let (event, value_span) = self.next()?;
            let value = self.value(event, value_span, &inner, Some(stretch(span)), depth + 1)?;
            if members.contains_key(&name) {
                // The first one stays, so that faults in it keep their place.
                let line = first.and_then(|spot| Some(spot.name?.start.line)).unwrap_or_default();
                let message = format!("{name:?} is there twice; first in line {line}");
                let place = Place::new(self.source, stretch(span));
                self.faults.push(Fault::new(place, "duplicate-field", message));
                if let Some(first) = first {
                    self.spots.insert(inner, first);
                }
                continue;
            }
            members.insert(name, value);
        }
    }

    fn fault(&mut self, span: Span, message: &str) {
        self.faults.push(Fault::syntax(Place::new(self.source, stretch(span)), message));
    }

    /// `what` follows "this ".
    fn stop(&self, span: Span, what: &str) -> Stop {
        let place = Place::new(self.source, stretch(span));
        Box::new(Fault::syntax(place, format!("this {what}")))
    }
}

fn position(marker: &saphyr_parser::Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

fn stretch(span: Span) -> Stretch {
    let start = position(&span.start);
    let same_line = span.end.line() == span.start.line();
    let width = if same_line { span.end.col().saturating_sub(span.start.col()) } else { 1 };
    Stretch { start, width: width.max(1) }
}

/// The parser's words, in ours where its are about its own inside.
fn syntax(place: Place, info: &str) -> Fault {
    let line = place.line();
    let indent: String = line.chars().take_while(|c| c.is_whitespace()).collect();
    if indent.contains('\t') {
        let column = indent.chars().position(|c| c == '\t').unwrap_or(0) + 1;
        let position = Position { column, ..place.position };
        let place = Place { position, width: 1, ..place };
        return Fault::syntax(place, "this line is indented with a tab; YAML indents with spaces");
    }
    let message = match info {
        _ if info.contains("unknown anchor") => {
            "this alias names an anchor that is not there".to_owned()
        }
        _ if info.contains("simple key expected")
            || info.contains("could not find expected ':'") =>
        {
            "this is neither a value nor \"name: value\"".to_owned()
        }
        _ if info.contains("mapping values are not allowed") => {
            "a second \": \" in one line; text that contains one needs quotes".to_owned()
        }
        _ => format!("this cannot be read as YAML: {info}"),
    };
    Fault::syntax(place, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> (Vec<Parsed>, Vec<Fault>) {
        parse(&Arc::new(Source { name: "a.yaml".into(), text: text.into() }))
    }

    fn only_fault(text: &str) -> (String, String) {
        let (_, faults) = read(text);
        assert_eq!(faults.len(), 1, "{faults:?}");
        (faults[0].place.to_string(), faults[0].cause.message.clone())
    }

    #[test]
    fn values_know_where_they_stand() {
        let (documents, faults) =
            read("spec:\n  size: x\n  env:\n    - name: A\n      value: \"1\"\n");
        assert!(faults.is_empty());
        let document = &documents[0];
        assert_eq!(
            document.value,
            json!({"spec": {"size": "x", "env": [{"name": "A", "value": "1"}]}})
        );
        let at = |path: &str| {
            let spot = document.spots[path];
            (
                spot.value.start.line,
                spot.value.start.column,
                spot.name.map(|name| name.start.column),
            )
        };
        assert_eq!(at("spec.size"), (2, 9, Some(3)));
        assert_eq!(at("spec.env[0].name"), (4, 13, Some(7)));
        assert_eq!(at("spec.env[0]"), (4, 7, None));
    }

    #[test]
    fn a_name_that_comes_twice_is_a_fault_at_the_second() {
        let (place, message) = only_fault("spec:\n  size: x\n  size: y\n");
        assert_eq!(place, "a.yaml:3:3");
        assert!(message.contains("line 2"), "{message}");
    }

    #[test]
    fn a_tab_is_named_as_such() {
        let (place, message) = only_fault("spec:\n\tsize: x\n");
        assert_eq!(place, "a.yaml:2:1");
        assert!(message.contains("tab"), "{message}");
    }

    #[test]
    fn aliases_unfold_within_limits_only() {
        let (documents, faults) = read("a: &x {b: 1}\nc: *x\n");
        assert!(faults.is_empty());
        assert_eq!(documents[0].value["c"], json!({"b": 1}));
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..10 {
            let items = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        let (_, message) = only_fault(&bomb);
        assert!(message.contains("larger than"), "{message}");
        let (_, message) = only_fault("a: &x [*x]\n");
        assert!(message.contains("alias"), "{message}");
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("a: {}{}", "[".repeat(200), "]".repeat(200));
        let (_, message) = only_fault(&deep);
        assert!(message.contains("deeper") || message.contains("recursion"), "{message}");
    }

    #[test]
    fn documents_are_separate_and_empty_ones_are_none() {
        let (documents, faults) = read("---\n---\na: 1\n---\n# only a remark\n---\na: 2\n");
        assert!(faults.is_empty());
        assert_eq!(documents.len(), 2);
        assert_eq!(documents[1].spots["a"].value.start.line, 7);
    }
}
