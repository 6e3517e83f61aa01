//! `devpocket diff`: the fields that a file would change in the records, and nothing else. The
//! server answers what each record would be, so its defaults are on both sides.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use devpocket_specs::kind::Kind;
use serde_json::{Value, json};

use super::files::propose;
use super::pruning::PruneArgs;
use crate::cli::error::{Outcome, exit};
use crate::cli::output::{Format, Ink, Sign};
use crate::cli::proposal::{Fate, Item, content};
use crate::cli::session::Session;
use crate::manifest::short_name;

/// Shown instead of a secret's value.
const HIDDEN: &str = "***";
/// Members that tell items of a list apart, first of all.
const NAMES: [&str; 2] = ["name", "id"];

/// Show which fields of the records the files would change.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket diff -f envs/ --exit-code")]
pub struct DiffArgs {
    /// File or folder with YAML, or - for stdin; may be given several times
    #[arg(short, long, value_name = "FILE", required = true)]
    file: Vec<PathBuf>,
    /// Exit with 3 if anything differs
    #[arg(long)]
    exit_code: bool,
    /// Compare as if fields that another manager owns were taken over
    #[arg(long)]
    force_conflicts: bool,
    #[command(flatten)]
    prune: PruneArgs,
}

/// A field that differs; what is absent is not there.
#[derive(Clone, Debug, PartialEq)]
struct Field {
    path: String,
    before: Option<Value>,
    after: Option<Value>,
}

pub async fn run(session: &Session, args: DiffArgs) -> Outcome {
    let api = session.api()?;
    let terms = args.prune.terms(session, args.force_conflicts)?;
    let proposal = propose(session, &api, &args.file, &terms).await?;
    let output = &session.output;
    let differing: Vec<(&Item, Vec<Field>)> = proposal
        .items
        .iter()
        .filter(|item| item.fate != Fate::Unchanged)
        .map(|item| (item, fields(item)))
        .collect();
    match output.format {
        Format::Json | Format::Yaml => {
            let items: Vec<Value> =
                differing.iter().map(|(item, fields)| document(item, fields)).collect();
            output.document(&json!({"items": items}));
        }
        Format::Name => {
            differing.iter().for_each(|(item, _)| output.line(short_name(&item.key)));
        }
        _ => {
            for (item, fields) in &differing {
                show(session, item, fields);
            }
            let same = proposal.items.len() - differing.len();
            if differing.is_empty() {
                output.hint("Nothing differs.");
            } else if same > 0 {
                output.line(format!("{} {same} unchanged", output.out.sign(Sign::Unchanged)));
            }
        }
    }
    let differs = args.exit_code && !differing.is_empty();
    Ok(if differs { exit::DIFFERENT } else { exit::DONE })
}

fn document(item: &Item, fields: &[Field]) -> Value {
    let fields: Vec<Value> = fields
        .iter()
        .map(|field| json!({"path": field.path, "before": field.before, "after": field.after}))
        .collect();
    json!({
        "kind": item.key.kind.info().name,
        "namespace": item.key.namespace,
        "name": item.key.name,
        "change": item.fate.word(),
        "fields": fields,
    })
}

fn show(session: &Session, item: &Item, fields: &[Field]) {
    let style = session.output.out;
    let (sign, what) = match item.fate {
        Fate::New => (Sign::New, "is new"),
        Fate::Goes => (Sign::Goes, "is deleted: its file is gone"),
        _ => (Sign::Changes, ""),
    };
    let name = style.paint(Ink::Bold, &short_name(&item.key));
    session.output.line(format!("{} {name}  {what}", style.sign(sign)).trim_end());
    if item.fate == Fate::Goes {
        return;
    }
    for field in fields {
        let sides = [("-", Ink::Red, &field.before), ("+", Ink::Green, &field.after)];
        for (mark, ink, value) in sides {
            let Some(value) = value else { continue };
            for line in lines(&field.path, value) {
                session.output.line(style.paint(ink, &format!("  {mark} {line}")));
            }
        }
    }
}

/// `spec.power: Running`, and what has more than one line below its name.
fn lines(path: &str, value: &Value) -> Vec<String> {
    let text = match value {
        Value::String(text) if !text.contains('\n') && !text.is_empty() => text.clone(),
        Value::Object(members) if !members.is_empty() => return block(path, value),
        Value::Array(items) if !items.is_empty() => return block(path, value),
        Value::String(text) if text.contains('\n') => return block(path, value),
        other => other.to_string(),
    };
    vec![format!("{path}: {text}")]
}

fn block(path: &str, value: &Value) -> Vec<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        other => serde_yaml::to_string(other).unwrap_or_default(),
    };
    let mut lines = vec![format!("{path}:")];
    lines.extend(text.lines().map(|line| format!("    {line}")));
    lines
}

/// What differs in one object. Values of secrets differ without being shown.
fn fields(item: &Item) -> Vec<Field> {
    let mut found = Vec::new();
    // A secret is declared under one name and kept under another.
    let declared =
        if item.key.kind == Kind::Secret { item.after.clone() } else { content(&item.document) };
    compare("", item.before.as_ref(), Some(&item.after), Some(&declared), &mut found);
    if item.key.kind == Kind::Secret {
        for field in found.iter_mut().filter(|field| field.path.starts_with("data")) {
            for value in [&mut field.before, &mut field.after].into_iter().flatten() {
                hide(value);
            }
        }
    }
    found
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(hide),
        other => *other = HIDDEN.into(),
    }
}

/// `declared` is what the file itself says: what it does not say, and was not there before, is the
/// server's default and no difference.
fn compare(
    path: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    declared: Option<&Value>,
    found: &mut Vec<Field>,
) {
    let present = |value: Option<&Value>| value.filter(|value| !value.is_null()).cloned();
    match (before, after) {
        (Some(before), Some(after)) if before == after => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let declared = declared.and_then(|declared| declared.get(name));
                compare(&join(path, name), old.get(name), new.get(name), declared, found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            list(path, old, new, declared, found);
        }
        // Something new is shown field by field, as it would be compared later.
        (None | Some(Value::Null), Some(Value::Object(new))) if !new.is_empty() => {
            for (name, value) in new {
                let declared = declared.and_then(|declared| declared.get(name));
                compare(&join(path, name), None, Some(value), declared, found);
            }
        }
        _ => {
            let (before, after) = (present(before), present(after));
            if before != after && (before.is_some() || declared.is_some()) {
                found.push(Field { path: path.to_owned(), before, after });
            }
        }
    }
}

/// Items are told apart by their names; other lists show what left and what came.
fn list(
    path: &str,
    old: &[Value],
    new: &[Value],
    declared: Option<&Value>,
    found: &mut Vec<Field>,
) {
    let member = NAMES.into_iter().find(|name| {
        let named = |item: &Value| item[*name].is_string();
        old.iter().chain(new).all(named) && !(old.is_empty() && new.is_empty())
    });
    if let Some(member) = member {
        let of =
            |items: &[Value], name: &str| items.iter().find(|item| item[member] == name).cloned();
        let said = declared.and_then(Value::as_array).cloned().unwrap_or_default();
        let names: BTreeSet<&str> =
            old.iter().chain(new).filter_map(|item| item[member].as_str()).collect();
        for name in names {
            let path = format!("{path}[{name}]");
            let (before, after, said) = (of(old, name), of(new, name), of(&said, name));
            compare(&path, before.as_ref(), after.as_ref(), said.as_ref(), found);
        }
        return;
    }
    let (gone, came) = (without(old, new), without(new, old));
    let whole = |items: &[Value]| Some(Value::Array(items.to_vec()));
    if gone.is_empty() && came.is_empty() {
        // The same items in another order.
        found.push(Field { path: path.to_owned(), before: whole(old), after: whole(new) });
        return;
    }
    let each = gone.into_iter().map(|value| (Some(value), None));
    let each = each.chain(came.into_iter().map(|value| (None, Some(value))));
    found.extend(each.map(|(before, after)| Field { path: format!("{path}[]"), before, after }));
}

/// The items that the others do not hold, counting each once.
fn without(items: &[Value], others: &[Value]) -> Vec<Value> {
    let mut others = others.to_vec();
    let mut left = Vec::new();
    for item in items {
        match others.iter().position(|other| other == item) {
            Some(at) => {
                others.swap_remove(at);
            }
            None => left.push(item.clone()),
        }
    }
    left
}

/// `labels.team`, and `labels[devpocket.dev/x]` where the name has dots of its own.
fn join(path: &str, name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    match (plain, path.is_empty()) {
        (true, true) => name.to_owned(),
        (true, false) => format!("{path}.{name}"),
        (false, _) => format!("{path}[{name}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(before: Value, after: Value) -> Vec<String> {
        let mut found = Vec::new();
        compare("", Some(&before), Some(&after), Some(&after), &mut found);
        let side = |mark: &str, path: &str, value: Option<Value>| {
            value.map(|value| lines(path, &value).join("|")).map(|text| format!("{mark} {text}"))
        };
        found
            .into_iter()
            .flat_map(|f| [side("-", &f.path, f.before), side("+", &f.path, f.after)])
            .flatten()
            .collect()
    }

    #[test]
    fn only_what_differs_is_shown_each_at_its_path() {
        let before = json!({"spec": {"power": "Running", "region": "EU", "paused": null}});
        let after = json!({"spec": {"power": "Stopped", "region": "EU", "size": "x"}});
        assert_eq!(
            found(before, after),
            ["- spec.power: Running", "+ spec.power: Stopped", "+ spec.size: x"]
        );
    }

    #[test]
    fn items_are_found_again_by_name_and_others_by_value() {
        let before = json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
            "dataPaths": ["/a", "/b"]});
        let after = json!({"env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}],
            "dataPaths": ["/c", "/a"]});
        assert_eq!(
            found(before, after),
            [
                "- dataPaths[]: /b",
                "+ dataPaths[]: /c",
                "- env[A]:|    name: A|    value: '1'",
                "- env[B].value: 2",
                "+ env[B].value: 3",
                "+ env[C].name: C",
                "+ env[C].value: 4"
            ]
        );
    }

    #[test]
    fn what_only_the_server_says_is_no_difference() {
        let after = json!({"spec": {"size": "a", "drift": "Correct"}, "labels": {"a": "b"}});
        let declared = json!({"spec": {"size": "a"}});
        let mut found = Vec::new();
        compare("", None, Some(&after), Some(&declared), &mut found);
        let paths: Vec<&str> = found.iter().map(|field| field.path.as_str()).collect();
        assert_eq!(paths, ["spec.size"]);
    }

    #[test]
    fn another_order_is_a_difference_too() {
        assert_eq!(found(json!({"a": [1, 2]}), json!({"a": [2, 1]})).len(), 2);
    }

    #[test]
    fn names_with_dots_keep_their_path_readable() {
        let after = json!({"labels": {"devpocket.dev/apply-set": "main.ci"}});
        assert_eq!(found(json!({}), after), ["+ labels[devpocket.dev/apply-set]: main.ci"]);
    }
}
