//! Reinstalls: the first installation of a claimed machine, and the repair of a disk that somebody
//! replaced.
//!
//! A machine that is claimed and still carries `pool` is wiped and not installed yet; the mark goes
//! once an install of ours happened. So that fact survives the operations' ninety days: forgetting
//! it would mean to wipe a disk in use.

use devpocket_specs::environment::Phase;
use devpocket_specs::machine::Machine;
use devpocket_specs::operation::{Operation, Verb};
use devpocket_specs::plan::{RiskClass, StandstillKind, Step};
use serde_json::json;

use super::bound::Bound;
use super::consent::{Implied, identify};
use super::decision::{EventDraft, RecordWrite};
use super::draft::{Draft, Pending};
use super::observed::{Observed, happened};
use super::want::{Wanted, wanted};
use super::world::World;
use crate::guard::{codes, hold};
use crate::operation::intent;

/// Installs that were refused, or proved not to have happened, before it is given up.
pub const INSTALL_TRIES: usize = 3;

/// About how long an install keeps the machine from being used, in seconds.
const INSTALL_SECONDS: u32 = 600;

/// The reinstall with the environment's own user-data.
pub(super) fn operation(world: &World<'_>, machine: &Machine, wanted: &Wanted<'_>) -> Operation {
    let reason = format!("install {}", wanted.software());
    let earlier = world.operations_of(machine);
    let mut operation = intent::planned(machine, Verb::Reinstall, reason, earlier);
    operation.spec.image = Some(wanted.rendered.image.clone());
    operation.spec.user_data_digest = Some(wanted.rendered.digest.clone());
    operation
}

fn step(world: &World<'_>, machine: &Machine, wanted: &Wanted<'_>) -> Step {
    let mut step = Step {
        call: Verb::Reinstall.word().into(),
        machine: machine.metadata.name.clone(),
        summary: format!("install {}", wanted.software()),
        class: RiskClass::DataRisk,
        downtime_seconds: Some(INSTALL_SECONDS),
        monthly: None,
        due: None,
        fingerprint: None,
        approved: false,
        hold: None,
    };
    let arguments = json!({
        "image": wanted.rendered.image, "install": machine.spec.install_generation,
    });
    step.fingerprint = Some(identify(world, &step, &wanted.rendered.digest, arguments));
    step
}

/// The install that follows a claim, for the plan.
pub(super) fn step_after(world: &World<'_>, machine: &Machine, wanted: &Wanted<'_>) -> Pending {
    Pending {
        step: step(world, machine, wanted),
        implied: Implied::TheRecord,
        writes: Vec::new(),
        event: None,
    }
}

/// Installs a claimed machine that is still as the wipe left it.
pub(super) fn first(draft: &mut Draft<'_, '_>, bound: &Bound<'_>) {
    let world = draft.world;
    let since = bound.machine.spec.claim.as_ref().map(|c| c.at);
    let uid = world.environment.metadata.uid;
    let installs: Vec<&Operation> = bound
        .operations
        .iter()
        .copied()
        .filter(|o| o.spec.verb == Verb::Reinstall)
        .filter(|o| o.spec.environment.as_ref().map(|e| e.uid) == uid)
        .filter(|o| since.is_none_or(|at| intent::is_created_since(&o.metadata, at)))
        .collect();
    let ended = super::standstill::ended(draft);
    let tried = installs
        .iter()
        .filter(|o| ended.is_none_or(|at| o.status.ended_at.is_none_or(|end| end > at)))
        .count();
    let waits = format!("installing; {} was claimed and is being installed", bound.called());
    draft.report.not_ready(Phase::Installing, "Installing", waits);
    if installs.iter().any(|o| happened(o)) {
        // The machine controller counts the install; the mark is ours.
        return draft.edit(bound.machine, |spec| spec.pool = None);
    }
    if bound.open().is_some() {
        return bound.tell_open(draft);
    }
    if !matches!(bound.observed, Observed::Present(seen, _) if seen.power.is_some()) {
        // Wiping is for a machine that is there and at rest.
        draft.report.message = format!("{} is installed once it is seen again", bound.called());
        return;
    }
    if tried >= INSTALL_TRIES {
        let last = installs.last().map_or("", |o| o.status.message.as_str());
        return draft.hold(hold(
            StandstillKind::Stalled,
            codes::REFUSED,
            format!(
                "{} was not installed: {INSTALL_TRIES} tries were refused. Contabo said: {last}. \
                 It is tried again when the environment is edited",
                bound.called()
            ),
        ));
    }
    plan(draft, bound, Implied::TheRecord);
}

/// Puts the declared system back on a disk that somebody replaced; a person approves it.
pub(super) fn repair(draft: &mut Draft<'_, '_>, bound: &Bound<'_>) {
    plan(draft, bound, Implied::AutoApprove);
}

fn plan(draft: &mut Draft<'_, '_>, bound: &Bound<'_>, implied: Implied) {
    let world = draft.world;
    let wanted = match wanted(world) {
        Ok(wanted) => wanted,
        Err(held) => return draft.hold(held),
    };
    let mut step = step(world, bound.machine, &wanted);
    let mut operation = operation(world, bound.machine, &wanted);
    operation.spec.fingerprint.clone_from(&step.fingerprint);
    step.hold = world.may_issue(&operation).err();
    let event = EventDraft::normal("Installing", format!("{} on {}", step.summary, bound.called()));
    let writes = vec![RecordWrite::CreateOperation(Box::new(operation))];
    draft.step(Pending { step, implied, writes, event: Some(event) });
}
