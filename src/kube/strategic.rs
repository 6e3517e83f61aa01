//! Strategic merge patches, which kubectl sends for the kinds it was compiled with: Namespaces,
//! Secrets, Events, Leases. As in Kubernetes they are not for other kinds (415).
//!
//! They are merge patches in which some lists are merged instead of replaced, and members that
//! begin with `$` say how. Of the kinds here only metadata has such lists.

use devpocket_specs::patch::{MAX_DEPTH, PatchError};
use serde_json::{Map, Value};

/// The content type.
pub(super) const CONTENT_TYPE: &str = "application/strategic-merge-patch+json";

/// Lists that are merged, with the member that tells their items apart.
const MERGED: [(&str, Option<&str>); 2] =
    [("metadata.finalizers", None), ("metadata.ownerReferences", Some("uid"))];

const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
/// The order of a list; these are sets, or small, and keep theirs.
const ORDER: &str = "$setElementOrder/";

/// Carries out a patch.
pub(super) fn patched(document: &Value, patch: &Value) -> Result<Value, PatchError> {
    let Value::Object(patch) = patch else {
        let message = "a strategic merge patch of an object is an object".to_owned();
        return Err(PatchError::Malformed(message));
    };
    let mut result = document.clone();
    merge(&mut result, patch, "", MAX_DEPTH)?;
    Ok(result)
}

fn merge(
    live: &mut Value,
    patch: &Map<String, Value>,
    at: &str,
    levels: usize,
) -> Result<(), PatchError> {
    if levels == 0 {
        return Err(PatchError::TooLarge(format!("is deeper than {MAX_DEPTH} levels")));
    }
    if !live.is_object() || says(patch, "replace") {
        *live = Value::Object(Map::new());
    }
    let Value::Object(members) = live else { return Ok(()) };
    for (name, value) in patch {
        let field =
            |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
        if let Some(list) = name.strip_prefix(DELETE_FROM) {
            let gone = value.as_array().map_or(&[][..], Vec::as_slice);
            if let Some(Value::Array(items)) = members.get_mut(list) {
                items.retain(|item| !gone.contains(item));
            }
            continue;
        }
        if name == "$patch" || name == "$retainKeys" || name.starts_with(ORDER) {
            continue;
        }
        if name.starts_with('$') {
            return Err(PatchError::Malformed(format!("{name} is no directive known here")));
        }
        match value {
            Value::Null => {
                members.remove(name);
            }
            Value::Object(inner) if says(inner, "delete") => {
                members.remove(name);
            }
            Value::Object(inner) => {
                let member = members.entry(name.clone()).or_insert(Value::Null);
                merge(member, inner, &field(name), levels - 1)?;
            }
            Value::Array(items) => {
                let path = field(name);
                let merged = MERGED.iter().find(|(list, _)| *list == path);
                let member =
                    members.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new()));
                match merged {
                    Some((_, key)) => merge_list(member, items, *key),
                    None => *member = value.clone(),
                }
            }
            other => {
                members.insert(name.clone(), other.clone());
            }
        }
    }
    if let Some(Value::Array(kept)) = patch.get("$retainKeys") {
        members.retain(|name, _| kept.iter().any(|kept| kept == name));
    }
    Ok(())
}

fn merge_list(live: &mut Value, patch: &[Value], key: Option<&str>) {
    let directive =
        |word| move |item: &Value| item.as_object().is_some_and(|item| says(item, word));
    let replaces = patch.iter().any(directive("replace"));
    let mut items = match live.take() {
        Value::Array(items) if !replaces => items,
        _ => Vec::new(),
    };
    for item in patch.iter().filter(|item| !directive("replace")(item)) {
        let same = |other: &Value| match key {
            Some(key) => other[key] == item[key],
            None => other == item,
        };
        if directive("delete")(item) {
            items.retain(|other| !same(other));
            continue;
        }
        match items.iter_mut().find(|other| same(other)) {
            Some(Value::Object(known)) => {
                known.extend(item.as_object().cloned().unwrap_or_default());
            }
            Some(_) => {}
            None => items.push(item.clone()),
        }
    }
    *live = items.into();
}

fn says(patch: &Map<String, Value>, word: &str) -> bool {
    patch.get("$patch").is_some_and(|directive| directive == word)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_merged_and_null_removes() {
        let live = json!({"data": {"a": "1", "b": "2"}, "type": "Opaque"});
        let patch = json!({"data": {"a": null, "c": "3"}});
        let expected = json!({"data": {"b": "2", "c": "3"}, "type": "Opaque"});
        assert_eq!(patched(&live, &patch).unwrap(), expected);
        let patch = json!({"data": {"$patch": "replace", "d": "4"}, "type": {"$patch": "delete"}});
        assert_eq!(patched(&live, &patch).unwrap(), json!({"data": {"d": "4"}}));
        let patch = json!({"data": {"$retainKeys": ["a"], "a": "9"}});
        assert_eq!(patched(&live, &patch).unwrap()["data"], json!({"a": "9"}));
    }

    #[test]
    fn finalizers_are_a_set_and_owners_have_keys() {
        let live = json!({"metadata": {
            "finalizers": ["a/x", "b/x"],
            "ownerReferences": [{"uid": "1", "name": "one"}, {"uid": "2", "name": "two"}],
        }});
        let patch = json!({"metadata": {
            "finalizers": ["c/x", "a/x"],
            "$setElementOrder/finalizers": ["c/x", "a/x"],
            "$deleteFromPrimitiveList/finalizers": ["b/x"],
            "ownerReferences": [{"uid": "1", "$patch": "delete"}, {"uid": "2", "name": "deux"}],
        }});
        let metadata = &patched(&live, &patch).unwrap()["metadata"];
        let mut finalizers: Vec<&str> =
            metadata["finalizers"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        finalizers.sort_unstable();
        assert_eq!(finalizers, ["a/x", "c/x"]);
        assert_eq!(metadata["ownerReferences"], json!([{"uid": "2", "name": "deux"}]));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for patch in [json!([]), json!({"$unheard": 1})] {
            assert!(matches!(patched(&json!({}), &patch), Err(PatchError::Malformed(_))));
        }
    }
}
