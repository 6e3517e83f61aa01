//! What is done about an operation now: a pure function of records, so that every replica, `plan`
//! and the leader give the same answer.

use std::time::Duration;

use devpocket_specs::environment::{Environment, Power};
use devpocket_specs::installation::Installation;
use devpocket_specs::machine::{Machine, MachineState};
use devpocket_specs::object::Resource;
use devpocket_specs::operation::{Operation, OperationPhase, OperationSpec, Verb};
use devpocket_specs::plan::Hold;
use jiff::Timestamp;

use super::transition::after;
use crate::environment::effective_power;

/// How long after its deadline an `Issued` operation of another process counts as lost. It covers
/// clocks that differ and a record that was on its way.
pub const RECORD_MARGIN: Duration = Duration::from_secs(15);
/// How often a held or blocked operation is looked at again, apart from triggers.
pub const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// How often evidence is looked for while a purchase waits for a person.
pub const LOOK_AGAIN_UNDECIDED: Duration = Duration::from_secs(600);

/// The records a decision rests on.
#[derive(Clone, Copy)]
pub struct World<'a> {
    pub operation: &'a Operation,
    /// The record named in `spec.machine`, if its uid is still `spec.machineUid`.
    pub machine: Option<&'a Machine>,
    /// The environment it is done for, if its uid is still the one named.
    pub environment: Option<&'a Environment>,
    pub installation: &'a Installation,
    /// All operations on the same machine.
    pub siblings: &'a [&'a Operation],
    pub now: Timestamp,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It is over.
    Rest,
    /// Look again then, unless something changes before.
    Wait { until: Timestamp },
    /// Another effect on the machine comes first.
    Behind { operation: String },
    /// It is no longer wanted, and nothing was sent.
    Withdraw { message: String },
    /// Nothing stands in the way but the brakes: ask them, then send.
    Issue,
    /// Nobody can record the reply any more.
    Lose { message: String },
    /// Find out whether it happened.
    Look,
}

/// What is done about the operation now.
pub fn decide(world: &World<'_>) -> Decision {
    let status = &world.operation.status;
    match status.phase {
        OperationPhase::Succeeded | OperationPhase::Rejected | OperationPhase::Resolved => {
            Decision::Rest
        }
        OperationPhase::Planned => planned(world),
        OperationPhase::Issued => {
            let deadline = status.deadline.or(status.issued_at).unwrap_or(world.now);
            let lost_at = after(deadline, RECORD_MARGIN);
            if world.now < lost_at {
                return Decision::Wait { until: lost_at };
            }
            let by = status.issued_by.as_deref().unwrap_or("another process");
            let message = format!("sent by {by}, which recorded no outcome");
            Decision::Lose { message }
        }
        OperationPhase::Unknown => Decision::Look,
    }
}

fn planned(world: &World<'_>) -> Decision {
    if let Some(message) = superseded(world) {
        return Decision::Withdraw { message };
    }
    if let Some(first) = world.siblings.iter().find(|other| goes_first(other, world.operation)) {
        return Decision::Behind { operation: first.metadata.name.clone() };
    }
    Decision::Issue
}

/// Whether `other` must be over before `this` is sent: anything perhaps on its way, and effects of
/// unknown outcome that looking at the machine cannot settle.
fn goes_first(other: &Operation, this: &Operation) -> bool {
    if other.uid() == this.uid() {
        return false;
    }
    match other.status.phase {
        OperationPhase::Issued => true,
        OperationPhase::Unknown => {
            !other.spec.verb.is_repeatable() || other.spec.verb == this.spec.verb
        }
        OperationPhase::Planned => order(other) < order(this),
        _ => false,
    }
}

fn order(operation: &Operation) -> (Option<Timestamp>, &str) {
    (operation.metadata.creation_timestamp, &operation.metadata.name)
}

/// Why a planned operation is no longer wanted, if so.
pub fn superseded(world: &World<'_>) -> Option<String> {
    let spec = &world.operation.spec;
    let Some(machine) = world.machine else {
        return Some(format!("the record {} is gone", spec.machine));
    };
    if machine.status.state == MachineState::Gone {
        return Some(format!("the instance of {} is gone", spec.machine));
    }
    if spec.verb == Verb::Purchase {
        return purchase_superseded(world, machine);
    }
    if machine.status.instance_id != spec.instance_id || spec.instance_id.is_none() {
        return Some(format!("{} is another instance now", spec.machine));
    }
    match (&spec.environment, &machine.spec.claim) {
        (Some(wanted), Some(claim)) if wanted.uid == claim.uid => {
            claimed_superseded(world, machine)
        }
        (Some(wanted), _) => Some(format!("{} no longer holds {}", wanted.name, spec.machine)),
        (None, Some(claim)) => Some(format!("{} claimed {}", claim.name, spec.machine)),
        (None, None) => None,
    }
}

fn purchase_superseded(world: &World<'_>, machine: &Machine) -> Option<String> {
    if let Some(id) = machine.status.instance_id {
        return Some(format!("instance {id} is already there"));
    }
    let claim = machine.spec.claim.as_ref();
    let Some(claim) = claim.filter(|_| !machine.metadata.is_deleting()) else {
        return Some("nobody needs the machine any more".into());
    };
    match world.environment {
        Some(environment) if !environment.metadata.is_deleting() => None,
        _ => Some(format!("{} is deleted", claim.name)),
    }
}

fn claimed_superseded(world: &World<'_>, machine: &Machine) -> Option<String> {
    let spec = &world.operation.spec;
    let Some(environment) = world.environment else {
        return Some("the environment is gone".into());
    };
    match spec.verb {
        Verb::Start | Verb::Stop | Verb::Shutdown if power_changed(environment, spec) => {
            Some("the power wanted has changed since".into())
        }
        Verb::Rename if spec.display_name.as_deref() != Some(&machine.spec.display_name) => {
            Some("the name wanted has changed since".into())
        }
        _ => None,
    }
}

fn power_changed(environment: &Environment, spec: &OperationSpec) -> bool {
    // The status trails: the operation is written before it.
    let wanted = effective_power(environment).power;
    spec.power.is_some_and(|power: Power| power != wanted)
}

/// What holds everything on the account, whatever the operation: the brakes add theirs.
pub fn account_hold(installation: &Installation) -> Option<Hold> {
    installation.status.holds.first().cloned()
}
