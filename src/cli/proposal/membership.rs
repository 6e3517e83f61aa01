//! Sets: what `apply --prune SET` has made, so that it can delete what its files no longer hold.
//!
//! # Guarantees
//! - An object is of a set if its label says so, and only a call with that set sets the label: on
//!   what it makes, and with `--adopt` on what was there before.
//! - A set is known by its name and the namespace it is used from, so that two teams that chose
//!   the same name never delete each other's.
//! - A later `apply` without a set leaves the label as it is.

use devpocket_specs::metadata::names;
use devpocket_specs::status::{Reason, Status};
use devpocket_specs::validation::names::is_label_text;
use serde_json::{Value, json};

use super::Wanted;
use crate::cli::error::{Failure, Report};
use crate::cli::session::Session;
use crate::manifest::short_name;

/// A set, as the label has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    name: String,
    label: String,
}

/// How documents are applied.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Take fields over that another manager owns.
    pub force: bool,
    /// What they are a set of.
    pub set: Option<Set>,
    /// Take what is there already into the set.
    pub adopt: bool,
    /// Deletions that are allowed, where somebody said how many.
    pub allowed: Option<usize>,
}

impl Set {
    pub fn read(session: &Session, name: &str) -> Result<Set, Report> {
        let label = format!("{}.{name}", session.namespace);
        if name.is_empty() || !is_label_text(name) || !is_label_text(&label) {
            let message = format!(
                "{name:?} is no name of a set; one is at most {} letters, digits, '-', '_' and \
                 '.', with a letter or digit at both ends",
                63_usize.saturating_sub(session.namespace.len() + 1)
            );
            return Err(Failure::usage(message).at("--prune").into());
        }
        Ok(Set { name: name.to_owned(), label })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the members are listed by.
    pub fn selector(&self) -> String {
        format!("{}={}", names::APPLY_SET, self.label)
    }

    /// Whether the object, or its content, is a member.
    pub fn has(&self, labels: &Value) -> bool {
        labels[names::APPLY_SET] == self.label.as_str()
    }
}

impl Terms {
    /// The document with the label it goes out with; `before` is the record as it is.
    pub(super) fn document(
        &self,
        wanted: &Wanted,
        before: Option<&Value>,
    ) -> Result<Value, Status> {
        let mut document = wanted.document.clone();
        let label = |value: &Value| {
            value["metadata"]["labels"][names::APPLY_SET].as_str().map(str::to_owned)
        };
        let own = label(&document);
        let theirs = before.and_then(label);
        let Some(set) = &self.set else {
            if let (None, Some(theirs)) = (own, theirs) {
                put(&mut document, &theirs);
            }
            return Ok(document);
        };
        let other = own.as_ref().or(theirs.as_ref()).filter(|label| **label != set.label);
        if let Some(other) = other {
            return Err(of_another(&short_name(&wanted.key), other, set));
        }
        if before.is_none() || theirs.is_some() || self.adopt {
            put(&mut document, &set.label);
        }
        Ok(document)
    }
}

fn put(document: &mut Value, label: &str) {
    let metadata = &mut document["metadata"];
    if metadata["labels"].is_null() {
        metadata["labels"] = json!({});
    }
    if let Some(labels) = metadata["labels"].as_object_mut() {
        labels.insert(names::APPLY_SET.to_owned(), label.into());
    }
}

fn of_another(name: &str, label: &str, set: &Set) -> Status {
    let (namespace, other) = label.split_once('.').unwrap_or(("", label));
    let message = format!(
        "{name} belongs to set {other} of {namespace}, so set {} does not take it",
        set.name
    );
    Status::new(Reason::Conflict, message).with_code("ownership")
}

#[cfg(test)]
mod tests {
    use devpocket_specs::kind::Kind;
    use devpocket_specs::object::Key;

    use super::*;

    fn terms(set: Option<&str>, adopt: bool) -> Terms {
        let set = set.map(|name| Set { name: name.to_owned(), label: format!("main.{name}") });
        Terms { set, adopt, ..Terms::default() }
    }

    fn labelled(terms: &Terms, before: Option<Value>) -> Result<Option<String>, String> {
        let key = Key::new(Kind::Environment, "main", "web");
        let wanted = Wanted { key, document: json!({"metadata": {"name": "web"}}) };
        let document = terms.document(&wanted, before.as_ref()).map_err(|status| status.message)?;
        Ok(document["metadata"]["labels"][names::APPLY_SET].as_str().map(str::to_owned))
    }

    #[test]
    fn only_what_a_set_makes_or_is_given_becomes_a_member() {
        let unlabelled = || Some(json!({"metadata": {}}));
        let of = |label: &str| Some(json!({"metadata": {"labels": {names::APPLY_SET: label}}}));
        let member = Ok(Some("main.ci".to_owned()));
        assert_eq!(labelled(&terms(Some("ci"), false), None), member);
        assert_eq!(labelled(&terms(Some("ci"), false), unlabelled()), Ok(None));
        assert_eq!(labelled(&terms(Some("ci"), true), unlabelled()), member);
        assert_eq!(labelled(&terms(Some("ci"), false), of("main.ci")), member);
        // A plain apply neither makes a member nor takes one out.
        assert_eq!(labelled(&terms(None, false), None), Ok(None));
        assert_eq!(labelled(&terms(None, false), of("main.ci")), member);
        let refused = labelled(&terms(Some("ci"), true), of("team.ci")).unwrap_err();
        assert_eq!(refused, "env/web belongs to set ci of team, so set ci does not take it");
    }
}
