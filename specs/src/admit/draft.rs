//! A document on its way to becoming an object: read, completed, and everything wrong with it.

use serde_json::Value;

use super::Context;
use crate::defaulting;
use crate::environment::Environment;
use crate::event::Event;
use crate::installation::Installation;
use crate::kind::Kind;
use crate::lease::Lease;
use crate::machine::Machine;
use crate::namespace::Namespace;
use crate::object::{Key, Object, ObjectError, Resource};
use crate::operation::Operation;
use crate::secret::Secret;
use crate::status::{Cause, Reason, Status};
use crate::template::Template;
use crate::tier::Tier;
use crate::validation::{MAX_OBJECT_BYTES, rules, structure, undecodable};

/// An object with the faults found so far.
pub(super) struct Draft {
    pub object: Object,
    pub faults: Vec<Cause>,
}

impl Draft {
    /// Reads a document. When it is so broken that there is no object in it, that is the refusal.
    pub fn read(kind: Kind, document: &Value) -> Result<Draft, Status> {
        let checked = structure(kind, document);
        match canonical(kind, checked.mended) {
            Ok(object) => Ok(Draft { object, faults: checked.faults }),
            Err(error) if checked.faults.is_empty() => {
                Err(invalid(&key_in(kind, document), vec![undecodable(&error)]))
            }
            Err(_) => Err(invalid(&key_in(kind, document), checked.faults)),
        }
    }

    /// Adds defaults.
    pub fn complete(&mut self, old: Option<&Object>, context: &Context<'_>) {
        defaulting::apply(&mut self.object, old, context);
    }

    /// Adds the faults no schema can express, except those `old` has too: a record that was good
    /// when it was written (a size still sold, a pause still ahead) must stay editable.
    pub fn judge(&mut self, old: Option<&Object>, context: &Context<'_>) {
        let mut found = rules(&self.object, context);
        if let Some(old) = old.filter(|_| !found.is_empty()) {
            let before = rules(old, context);
            found.retain(|fault| !before.contains(fault));
        }
        self.add(found);
    }

    /// Adds faults, without those about a part that is known to be wrong: they would speak of
    /// what was put in its place.
    pub fn add(&mut self, more: Vec<Cause>) {
        let known: Vec<String> = self.faults.iter().map(|fault| fault.field.clone()).collect();
        let news = |fault: &Cause| !known.iter().any(|wrong| is_within(&fault.field, wrong));
        self.faults.extend(more.into_iter().filter(news));
    }

    /// The object, if nothing is wrong with it.
    pub fn finish(self) -> Result<Object, Status> {
        let key = self.object.key();
        if !self.faults.is_empty() {
            return Err(invalid(&key, self.faults));
        }
        Ok(self.object)
    }
}

/// Refuses an object beyond [`MAX_OBJECT_BYTES`].
pub(super) fn within_size(object: &Object) -> Result<(), Status> {
    let bytes = serde_json::to_vec(&object.to_value()).map_or(usize::MAX, |json| json.len());
    if bytes <= MAX_OBJECT_BYTES {
        return Ok(());
    }
    let message = format!("the object has {bytes} bytes; at most {MAX_OBJECT_BYTES}");
    let status = Status::new(Reason::RequestEntityTooLarge, message).with_code("too-large");
    Err(status.about(&object.key()))
}

/// Every fault at once, under the code of the first.
fn invalid(key: &Key, faults: Vec<Cause>) -> Status {
    let code = faults.iter().find_map(|fault| fault.code.clone());
    let mut status = Status::invalid(key, faults);
    status.details.code = code;
    status
}

/// Reads and writes the document through its type, so that what is stored has one form.
fn canonical(kind: Kind, document: Value) -> Result<Object, ObjectError> {
    fn through<T: Resource>(document: Value) -> Result<Object, ObjectError> {
        let typed: T = serde_json::from_value(document).map_err(|source| ObjectError::Decode {
            kind: T::KIND,
            path: String::new(),
            source,
        })?;
        Ok(Object::of(&typed))
    }
    match kind {
        Kind::Environment => through::<Environment>(document),
        Kind::Machine => through::<Machine>(document),
        Kind::Operation => through::<Operation>(document),
        Kind::Template => through::<Template>(document),
        Kind::Tier => through::<Tier>(document),
        Kind::Namespace => through::<Namespace>(document),
        Kind::Event => through::<Event>(document),
        Kind::Secret => through::<Secret>(document),
        Kind::Lease => through::<Lease>(document),
        Kind::Installation => through::<Installation>(document),
    }
}

fn key_in(kind: Kind, document: &Value) -> Key {
    let text = |name: &str| document["metadata"][name].as_str().unwrap_or_default();
    Key::new(kind, text("namespace"), text("name"))
}

/// Whether `field` is `around` or lies in it.
pub(super) fn is_within(field: &str, around: &str) -> bool {
    field
        .strip_prefix(around)
        .is_some_and(|rest| around.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
}
