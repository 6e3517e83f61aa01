//! The audit trail: who changed what through the API, with the ids the client sent.
//!
//! Only calls of the API leave an entry; the panel does not. An entry becomes visible after a
//! delay, and one of an order first shows `instanceId: 0`.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::AuditFilter;
use super::contract::date_of;
use super::reply::AuditView;
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
    /// The instance, or the tag.
    pub resource_id: i64,
    pub changed_by: String,
    pub username: String,
    pub request_id: String,
    pub trace_id: Option<String>,
    pub changes: Option<Value>,
}

/// The audit list an entry belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trail {
    Instances,
    Actions,
    Tags,
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
            Trail::Tags => filter.tag_id,
            Trail::Instances | Trail::Actions => filter.instance_id,
        };
        let same = |wanted: &Option<String>, own: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(own))
        };
        let date = date_of(self.at);
        self.trail == trail
            && self.visible_at <= now
            && wanted_id.is_none_or(|id| id == self.shown_id(now))
            && same(&filter.request_id, &self.request_id)
            && same(&filter.changed_by, &self.changed_by)
            && query.start.is_none_or(|start| date >= start)
            && query.end.is_none_or(|end| date <= end)
    }

    pub(super) fn view(&self, account: &Account, now: Timestamp) -> AuditView {
        let shown = self.shown_id(now);
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
            instance_id: (self.trail != Trail::Tags).then_some(shown),
            tag_id: (self.trail == Trail::Tags).then_some(shown),
            changes: self.changes.clone(),
        }
    }
}
