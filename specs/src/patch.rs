//! JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7386), and which content type asks for which.
//!
//! A patch comes from outside, so its work is bounded before it is done: the number of operations,
//! what `copy` may add up to (each can double the document), and the depth (a document deeper than
//! a parser follows could be written and never be read back). A patch that fails changes nothing:
//! the document is only replaced by a whole result. Messages name the operation and the path,
//! never a value: a value may be a secret.

use json_patch::PatchOperation;
use serde_json::Value;

use crate::object::Key;
use crate::status::{Cause, Reason, Status};

/// The most operations of one JSON Patch; the limit Kubernetes' API server has.
pub const MAX_OPERATIONS: usize = 10_000;

/// What all `copy` operations of one JSON Patch together may add, in bytes of JSON.
pub const MAX_COPIED_BYTES: usize = 3 * 1024 * 1024;

/// How deep a patch may make a document. JSON parsers of this project follow 128 levels.
pub const MAX_DEPTH: usize = 100;

/// How a PATCH request is to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PatchKind {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Server-side apply.
    Apply,
}

impl PatchKind {
    pub const ALL: [Self; 3] = [Self::Json, Self::Merge, Self::Apply];

    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json-patch+json",
            Self::Merge => "application/merge-patch+json",
            Self::Apply => "application/apply-patch+yaml",
        }
    }

    /// The kind a content type asks for; parameters such as `charset` are ignored. `None` for
    /// others, the strategic merge patch among them (as for custom resources): the answer is 415.
    #[must_use]
    pub fn from_content_type(value: &str) -> Option<Self> {
        let essence = value.split(';').next().unwrap_or_default().trim();
        let asked = |kind: &Self| kind.content_type().eq_ignore_ascii_case(essence);
        Self::ALL.into_iter().find(asked)
    }
}

/// Why a patch was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// Not a patch at all (400).
    #[error("the patch is malformed: {0}")]
    Malformed(String),
    /// Beyond a limit of this module (413 or 422).
    #[error("the patch {0}")]
    TooLarge(String),
    /// A `test` operation found something else: nothing is wrong with the patch, but the object
    /// is not what its author thought (422).
    #[error("operation {index}: test failed: {path:?} has another value")]
    TestFailed { index: usize, path: String },
    /// An operation does not fit the object (422).
    #[error("operation {index}: {op} {path:?}: {reason}")]
    DoesNotFit { index: usize, op: &'static str, path: String, reason: &'static str },
}

impl PatchError {
    /// The refusal of a patch of this object. What does not fit is a cause too: kubectl prints
    /// nothing else of a 422.
    #[must_use]
    pub fn status(&self, key: &Key) -> Status {
        let reason = match self {
            Self::Malformed(_) => Reason::BadRequest,
            Self::TooLarge(_) => Reason::RequestEntityTooLarge,
            Self::TestFailed { .. } | Self::DoesNotFit { .. } => {
                let cause = Cause {
                    reason: "FieldValueInvalid".into(),
                    message: self.to_string(),
                    field: "patch".into(),
                    ..Cause::default()
                };
                return Status::invalid(key, vec![cause]);
            }
        };
        Status::new(reason, self.to_string()).about(key)
    }
}

/// Carries out a JSON Patch. Operations are counted from 0 in messages.
///
/// # Errors
/// Malformed, beyond a limit, or not fitting `document`; which of them decides the status code.
pub fn json_patch(document: &Value, patch: &Value) -> Result<Value, PatchError> {
    let operations = patch
        .as_array()
        .ok_or_else(|| PatchError::Malformed("a JSON Patch is a list of operations".to_owned()))?;
    if operations.len() > MAX_OPERATIONS {
        return Err(PatchError::TooLarge(format!(
            "has {} operations; at most {MAX_OPERATIONS}",
            operations.len()
        )));
    }
    // All are read before any is carried out: a malformed one is reported as such, whatever the
    // ones before it do.
    let operations = operations
        .iter()
        .enumerate()
        .map(|(index, op)| {
            <PatchOperation as serde::Deserialize>::deserialize(op)
                .map_err(|e| PatchError::Malformed(format!("operation {index}: {e}")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut result = document.clone();
    let mut copied = 0;
    for (index, operation) in operations.iter().enumerate() {
        bounded(&result, index, operation, &mut copied)?;
        carry_out(&mut result, index, operation)?;
    }
    Ok(result)
}

/// Carries out a JSON Merge Patch on an object: members of the patch replace, `null` removes.
///
/// # Errors
/// If the patch is no object, or too deep.
pub fn merge_patch(document: &Value, patch: &Value) -> Result<Value, PatchError> {
    if !patch.is_object() {
        return Err(PatchError::Malformed("a merge patch of an object is an object".to_owned()));
    }
    if deeper_than(patch, MAX_DEPTH) {
        return Err(too_deep());
    }
    let mut result = document.clone();
    json_patch::merge(&mut result, patch);
    Ok(result)
}

/// Reads the body of a server-side apply: one YAML (or JSON) document that is an object.
///
/// # Errors
/// If it is not.
pub fn read_apply(body: &[u8]) -> Result<Value, PatchError> {
    let read = serde_yaml::from_slice::<Value>(body);
    let value = read.map_err(|e| PatchError::Malformed(e.to_string()))?;
    if !value.is_object() {
        return Err(PatchError::Malformed("what is applied is an object".to_owned()));
    }
    if deeper_than(&value, MAX_DEPTH) {
        return Err(too_deep());
    }
    Ok(value)
}

fn carry_out(
    document: &mut Value,
    index: usize,
    operation: &PatchOperation,
) -> Result<(), PatchError> {
    json_patch::patch(document, std::slice::from_ref(operation)).map_err(|error| {
        let path = operation.path().to_string();
        let reason = match error.kind {
            json_patch::PatchErrorKind::TestFailed => {
                return PatchError::TestFailed { index, path };
            }
            json_patch::PatchErrorKind::InvalidFromPointer => "nothing is at its from",
            json_patch::PatchErrorKind::CannotMoveInsideItself => {
                "a value cannot be moved into itself"
            }
            _ => "there is no such place in the object",
        };
        PatchError::DoesNotFit { index, op: name(operation), path, reason }
    })
}

/// Refuses an operation whose result would be too deep, or that copies too much.
fn bounded(
    document: &Value,
    index: usize,
    operation: &PatchOperation,
    copied: &mut usize,
) -> Result<(), PatchError> {
    let placed = match operation {
        PatchOperation::Add(op) => Some(&op.value),
        PatchOperation::Replace(op) => Some(&op.value),
        PatchOperation::Move(op) => document.pointer(op.from.as_str()),
        PatchOperation::Copy(op) => document.pointer(op.from.as_str()),
        PatchOperation::Remove(_) | PatchOperation::Test(_) => None,
    };
    let Some(placed) = placed else { return Ok(()) };
    let at = operation.path().tokens().count();
    if at > MAX_DEPTH || deeper_than(placed, MAX_DEPTH - at) {
        return Err(too_deep());
    }
    if matches!(operation, PatchOperation::Copy(_)) {
        *copied += serde_json::to_vec(placed).map_or(MAX_COPIED_BYTES, |bytes| bytes.len());
        if *copied > MAX_COPIED_BYTES {
            return Err(PatchError::TooLarge(format!(
                "copies more than {MAX_COPIED_BYTES} bytes (operation {index})"
            )));
        }
    }
    Ok(())
}

fn too_deep() -> PatchError {
    PatchError::TooLarge(format!("makes the object deeper than {MAX_DEPTH} levels"))
}

/// Whether a value has more than `levels` levels of lists and objects. Goes down at most that far.
fn deeper_than(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => {
            levels == 0 || items.iter().any(|item| deeper_than(item, levels - 1))
        }
        Value::Object(members) => {
            levels == 0 || members.values().any(|member| deeper_than(member, levels - 1))
        }
        _ => false,
    }
}

fn name(operation: &PatchOperation) -> &'static str {
    match operation {
        PatchOperation::Add(_) => "add",
        PatchOperation::Remove(_) => "remove",
        PatchOperation::Replace(_) => "replace",
        PatchOperation::Move(_) => "move",
        PatchOperation::Copy(_) => "copy",
        PatchOperation::Test(_) => "test",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn content_types_choose_the_kind() {
        for kind in PatchKind::ALL {
            assert_eq!(PatchKind::from_content_type(kind.content_type()), Some(kind));
        }
        let kind = PatchKind::from_content_type;
        assert_eq!(kind("Application/JSON-patch+json; charset=utf-8"), Some(PatchKind::Json));
        assert_eq!(kind("application/strategic-merge-patch+json"), None);
        assert_eq!(kind("application/json"), None);
        assert_eq!(kind(""), None);
    }

    #[test]
    fn a_json_patch_is_all_or_nothing() {
        let document = json!({"metadata": {"finalizers": ["a", "b"]}});
        let patch = json!([
            {"op": "test", "path": "/metadata/finalizers/1", "value": "b"},
            {"op": "remove", "path": "/metadata/finalizers/1"},
            {"op": "add", "path": "/metadata/labels", "value": {"x": "y"}},
        ]);
        assert_eq!(
            json_patch(&document, &patch).unwrap(),
            json!({"metadata": {"finalizers": ["a"], "labels": {"x": "y"}}})
        );
        let stale = json!([{"op": "test", "path": "/metadata/finalizers/1", "value": "secret"}]);
        let error = json_patch(&document, &stale).unwrap_err();
        assert_eq!(
            error.to_string(),
            "operation 0: test failed: \"/metadata/finalizers/1\" has another value"
        );
    }

    #[test]
    fn malformed_and_not_fitting_are_told_apart() {
        let document = json!({"a": 1});
        for patch in [
            json!({}),
            json!([1]),
            json!([{"op": "remove", "path": "/nothing"}, {"op": "jump", "path": "/a"}]),
            json!([{"op": "add", "path": "no-slash", "value": 1}]),
            json!([{"op": "add", "path": "/b"}]),
        ] {
            let error = json_patch(&document, &patch).unwrap_err();
            assert!(matches!(error, PatchError::Malformed(_)), "{patch}: {error}");
        }
        for (patch, message) in [
            (
                json!([{"op": "remove", "path": "/b"}]),
                "operation 0: remove \"/b\": there is no such place in the object",
            ),
            (
                json!([{"op": "copy", "from": "/b", "path": "/c"}]),
                "operation 0: copy \"/c\": nothing is at its from",
            ),
            (
                json!([{"op": "add", "path": "/a/b", "value": 1}]),
                "operation 0: add \"/a/b\": there is no such place in the object",
            ),
        ] {
            assert_eq!(json_patch(&document, &patch).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_patch_cannot_grow_without_bound() {
        let many = json!(vec![json!({"op": "test", "path": "", "value": 1}); MAX_OPERATIONS + 1]);
        let refused = |document: &Value, patch: &Value| {
            matches!(json_patch(document, patch), Err(PatchError::TooLarge(_)))
        };
        assert!(refused(&json!(1), &many));
        // Doubles forty times: 2 TiB if it were done.
        let copies: Vec<_> =
            (0..40).map(|_| json!({"op": "copy", "from": "/a", "path": "/a/-"})).collect();
        assert!(refused(&json!({"a": [["x"]]}), &json!(copies)));
        let deeper: Vec<_> = (1..=MAX_DEPTH + 1)
            .map(|n| json!({"op": "add", "path": "/a".repeat(n), "value": {}}))
            .collect();
        assert!(refused(&json!({}), &json!(deeper)));
    }

    #[test]
    fn a_merge_patch_sets_and_removes() {
        let document = json!({"spec": {"a": 1, "b": {"c": 2}}});
        let merged = merge_patch(&document, &json!({"spec": {"a": null, "b": {"d": [1]}}}));
        assert_eq!(merged.unwrap(), json!({"spec": {"b": {"c": 2, "d": [1]}}}));
        assert!(merge_patch(&document, &json!([])).is_err());
    }

    #[test]
    fn an_apply_body_is_one_object() {
        assert_eq!(read_apply(b"a: {b: 1}").unwrap(), json!({"a": {"b": 1}}));
        assert_eq!(read_apply(b"{\"a\": 1}").unwrap(), json!({"a": 1}));
        for body in [&b"- a"[..], b"", b"a: 1\n---\nb: 2", b"\xff", b"a: [", b"1: 2\n? [x]\n: 3"] {
            assert!(read_apply(body).is_err(), "{}", body.escape_ascii());
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(json!(null)), Just(json!(1)), Just(json!("a"))];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-b]", inner, 0..3)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    fn operation() -> impl Strategy<Value = Value> {
        let path = "(/[ab01~-]{0,2}){0,3}";
        let op = prop::sample::select(&["add", "remove", "replace", "move", "copy", "test"][..]);
        (op, path, path, json()).prop_map(
            |(op, path, from, value)| json!({"op": op, "path": path, "from": from, "value": value}),
        )
    }

    proptest! {
        #[test]
        fn no_patch_panics(document in json(), operations in prop::collection::vec(operation(), 0..6)) {
            let before = document.clone();
            let _ = json_patch(&document, &json!(operations));
            prop_assert_eq!(document, before);
        }

        #[test]
        fn merging_twice_is_merging_once(document in json(), patch in json()) {
            if let Ok(once) = merge_patch(&document, &patch) {
                prop_assert_eq!(merge_patch(&once, &patch).unwrap(), once);
            }
        }
    }
}
