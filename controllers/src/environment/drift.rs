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
use super::words::spoken;
use crate::inventory::outside::who;

pub const POWER: &str = "power";
pub const DISPLAY_NAME: &str = "displayName";
pub const CANCELLED: &str = "cancelled";
pub const REINSTALLED: &str = "reinstalled";
pub const VANISHED: &str = "vanished";

/// Who it was, when Contabo's audits do not tell.
pub const NOBODY_KNOWN: &str = crate::inventory::outside::UNKNOWN;

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
    let called = bound.called();
    let declared = draft.world.power();
    if seen.power == Some(declared) {
        heal(draft, POWER, seen.since, |drift| {
            let ours = bound.operations.iter().any(|o| {
                let power = matches!(o.spec.verb, Verb::Start | Verb::Stop | Verb::Shutdown);
                power && happened(o) && o.status.issued_at.is_some_and(|at| at >= drift.since)
            });
            let word = match (declared, ours) {
                (Power::Running, true) => "started again",
                (Power::Stopped, true) => "stopped again",
                (Power::Running, false) => "is running again, not started by DevPocket,",
                (Power::Stopped, false) => "is stopped again, not by DevPocket,",
            };
            format!("{called} {word}")
        });
    }
    if seen.display_name == bound.machine.spec.display_name {
        heal(draft, DISPLAY_NAME, seen.since, |_| format!("{called} carries its name again"));
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

/// What was done to the power outside, in words.
pub(super) fn power_message(bound: &Bound<'_>, power: Power) -> String {
    let did = match power {
        Power::Running => "started",
        Power::Stopped => "stopped",
    };
    format!("{} was {did} outside DevPocket", bound.called())
}

/// A drift as it was recorded in this pass.
pub(super) struct Noted {
    /// Not known before.
    pub new: bool,
    /// Who, as far as Contabo's audits tell.
    by: String,
}

impl Noted {
    /// Who it was, for the end of a sentence.
    pub fn who(&self) -> String {
        who(&self.by)
    }

    /// The one event that tells of it, with what is done about it.
    pub fn event(&self, message: &str, then: &str) -> EventDraft {
        EventDraft::warning("Drift", format!("{message} {}{then}", self.who()))
    }
}

/// Records a drift, or what became known of the one that stands. Who calls it tells it: a change
/// outside is one event, together with what is done about it.
pub(super) fn note(
    draft: &mut Draft<'_, '_>,
    machine: &Machine,
    what: &str,
    message: String,
    since: Timestamp,
) -> Noted {
    let by = by(machine, what, since);
    let stands = draft.status.drift.iter().rposition(|d| d.what == what && d.healed.is_none());
    if let Some(place) = stands {
        if draft.status.drift[place].by == NOBODY_KNOWN && by != NOBODY_KNOWN {
            draft.status.to_mut().drift[place].by = by;
        }
        return Noted { new: false, by: draft.status.drift[place].by.clone() };
    }
    let drift = &mut draft.status.to_mut().drift;
    drift.push(Drift { what: what.to_owned(), message, since, by: by.clone(), healed: None });
    trim(drift);
    Noted { new: true, by }
}

fn trim(drift: &mut Vec<Drift>) {
    let over = drift.len().saturating_sub(DRIFT_KEPT);
    drift.drain(..over);
}

/// Takes over what the inventory saw come and go and this status knows nothing of: a process that
/// dies between healing and telling must not lose the story.
pub(super) fn take_over(draft: &mut Draft<'_, '_>, bound: &Bound<'_>) {
    let Some(claimed) = bound.machine.spec.claim.as_ref().map(|claim| claim.at) else { return };
    for seen in &bound.machine.status.outside {
        if seen.since < claimed {
            continue;
        }
        let end = seen.healed.unwrap_or(Timestamp::MAX);
        let same = |d: &Drift| d.what == seen.what && (seen.since..=end).contains(&d.since);
        if let Some(place) = draft.status.drift.iter().position(same) {
            // Audits come late.
            if draft.status.drift[place].by == NOBODY_KNOWN && seen.by != NOBODY_KNOWN {
                draft.status.to_mut().drift[place].by.clone_from(&seen.by);
            }
            continue;
        }
        let Some(healed) = seen.healed else { continue };
        let message = format!("{}: {}", bound.called(), seen.message);
        let place = draft.status.drift.partition_point(|d| d.since <= seen.since);
        if place == 0 && draft.status.drift.len() >= DRIFT_KEPT {
            continue;
        }
        let drift = &mut draft.status.to_mut().drift;
        drift.insert(place, Drift { message: message.clone(), ..seen.clone() });
        trim(drift);
        let text = format!(
            "{message} outside DevPocket {}; as declared again after {}",
            who(&seen.by),
            spoken(healed.duration_since(seen.since))
        );
        draft.events.push(EventDraft::warning("Drift", text));
    }
}

/// What stands is over, as the look that began at `at` shows.
fn heal(draft: &mut Draft<'_, '_>, what: &str, at: Timestamp, how: impl Fn(&Drift) -> String) {
    let stands = |d: &Drift| d.what == what && d.healed.is_none();
    if !draft.status.drift.iter().any(stands) {
        return;
    }
    let mut told = None;
    for drift in draft.status.to_mut().drift.iter_mut().filter(|d| stands(d)) {
        let at = at.max(drift.since);
        drift.healed = Some(at);
        told = Some(format!("{} after {}", how(drift), spoken(at.duration_since(drift.since))));
    }
    draft.events.extend(told.map(|text| EventDraft::normal("DriftOver", text)));
}

/// Ends what no longer stands, such as drift of a machine that is bound no more.
pub(super) fn forget(draft: &mut Draft<'_, '_>, what: &str, at: Timestamp) {
    heal(draft, what, at, |_| format!("{what} outside DevPocket is over"));
}

/// Who did it, by what the inventory found in Contabo's audits.
fn by(machine: &Machine, what: &str, since: Timestamp) -> String {
    let outside = machine.status.outside.iter().rev();
    let known = outside.filter(|o| o.what == what).find(|o| o.since >= since || o.healed.is_none());
    known.map_or_else(|| NOBODY_KNOWN.to_owned(), |o| o.by.clone())
}
