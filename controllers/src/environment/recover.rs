//! `recover`: an installation that failed goes on where it stopped, once for each request.
//!
//! The environment only asks, in the machine's record (`spec.resume`); whoever visits the machine
//! starts the installer again and writes down for which request it did (`status.guest.resumed`). Where
//! there is nothing on the machine to go on with, or where it is not the one that was installed, the
//! request is a reinstall ([`super::install`]), which wipes the disk and therefore waits for a
//! person.

use devpocket_specs::guest::{Contact, GuestStatus};
use devpocket_specs::plan::{RiskClass, Step};

use super::bound::Bound;
use super::consent::Implied;
use super::decision::{EventDraft, RecordWrite};
use super::draft::{Draft, Pending};
use super::requests::{RECOVER, done, pending};
use crate::install::{Recovery, recovery};

/// The call of the step.
const RESUME: &str = "resume";

fn guest<'a>(bound: &Bound<'a>) -> Option<&'a GuestStatus> {
    let generation = bound.machine.spec.install_generation;
    bound.machine.status.guest.as_ref().filter(|guest| guest.generation == generation)
}

fn judged(bound: &Bound<'_>) -> Recovery {
    let guest = guest(bound);
    if guest.is_some_and(|guest| guest.contact == Contact::WrongIdentity) {
        let why =
            "another machine answers where it was, and nothing is sent to one that is not known";
        return Recovery::Rebuild { why: why.to_owned() };
    }
    let reachable = guest.is_some_and(|guest| guest.contact == Contact::Answering);
    if reachable && guest.is_some_and(|guest| !guest.missing_tools.is_empty()) {
        return Recovery::Resume { step: "check".to_owned() };
    }
    recovery(guest.and_then(|guest| guest.install.as_ref()), reachable)
}

/// Why a failed installation can only be begun anew, if so.
pub(super) fn rebuilds(bound: &Bound<'_>) -> Option<String> {
    match judged(bound) {
        Recovery::Rebuild { why } => Some(why),
        _ => None,
    }
}

/// Plans what a request to recover takes.
pub(super) fn converge(draft: &mut Draft<'_, '_>, bound: &Bound<'_>) {
    let Some(id) = pending(draft.world.environment, RECOVER) else { return };
    if draft.status.requests.get(RECOVER).is_some_and(|known| known == id) {
        return;
    }
    let called = bound.called();
    if guest(bound).is_some_and(|guest| guest.resumed.as_deref() == Some(id)) {
        done(draft, RECOVER, id);
        let message = format!("the installation of {called} goes on where it stopped");
        return draft.events.push(EventDraft::normal("Recovering", message));
    }
    match judged(bound) {
        Recovery::NotNeeded { why } => {
            done(draft, RECOVER, id);
            let message = format!("there is nothing to recover on {called}: {why}");
            draft.events.push(EventDraft::warning("RecoverNotNeeded", message));
        }
        Recovery::Wait { why } => {
            draft.report.message = format!("recover {id} waits: {why}");
        }
        // The reinstall is planned, and says so.
        Recovery::Rebuild { .. } => {}
        Recovery::Resume { step } => resume(draft, bound, id, &step),
    }
}

fn resume(draft: &mut Draft<'_, '_>, bound: &Bound<'_>, id: &str, at: &str) {
    let mut next = bound.machine.clone();
    if next.spec.resume.as_deref() == Some(id) {
        // Asked for; the next visit does it.
        return;
    }
    next.spec.resume = Some(id.to_owned());
    let place = if at.is_empty() { String::new() } else { format!(" at step {at}") };
    let step = Step {
        call: RESUME.into(),
        machine: next.metadata.name.clone(),
        summary: format!("go on with the installation{place} (recover {id})"),
        class: RiskClass::Reversible,
        downtime_seconds: None,
        monthly: None,
        due: None,
        fingerprint: None,
        approved: true,
        hold: None,
    };
    draft.step(Pending {
        step,
        implied: Implied::TheRecord,
        writes: vec![RecordWrite::UpdateMachine(Box::new(next))],
        event: None,
    });
}
