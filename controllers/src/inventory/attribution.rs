//! Whose change it was: ours, or somebody's whom Contabo's audits know, or nobody's they know of.

use std::sync::Arc;

use devpocket_specs::environment::Power;
use devpocket_specs::machine::{Machine, MachineStatus};
use devpocket_specs::object::Resource;
use devpocket_specs::operation::{Operation, OperationPhase};
use jiff::{SignedDuration, Timestamp};

use super::look;
use super::outside::{self, UNKNOWN, What};
use super::run::{Around, Inventory};
use crate::cloud::{Audit, AuditQuery};
use crate::environment::effective_power;
use crate::runtime::{Involved, Severity};

/// Changes whose author is looked up in one pass; the rest is "unknown".
pub const ATTRIBUTED_PER_PASS: usize = 5;
/// Audits come late, nobody knows how late: an author that is unknown is asked for with each list
/// for this long.
pub const ASKED_LATE_FOR: SignedDuration = SignedDuration::from_mins(6);
/// A change was made at most this long before the look that showed it.
const MADE_BEFORE: SignedDuration = SignedDuration::from_mins(10);

impl Inventory {
    /// Finds out what changed outside, and by whom.
    pub(super) async fn attribute(
        &self,
        machine: &Arc<Machine>,
        status: &mut MachineStatus,
        around: &Around,
        lookups: &mut usize,
    ) {
        let (Some(before), Some(now)) = (&machine.status.seen, status.seen.clone()) else { return };
        if !machine.spec.managed || !look::differs(before, &now) {
            return;
        }
        let ours = self.operations_now(machine).await;
        let ours: Vec<&Operation> = ours.iter().map(Arc::as_ref).collect();
        let last_look = around.installation.status.sweep.as_ref().map_or(before.since, |s| s.as_of);
        let declared = self.declared_power(machine);
        for change in outside::changes(machine, before, &now, declared) {
            if change.heals || outside::is_ours(change.what, &ours, &now) {
                outside::heal(&mut status.outside, change.what, now.since);
                continue;
            }
            let audits = self.audits(change.what, now.since, machine, lookups).await;
            let by = outside::author(&audits, &ours, last_look.max(before.since));
            outside::keep(&mut status.outside, &change, by, now.since);
            metrics::counter!("devpocket_drift_total", "what" => change.what.word()).increment(1);
            // Of a machine in use its environment tells, with what is done about it.
            if machine.spec.claim.is_none() {
                let text = format!("{} outside DevPocket {}", change.message, outside::who(by));
                let about = Involved::of(&**machine);
                self.term.recorder.event(&about, Severity::Warning, "ChangedOutside", &text).await;
            }
        }
    }

    /// The operations on a machine as of now: one that was only planned when this look began may
    /// have been sent since, and what the look shows is then its effect and nobody else's.
    async fn operations_now(&self, machine: &Machine) -> Vec<Arc<Operation>> {
        let mirrored = self.term.mirrors.operations_on(&machine.metadata.name);
        let mut operations = Vec::clone(&mirrored);
        for operation in &mut operations {
            if operation.status.phase == OperationPhase::Planned
                && let Ok(Some(now)) = self.term.client.get::<Operation>(&operation.key()).await
            {
                *operation = Arc::new(now);
            }
        }
        operations
    }

    fn declared_power(&self, machine: &Machine) -> Option<Power> {
        let holder = crate::operation::intent::environment_of(machine)?;
        let environment = self.term.mirrors.environment(&holder)?;
        Some(effective_power(&environment).power)
    }

    async fn audits(
        &self,
        what: outside::What,
        at: Timestamp,
        machine: &Machine,
        lookups: &mut usize,
    ) -> Vec<Audit> {
        if *lookups == 0 {
            return Vec::new();
        }
        *lookups -= 1;
        let since = crate::machine::term::day(at).yesterday().ok();
        let query =
            AuditQuery { instance_id: machine.status.instance_id, since, ..AuditQuery::default() };
        match self.term.cloud.audits(what.audit_log(), &query).await {
            Ok(page) => page
                .items
                .into_iter()
                .filter(|audit| Some(audit.instance_id) == machine.status.instance_id)
                .collect(),
            Err(_) => Vec::new(),
        }
    }

    /// Asks once more who made a change of a short while ago.
    pub(super) async fn attribute_late(
        &self,
        machine: &Arc<Machine>,
        status: &mut MachineStatus,
        as_of: Timestamp,
        lookups: &mut usize,
    ) {
        let late = |since: Timestamp| as_of > since && as_of.duration_since(since) < ASKED_LATE_FOR;
        let asked = status.outside.iter().rposition(|d| d.by == UNKNOWN && late(d.since));
        let Some(place) = asked.filter(|_| machine.spec.managed) else { return };
        let drift = &status.outside[place];
        let Some(what) = What::of(&drift.what) else { return };
        let since = drift.since;
        let mut audits = self.audits(what, since, machine, lookups).await;
        audits.retain(|audit| audit.at <= since);
        let ours = self.term.mirrors.operations_on(&machine.metadata.name);
        let ours: Vec<&Operation> = ours.iter().map(Arc::as_ref).collect();
        let by = outside::author(&audits, &ours, since - MADE_BEFORE);
        status.outside[place].by = by.to_owned();
    }
}
