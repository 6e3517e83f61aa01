//! Deletion: the machine is released, recoverable for a while, and only then does the record go.

use jiff::SignedDuration;
use serde_json::Value;

use devpocket_specs::environment::Phase;
use devpocket_specs::machine::{Machine, Release};
use devpocket_specs::metadata::{ManagedFields, names};
use devpocket_specs::object::Resource;
use devpocket_specs::operation::{Operation, OperationPhase, Verb};
use devpocket_specs::plan::{RiskClass, StandstillKind, Step};

use super::acquire::called;
use super::binding;
use super::consent::Implied;
use super::decision::{EventDraft, RecordWrite};
use super::draft::{Draft, Pending};
use super::observed::may_have_happened;
use super::world::World;
use crate::guard::{codes, hold};

/// How long a released machine can be taken back when no installation says otherwise, in seconds.
const RECLAIM_AFTER: i64 = 86_400;

/// Plans the end of an environment that is being deleted.
pub(super) fn plan(draft: &mut Draft<'_, '_>) {
    let world = draft.world;
    let name = &world.environment.metadata.name;
    draft.report.not_ready(Phase::Stopping, "Deleting", format!("env/{name} is being deleted"));
    let ours: Vec<&Machine> =
        world.machines.iter().copied().filter(|m| belongs(world, m)).collect();
    if ours.is_empty() {
        if draft.status.machine.is_some() {
            draft.status.to_mut().machine = None;
        }
        if world.environment.metadata.has_finalizer(names::RELEASE_FINALIZER) {
            draft.keep(RecordWrite::RemoveFinalizer);
        }
        draft.report.not_ready(Phase::Terminated, "Released", "nothing is left to be done");
        return;
    }
    for machine in ours {
        let_go(draft, machine);
    }
}

/// Bound to the environment, or ordered for it and in nobody's hands.
fn belongs(world: &World<'_>, machine: &Machine) -> bool {
    let spec = &machine.spec;
    let uid = world.uid();
    match &spec.claim {
        Some(claim) => claim.uid == uid,
        None => {
            let ordered = spec.order.as_ref().is_some_and(|o| o.demand.environment_uid == uid);
            let free = spec.release.is_none() && spec.pool.is_none();
            ordered && free && !binding::is_dead(world, machine)
        }
    }
}

fn let_go(draft: &mut Draft<'_, '_>, machine: &Machine) {
    let world = draft.world;
    draft.report.bound |= machine.status.instance_id.is_some();
    if binding::is_dead(world, machine) {
        return unbind(draft, machine);
    }
    if machine.status.instance_id.is_some() {
        return release(draft, machine);
    }
    let purchases: Vec<&Operation> = world
        .operations_of(machine)
        .into_iter()
        .filter(|o| o.spec.verb == Verb::Purchase)
        .collect();
    let undecided = purchases
        .iter()
        .find(|o| o.status.phase != OperationPhase::Planned && may_have_happened(o));
    match undecided {
        Some(purchase) => {
            let sent = purchase.status.issued_at.map(|at| format!(" at {at}")).unwrap_or_default();
            draft.hold(hold(
                StandstillKind::Held,
                codes::PURCHASE_UNDECIDED,
                format!(
                    "env/{} is deleted once it is known whether its order sent{sent} bought a \
                     machine",
                    world.environment.metadata.name
                ),
            ));
        }
        None => never_bought(draft, machine),
    }
}

/// Nothing was bought: the record goes, and with it the order. It is let go of first, so that
/// whoever is about to send the order sees that nobody wants it any more.
fn never_bought(draft: &mut Draft<'_, '_>, machine: &Machine) {
    draft.report.message =
        format!("the record of {} is being removed; nothing was bought", machine.metadata.name);
    if machine.spec.claim.is_some() {
        unbind(draft, machine);
    }
    if !machine.metadata.is_deleting() {
        draft.keep(RecordWrite::DeleteMachine {
            name: machine.metadata.name.clone(),
            uid: machine.uid(),
        });
    }
}

/// Whose the declaration is, without the parts of the status.
fn declared_by(managers: &ManagedFields) -> ManagedFields {
    let mut entries = managers.entries();
    entries.retain(|entry| entry.get("subresource").is_none());
    entries.into()
}

fn unbind(draft: &mut Draft<'_, '_>, machine: &Machine) {
    draft.edit(machine, |spec| spec.claim = None);
}

fn release(draft: &mut Draft<'_, '_>, machine: &Machine) {
    let world = draft.world;
    let environment = world.environment;
    let after = world.installation.map_or(RECLAIM_AFTER, |i| i.spec.reclaim_after_seconds);
    let until = world.now + SignedDuration::from_secs(after);
    let mut next = machine.clone();
    next.spec.claim = None;
    next.spec.pool = None;
    next.spec.release = Some(Release {
        uid: world.uid(),
        namespace: environment.metadata.namespace.clone(),
        name: environment.metadata.name.clone(),
        at: world.now,
        until,
        reclaim: environment.spec.reclaim,
        spec: serde_json::to_value(&environment.spec).unwrap_or(Value::Null),
        managed_fields: declared_by(&environment.metadata.managed_fields),
    });
    let price = machine.spec.order.as_ref().map(|o| &o.price);
    let step = Step {
        call: "release".into(),
        machine: machine.metadata.name.clone(),
        summary: format!("release {}", called(machine)),
        class: RiskClass::Reversible,
        downtime_seconds: None,
        monthly: price.map(|p| devpocket_specs::money::Money::new(-p.cents, p.currency.clone())),
        due: None,
        fingerprint: None,
        approved: true,
        hold: world.may_release(&machine.metadata.name).err(),
    };
    let event = EventDraft::normal(
        "Released",
        format!("released {}; it can be taken back until {until}", called(machine)),
    );
    draft.step(Pending {
        step,
        implied: Implied::TheRecord,
        writes: vec![RecordWrite::UpdateMachine(Box::new(next))],
        event: Some(event),
    });
}
