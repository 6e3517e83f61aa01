//! What a text would make of the record, or what is wrong with it.

use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use devpocket_specs::status::{Cause, Reason, Status};
use serde_json::{Value, json};

use super::draft::patch;
use super::{Edit, is_taken};
use crate::cli::api::{ApiError, WriteOptions};
use crate::cli::error::{Failure, Report, exit};
use crate::cli::proposal::{Proposal, Wanted, compared, differences, planned, priced};
use crate::cli::refusal;
use crate::manifest::{Document, declared, load, short_name};

pub enum Judged {
    /// It says what the record says.
    Same,
    Good(Box<Proposal>),
    /// Somebody else was faster; the patch that was to be written.
    Conflict(Value),
    Faulty(Report),
}

/// Asks the server about what is in the file.
pub(super) async fn judge(edit: &Edit<'_>) -> Result<Judged, Report> {
    let document = match document(edit) {
        Ok(document) => document,
        Err(report) => return Ok(Judged::Faulty(report)),
    };
    let before = declared(&edit.base);
    let Some(mut change) = patch(&before, &document.value) else { return Ok(Judged::Same) };
    if change["metadata"].is_null() {
        change["metadata"] = json!({});
    }
    change["metadata"]["resourceVersion"] = edit.base["metadata"]["resourceVersion"].clone();
    let asked = match edit.key.kind {
        Kind::Environment => edit.api.plan_of_patch(&edit.key, &change).await,
        _ => {
            let options = WriteOptions { dry_run: true, ..WriteOptions::default() };
            edit.api.merge(&edit.key, "", &change, &options).await
        }
    };
    let answer = match asked {
        Ok(answer) => answer,
        Err(error) if is_taken(&error) => return Ok(Judged::Conflict(change)),
        Err(ApiError::Refused { status, code, request_id }) if code < 500 && code != 429 => {
            let report = faulty(&document, &status, request_id.as_deref());
            return Ok(Judged::Faulty(report));
        }
        Err(error) => return Err(edit.session.report(&error)),
    };
    let wanted = Wanted { key: edit.key.clone(), document: change };
    let base = Some(edit.base.clone());
    let item = match edit.key.kind {
        Kind::Environment => planned(&edit.api, &wanted, base, answer),
        _ => Ok(compared(&wanted, base, &answer)),
    };
    let item = item.map_err(|error| edit.session.report(&error))?;
    if item.fate == crate::cli::proposal::Fate::Unchanged {
        return Ok(Judged::Same);
    }
    let installation = edit.session.installation(&edit.api).await?;
    let proposal = Proposal::of(vec![item], installation, None);
    Ok(Judged::Good(Box::new(priced(edit.session, &edit.api, proposal).await?)))
}

/// The one document of the file, which is the object.
fn document(edit: &Edit<'_>) -> Result<Document, Report> {
    let path = edit.draft.path().to_owned();
    let loaded = load(std::slice::from_ref(&path), &edit.session.namespace);
    let mut read = loaded.map_err(|error| {
        Report::from(Failure::new("bad-yaml", error.to_string()).exit(exit::INVALID))
    })?;
    if !read.faults.is_empty() {
        return Err(Report::new(read.faults.iter().map(refusal::of_fault).collect()));
    }
    let name = short_name(&edit.key);
    let (Some(document), true) = (read.documents.pop(), read.documents.is_empty()) else {
        let message = format!("there is more than one document; this is about {name} only");
        return Err(Failure::new("bad-value", message).exit(exit::INVALID).into());
    };
    if document.key != edit.key {
        let message = format!("this is {name}, not {}; an object is not renamed", document.name());
        let place = document.place("metadata.name").to_string();
        return Err(Failure::new("bad-value", message).exit(exit::INVALID).at(place).into());
    }
    Ok(document)
}

/// A refusal, each fault at its place in the file.
fn faulty(document: &Document, status: &Status, request_id: Option<&str>) -> Report {
    let about_fields =
        matches!(status.reason, Reason::Invalid | Reason::BadRequest | Reason::Forbidden);
    if !about_fields || status.details.causes.is_empty() {
        return refusal::refused(status, request_id).about(&document.name());
    }
    let outer = status.details.code.clone();
    let faults = status.details.causes.iter().map(|cause| {
        let code = cause.code.clone().or_else(|| outer.clone());
        let cause = Cause { code, ..cause.clone() };
        refusal::of_fault(&document.fault(&cause))
    });
    Report::new(faults.collect())
}

/// What somebody else has changed meanwhile, and where that is what the edit changes too.
pub(super) fn what_others_did(key: &Key, old: &Value, new: &Value, ours: &Value) -> String {
    let name = short_name(key);
    let theirs = differences(old, new);
    if theirs.is_empty() {
        return format!(
            "{name} was changed by somebody else meanwhile, in nothing that is edited."
        );
    }
    let mut text = format!("{name} was changed by somebody else meanwhile:");
    for change in &theirs {
        text.push_str(&format!("\n  {change}"));
    }
    let both = both(old, new, ours);
    if both.is_empty() {
        text.push_str("\nThe edit is below, on top of that. Saved as it is, it is taken.");
    } else {
        text.push_str(&format!(
            "\nThe edit is below, on top of that; of what both changed it says yours: {}.",
            both.join(", ")
        ));
    }
    text
}

/// Fields that both changed, and not to the same.
fn both(old: &Value, new: &Value, ours: &Value) -> Vec<String> {
    fn walk(old: &Value, new: &Value, ours: &Value, path: &str, found: &mut Vec<String>) {
        if new == old || ours == old || new == ours {
            return;
        }
        if let (Value::Object(new), Value::Object(ours)) = (new, ours) {
            for name in new.keys().chain(ours.keys().filter(|name| !new.contains_key(*name))) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let null = &Value::Null;
                let get = |value: &Value| value.get(name).cloned().unwrap_or_default();
                let (new, ours) = (new.get(name).unwrap_or(null), ours.get(name).unwrap_or(null));
                walk(&get(old), new, ours, &path, found);
            }
        } else {
            found.push(path.to_owned());
        }
    }
    let mut found = Vec::new();
    walk(old, new, ours, "", &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_changed_is_told_and_what_both_did_by_name() {
        let key = Key::new(Kind::Environment, "main", "web");
        let old = json!({"spec": {"power": "Running", "size": "a"}});
        let new = json!({"spec": {"power": "Stopped", "size": "a"}});
        let apart =
            what_others_did(&key, &old, &new, &json!({"spec": {"power": "Running", "size": "b"}}));
        assert!(apart.contains("\n  spec.power Running → Stopped\n"), "{apart}");
        assert!(apart.ends_with("Saved as it is, it is taken."), "{apart}");
        let same =
            what_others_did(&key, &old, &new, &json!({"spec": {"power": "Off", "size": "a"}}));
        assert!(same.ends_with("it says yours: spec.power."), "{same}");
    }
}
