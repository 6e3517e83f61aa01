//! What Contabo's status words mean, and where a machine stands.

use devpocket_specs::condition;
use devpocket_specs::environment::Power;
use devpocket_specs::installation::Installation;
use devpocket_specs::machine::{Machine, MachineState};
use devpocket_specs::operation::{Operation, OperationPhase, Resolution, Verb};
use jiff::{SignedDuration, Timestamp};

use super::term::day;
use crate::operation::evidence::SILENT_SWEEPS;

/// Power, as far as a status word tells; nothing for words that are neither on nor off, and for
/// words nobody knows yet.
pub fn power(status: &str) -> Option<Power> {
    match status {
        "running" => Some(Power::Running),
        "stopped" => Some(Power::Stopped),
        _ => None,
    }
}

/// What a status word means for a machine that is there.
pub fn word_state(status: &str) -> MachineState {
    match status {
        "running" => MachineState::Running,
        "stopped" => MachineState::Stopped,
        "provisioning" => MachineState::Provisioning,
        "installing" | "reset_password" => MachineState::Installing,
        "pending_payment"
        | "verification_required"
        | "manual_provisioning"
        | "product_not_available" => MachineState::Blocked,
        // `error`, `unknown`, `other`, `rescue`, `uninstalled`, and whatever Contabo invents next:
        // taken for ready, a machine with a new status would be handed to a person half-made.
        _ => MachineState::Error,
    }
}

/// What a person should know about a status word; empty when the state says it all.
pub fn word_message(status: &str, error: Option<&str>) -> String {
    let text = match status {
        "pending_payment" => "Contabo waits for the payment of the order",
        "verification_required" => "Contabo wants the account or the order verified by hand",
        "manual_provisioning" => "Contabo's staff set it up by hand; that can take days",
        "product_not_available" => "Contabo has no stock in this region",
        "rescue" => "booted into the rescue system; a restart leads back",
        "uninstalled" => "no operating system is installed",
        "running" | "stopped" | "provisioning" | "installing" | "reset_password" => "",
        "error" => return format!("Contabo reports an error: {}", error.unwrap_or("no details")),
        other => return format!("Contabo reports {other:?}, which DevPocket does not know"),
    };
    text.to_owned()
}

/// Where the machine stands and what a person should know, from its record and the operations on
/// it.
pub fn state(
    machine: &Machine,
    operations: &[&Operation],
    installation: &Installation,
    now: Timestamp,
) -> (MachineState, String) {
    if let Some(message) = gone(machine, installation, now) {
        return (MachineState::Gone, message);
    }
    if machine.status.instance_id.is_none() {
        return without_instance(machine, operations);
    }
    let Some(seen) = machine.status.seen.as_ref() else {
        return (MachineState::Provisioning, String::new());
    };
    let message = word_message(&seen.provider_status, seen.error_message.as_deref());
    if machine.spec.managed && machine.spec.claim.is_none() {
        if machine.spec.pool.is_some() {
            return (MachineState::Available, message);
        }
        if machine.spec.release.is_some() {
            let wiping = machine.status.state == MachineState::Wiping;
            let state = if wiping { MachineState::Wiping } else { MachineState::Released };
            let stalled = condition::find(&machine.status.conditions, super::STALLED);
            let stalled = stalled.filter(|_| wiping).map(|c| c.message.clone());
            return (state, stalled.unwrap_or(message));
        }
    }
    (word_state(&seen.provider_status), message)
}

/// The proof that the instance is gone, if there is one: Contabo says so by id, and either its
/// contract is over, or complete trusted lists have left it out over the settle time.
fn gone(machine: &Machine, installation: &Installation, now: Timestamp) -> Option<String> {
    let missing = machine.status.missing.as_ref()?;
    missing.not_found?;
    let cancelled = machine.status.seen.as_ref().and_then(|seen| seen.cancel_date);
    if let Some(date) = cancelled.filter(|date| *date <= day(now)) {
        return Some(format!("its contract ended on {date}"));
    }
    let settle = SignedDuration::from_secs(installation.spec.settle_seconds);
    let span = missing.latest.duration_since(missing.since);
    let proved = missing.sweeps >= SILENT_SWEEPS && span >= settle;
    proved
        .then(|| format!("Contabo has not listed it since {} and knows it no more", missing.since))
}

fn without_instance(machine: &Machine, operations: &[&Operation]) -> (MachineState, String) {
    let latest = latest(operations, Verb::Purchase);
    let wanted = machine.spec.claim.is_some() && !machine.metadata.is_deleting();
    let open = operations.iter().any(|o| o.status.phase.is_open());
    let bought = latest.is_some_and(|o| o.status.instance_id.is_some());
    if machine.spec.managed && !wanted && !open && !bought {
        return (
            MachineState::NotBought,
            "nobody needs it any more, and nothing was bought".into(),
        );
    }
    let Some(purchase) = latest else { return (MachineState::Planned, String::new()) };
    let status = &purchase.status;
    let held = status.held.as_ref().map(|hold| hold.message.clone());
    match (status.phase, status.resolution) {
        (OperationPhase::Planned, _) => (MachineState::Planned, held.unwrap_or_default()),
        (OperationPhase::Rejected, _) => {
            (MachineState::NotBought, format!("not bought: {}", status.message))
        }
        (OperationPhase::Resolved, Some(Resolution::NotHappened)) => {
            (MachineState::NotBought, "the order never arrived".into())
        }
        _ => (MachineState::Ordering, held.unwrap_or_default()),
    }
}

/// The newest operation of a verb: the one with the highest number.
pub fn latest<'a>(operations: &[&'a Operation], verb: Verb) -> Option<&'a Operation> {
    operations.iter().copied().filter(|o| o.spec.verb == verb).max_by_key(|o| number(o))
}

/// The number at the end of an operation's name.
pub fn number(operation: &Operation) -> u64 {
    operation.metadata.name.rsplit('-').next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_nobody_knows_is_never_ready() {
        for word in ["error", "unknown", "other", "rescue", "brand_new_word", ""] {
            assert_eq!(word_state(word), MachineState::Error, "{word}");
            assert_eq!(power(word), None, "{word}");
        }
        assert_eq!(word_state("running"), MachineState::Running);
        assert_eq!(word_state("pending_payment"), MachineState::Blocked);
        assert!(word_message("shiny", None).contains("shiny"));
    }
}
