//! The timeline of a machine nobody holds.

use devpocket_specs::condition;
use devpocket_specs::environment::{Power, Reclaim};
use devpocket_specs::machine::{Machine, MachineState, Pool, Release};
use devpocket_specs::operation::{Operation, OperationPhase, Resolution, Verb};
use devpocket_specs::plan::StandstillKind;
use jiff::{SignedDuration, Timestamp};

use super::decide::{Step, World, backoff, before};
use super::state::latest;
use crate::guard::{codes, hold};
use crate::operation::evidence::{as_of, believable_from};
use crate::operation::intent::is_created_since;
use crate::operation::transition::after;

/// A machine nobody claimed is cancelled this long before its next billing date: early enough for
/// a Contabo that is silent for a day, late enough to be claimed meanwhile.
pub const CANCEL_LEAD: SignedDuration = SignedDuration::from_hours(48);
/// While it can still be taken back it is cancelled only this close to the billing date, since a
/// cancellation cannot be undone.
pub const CANCEL_LAST_CALL: SignedDuration = SignedDuration::from_hours(12);
/// Wipes that were accepted and then not seen to happen, after which a person is needed.
pub const WIPES_LIMIT: usize = 3;

/// What is done about a released machine now.
pub fn decide(world: &World<'_>) -> Step {
    let machine = world.machine;
    let Some(release) = &machine.spec.release else { return Step::Rest { until: None } };
    if release.reclaim == Reclaim::Retain {
        return Step::Rest { until: None };
    }
    if let Some(open) = world.operations.iter().find(|o| o.status.phase.is_open()) {
        // One effect at a time; its end is a change that brings us back.
        let _ = open;
        return Step::Rest { until: None };
    }
    if let Some(step) = cancel(world, release) {
        return step;
    }
    if machine.spec.pool.is_some() {
        return Step::Rest { until: next_cancel(machine, release, world.now) };
    }
    if world.now < release.until {
        return stop(world, release);
    }
    match release.reclaim {
        Reclaim::Pool => wipe(world, release),
        Reclaim::CancelAtTermEnd | Reclaim::Retain => stop(world, release),
    }
}

/// Power off at once, and again if somebody switched it on: it is nobody's.
fn stop(world: &World<'_>, release: &Release) -> Step {
    let seen = world.machine.status.seen.as_ref();
    let running = seen.is_some_and(|seen| seen.power == Some(Power::Running));
    let until = Some(release.until.max(world.now)).filter(|until| *until > world.now);
    if !running {
        return Step::Rest { until };
    }
    if let Some(wait) = not_yet(world, Verb::Stop) {
        return Step::Rest { until: Some(wait) };
    }
    let reason = format!("{}/{} let it go", release.namespace, release.name);
    Step::Plan { verb: Verb::Stop, reason }
}

fn cancel(world: &World<'_>, release: &Release) -> Option<Step> {
    let machine = world.machine;
    let seen = machine.status.seen.as_ref()?;
    if seen.cancel_date.is_some() {
        return None;
    }
    let due = cancel_due(machine, release, world.now)?;
    if world.now < due {
        return None;
    }
    if let Some(wait) = not_yet(world, Verb::Cancel) {
        return Some(Step::Rest { until: Some(wait) });
    }
    let billed = machine.spec.paid_through.map_or(String::new(), |d| format!(" before {d}"));
    let reason = match release.reclaim {
        Reclaim::CancelAtTermEnd => format!("{} asked for it when it was deleted", release.name),
        _ => format!("nobody claimed it{billed}, when the next term is billed"),
    };
    Some(Step::Plan { verb: Verb::Cancel, reason })
}

/// When the contract has to be cancelled, if nothing changes.
fn cancel_due(machine: &Machine, release: &Release, now: Timestamp) -> Option<Timestamp> {
    let recoverable = now < release.until && machine.spec.pool.is_none();
    if recoverable {
        return Some(before(machine.spec.paid_through?, CANCEL_LAST_CALL));
    }
    match release.reclaim {
        Reclaim::CancelAtTermEnd => Some(release.until),
        Reclaim::Pool => Some(before(machine.spec.paid_through?, CANCEL_LEAD)),
        Reclaim::Retain => None,
    }
}

fn next_cancel(machine: &Machine, release: &Release, now: Timestamp) -> Option<Timestamp> {
    let cancelled = machine.status.seen.as_ref().is_some_and(|s| s.cancel_date.is_some());
    if cancelled { None } else { cancel_due(machine, release, now) }
}

/// Wipe and prove it. The record says `Wiping` before the operation is planned: that write makes a
/// claim decided on the older record fail, so nobody takes a disk back that is about to go.
fn wipe(world: &World<'_>, release: &Release) -> Step {
    let machine = world.machine;
    if machine.status.state != MachineState::Wiping {
        return Step::SetState { state: MachineState::Wiping, message: String::new() };
    }
    let wipes: Vec<&Operation> = world
        .operations
        .iter()
        .copied()
        .filter(|o| o.spec.verb == Verb::Reinstall)
        .filter(|o| is_created_since(&o.metadata, release.until))
        .collect();
    let Some(last) = latest(&wipes, Verb::Reinstall) else {
        let reason = format!("{}/{} let it go; its disk is wiped", release.namespace, release.name);
        return Step::Plan { verb: Verb::Reinstall, reason };
    };
    if accepted(last) {
        return prove(world, last, wipes.len());
    }
    let again = after(last.status.ended_at.unwrap_or(world.now), backoff(wipes.len()));
    if world.now < again {
        return Step::Rest { until: Some(again) };
    }
    Step::Plan { verb: Verb::Reinstall, reason: "its disk is wiped; the last try failed".into() }
}

fn accepted(operation: &Operation) -> bool {
    operation.status.phase == OperationPhase::Succeeded
        || operation.status.resolution == Some(Resolution::Happened)
}

/// A wipe counts when the machine was seen installing after it was sent, and then with its new
/// system. That Contabo accepted the call is not enough: it accepts calls it then ignores.
fn prove(world: &World<'_>, last: &Operation, wipes: usize) -> Step {
    let machine = world.machine;
    let Some(seen) = machine.status.seen.as_ref() else { return Step::Rest { until: None } };
    let issued = last.status.issued_at.unwrap_or(Timestamp::MAX);
    let noted = wipe_note(machine) == Some(last.metadata.name.as_str());
    if seen.provider_status == "installing" && seen.since > issued {
        if noted {
            return Step::Rest { until: None };
        }
        return Step::NoteWipe { message: last.metadata.name.clone() };
    }
    let finished = seen.power.is_some();
    if noted && finished {
        return Step::SetPool(Pool { since: world.now });
    }
    let settle = SignedDuration::from_secs(world.installation.spec.settle_seconds);
    let deadline = believable_from(&last.status, world.installation)
        .checked_add(settle)
        .unwrap_or(Timestamp::MAX);
    if noted || as_of(machine, world.installation) < deadline {
        return Step::Rest { until: None };
    }
    if wipes >= WIPES_LIMIT {
        return unproved(world);
    }
    Step::Plan {
        verb: Verb::Reinstall,
        reason: "the wipe was accepted, but the machine was never seen installing".into(),
    }
}

/// Every wipe was accepted and none was seen. It is nobody's to claim as long as it may hold
/// somebody's data; its contract still ends in time.
fn unproved(world: &World<'_>) -> Step {
    let machine = world.machine;
    let next = |at: Option<Timestamp>| Step::Rest { until: at };
    let release = machine.spec.release.as_ref();
    let cancelled = release.and_then(|release| next_cancel(machine, release, world.now));
    if condition::is_true(&machine.status.conditions, super::STALLED) {
        return next(cancelled);
    }
    let ends = machine
        .spec
        .paid_through
        .map(|day| format!("; else it is cancelled to {day}"))
        .unwrap_or_default();
    Step::Stall(hold(
        StandstillKind::Stalled,
        codes::WIPE_UNPROVED,
        format!(
            "Contabo accepted {WIPES_LIMIT} wipes and was never seen to install, since {}: its \
             disk may still hold data, so nobody can claim it. An admin installs it anew in \
             Contabo's customer panel, which counts when it is seen{ends}",
            world.now
        ),
    ))
}

/// The wipe the machine was seen installing for.
fn wipe_note(machine: &Machine) -> Option<&str> {
    condition::find(&machine.status.conditions, super::WIPE_SEEN).map(|c| c.message.as_str())
}

/// When an effect may be planned again: not before looking at the machine can tell what the last
/// one did, and ever later while it is refused.
fn not_yet(world: &World<'_>, verb: Verb) -> Option<Timestamp> {
    let last = latest(world.operations, verb)?;
    let believable = believable_from(&last.status, world.installation);
    let rejected = world
        .operations
        .iter()
        .filter(|o| o.spec.verb == verb && o.status.phase == OperationPhase::Rejected)
        .count();
    let refused = if last.status.phase == OperationPhase::Rejected {
        after(last.status.ended_at.unwrap_or(believable), backoff(rejected))
    } else {
        believable
    };
    let wait = believable.max(refused);
    if world.now < wait {
        return Some(wait);
    }
    // Nobody looked since: the next sweep is a change, or comes within the minute.
    let looked = as_of(world.machine, world.installation) > believable;
    (!looked).then(|| after(world.now, crate::operation::decide::LOOK_AGAIN))
}
