//! Snapshots: as many as the plan has slots for, thirty days long, of one instance only.
//!
//! A rollback puts the guest back and deletes every newer snapshot of the instance: there is no way
//! forward again. A snapshot goes with its instance.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::audit::{AuditAction, Trail};
use super::body::SnapshotBody;
use super::call::Call;
use super::catalogue::find_product;
use super::fault::{Drawn, FaultKind};
use super::filter::Page;
use super::instance::{Guest, Next, Pending, Status};
use super::lifecycle::after;
use super::reply::{Body, Reply};
use super::resource_view::SnapshotView;
use super::validate::{Refusal, Violations};
use super::{Contabo, Note};

/// Longest name of a snapshot, in characters.
pub const SNAPSHOT_NAME_LIMIT: usize = 30;
/// Longest description of a snapshot, in characters.
pub const SNAPSHOT_DESCRIPTION_LIMIT: usize = 255;
/// When a snapshot is deleted by itself; calendar time, which no speed shortens.
pub const SNAPSHOT_LIFE: SignedDuration = SignedDuration::from_hours(24 * 30);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    pub snapshot_id: String,
    pub name: String,
    pub description: String,
    pub instance_id: i64,
    pub created: Timestamp,
    /// Lists and GETs do not know it before; it takes up its slot at once.
    pub complete_from: Timestamp,
    pub deleted_at: Timestamp,
    pub image_id: String,
    pub image_name: String,
    /// The disk as it was.
    pub guest: Guest,
}

impl Contabo {
    pub(super) fn list_snapshots(
        &self,
        id: i64,
        name: Option<&str>,
        page: &Page,
        fault: Option<&FaultKind>,
    ) -> Result<Reply, Refusal> {
        self.reachable(id)?;
        let own = self.complete_snapshots(id);
        let rows: Vec<&Snapshot> =
            own.filter(|snapshot| name.is_none_or(|name| snapshot.name.contains(name))).collect();
        let rows = self.paged(rows, page, fault)?;
        Ok(Reply::read(Body::Snapshots(rows.map(|snapshot| self.snapshot_view(snapshot)))))
    }

    pub(super) fn get_snapshot(&self, id: i64, snapshot_id: &str) -> Result<Reply, Refusal> {
        let snapshot = self.known_snapshot(id, snapshot_id)?;
        Ok(Reply::read(Body::Snapshot(self.snapshot_view(snapshot))))
    }

    pub(super) fn create_snapshot(
        &mut self,
        call: &Call,
        id: i64,
        body: &SnapshotBody,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        let instance = self.reachable(id)?;
        judge(body, true)?;
        match instance.facts.status {
            Status::Running => {}
            Status::Stopped if self.settings.stopped_snapshots => {}
            _ => {
                let text = format!("Instance {id} is not in a state to take a snapshot of");
                return Err(Refusal::sentence(400, text));
            }
        }
        let limit = find_product(&instance.product_id).map_or(0, |product| product.snapshots);
        if self.snapshots.values().filter(|snapshot| snapshot.instance_id == id).count() >= limit {
            let text = format!("Total snapshots exceed the total max limit of {limit} snapshots");
            return Err(Refusal::sentence(402, text));
        }
        let (guest, image_id) = (instance.guest.clone(), instance.facts.image_id.clone());
        let lag = self.settings.paced(self.settings.snapshot_lag);
        // The number in an id is the second of its making, and no two are the same.
        let number = self.now.as_second().max(self.last_snapshot + 1);
        self.last_snapshot = number;
        let snapshot = Snapshot {
            snapshot_id: format!("snap{number}"),
            name: body.name.clone().unwrap_or_default(),
            description: body.description.clone().unwrap_or_default(),
            instance_id: id,
            created: self.now,
            complete_from: after(self.now, lag),
            deleted_at: after(self.now, SNAPSHOT_LIFE),
            image_name: self.image_name(&image_id),
            image_id,
            guest,
        };
        let view = self.snapshot_view(&snapshot);
        let note = note(AuditAction::Created, &snapshot)
            .changes(json!({}), json!({ "name": snapshot.name }));
        self.audit(call, drawn, note);
        self.snapshots.insert(number, snapshot);
        Ok(Reply::accepted(201, Body::SnapshotCreated(view)))
    }

    pub(super) fn update_snapshot(
        &mut self,
        call: &Call,
        id: i64,
        snapshot_id: &str,
        body: &SnapshotBody,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        let old = self.known_snapshot(id, snapshot_id)?.clone();
        judge(body, false)?;
        let mut new = old.clone();
        body.name.iter().for_each(|name| new.name.clone_from(name));
        body.description.iter().for_each(|text| new.description.clone_from(text));
        let note = note(AuditAction::Updated, &new)
            .changes(json!({ "name": old.name }), json!({ "name": new.name }));
        self.audit(call, drawn, note);
        let view = self.snapshot_view(&new);
        if let Some(kept) = self.snapshots.values_mut().find(|kept| **kept == old) {
            *kept = new;
        }
        Ok(Reply::accepted(200, Body::Snapshot(view)))
    }

    pub(super) fn delete_snapshot(
        &mut self,
        call: &Call,
        id: i64,
        snapshot_id: &str,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        let gone = self.known_snapshot(id, snapshot_id)?.clone();
        self.snapshots.retain(|_, kept| kept.snapshot_id != gone.snapshot_id);
        let note =
            note(AuditAction::Deleted, &gone).changes(json!({ "name": gone.name }), json!({}));
        self.audit(call, drawn, note);
        Ok(Reply::accepted(204, Body::Empty))
    }

    pub(super) fn rollback_snapshot(
        &mut self,
        call: &Call,
        id: i64,
        snapshot_id: &str,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        let status = self.reachable(id)?.facts.status.clone();
        let target = self.known_snapshot(id, snapshot_id)?.clone();
        let accepted = Reply::accepted(200, Body::LinksOnly);
        if !matches!(status, Status::Running | Status::Stopped) {
            return self.busy(id, accepted);
        }
        // By number, not by time: two can be of the same second.
        let number = self.snapshots.iter().find(|(_, kept)| **kept == target).map(|(n, _)| *n);
        self.snapshots.retain(|own, kept| kept.instance_id != id || Some(*own) <= number);
        let note = note(AuditAction::Updated, &target)
            .changes(json!({}), json!({ "rollback": target.snapshot_id }));
        self.audit(call, drawn, note);
        if drawn.ignores() {
            return Ok(accepted);
        }
        let at = after(self.now, self.settings.paced(self.settings.rollback));
        let stops = self.settings.rollback_stops;
        self.edit(id, |instance| {
            instance.guest = target.guest;
            instance.facts.image_id = target.image_id;
            let next = match status {
                Status::Running => Next::Reboot,
                _ => Next::PowerOff,
            };
            if stops {
                instance.facts.status = Status::Stopped;
            }
            instance.pending = Some(Pending { at, next });
        });
        self.advance(self.now);
        Ok(accepted)
    }

    /// An instance's snapshots that lists know, oldest first.
    fn complete_snapshots(&self, id: i64) -> impl Iterator<Item = &Snapshot> {
        let own = self.snapshots.values().filter(move |snapshot| snapshot.instance_id == id);
        own.filter(|snapshot| snapshot.complete_from <= self.now)
    }

    fn known_snapshot(&self, id: i64, snapshot_id: &str) -> Result<&Snapshot, Refusal> {
        self.reachable(id)?;
        self.complete_snapshots(id)
            .find(|snapshot| snapshot.snapshot_id == snapshot_id)
            .ok_or_else(|| Refusal::not_found("Snapshot", snapshot_id))
    }

    fn snapshot_view(&self, snapshot: &Snapshot) -> SnapshotView {
        SnapshotView {
            tenant_id: self.settings.account.tenant_id.clone(),
            customer_id: self.settings.account.customer_id.clone(),
            snapshot_id: snapshot.snapshot_id.clone(),
            name: snapshot.name.clone(),
            description: snapshot.description.clone(),
            instance_id: snapshot.instance_id,
            created_date: snapshot.created,
            auto_delete_date: snapshot.deleted_at,
            image_id: snapshot.image_id.clone(),
            image_name: snapshot.image_name.clone(),
        }
    }

    /// Snapshots whose time is over, and those of instances that are gone, are no more.
    pub(super) fn drop_old_snapshots(&mut self) {
        let now = self.now;
        if self.snapshots.values().any(|snapshot| snapshot.deleted_at <= now) {
            self.snapshots.retain(|_, snapshot| snapshot.deleted_at > now);
        }
    }

    /// Every snapshot that takes up a slot.
    pub fn snapshots(&self) -> impl Iterator<Item = &Snapshot> {
        self.snapshots.values()
    }
}

fn note(action: AuditAction, snapshot: &Snapshot) -> Note {
    Note {
        entry: Some(snapshot.snapshot_id.clone()),
        ..Note::new(Trail::Snapshots, action, snapshot.instance_id)
    }
}

/// Letters, digits, spaces and dashes, at most 30 of them.
fn judge(body: &SnapshotBody, create: bool) -> Result<(), Refusal> {
    let mut wrong = Violations::default();
    wrong.length("name", body.name.as_deref(), create, 1, SNAPSHOT_NAME_LIMIT);
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == ' ' || c == '-';
    if body.name.as_deref().is_some_and(|name| !name.chars().all(allowed)) {
        wrong.add("name must match /^[A-Za-z0-9 -]+$/ regular expression");
    }
    let text = body.description.as_deref();
    wrong.length("description", text, false, 1, SNAPSHOT_DESCRIPTION_LIMIT);
    wrong.done()
}
