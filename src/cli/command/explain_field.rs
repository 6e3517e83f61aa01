//! What a field means: `devpocket explain environment.spec`.

use devpocket_specs::kind::Kind;
use devpocket_specs::schema::{FieldDocs, field_docs};
use serde_json::{Value, json};

use super::describe::field;
use crate::cli::error::{Failure, Outcome, exit};
use crate::cli::misread::nearest;
use crate::cli::output::{Cell, Ink, Table, wrap};
use crate::cli::session::Session;

/// Columns of a field's text where the terminal leaves less.
const TEXT: usize = 40;

/// `words` is the kind, then the path.
pub fn run(session: &Session, kind: Kind, words: &str) -> Outcome {
    let path = words.split_once('.').map_or("", |(_, path)| path);
    let Some(docs) = field_docs(kind, path) else { return Err(unknown(kind, path).into()) };
    if session.output.format.is_document() {
        session.output.document(&value(&docs));
        return Ok(exit::DONE);
    }
    let style = session.output.out;
    let name = if path.is_empty() {
        kind.info().singular.to_owned()
    } else {
        format!("{}.{path}", kind.info().singular)
    };
    let required = if docs.required && !path.is_empty() { ", required" } else { "" };
    session.output.line(format!("{}  {}{required}", style.paint(Ink::Bold, &name), docs.r#type));
    for line in wrap(&docs.doc, style.prose_width()) {
        session.output.line(line);
    }
    if !docs.allowed.is_empty() {
        field(session, "Allowed", &docs.allowed.join(", "));
    }
    if let Some(default) = &docs.default {
        field(session, "Default", default);
    }
    if docs.fields.is_empty() {
        return Ok(exit::DONE);
    }
    let names = docs.fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let types = docs.fields.iter().map(|(_, docs)| docs.r#type.len()).max().unwrap_or(0);
    let before = names + types + 4;
    let room = style.width.saturating_sub(before).max(TEXT);
    let mut table = Table::new(&["*FIELD", "*TYPE", "MEANING"]);
    for (name, docs) in &docs.fields {
        let first = docs.doc.split(". ").next().unwrap_or_default().replace('\n', " ");
        let allowed = if docs.allowed.is_empty() {
            String::new()
        } else {
            format!(" ({})", docs.allowed.join(", "))
        };
        let text = format!("{}{allowed}", first.trim_end_matches('.'));
        table.row(vec![
            Cell::new(name).ink(Ink::Bold),
            Cell::new(&docs.r#type),
            Cell::new(crate::cli::output::shorten(&text, room)),
        ]);
    }
    session.output.line("");
    session.output.table(&table);
    Ok(exit::DONE)
}

fn value(docs: &FieldDocs) -> Value {
    let fields = docs.fields.iter().map(|(name, docs)| (name.clone(), value(docs)));
    json!({
        "type": docs.r#type,
        "doc": docs.doc,
        "allowed": docs.allowed,
        "default": docs.default,
        "required": docs.required,
        "fields": serde_json::Map::from_iter(fields),
    })
}

fn unknown(kind: Kind, path: &str) -> Failure {
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    let singular = kind.info().singular;
    let around = field_docs(kind, parent);
    let names: Vec<String> =
        around.into_iter().flat_map(|docs| docs.fields).map(|(name, _)| name).collect();
    let near = nearest(name, names.iter().map(String::as_str));
    let of = if parent.is_empty() { singular.to_owned() } else { format!("{singular}.{parent}") };
    let failure = Failure {
        code: "unknown-field".into(),
        ..Failure::usage(format!("{name:?} is not a field of {of}"))
    };
    let failure = Failure { so_far: None, ..failure };
    match near {
        Some(near) if parent.is_empty() => {
            failure.attempt(format!("devpocket explain {singular}.{near}"), "")
        }
        Some(near) => failure.attempt(format!("devpocket explain {singular}.{parent}.{near}"), ""),
        None => failure.attempt(format!("devpocket explain {of}"), "its fields"),
    }
}
