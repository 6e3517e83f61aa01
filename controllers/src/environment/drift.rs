//! Drift: what somebody changed outside DevPocket. It is recorded with what, since when and by
//! whom; power and displayName are healed unless the declaration says only to report.

use jiff::Timestamp;

use devpocket_specs::environment::{DRIFT_KEPT, Drift, DriftPolicy, EnvironmentStatus, Power};
use devpocket_specs::machine::{Machine, Seen};
use devpocket_specs::operation::Verb;

use super::bound::Bound;
use super::decision::EventDraft;
use super::draft::Draft;
use super::observed::happened;
use super::power::reaches;
use super::report::Says;

pub const POWER: &str = "power";
pub const DISPLAY_NAME: &str = "displayName";
pub const CANCELLED: &str = "cancelled";
pub const REINSTALLED: &str = "reinstalled";
pub const VANISHED: &str = "vanished";

/// Who it was, when Contabo's audits do not tell.
pub const NOBODY_KNOWN: &str = "unknown";

/// The condition that goes with the drift that stands.
pub(super) fn standing(status: &EnvironmentStatus) -> Option<Says> {
    let stands: Vec<&Drift> = status.drift.iter().filter(|d| d.healed.is_none()).collect();
    let last = stands.last()?;
    let what: Vec<&str> = stands.iter().map(|d| d.what.as_str()).collect();
    Some(Says::yes("Drifted", format!("{}: {}", what.join(", "), last.message)))
}

pub(super) fn only_reported(draft: &Draft<'_, '_>) -> bool {
    draft.world.environment.spec.drift == DriftPolicy::Report
}

/// What is as declared again is healed.
pub(super) fn look(draft: &mut Draft<'_, '_>, bound: &Bound<'_>, seen: &Seen) {
    if seen.power == Some(draft.world.power()) {
        heal(draft, POWER, seen.since);
    }
    if seen.display_name == bound.machine.spec.display_name {
        heal(draft, DISPLAY_NAME, seen.since);
    }
}

/// Whether the power differs although nobody declared otherwise: the last thing we did led to the
/// declared power, or (when nothing we did is on record any more) the declaration did not change.
pub(super) fn is_power_drift(draft: &Draft<'_, '_>, bound: &Bound<'_>, declared: Power) -> bool {
    let last = bound.operations.iter().rev().find(|o| {
        let power = matches!(
            o.spec.verb,
            Verb::Start
                | Verb::Stop
                | Verb::Shutdown
                | Verb::Restart
                | Verb::Purchase
                | Verb::Reinstall
        );
        power && happened(o)
    });
    match last {
        Some(operation) => reaches(operation.spec.verb) == declared,
        None => {
            let before = &draft.world.environment.status.effective_power;
            before.as_ref().is_some_and(|p| p.power == declared)
        }
    }
}

pub(super) fn note_power(draft: &mut Draft<'_, '_>, bound: &Bound<'_>, seen: &Seen, power: Power) {
    let declared = draft.world.power();
    let message = format!("{} was seen {power:?}, declared is {declared:?}", bound.called());
    note(draft, bound.machine, POWER, message, seen.since);
}

/// Records a drift, or what became known of the one that stands.
pub(super) fn note(
    draft: &mut Draft<'_, '_>,
    machine: &Machine,
    what: &str,
    message: String,
    since: Timestamp,
) {
    let by = by(machine, what, since);
    let drift = &mut draft.status.drift;
    if let Some(stands) = drift.iter_mut().rev().find(|d| d.what == what && d.healed.is_none()) {
        if stands.by == NOBODY_KNOWN {
            stands.by = by;
        }
        return;
    }
    let who = if by == NOBODY_KNOWN {
        "Contabo's audits do not say by whom".to_owned()
    } else {
        format!("by {by}")
    };
    draft.events.push(EventDraft::warning("Drift", format!("{message}; {who}")));
    drift.push(Drift { what: what.to_owned(), message, since, by, healed: None });
    let over = drift.len().saturating_sub(DRIFT_KEPT);
    drift.drain(..over);
}

fn heal(draft: &mut Draft<'_, '_>, what: &str, at: Timestamp) {
    let stands = draft.status.drift.iter_mut().filter(|d| d.what == what && d.healed.is_none());
    let mut healed = false;
    for drift in stands {
        drift.healed = Some(at.max(drift.since));
        healed = true;
    }
    if healed {
        let message = format!("{what} is as declared again");
        draft.events.push(EventDraft::normal("DriftOver", message));
    }
}

/// Ends what no longer stands, such as drift of a machine that is bound no more.
pub(super) fn forget(draft: &mut Draft<'_, '_>, what: &str, at: Timestamp) {
    heal(draft, what, at);
}

/// Who did it, by what the inventory found in Contabo's audits.
fn by(machine: &Machine, what: &str, since: Timestamp) -> String {
    let outside = machine.status.outside.iter().rev();
    let known = outside.filter(|o| o.what == what).find(|o| o.since >= since || o.healed.is_none());
    known.map_or_else(|| NOBODY_KNOWN.to_owned(), |o| o.by.clone())
}
