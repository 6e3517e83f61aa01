//! What is known of a machine, and since when: the three answers *there*, *not there* and *unknown*.

use jiff::{SignedDuration, Timestamp};

use devpocket_specs::installation::Installation;
use devpocket_specs::machine::{Machine, MachineState, Missing, Seen};
use devpocket_specs::operation::{Operation, OperationPhase, Resolution};

/// Complete trusted lists without a machine before its absence can be proved.
pub const ABSENCE_SWEEPS: u32 = 3;

/// Lag allowance and settle time when there is no installation to say otherwise.
const LAG: SignedDuration = SignedDuration::from_secs(60);
const SETTLE: SignedDuration = SignedDuration::from_mins(30);

/// An observation with the time its look *started*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed<T> {
    Present(T, Timestamp),
    /// Proved: trusted complete lists over the settle time and a 404.
    Absent(Timestamp),
    /// Nobody looked, or what was seen proves nothing.
    Unknown,
}

/// What the last looks say about a machine's instance.
pub fn look<'a>(machine: &'a Machine, installation: Option<&Installation>) -> Observed<&'a Seen> {
    let status = &machine.status;
    let swept = installation.and_then(|i| i.status.sweep.as_ref()).filter(|s| s.complete);
    if status.state == MachineState::Gone {
        let at = status.missing.as_ref().map(|m| m.latest);
        let seen = status.seen.as_ref().map(|s| s.since);
        return Observed::Absent(at.or(seen).unwrap_or(Timestamp::UNIX_EPOCH));
    }
    if status.instance_id.is_none() {
        return Observed::Unknown;
    }
    if let Some(missing) = &status.missing {
        let proved = proves_absence(missing, settle(installation));
        return if proved { Observed::Absent(missing.latest) } else { Observed::Unknown };
    }
    match &status.seen {
        None => Observed::Unknown,
        Some(seen) => {
            // An unchanged machine is not written again: the sweep's own time stands for it.
            let as_of = swept.map_or(seen.since, |s| s.as_of.max(seen.since));
            Observed::Present(seen, as_of)
        }
    }
}

fn proves_absence(missing: &Missing, settle: SignedDuration) -> bool {
    missing.sweeps >= ABSENCE_SWEEPS
        && missing.not_found.is_some()
        && missing.latest.duration_since(missing.since) >= settle
}

/// From when on a look says something about the machine: the end of its last operation that may
/// have had an effect, plus the lag allowance. Nothing when there was none.
pub fn evidence_from<'a>(
    operations: impl IntoIterator<Item = &'a Operation>,
    installation: Option<&Installation>,
) -> Option<Timestamp> {
    operations
        .into_iter()
        .filter(|o| may_have_happened(o))
        .filter_map(|o| o.status.ended_at)
        .max()
        .map(|ended| ended + lag(installation))
}

/// Whether the operation had, or may have had, its effect.
pub fn may_have_happened(operation: &Operation) -> bool {
    match operation.status.phase {
        OperationPhase::Planned | OperationPhase::Rejected => false,
        OperationPhase::Issued | OperationPhase::Unknown | OperationPhase::Succeeded => true,
        OperationPhase::Resolved => operation.status.resolution != Some(Resolution::NotHappened),
    }
}

/// Whether the operation is known to have had its effect.
pub fn happened(operation: &Operation) -> bool {
    match operation.status.phase {
        OperationPhase::Succeeded => true,
        OperationPhase::Resolved => operation.status.resolution == Some(Resolution::Happened),
        _ => false,
    }
}

/// HTTP answers that say for certain that nothing happened and nothing will.
const REFUSALS: [u16; 7] = [400, 402, 403, 404, 405, 415, 422];

/// Whether Contabo refused the call: the same one will be refused again. What was never sent, or
/// withdrawn, is no refusal.
pub fn refused_outright(operation: &Operation) -> bool {
    operation.status.phase == OperationPhase::Rejected
        && operation.status.code.is_some_and(|code| REFUSALS.contains(&code))
}

/// The lag allowance of the installation.
pub fn lag(installation: Option<&Installation>) -> SignedDuration {
    installation.map_or(LAG, |i| SignedDuration::from_secs(i.spec.lag_allowance_seconds))
}

fn settle(installation: Option<&Installation>) -> SignedDuration {
    installation.map_or(SETTLE, |i| SignedDuration::from_secs(i.spec.settle_seconds))
}
