//! The machine is neither seen nor proved to be gone. Right after a purchase that is how it goes;
//! later it is a question, and the answer takes as long as the proof.

use devpocket_specs::condition::ConditionStatus;
use devpocket_specs::environment::Phase;
use devpocket_specs::operation::Verb;
use jiff::{SignedDuration, Timestamp};

use super::bound::Bound;
use super::draft::Draft;
use super::observed::{ABSENCE_SWEEPS, Observed, happened, lag};
use super::report::Says;
use super::words::spoken;

/// Says so, if it is so.
pub(super) fn report(draft: &mut Draft<'_, '_>, bound: &Bound<'_>) {
    if !matches!(bound.observed, Observed::Unknown) {
        return;
    }
    let installation = draft.world.installation;
    let lag = lag(installation);
    let id = bound.machine.status.instance_id.unwrap_or_default();
    let never = bound.machine.status.seen.is_none();
    if let Some(ordered) = ordered(bound).filter(|_| never) {
        let expected = ordered + lag;
        if draft.world.now < expected {
            draft.wake_at(expected);
            let message = format!(
                "ordered as instance {id} at {ordered}; Contabo's list does not show it yet, which \
                 is usual for up to {}",
                spoken(lag)
            );
            return draft.report.not_ready(Phase::Provisioning, "Ordered", message);
        }
        let message = format!(
            "instance {id} was ordered at {ordered} and Contabo's list does not show it yet. It is \
             paid and nothing is ordered instead; it is asked for every minute"
        );
        return draft.report.not_ready(Phase::Provisioning, "MachineNotSeen", message);
    }
    let since = bound.machine.status.missing.as_ref().map(|missing| missing.since);
    let settle = installation.map_or(1_800, |i| i.spec.settle_seconds);
    let message = format!(
        "{} is missing from Contabo's list{}. Whether it is gone is being found out: that takes \
         {ABSENCE_SWEEPS} whole lists without it over {}, and a 404. Nothing is ordered instead",
        bound.called(),
        since.map(|since| format!(" since {since}")).unwrap_or_default(),
        spoken(SignedDuration::from_secs(settle))
    );
    draft.report.message.clone_from(&message);
    draft.report.ready = Some(Says::new(ConditionStatus::Unknown, "MachineNotSeen", message));
}

/// When the order was answered, or found out about.
fn ordered(bound: &Bound<'_>) -> Option<Timestamp> {
    let bought =
        |o: &&&devpocket_specs::operation::Operation| o.spec.verb == Verb::Purchase && happened(o);
    bound.operations.iter().rev().find(bought)?.status.ended_at
}
