//! An environment that has a machine: which stage the machine is in decides what can be done.

use jiff::{SignedDuration, Timestamp};

use devpocket_specs::environment::{BoundMachine, Cost, Phase};
use devpocket_specs::machine::{Machine, MachineState, Seen};
use devpocket_specs::operation::{Operation, OperationPhase, Verb};
use devpocket_specs::plan::StandstillKind;

use super::draft::Draft;
use super::install::Readiness;
use super::observed::{Observed, evidence_from, look};
use super::world::World;
use super::{
    binding, display_name, drift, guest, install, loss, ordering, power, recover, requests,
    software, stuck, unseen,
};
use crate::guard::hold;
use crate::machine::state::word_state;

/// When nothing but a newer look is missing, it is asked for again after this time.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(15);

/// The bound machine with what is known of it.
pub(super) struct Bound<'a> {
    pub machine: &'a Machine,
    /// Operations on it, oldest first.
    pub operations: Vec<&'a Operation>,
    pub observed: Observed<&'a Seen>,
}

impl<'a> Bound<'a> {
    pub fn new(world: &World<'a>, machine: &'a Machine) -> Self {
        let operations = world.operations_of(machine);
        Bound { machine, operations, observed: look(machine, world.installation) }
    }

    pub fn called(&self) -> &'a str {
        super::acquire::called(self.machine)
    }

    /// What the last look means. The state in the record is decided by another controller, a
    /// moment later than the look: what was seen is what is judged.
    pub fn stage(&self) -> MachineState {
        let seen = self.machine.status.seen.as_ref();
        seen.map_or(self.machine.status.state, |seen| word_state(&seen.provider_status))
    }

    /// The operation under way, if there is one. There is at most one at a time by intent.
    pub fn open(&self) -> Option<&'a Operation> {
        self.operations.iter().copied().rev().find(|o| o.status.phase.is_open())
    }

    /// From when on a look says something.
    pub fn evidence_from(&self, world: &World<'_>) -> Option<Timestamp> {
        evidence_from(self.operations.iter().copied(), world.installation)
    }

    /// Says what is under way, and what holds it.
    pub fn tell_open(&self, draft: &mut Draft<'_, '_>) {
        let Some(operation) = self.open() else { return };
        if let Some(held) = &operation.status.held {
            draft.hold(held.clone());
        }
        let word = operation.spec.verb.word();
        let waits = match (operation.status.phase, operation.status.issued_at) {
            (OperationPhase::Unknown, Some(at)) => format!(
                "{word} of {}: sent at {at}, no answer came; Contabo is asked what became of it",
                self.called()
            ),
            (_, Some(at)) => format!("{word} of {}: sent at {at}", self.called()),
            _ => format!("{word} of {}: about to be sent", self.called()),
        };
        draft.report.message = waits;
    }
}

/// Plans for an environment with a machine.
pub(super) fn plan(draft: &mut Draft<'_, '_>, bound: &Bound<'_>, replaced: &[&Machine]) {
    let world = draft.world;
    mirror(draft, bound);
    drift::take_over(draft, bound);
    let dead = binding::is_dead(world, bound.machine);
    if !dead {
        unbind(draft, replaced);
    }
    if dead {
        return loss::plan(draft, bound);
    }
    draft.report.bound = bound.machine.status.instance_id.is_some();
    if bound.machine.status.instance_id.is_none() {
        requests::void(draft);
        return ordering::plan(draft, bound);
    }
    loss::ending(draft, bound);
    loss::other_than_ordered(draft, bound);
    if bound.machine.spec.pool.is_some() {
        requests::void(draft);
        return install::first(draft, bound);
    }
    loss::disk_replaced(draft, bound);
    match bound.stage() {
        MachineState::Running | MachineState::Stopped => {
            usable(draft, bound);
            guest::judge(draft, bound);
            recover::converge(draft, bound);
        }
        stage => preparing(draft, bound, stage),
    }
}

/// What the bound one replaced is let go of, so that the binding has one end again.
fn unbind(draft: &mut Draft<'_, '_>, replaced: &[&Machine]) {
    for machine in replaced {
        draft.edit(machine, |spec| spec.claim = None);
    }
}

/// The machine neither runs nor is stopped.
fn preparing(draft: &mut Draft<'_, '_>, bound: &Bound<'_>, state: MachineState) {
    let first = !bound.operations.iter().any(|o| o.spec.verb == Verb::Reinstall);
    stuck::report(draft, bound, state);
    unseen::report(draft, bound);
    if first && matches!(state, MachineState::Provisioning | MachineState::Installing) {
        requests::void(draft);
    }
    if bound.open().is_some_and(|o| o.status.held.is_some()) {
        bound.tell_open(draft);
    }
}

/// The machine runs or is stopped, as far as was seen last.
fn usable(draft: &mut Draft<'_, '_>, bound: &Bound<'_>) {
    let world = draft.world;
    let Observed::Present(seen, as_of) = bound.observed else {
        return unseen::report(draft, bound);
    };
    power::describe(draft, bound, seen);
    // Only a look that began after everything we did says what the machine needs now.
    let from = bound.evidence_from(world);
    if bound.open().is_some() {
        install::again(draft, bound, Readiness::Later);
        return bound.tell_open(draft);
    }
    if let Some(from) = from.filter(|from| as_of < *from) {
        if !draft.report.message.is_empty() {
            draft.report.message.push_str("; it is looked at again after the last call");
        }
        draft.wake_at(from.max(world.now) + LOOK_AGAIN);
        return install::again(draft, bound, Readiness::Later);
    }
    drift::look(draft, bound, seen);
    requests::restart(draft, bound, seen);
    power::converge(draft, bound, seen, as_of);
    display_name::converge(draft, bound, seen);
    install::again(draft, bound, Readiness::Now);
}

/// Copies what people want to see of the machine into the status.
fn mirror(draft: &mut Draft<'_, '_>, bound: &Bound<'_>) {
    let machine = bound.machine;
    let address = machine.status.seen.as_ref().and_then(|s| s.address.as_ref());
    let since = machine.spec.claim.as_ref().map(|c| c.at);
    let same = |known: &BoundMachine| {
        known.name == machine.metadata.name
            && known.instance_id == machine.status.instance_id
            && known.instance_name == machine.status.instance_name
            && (known.address.as_ref(), known.since) == (address, since)
    };
    if !draft.status.machine.as_ref().is_some_and(same) {
        draft.status.to_mut().machine = Some(BoundMachine {
            name: machine.metadata.name.clone(),
            instance_id: machine.status.instance_id,
            instance_name: machine.status.instance_name.clone(),
            address: address.cloned(),
            since,
        });
    }
    if let Some(order) = &machine.spec.order {
        let paid_until = machine.spec.paid_through;
        let prices_of = Some(order.prices_of);
        let same = |known: &Cost| {
            (known.paid_until, known.prices_of) == (paid_until, prices_of)
                && known.monthly == order.price
        };
        if !draft.status.cost.as_ref().is_some_and(same) {
            let monthly = order.price.clone();
            draft.status.to_mut().cost = Some(Cost { monthly, paid_until, prices_of });
        }
    }
    software::tell(draft, bound);
}

/// Two machines claim to belong to one environment: nothing is chosen.
pub(super) fn ambiguous(draft: &mut Draft<'_, '_>, machines: &[&Machine]) {
    let names: Vec<&str> = machines.iter().map(|m| m.metadata.name.as_str()).collect();
    let name = &draft.world.environment.metadata.name;
    let message = format!(
        "env/{name} is claimed by {} machines ({}); nothing is done until an admin releases all \
         but one",
        names.len(),
        names.join(", ")
    );
    draft.report.bound = true;
    draft.report.not_ready(Phase::Error, "MachineAmbiguous", message.clone());
    draft.hold(hold(StandstillKind::Held, crate::guard::codes::MACHINE_AMBIGUOUS, message));
}
