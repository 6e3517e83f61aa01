//! Secrets on their way in and out: values are sealed before admission sees them and opened for
//! the answer, so that the store, the log and the caches only ever hold ciphertext.
//!
//! kubectl's client-side `apply` copies the whole manifest, values included, into an annotation.
//! That annotation is sealed too.
//!
//! Whoever may not reveal a Secret gets the names of its values with [`WITHHELD`] for each. What was
//! read like that can be written back: the placeholder stands for the value that is stored. Their
//! values are sealed anew each time, also equal ones, so that nobody finds a value out by writing
//! guesses until nothing changes.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use devpocket_specs::admit::Request;
use devpocket_specs::admit::secret::{plain_values, with_sealed};
use devpocket_specs::object::{Key, Object};
use devpocket_specs::secret::SEALED_PREFIX;
use devpocket_specs::status::{Cause, Reason, Status};
use serde_json::Value;

use crate::access::Decision;
use crate::access::seal::{Place, SealError, Sealer};

/// Stands for a value its reader may not see.
pub(super) const WITHHELD: &str = "(withheld)";

/// Whose secrets' values a reader may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reveal {
    Everything,
    In(BTreeSet<String>),
    Nothing,
}

impl Reveal {
    pub(super) fn of(decision: Decision) -> Reveal {
        match decision {
            Decision::Allow => Reveal::Everything,
            Decision::Within(namespaces) => Reveal::In(namespaces),
            Decision::Hidden(_) | Decision::Deny(_) => Reveal::Nothing,
        }
    }

    pub(super) fn covers(&self, namespace: &str) -> bool {
        match self {
            Reveal::Everything => true,
            Reveal::In(namespaces) => namespaces.contains(namespace),
            Reveal::Nothing => false,
        }
    }
}

pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Seals the values of a Secret, a merge patch of one, or what is applied: `stringData` moves into
/// `data`, and every value becomes its sealed form. A value that equals the stored one keeps the
/// stored form, so that writing the same Secret again changes nothing; but only for who may see it.
pub(super) fn seal(
    sealer: &Sealer,
    key: &Key,
    document: &mut Value,
    old: Option<&Object>,
    reveal: &Reveal,
) -> Result<(), Status> {
    let values = plain_values(document).map_err(|causes| Status::invalid(key, causes))?;
    let stored = old.and_then(|old| old.field("data").as_object());
    let may_compare = reveal.covers(&key.namespace);
    let mut sealed = BTreeMap::new();
    for (name, value) in values {
        let before = stored.and_then(|stored| stored.get(&name)).and_then(Value::as_str);
        let text = match before {
            Some(before) if value == WITHHELD.as_bytes() => before.to_owned(),
            None if value == WITHHELD.as_bytes() => return Err(nothing_withheld(key, &name)),
            before => {
                let before = before.filter(|_| may_compare);
                seal_one(sealer, place(key, &name), &value, before)?
            }
        };
        sealed.insert(name, text);
    }
    *document = with_sealed(document.take(), sealed);
    seal_last_applied(sealer, key, document, old.filter(|_| may_compare))
}

fn nothing_withheld(key: &Key, name: &str) -> Status {
    let cause = Cause {
        reason: "FieldValueInvalid".into(),
        message: format!("is {WITHHELD:?}, which stands for a stored value, and none is stored"),
        field: format!("data.{name}"),
        ..Cause::default()
    };
    Status::invalid(key, vec![cause])
}

/// The Secret as those get it who may not see its values.
pub(super) fn withheld(object: &Object) -> Object {
    let mut object = object.clone();
    if let Some(data) = object.body.get_mut("data").and_then(Value::as_object_mut) {
        data.values_mut().for_each(|value| *value = STANDARD.encode(WITHHELD).into());
    }
    object.metadata.annotations.remove(LAST_APPLIED);
    object
}

fn seal_last_applied(
    sealer: &Sealer,
    key: &Key,
    document: &mut Value,
    old: Option<&Object>,
) -> Result<(), Status> {
    let annotation = document
        .get_mut("metadata")
        .and_then(|metadata| metadata.get_mut("annotations"))
        .and_then(|annotations| annotations.get_mut(LAST_APPLIED));
    let Some(annotation) = annotation else { return Ok(()) };
    let Some(text) = annotation.as_str() else { return Ok(()) };
    let before = old.and_then(|old| old.metadata.annotations.get(LAST_APPLIED)).map(String::as_str);
    *annotation = seal_one(sealer, last_applied(key), text.as_bytes(), before)?.into();
    Ok(())
}

fn seal_one(
    sealer: &Sealer,
    place: Place<'_>,
    value: &[u8],
    before: Option<&str>,
) -> Result<String, Status> {
    if let Some(before) = before
        && sealer.open(place, before).is_ok_and(|opened| opened == value)
    {
        return Ok(before.to_owned());
    }
    sealer.seal(place, value).map_err(internal)
}

/// The Secret as readers get it: base64 in `data`.
pub(super) fn opened(sealer: &Sealer, object: &Object) -> Result<Object, Status> {
    let key = object.key();
    let mut object = object.clone();
    if let Some(data) = object.body.get_mut("data").and_then(Value::as_object_mut) {
        for (name, value) in data {
            let Some(text) = value.as_str().filter(|text| text.starts_with(SEALED_PREFIX)) else {
                continue;
            };
            let bytes = sealer.open(place(&key, name), text).map_err(internal)?;
            *value = STANDARD.encode(bytes).into();
        }
    }
    if let Some(text) = object.metadata.annotations.get_mut(LAST_APPLIED)
        && text.starts_with(SEALED_PREFIX)
    {
        let bytes = sealer.open(last_applied(&key), text).map_err(internal)?;
        *text = String::from_utf8_lossy(&bytes).into_owned();
    }
    Ok(object)
}

/// What is sealed in a Secret: its values, and what kubectl left in an annotation.
pub fn sealed_texts(object: &Object) -> impl Iterator<Item = &str> {
    let values = object.field("data").as_object().into_iter().flat_map(|data| data.values());
    let annotation = object.metadata.annotations.get(LAST_APPLIED).map(String::as_str);
    let texts = values.filter_map(Value::as_str).chain(annotation);
    texts.filter(|text| text.starts_with(SEALED_PREFIX))
}

/// The request that seals a Secret again with the first key.
pub fn resealed(sealer: &Sealer, object: &Object) -> Result<Request, SealError> {
    let key = object.key();
    let again = |place: Place<'_>, text: &str| sealer.seal(place, &sealer.open(place, text)?);
    let (mut values, mut annotations) = (BTreeMap::new(), BTreeMap::new());
    for (name, value) in object.field("data").as_object().into_iter().flatten() {
        if let Some(text) = value.as_str().filter(|text| text.starts_with(SEALED_PREFIX)) {
            values.insert(name.clone(), again(place(&key, name), text)?);
        }
    }
    if let Some(text) = object.metadata.annotations.get(LAST_APPLIED)
        && text.starts_with(SEALED_PREFIX)
    {
        annotations.insert(LAST_APPLIED.to_owned(), again(last_applied(&key), text)?);
    }
    Ok(Request::Reseal { values, annotations })
}

fn place<'a>(key: &'a Key, name: &'a str) -> Place<'a> {
    Place { namespace: &key.namespace, name: &key.name, key: name }
}

/// No key of a Secret can have this name: keys hold no slash.
fn last_applied(key: &Key) -> Place<'_> {
    place(key, LAST_APPLIED)
}

fn internal(error: SealError) -> Status {
    Status::new(Reason::InternalError, error.to_string())
}

#[cfg(test)]
mod tests {
    use devpocket_specs::kind::Kind;
    use serde_json::json;

    use super::*;

    fn key() -> Key {
        Key::new(Kind::Secret, "team-a", "db")
    }

    fn sealed(document: Value, old: Option<&Object>) -> Result<Object, Status> {
        let mut document = document;
        seal(&Sealer::new([7; 32]), &key(), &mut document, old, &Reveal::Everything)?;
        let mut object = Object::from_value(Kind::Secret, document).unwrap();
        object.metadata.name = "db".into();
        object.metadata.namespace = "team-a".into();
        Ok(object)
    }

    #[test]
    fn nothing_readable_is_left_and_all_of_it_comes_back() {
        let document = json!({
            "metadata": {"annotations": {LAST_APPLIED: "{\"stringData\":{\"pw\":\"hunter2\"}}"}},
            "data": {"user": "YW5u"},
            "stringData": {"pw": "hunter2"},
        });
        let object = sealed(document, None).unwrap();
        let text = object.to_value().to_string();
        for planted in ["hunter2", "YW5u", "aHVudGVyMg=="] {
            assert!(!text.contains(planted), "{text}");
        }
        let opened = opened(&Sealer::new([7; 32]), &object).unwrap();
        assert_eq!(opened.field("data"), &json!({"user": "YW5u", "pw": "aHVudGVyMg=="}));
        assert!(opened.metadata.annotations[LAST_APPLIED].contains("hunter2"));
    }

    #[test]
    fn writing_the_same_again_changes_nothing() {
        let first = sealed(json!({"stringData": {"pw": "hunter2", "user": "ann"}}), None).unwrap();
        let again = json!({"stringData": {"pw": "hunter2", "user": "bob"}});
        let second = sealed(again, Some(&first)).unwrap();
        assert_eq!(first.body["data"]["pw"], second.body["data"]["pw"]);
        assert_ne!(first.body["data"]["user"], second.body["data"]["user"]);
    }

    #[test]
    fn what_was_withheld_can_be_written_back_and_not_be_guessed() {
        let old = sealed(json!({"stringData": {"pw": "hunter2"}}), None).unwrap();
        let seen = withheld(&old).to_value();
        assert_eq!(seen["data"]["pw"], STANDARD.encode(WITHHELD));
        let write = |mut document: Value| {
            seal(&Sealer::new([7; 32]), &key(), &mut document, Some(&old), &Reveal::Nothing)?;
            Ok::<Value, Status>(document["data"].take())
        };
        assert_eq!(write(seen).unwrap()["pw"], old.body["data"]["pw"], "it is as it was");
        let guess = write(json!({"stringData": {"pw": "hunter2"}})).unwrap();
        assert_ne!(guess["pw"], old.body["data"]["pw"], "a right guess changes something too");
        let copied = write(json!({"stringData": {"other": WITHHELD}})).unwrap_err();
        assert_eq!(copied.reason, Reason::Invalid);
    }

    #[test]
    fn a_fault_does_not_repeat_the_value() {
        let faults = json!({"data": {"pw": "hunter2!"}, "stringData": {"n": 5}});
        let refused = sealed(faults, None).unwrap_err();
        assert_eq!(refused.details.causes.len(), 2);
        assert!(!refused.to_value().to_string().contains("hunter2"));
        let taken_over = json!({"data": {"pw": "sealed:v1:00000000:AAAA"}});
        assert_eq!(sealed(taken_over, None).unwrap_err().reason, Reason::Invalid);
    }
}
