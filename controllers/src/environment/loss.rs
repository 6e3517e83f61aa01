//! What cannot be healed: cancelled, reinstalled, vanished, refused. These wait for a person.

use devpocket_specs::condition;
use devpocket_specs::environment::{Phase, conditions};
use devpocket_specs::machine::{MachineState, Seen};
use devpocket_specs::operation::{Operation, Verb};
use devpocket_specs::plan::StandstillKind;
use jiff::Timestamp;

use super::acquire::{self, Need};
use super::bound::Bound;
use super::draft::Draft;
use super::observed::{Observed, happened, may_have_happened};
use super::report::Says;
use super::{binding, drift, ordering};
use crate::guard::{codes, hold};

/// The machine is proved to be gone, or was never bought: shows what a replacement would cost.
pub(super) fn plan(draft: &mut Draft<'_, '_>, bound: &Bound<'_>) {
    let called = bound.called().to_owned();
    if binding::is_refused(draft.world, bound.machine) {
        refused(draft, bound);
    } else {
        lost(draft, bound, &called);
    }
    acquire::plan(draft, Need::Instead { of: &bound.machine.metadata.name });
    // The way out is a replacement; why it is needed stays the reason.
    let phase = Phase::Error;
    let lost = draft.report.lost.clone();
    let says = lost.unwrap_or_else(|| Says::no("PurchaseRefused", refusal(bound)));
    draft.report.not_ready(phase, says.reason, says.message);
}

fn lost(draft: &mut Draft<'_, '_>, bound: &Bound<'_>, called: &str) {
    let seen = bound.machine.status.seen.as_ref();
    let ended = seen.and_then(|s| s.cancel_date);
    let since = match bound.observed {
        Observed::Absent(at) => bound.machine.status.missing.as_ref().map_or(at, |m| m.since),
        _ => draft.world.now,
    };
    let message = match ended {
        Some(day) => format!("{called} is gone: its contract ended on {day}"),
        None => {
            format!("{called} is gone: Contabo has not listed it since {since} and answers 404")
        }
    };
    let message = format!("{message}. Nothing was bought instead");
    if ended.is_none() {
        let _ = drift::note(draft, bound.machine, drift::VANISHED, message.clone(), since);
    }
    let reason = if ended.is_some() { "ContractEnded" } else { "MachineLost" };
    draft.report.lost = Some(Says::yes(reason, message));
}

fn refused(draft: &mut Draft<'_, '_>, bound: &Bound<'_>) {
    let message = refusal(bound);
    draft.hold(hold(StandstillKind::Stalled, codes::PURCHASE_REFUSED, message));
}

fn refusal(bound: &Bound<'_>) -> String {
    let said = ordering::purchase(bound).map(|o| o.status.message.as_str()).unwrap_or_default();
    let because = if said.is_empty() { String::new() } else { format!(" ({said})") };
    format!(
        "Contabo refused the order{because}: nothing was bought, and it is not tried again by \
         itself. An owner approves a new order, or deletes the environment"
    )
}

/// Cancelled: it works until its last day.
pub(super) fn ending(draft: &mut Draft<'_, '_>, bound: &Bound<'_>) {
    let Some((seen, day)) =
        bound.machine.status.seen.as_ref().and_then(|s| Some((s, s.cancel_date?)))
    else {
        return;
    };
    let ours = bound.operations.iter().any(|o| o.spec.verb == Verb::Cancel && may_have_happened(o));
    let called = bound.called();
    let message = format!("{called} is cancelled to {day} and works until then");
    if ours {
        draft.report.ending = Some(Says::yes("Cancelled", message));
        return;
    }
    let message = format!("{message}; it was cancelled outside DevPocket");
    let noted = drift::note(draft, bound.machine, drift::CANCELLED, message.clone(), seen.since);
    let message = format!(
        "{message} {}. A cancellation cannot be taken back here: an owner keeps what is on it, or \
         has it taken back in Contabo's customer panel",
        noted.who()
    );
    draft.report.ending = Some(Says::yes("CancelledOutside", message));
}

/// An accepted order can end in another product than the one asked for. It is paid either way, so
/// it is told and nothing else.
pub(super) fn other_than_ordered(draft: &mut Draft<'_, '_>, bound: &Bound<'_>) {
    let (Some(order), Some(seen)) = (&bound.machine.spec.order, &bound.machine.status.seen) else {
        return;
    };
    let product = !seen.product_id.is_empty() && seen.product_id != order.product_id;
    let region = !seen.region.is_empty() && seen.region != order.region;
    if !product && !region {
        return;
    }
    let message = format!(
        "{} is a {} in {}, ordered and paid was a {} ({}) in {}. It is used as it is and nothing \
         is ordered instead; an admin asks Contabo's support",
        bound.called(),
        seen.product_id,
        seen.region,
        order.product_id,
        order.size,
        order.region
    );
    let reason = codes::reason(codes::NOT_AS_ORDERED);
    draft.report.other = Some(Says::yes(reason, message));
}

/// Reinstalled outside: the disk is not the one that was installed. It stays so until an install
/// of ours.
pub(super) fn disk_replaced(draft: &mut Draft<'_, '_>, bound: &Bound<'_>) {
    let since = replaced_since(draft, bound);
    let ours = |o: &&&Operation| o.spec.verb == Verb::Reinstall && happened(o);
    let repaired = bound.operations.iter().filter(ours).filter_map(|o| o.status.ended_at).max();
    let Some(since) = since.filter(|since| repaired.is_none_or(|at| at < *since)) else {
        if let Some(at) = repaired {
            drift::forget(draft, drift::REINSTALLED, at);
        }
        return;
    };
    let message = format!(
        "{} was reinstalled outside DevPocket; its disk is not the one installed for env/{}",
        bound.called(),
        draft.world.environment.metadata.name
    );
    let noted = drift::note(draft, bound.machine, drift::REINSTALLED, message.clone(), since);
    let message = format!("{message} ({since}, {})", noted.who().trim_matches(['(', ')']));
    draft.report.replaced = Some(Says::yes("DiskReplaced", message));
}

/// Since when the disk is another one: the inventory noticed, it is known already, or a machine
/// that was usable is being installed and we did not ask for it.
fn replaced_since(draft: &Draft<'_, '_>, bound: &Bound<'_>) -> Option<Timestamp> {
    let old = &draft.world.environment.status;
    let claimed = bound.machine.spec.claim.as_ref().map(|c| c.at)?;
    let noticed = bound.machine.status.outside.iter().rev();
    let noticed = noticed.filter(|o| o.what == drift::REINSTALLED && o.since >= claimed);
    if let Some(found) = noticed.map(|o| o.since).next() {
        return Some(found);
    }
    let same = old.machine.as_ref().is_some_and(|m| m.name == bound.machine.metadata.name);
    if !same {
        return None;
    }
    let known = old.drift.iter().rev().find(|d| d.what == drift::REINSTALLED && d.healed.is_none());
    if condition::is_true(&old.conditions, conditions::DISK_REPLACED)
        && let Some(known) = known
    {
        return Some(known.since);
    }
    let usable =
        matches!(old.phase, Phase::Running | Phase::Stopped | Phase::Stopping | Phase::Restarting);
    installing(bound).filter(|_| usable).filter(|_| !reinstalled_by_us(bound)).map(|s| s.since)
}

fn installing<'a>(bound: &Bound<'a>) -> Option<&'a Seen> {
    let seen = bound.machine.status.seen.as_ref()?;
    (bound.stage() == MachineState::Installing).then_some(seen)
}

fn reinstalled_by_us(bound: &Bound<'_>) -> bool {
    let last = bound.operations.iter().rev().find(|o| o.spec.verb == Verb::Reinstall);
    let Some(last) = last else { return false };
    let seen = bound.machine.status.seen.as_ref().map(|s| s.since);
    // Ours explains it when it went out before the change was seen and nothing usable came between.
    last.status.phase.is_open() || (may_have_happened(last) && last.status.issued_at <= seen)
}
