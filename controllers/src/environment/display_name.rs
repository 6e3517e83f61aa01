//! The name the instance carries in the account: the environment's words and our token.

use devpocket_specs::machine::Seen;
use devpocket_specs::operation::{Operation, Verb};
use devpocket_specs::plan::{RiskClass, Step};

use super::bound::Bound;
use super::consent::Implied;
use super::decision::{EventDraft, RecordWrite};
use super::draft::{Draft, Pending};
use super::observed::happened;
use super::{drift, names};
use crate::operation::intent;

fn wanted(draft: &Draft<'_, '_>, bound: &Bound<'_>) -> String {
    let world = draft.world;
    let machine = &bound.machine.metadata.name;
    names::wanted_display_name(world.environment, world.installation_id(), machine)
}

/// Plans the rename that makes the account's name the declared one.
pub(super) fn converge(draft: &mut Draft<'_, '_>, bound: &Bound<'_>, seen: &Seen) {
    let world = draft.world;
    if [&seen.display_name, &bound.machine.spec.display_name].into_iter().all(|name| {
        let machine = &bound.machine.metadata.name;
        names::is_wanted_display_name(world.environment, world.installation_id(), machine, name)
    }) {
        return;
    }
    let wanted = wanted(draft, bound);
    let declared_anew = bound.machine.spec.display_name != wanted;
    if seen.display_name == wanted {
        if declared_anew {
            draft.edit(bound.machine, |spec| spec.display_name = wanted);
        }
        return;
    }
    let outside = !declared_anew && named_outside(draft, bound, &wanted, seen);
    let mut told = None;
    if outside {
        let message = format!(
            "{} was renamed outside DevPocket to \"{}\"",
            bound.called(),
            seen.display_name
        );
        let what = drift::DISPLAY_NAME;
        let noted = drift::note(draft, bound.machine, what, message.clone(), seen.since);
        if drift::only_reported(draft) {
            if noted.new {
                let then = "; it is left so, because spec.drift is Report";
                draft.events.push(noted.event(&message, then));
            }
            return;
        }
        told = noted.new.then(|| noted.event(&message, ", giving it its name back"));
    }
    let why = if outside { "it was renamed outside DevPocket" } else { "its declared name" };
    let earlier = bound.operations.iter().copied();
    let mut operation = intent::planned(bound.machine, Verb::Rename, why, earlier);
    operation.spec.display_name = Some(wanted.clone());
    let step = Step {
        call: Verb::Rename.word().into(),
        machine: bound.machine.metadata.name.clone(),
        summary: format!("rename {} to \"{wanted}\"", bound.called()),
        class: RiskClass::Reversible,
        downtime_seconds: None,
        monthly: None,
        due: None,
        fingerprint: None,
        approved: true,
        hold: world.may_issue(&operation).err(),
    };
    let event = match told {
        Some(both) if step.hold.is_none() => both,
        Some(mut alone) => {
            alone.message = alone.message.replace(", giving it its name back", "");
            draft.events.push(alone);
            EventDraft::normal("Renaming", step.summary.clone())
        }
        None => EventDraft::normal("Renaming", step.summary.clone()),
    };
    let mut writes = vec![RecordWrite::CreateOperation(Box::new(operation))];
    if declared_anew {
        // First: a rename to another name than the record's counts as no longer wanted.
        let mut next = bound.machine.clone();
        next.spec.display_name = wanted;
        writes.insert(0, RecordWrite::UpdateMachine(Box::new(next)));
    }
    draft.step(Pending { step, implied: Implied::TheRecord, writes, event: Some(event) });
}

/// Whether somebody else set the name it has: the last naming call set the wanted one. When none is
/// on record any more, a name with our token counts as one we set ourselves, for an environment
/// that held the machine before or under an older declaration.
fn named_outside(draft: &Draft<'_, '_>, bound: &Bound<'_>, wanted: &str, seen: &Seen) -> bool {
    let naming =
        |o: &&&Operation| matches!(o.spec.verb, Verb::Rename | Verb::Purchase) && happened(o);
    let last =
        bound.operations.iter().rev().filter(naming).find_map(|o| o.spec.display_name.as_deref());
    match last {
        Some(name) => name == wanted,
        None => {
            let installation = draft.world.installation_id();
            !names::bears(&seen.display_name, installation, &bound.machine.metadata.name)
        }
    }
}
