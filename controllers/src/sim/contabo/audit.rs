//! The audit trail: who changed what through the API, with the ids the client sent.
//!
//! Only calls of the API leave an entry; the panel does not. An entry becomes visible after a
//! delay, and one of an order first shows `instanceId: 0`.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::contract::date_of;
use super::filter::AuditFilter;
use super::resource_view::AuditView;
use super::settings::Account;

/// Entries kept; the oldest go first.
pub const AUDIT_LIMIT: usize = 50_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    pub id: i64,
    pub trail: Trail,
    pub action: AuditAction,
    pub at: Timestamp,
    pub visible_at: Timestamp,
    /// Until then the entry shows id 0.
    pub id_known_at: Timestamp,
    /// The instance, the secret, the tag or the network; 0 for an image.
    pub resource_id: i64,
    /// The snapshot, the image, or what carries the tag.
    #[serde(default)]
    pub entry: Option<String>,
    /// Of assignments: what kind of thing carries the tag.
    #[serde(default)]
    pub resource_type: Option<String>,
    pub changed_by: String,
    pub username: String,
    pub request_id: String,
    pub trace_id: Option<String>,
    pub changes: Option<Changes>,
}

/// What a change was, as JSON text: parsed it would take ten times the room, and there is one for
/// every machine that was ever ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes(Box<str>);

impl From<Value> for Changes {
    fn from(value: Value) -> Changes {
        Changes(value.to_string().into())
    }
}

impl Changes {
    fn value(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl Serialize for Changes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Changes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Changes, D::Error> {
        Value::deserialize(deserializer).map(Changes::from)
    }
}

/// The audit list an entry belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trail {
    Instances,
    Actions,
    Snapshots,
    Images,
    Secrets,
    Tags,
    Assignments,
    Networks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AuditAction {
    Created,
    Updated,
    Deleted,
}

impl AuditAction {
    pub fn as_str(self) -> &'static str {
        match self {
            AuditAction::Created => "CREATED",
            AuditAction::Updated => "UPDATED",
            AuditAction::Deleted => "DELETED",
        }
    }
}

/// A checked [`AuditFilter`].
pub(super) struct AuditQuery<'a> {
    pub filter: &'a AuditFilter,
    pub start: Option<Date>,
    pub end: Option<Date>,
}

impl AuditEntry {
    /// The id a reader sees now.
    fn shown_id(&self, now: Timestamp) -> i64 {
        if now >= self.id_known_at { self.resource_id } else { 0 }
    }

    pub(super) fn matches(&self, trail: Trail, query: &AuditQuery<'_>, now: Timestamp) -> bool {
        let filter = query.filter;
        let wanted_id = match trail {
            Trail::Tags | Trail::Assignments => filter.tag_id,
            Trail::Secrets => filter.secret_id,
            Trail::Networks => filter.network_id,
            Trail::Instances | Trail::Actions | Trail::Snapshots => filter.instance_id,
            Trail::Images => None,
        };
        let wanted_entry = match trail {
            Trail::Snapshots => &filter.snapshot_id,
            Trail::Images => &filter.image_id,
            Trail::Assignments => &filter.resource_id,
            _ => &None,
        };
        let same = |wanted: &Option<String>, own: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(own))
        };
        let date = date_of(self.at);
        self.trail == trail
            && self.visible_at <= now
            && wanted_id.is_none_or(|id| id == self.shown_id(now))
            && (wanted_entry.is_none() || *wanted_entry == self.entry)
            && same(&filter.request_id, &self.request_id)
            && same(&filter.changed_by, &self.changed_by)
            && query.start.is_none_or(|start| date >= start)
            && query.end.is_none_or(|end| date <= end)
    }

    pub(super) fn view(&self, account: &Account, now: Timestamp) -> AuditView {
        use Trail as T;
        let id = |trails: &[Trail]| trails.contains(&self.trail).then(|| self.shown_id(now));
        let entry = |trail: Trail| self.entry.clone().filter(|_| self.trail == trail);
        AuditView {
            id: self.id,
            action: self.action.as_str().to_owned(),
            timestamp: self.at,
            tenant_id: account.tenant_id.clone(),
            customer_id: account.customer_id.clone(),
            changed_by: self.changed_by.clone(),
            username: self.username.clone(),
            request_id: self.request_id.clone(),
            trace_id: self.trace_id.clone(),
            instance_id: id(&[T::Instances, T::Actions, T::Snapshots]),
            snapshot_id: entry(T::Snapshots),
            image_id: entry(T::Images),
            secret_id: id(&[T::Secrets]),
            tag_id: id(&[T::Tags, T::Assignments]),
            resource_id: entry(T::Assignments),
            resource_type: self.resource_type.clone(),
            private_network_id: id(&[T::Networks]),
            changes: self.changes.as_ref().map(Changes::value),
        }
    }
}
