//! `events.k8s.io/v1`: the same events under the names its clients use. What is stored has the
//! shape of core/v1; here members are renamed on the way in and out, and nothing else.

use serde_json::{Map, Value};

/// The group whose events are those of core/v1 in other words.
pub(super) const GROUP: &str = "events.k8s.io";
pub(super) const VERSION: &str = "v1";
pub(super) const API_VERSION: &str = "events.k8s.io/v1";

/// Members by their name in core/v1 and in events.k8s.io/v1.
const NAMES: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

/// As its clients read it.
pub(super) fn outward(mut event: Value) -> Value {
    if let Some(members) = event.as_object_mut() {
        for (core, new) in NAMES {
            rename(members, core, new);
        }
        members.insert("apiVersion".into(), API_VERSION.into());
    }
    event
}

/// The schemas of the members, under the names its clients use.
pub(super) fn outward_members(mut properties: Value) -> Value {
    if let Some(members) = properties.as_object_mut() {
        for (core, new) in NAMES {
            rename(members, core, new);
        }
    }
    properties
}

/// As it is stored. Also for a merge patch: only members that are there are renamed.
pub(super) fn inward(mut event: Value) -> Value {
    if let Some(members) = event.as_object_mut() {
        for (core, new) in NAMES {
            rename(members, new, core);
        }
        if members.get("apiVersion").is_some_and(|version| version == API_VERSION) {
            members.insert("apiVersion".into(), "v1".into());
        }
    }
    event
}

/// A field selector's path as it is stored.
pub(super) fn inward_path(path: &str) -> String {
    let (first, rest) = path.split_at(path.find('.').unwrap_or(path.len()));
    let core = NAMES.iter().find(|(_, new)| *new == first).map_or(first, |(core, _)| core);
    format!("{core}{rest}")
}

fn rename(members: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = members.remove(from) {
        members.insert(to.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_goes_out_comes_in_again() {
        let stored = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": "x"},
            "involvedObject": {"name": "web"}, "message": "Started.", "reason": "Started",
            "count": 3, "reportingComponent": "me", "series": {"count": 2},
        });
        let shown = outward(stored.clone());
        assert_eq!(shown["regarding"]["name"], "web");
        assert_eq!(shown["note"], "Started.");
        assert_eq!(shown["apiVersion"], API_VERSION);
        assert_eq!(inward(shown), stored);
        assert_eq!(inward(json!({"note": "x"})), json!({"message": "x"}));
        assert_eq!(inward_path("regarding.name"), "involvedObject.name");
        assert_eq!(inward_path("reason"), "reason");
    }
}
