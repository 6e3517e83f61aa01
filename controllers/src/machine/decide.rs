//! What is done about a machine now: a pure function of records.
//!
//! A claimed machine with an order is bought once and adopted; its power and name are the
//! environment controller's. A released machine runs down its timeline here:
//!
//! ```text
//! release ── stop ──────────── until ── Pool: wipe, prove it ── pool ── cancel in time
//!    │   recoverable, disk untouched │  CancelAtTermEnd: cancel
//!    └── Retain: nothing, ever       │
//! ```
//!
//! Machines DevPocket did not buy are never touched, and no decision rests on what was not seen.

use std::time::Duration;

use devpocket_specs::installation::Installation;
use devpocket_specs::machine::{Machine, MachineState, Pool};
use devpocket_specs::operation::{Operation, OperationPhase, Resolution, Verb};
use devpocket_specs::plan::{Hold, StandstillKind};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::release;
use super::state::{self, latest};
use super::term;
use crate::environment::observed::refused_outright;
use crate::operation::evidence::strangers_bearing;
use crate::operation::transition::after;

/// Wait before a refused order is tried again: doubled each time, up to the cap. What refuses an
/// order (payment, verification, a limit) is for people to mend, and takes them hours.
pub const REFUSED_BASE: Duration = Duration::from_secs(60);
pub const REFUSED_CAP: Duration = Duration::from_secs(3_600);
/// How often a machine is looked at without a trigger, for terms that pass and renew.
pub const ROUTINE: Duration = Duration::from_secs(3_600);

/// The records a decision rests on.
#[derive(Clone, Copy)]
pub struct World<'a> {
    pub machine: &'a Machine,
    /// All operations on it.
    pub operations: &'a [&'a Operation],
    /// All machines, also those DevPocket did not buy: the search for an instance that bears the
    /// token.
    pub machines: &'a [&'a Machine],
    pub installation: &'a Installation,
    pub now: Timestamp,
}

/// The next step. One at a time: each changes a record, and the change brings the next look.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing until something changes, or until then.
    Rest { until: Option<Timestamp> },
    /// This instance is the machine.
    Adopt { instance_id: i64 },
    /// Status says otherwise.
    SetState { state: MachineState, message: String },
    /// The term went on, or is known now.
    SetPaidThrough { date: Option<Date>, renewed: bool },
    /// The disk was installed by us once more.
    CountInstall { generation: i64 },
    /// Ready to be claimed.
    SetPool(Pool),
    /// A new operation of this verb is needed.
    Plan { verb: Verb, reason: String },
    /// A person must decide first.
    Hold(Hold),
    /// Given up: a person is needed, or time.
    Stall(Hold),
    /// The wipe was seen to begin.
    NoteWipe { message: String },
    /// The record is no longer needed.
    Forget { message: String },
}

/// What is done about the machine now.
pub fn decide(world: &World<'_>) -> Step {
    let machine = world.machine;
    if let Some(step) = adoption(world) {
        return step;
    }
    let (state, message) = match other_record(world) {
        Some(message) => (MachineState::Gone, message),
        None => state::state(machine, world.operations, world.installation, world.now),
    };
    if (state, &message) != (machine.status.state, &machine.status.message) {
        return Step::SetState { state, message };
    }
    if is_forgettable(machine) {
        return Step::Forget { message };
    }
    if !machine.spec.managed || state == MachineState::Gone {
        return Step::Rest { until: None };
    }
    if machine.status.instance_id.is_none() {
        return purchase(world);
    }
    if let Some(step) = contract(world) {
        return step;
    }
    if machine.spec.claim.is_none() && machine.spec.release.is_some() {
        return release::decide(world);
    }
    Step::Rest { until: Some(after(world.now, ROUTINE)) }
}

/// Whether deciding about it looks at other machines at all: not once it has its instance.
pub fn looks_at_others(machine: &Machine) -> bool {
    !machine.spec.managed || machine.status.instance_id.is_none()
}

/// An instance that became known through the purchase, or through the token in its name.
fn adoption(world: &World<'_>) -> Option<Step> {
    let machine = world.machine;
    if machine.status.instance_id.is_some() || !machine.spec.managed {
        return None;
    }
    let bought = latest(world.operations, Verb::Purchase)
        .filter(|o| happened(o))
        .and_then(|o| o.status.instance_id);
    if let Some(instance_id) = bought {
        return Some(Step::Adopt { instance_id });
    }
    // While a purchase is open its own evidence decides: it also reads the audits.
    if world.operations.iter().any(|o| o.spec.verb == Verb::Purchase && perhaps_sent(o)) {
        return None;
    }
    let name = machine.metadata.name.as_str();
    let installation = world.installation.spec.id.as_str();
    let found: Vec<i64> =
        strangers_bearing(world.machines, installation, name).map(|(id, _)| id).collect();
    match found.as_slice() {
        [] => None,
        [instance_id] => Some(Step::Adopt { instance_id: *instance_id }),
        several => Some(Step::Hold(two_bearers(name, several))),
    }
}

fn happened(operation: &Operation) -> bool {
    operation.status.phase == OperationPhase::Succeeded
        || operation.status.resolution == Some(Resolution::Happened)
}

fn perhaps_sent(operation: &Operation) -> bool {
    matches!(operation.status.phase, OperationPhase::Issued | OperationPhase::Unknown)
}

/// The record of a stranger that turned out to be a machine of ours.
fn other_record(world: &World<'_>) -> Option<String> {
    let machine = world.machine;
    let id = machine.status.instance_id.filter(|_| !machine.spec.managed)?;
    let owner =
        world.machines.iter().find(|m| m.spec.managed && m.status.instance_id == Some(id))?;
    Some(format!("instance {id} is {}", owner.metadata.name))
}

/// Records that stand for nothing: the instance is gone and nobody holds it, or it was never
/// bought and nobody needs it. The state says so before the record goes: admission refuses to
/// delete any other, so that no mistake here can lose the record of a paid machine.
fn is_forgettable(machine: &Machine) -> bool {
    let unwanted = machine.spec.claim.is_none() || machine.metadata.is_deleting();
    match machine.status.state {
        MachineState::Gone => unwanted,
        MachineState::NotBought => unwanted && machine.status.instance_id.is_none(),
        _ => false,
    }
}

fn purchase(world: &World<'_>) -> Step {
    let machine = world.machine;
    let (Some(order), Some(claim)) = (&machine.spec.order, &machine.spec.claim) else {
        return Step::Rest { until: None };
    };
    if let Some(last) = latest(world.operations, Verb::Purchase) {
        if last.status.phase.is_open() || happened(last) {
            return Step::Rest { until: None };
        }
        if refused_outright(last) {
            // The same order would be refused again; a person decides what to do instead.
            return Step::Rest { until: None };
        }
        let again = again_at(world.operations, last);
        if world.now < again {
            return Step::Rest { until: Some(again) };
        }
    }
    // The search for the token is only as good as the list it ran on.
    let sweep = world.installation.status.sweep.as_ref();
    let created = machine.metadata.creation_timestamp.unwrap_or(world.now);
    if !sweep.is_some_and(|s| s.complete && s.trusted && s.as_of >= created) {
        return Step::Rest { until: None };
    }
    let reason =
        format!("{}/{} needs a {} in {}", claim.namespace, claim.name, order.size, order.region);
    Step::Plan { verb: Verb::Purchase, reason }
}

/// When an order that was refused, or never arrived, may be tried again.
fn again_at(operations: &[&Operation], last: &Operation) -> Timestamp {
    if last.status.phase != OperationPhase::Rejected {
        return Timestamp::MIN;
    }
    let refused = operations
        .iter()
        .filter(|o| o.spec.verb == Verb::Purchase && o.status.phase == OperationPhase::Rejected)
        .count();
    after(last.status.ended_at.unwrap_or(Timestamp::MIN), backoff(refused))
}

/// The wait after this many refusals.
pub fn backoff(refused: usize) -> Duration {
    let doublings = u32::try_from(refused.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    REFUSED_BASE.saturating_mul(1 << doublings).min(REFUSED_CAP)
}

/// What is known of the contract; and that the order installed the disk for the first time.
fn contract(world: &World<'_>) -> Option<Step> {
    let machine = world.machine;
    if machine.spec.install_generation == 0 && machine.status.seen.is_some() {
        return Some(Step::CountInstall { generation: 1 });
    }
    let installed = world.operations.iter().filter(|o| happened(o));
    let newest = installed.filter_map(|o| o.spec.install_generation).max();
    if let Some(generation) = newest.filter(|newest| *newest > machine.spec.install_generation) {
        return Some(Step::CountInstall { generation });
    }
    let date = term::paid_through(machine, term::day(world.now))?;
    if machine.spec.paid_through == Some(date) {
        return None;
    }
    let renewed = machine.spec.paid_through.is_some_and(|before| before < date);
    Some(Step::SetPaidThrough { date: Some(date), renewed })
}

/// A hold on everything that would buy this machine.
fn two_bearers(machine: &str, ids: &[i64]) -> Hold {
    let list: Vec<String> = ids.iter().map(i64::to_string).collect();
    let message = format!(
        "instances {} both carry the name of {machine}; take it from the wrong one in the panel",
        list.join(" and ")
    );
    Hold { kind: StandstillKind::Held, code: "purchase-undecided".into(), message, until: None }
}

/// `date` minus a lead, as a moment.
pub fn before(date: Date, lead: SignedDuration) -> Timestamp {
    term::start_of(date).checked_sub(lead).unwrap_or(Timestamp::MIN)
}
