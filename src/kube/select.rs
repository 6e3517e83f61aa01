//! Which objects of a kind a request is about.

use std::collections::BTreeSet;
use std::sync::Arc;

use devpocket_controllers::store::Stored;
use devpocket_specs::kind::Kind;
use devpocket_specs::schema::field_docs;
use devpocket_specs::selector::{FieldSelector, LabelSelector};
use devpocket_specs::status::Status;
use serde_json::{Map, Value};

use super::call::Call;
use super::events;
use super::params::bad;
use super::path::ResourcePath;

/// Namespace, labels and fields.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    kind: Kind,
    namespace: String,
    /// The namespaces its reader may see, if not all.
    within: Option<Arc<BTreeSet<String>>>,
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Selection {
    /// 400 for a field that cannot be selected on.
    pub(super) fn new(resource: &ResourcePath, call: &Call) -> Result<Selection, Status> {
        let params = &call.params;
        let fields = if resource.new_events {
            params.fields.clone().renamed(events::inward_path)
        } else {
            params.fields.clone()
        };
        let fields = fields.supported_by(&selectable(resource.kind));
        let fields = fields.map_err(|error| bad(format!("fieldSelector: {error}")))?;
        known(resource.kind, &fields)?;
        Ok(Selection {
            kind: resource.kind,
            within: call.within.clone(),
            namespace: resource.namespace.clone(),
            labels: params.labels.clone(),
            fields,
        })
    }

    /// The namespace the store shall list; all of them when `None`.
    pub(super) fn namespace(&self) -> Option<&str> {
        if !self.namespace.is_empty() {
            return Some(&self.namespace);
        }
        self.fields.required("metadata.namespace").filter(|namespace| !namespace.is_empty())
    }

    /// Nothing is left out, but by its namespace.
    pub(super) fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(super) fn matches(&self, stored: &Stored) -> bool {
        let metadata = &stored.object.metadata;
        if let Some(within) = &self.within {
            let place =
                if self.kind == Kind::Namespace { &metadata.name } else { &metadata.namespace };
            if !within.contains(place) {
                return false;
            }
        }
        let differs = |path, value: &str| self.fields.required(path).is_some_and(|v| v != value);
        // What kubectl asks for most, before anything is copied for the general case.
        if (!self.namespace.is_empty() && metadata.namespace != self.namespace)
            || differs("metadata.name", &metadata.name)
            || differs("metadata.namespace", &metadata.namespace)
        {
            return false;
        }
        if !self.labels.is_empty() {
            let labels: Map<String, Value> =
                metadata.labels.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
            if !self.labels.matches_labels(Some(&labels)) {
                return false;
            }
        }
        self.fields.is_empty() || self.fields.matches(&stored.object.to_value())
    }
}

/// A misspelled field of a spec or status would select nothing, or with `!=` everything.
fn known(kind: Kind, fields: &FieldSelector) -> Result<(), Status> {
    for path in fields.paths() {
        let mut parts = path.splitn(3, '.');
        let (Some(top), Some(field)) = (parts.next(), parts.next()) else { continue };
        let checked = matches!(top, "spec" | "status");
        if checked && field_docs(kind, &format!("{top}.{field}")).is_none() {
            let message = format!("fieldSelector: {kind} has no field {path:?}");
            return Err(bad(message));
        }
    }
    Ok(())
}

/// The fields a kind can be selected by. A Secret's `data` never: answers would tell its values.
fn selectable(kind: Kind) -> Vec<&'static str> {
    let mut fields = vec!["metadata.name", "metadata.namespace"];
    fields.extend_from_slice(match kind {
        Kind::Event => {
            &["involvedObject.*", "reason", "type", "reportingComponent", "source", "action"]
        }
        Kind::Secret => &["type"],
        Kind::Namespace => &["status.phase"],
        Kind::Lease => &["spec.holderIdentity"],
        _ => &["spec.*", "status.*"],
    });
    fields
}
