//! One-shot requests: done when `status.requests` shows their id.

use devpocket_specs::environment::{Environment, Power};
use devpocket_specs::machine::Seen;
use devpocket_specs::operation::{Operation, OperationPhase, Resolution, Verb};
use devpocket_specs::plan::Step;

use super::bound::Bound;
use super::consent::Implied;
use super::decision::{EventDraft, RecordWrite};
use super::draft::{Draft, Pending};
use super::observed::happened;
use crate::operation::intent;

pub const RESTART: &str = "restart";
pub const WAKE: &str = "wake";
pub const REBUILD: &str = "rebuild";
pub const RECOVER: &str = "recover";

/// Restarts of one request that were proved not to have arrived before it is dropped.
const RESTART_TRIES: usize = 3;

pub(super) fn pending<'a>(environment: &'a Environment, which: &str) -> Option<&'a str> {
    let asked = match which {
        RESTART => environment.spec.restart.as_ref(),
        REBUILD => environment.spec.rebuild.as_ref(),
        RECOVER => environment.spec.recover.as_ref(),
        _ => environment.spec.wake.as_ref(),
    }?;
    (environment.status.requests.get(which) != Some(&asked.id)).then_some(asked.id.as_str())
}

/// The id of a wake that is not done.
pub(super) fn wake(environment: &Environment) -> Option<&str> {
    pending(environment, WAKE)
}

pub(super) fn done(draft: &mut Draft<'_, '_>, which: &str, id: &str) {
    draft.status.to_mut().requests.insert(which.to_owned(), id.to_owned());
}

/// Requests older than the machine are void: there is nothing yet to restart or wake.
pub(super) fn void(draft: &mut Draft<'_, '_>) {
    let environment = draft.world.environment;
    for which in [RESTART, WAKE, REBUILD, RECOVER] {
        if let Some(id) = pending(environment, which) {
            done(draft, which, id);
            let message = format!("{which} request \"{id}\" is older than the machine: void");
            draft.events.push(EventDraft::normal("RequestVoid", message));
        }
    }
}

/// The id of a request that takes a reinstall and is not done. It is done once a reinstall for it
/// happened.
pub(super) fn reinstall<'a>(
    draft: &mut Draft<'_, 'a>,
    bound: &Bound<'_>,
    which: &str,
) -> Option<&'a str> {
    let id = pending(draft.world.environment, which)?;
    let of_request = |o: &&Operation| {
        o.spec.verb == Verb::Reinstall && o.spec.request.as_deref() == Some(id) && happened(o)
    };
    if !bound.operations.iter().copied().any(|o| of_request(&o)) {
        return Some(id);
    }
    done(draft, which, id);
    let message = format!("the disk of {} was wiped and installed anew", bound.called());
    draft.events.push(EventDraft::normal("Rebuilt", message));
    None
}

/// A wake is done once the machine was seen as it shall be.
pub(super) fn woken(draft: &mut Draft<'_, '_>, seen: Option<Power>) {
    let environment = draft.world.environment;
    if let (Some(id), Some(_)) = (wake(environment), seen) {
        done(draft, WAKE, id);
    }
}

/// Plans a restart that is asked for.
pub(super) fn restart(draft: &mut Draft<'_, '_>, bound: &Bound<'_>, seen: &Seen) {
    let world = draft.world;
    let Some(id) = pending(world.environment, RESTART) else { return };
    let of_request: Vec<_> = bound
        .operations
        .iter()
        .filter(|o| o.spec.verb == Verb::Restart && o.spec.request.as_deref() == Some(id))
        .collect();
    if let Some(last) = of_request.last() {
        let arrived = last.status.phase == OperationPhase::Succeeded
            || last.status.resolution == Some(Resolution::Happened);
        let refused = last.status.phase == OperationPhase::Rejected && last.status.code.is_some();
        if arrived || refused || of_request.len() >= RESTART_TRIES {
            done(draft, RESTART, id);
            let event = if arrived {
                EventDraft::normal("Restarted", format!("restarted {}", bound.called()))
            } else {
                let said = &last.status.message;
                let called = bound.called();
                EventDraft::warning("RestartFailed", format!("{called} was not restarted: {said}"))
            };
            draft.events.push(event);
            return;
        }
    }
    if seen.power != Some(Power::Running) || world.power() != Power::Running {
        done(draft, RESTART, id);
        let message = format!("{} does not run, so it was not restarted", bound.called());
        draft.events.push(EventDraft::warning("RestartFailed", message));
        return;
    }
    plan_restart(draft, bound, id);
}

fn plan_restart(draft: &mut Draft<'_, '_>, bound: &Bound<'_>, id: &str) {
    let reason = format!("restart request \"{id}\"");
    let earlier = bound.operations.iter().copied();
    let mut operation = intent::planned(bound.machine, Verb::Restart, reason, earlier);
    operation.spec.request = Some(id.to_owned());
    operation.spec.by_person = true;
    let step = Step {
        call: Verb::Restart.word().into(),
        machine: bound.machine.metadata.name.clone(),
        summary: format!("restart {}", bound.called()),
        class: Verb::Restart.class(),
        downtime_seconds: Some(60),
        monthly: None,
        due: None,
        fingerprint: None,
        approved: true,
        hold: draft.world.may_issue(&operation).err(),
    };
    let event = EventDraft::normal("Restarting", step.summary.clone());
    draft.step(Pending {
        step,
        implied: Implied::TheRecord,
        writes: vec![RecordWrite::CreateOperation(Box::new(operation))],
        event: Some(event),
    });
}
