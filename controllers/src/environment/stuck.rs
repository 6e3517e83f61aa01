//! A machine that neither runs nor is stopped: it is being made ready, waits for money or a person
//! at Contabo, or is broken. What takes too long says so, since when, and what ends it.

use devpocket_specs::environment::Phase;
use devpocket_specs::machine::MachineState;
use devpocket_specs::plan::{Hold, StandstillKind};
use jiff::SignedDuration;

use super::bound::Bound;
use super::draft::Draft;
use super::words::spoken;
use crate::guard::{codes, hold};
use crate::machine::state::word_message;

/// Longer than this Contabo prepares or installs no healthy machine: minutes are usual, and hours
/// were seen to end with a ticket.
pub const STUCK_AFTER: SignedDuration = SignedDuration::from_hours(2);

/// Says where it stands.
pub(super) fn report(draft: &mut Draft<'_, '_>, bound: &Bound<'_>, state: MachineState) {
    let called = bound.called();
    let seen = bound.machine.status.seen.as_ref();
    let word = seen.map_or("", |s| s.provider_status.as_str());
    let since = seen.map(|s| format!(" since {}", s.since)).unwrap_or_default();
    let (phase, reason, message) = match state {
        MachineState::Installing => (
            Phase::Installing,
            "Installing",
            format!("installing: Contabo installs {called}{since}, then it starts"),
        ),
        MachineState::Blocked | MachineState::Error => return held(draft, bound, state, word),
        _ => (
            Phase::Provisioning,
            "Provisioning",
            format!("Contabo prepares {called}{since}; then it is installed"),
        ),
    };
    draft.report.not_ready(phase, reason, message);
    let Some(begun) = seen.map(|s| s.since) else { return };
    let late = begun + STUCK_AFTER;
    if draft.world.now < late {
        return draft.wake_at(late);
    }
    draft.hold(hold(
        StandstillKind::Stalled,
        codes::STUCK_AT_CONTABO,
        format!(
            "Contabo shows \"{word}\" for {called}{since}, longer than {}; minutes are usual. \
             Nothing is ordered instead: an admin asks Contabo's support, or installs it anew in \
             the customer panel. It goes on by itself when the status changes",
            spoken(STUCK_AFTER)
        ),
    ));
}

/// What only a person, or Contabo, can end.
fn held(draft: &mut Draft<'_, '_>, bound: &Bound<'_>, state: MachineState, word: &str) {
    let seen = bound.machine.status.seen.as_ref();
    let said = word_message(word, seen.and_then(|s| s.error_message.as_deref()));
    let called = bound.called();
    let since = seen.map(|s| s.since.to_string()).unwrap_or_default();
    let (phase, hold) = if state == MachineState::Blocked {
        let hold = Hold {
            kind: StandstillKind::Waiting,
            code: codes::BLOCKED_AT_CONTABO.into(),
            message: format!(
                "{called} waits at Contabo since {since}: {said} ({word}). It is ordered and \
                 nothing is ordered instead; an admin looks into the customer panel. It goes on \
                 by itself when the status changes"
            ),
            until: None,
        };
        (Phase::Provisioning, hold)
    } else {
        let hold = hold(
            StandstillKind::Stalled,
            codes::MACHINE_ERROR,
            format!(
                "{called} cannot be used since {since}: {said}. Nothing is repaired by itself, and \
                 its disk is untouched by DevPocket; an admin looks into the customer panel. It \
                 goes on by itself when it runs or is stopped"
            ),
        );
        (Phase::Error, hold)
    };
    draft.report.not_ready(phase, codes::reason(&hold.code), hold.message.clone());
    draft.hold(hold);
}
