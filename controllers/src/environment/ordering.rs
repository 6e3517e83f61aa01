//! The machine is recorded and not known to be bought yet: what became of the order.

use devpocket_specs::environment::Phase;
use devpocket_specs::operation::{Operation, OperationPhase, Resolution, Verb};
use devpocket_specs::plan::StandstillKind;

use super::bound::Bound;
use super::draft::Draft;
use super::names;
use super::want::wanted;
use crate::guard::{codes, hold};

/// The latest purchase of a machine.
pub(super) fn purchase<'a>(bound: &Bound<'a>) -> Option<&'a Operation> {
    bound.operations.iter().copied().rev().find(|o| o.spec.verb == Verb::Purchase)
}

pub(super) fn plan(draft: &mut Draft<'_, '_>, bound: &Bound<'_>) {
    let Some(purchase) = purchase(bound) else {
        refresh(draft, bound);
        let message = format!("{} is about to be ordered", bound.machine.metadata.name);
        return draft.report.not_ready(Phase::Creating, "Ordering", message);
    };
    let status = &purchase.status;
    let sent = status.issued_at.map(|at| format!(" at {at}")).unwrap_or_default();
    if let Some(held) = &status.held {
        draft.hold(held.clone());
    }
    match status.phase {
        OperationPhase::Planned => {
            let message = "the order is about to be sent; nothing is bought yet";
            draft.report.not_ready(Phase::Creating, "Ordering", message);
        }
        OperationPhase::Issued => {
            let message = format!("ordered{sent}, waiting for Contabo's answer");
            draft.report.not_ready(Phase::Provisioning, "Ordered", message);
        }
        OperationPhase::Unknown => undecided(draft, purchase, &sent),
        OperationPhase::Rejected => {
            // An outright refusal ends the record (see `loss`); this was never sent.
            refresh(draft, bound);
            let message = "the order was not sent; it is sent again when nothing is in its way";
            draft.report.not_ready(Phase::Creating, "Ordering", message);
        }
        OperationPhase::Resolved if status.resolution == Some(Resolution::NotHappened) => {
            refresh(draft, bound);
            let message = format!(
                "the order sent{sent} never arrived and nothing was bought; it is ordered once more"
            );
            draft.report.not_ready(Phase::Creating, "Ordering", message);
        }
        OperationPhase::Succeeded | OperationPhase::Resolved => {
            let message = format!("ordered{sent}; Contabo prepares the machine");
            draft.report.not_ready(Phase::Provisioning, "Provisioning", message);
        }
    }
}

fn undecided(draft: &mut Draft<'_, '_>, purchase: &Operation, sent: &str) {
    let name = &draft.world.environment.metadata.name;
    let message = format!(
        "it is not known yet whether Contabo sold a machine for env/{name}: the order sent{sent} \
         got no answer. It will not be sent again; Contabo's audits and the list of machines are \
         asked until they tell"
    );
    draft.report.not_ready(Phase::Provisioning, "PurchaseUndecided", message.clone());
    if purchase.status.held.is_none() {
        draft.hold(hold(StandstillKind::Held, codes::PURCHASE_UNDECIDED, message));
    }
}

/// The declaration changed before the order went out: the machine is installed from what is
/// declared when it is sent. Price, product and region stay: they were decided.
fn refresh(draft: &mut Draft<'_, '_>, bound: &Bound<'_>) {
    let Some(order) = &bound.machine.spec.order else { return };
    let Ok(wanted) = wanted(draft.world) else { return };
    let rendered = wanted.rendered;
    let display_name = names::wanted_display_name(
        draft.world.environment,
        draft.world.installation_id(),
        &bound.machine.metadata.name,
    );
    let same = rendered.digest == order.user_data_digest && rendered.image == order.image;
    if same && display_name == bound.machine.spec.display_name {
        return;
    }
    draft.edit(bound.machine, |spec| {
        spec.display_name = display_name;
        if let Some(order) = &mut spec.order {
            order.user_data_digest = rendered.digest;
            order.image = rendered.image;
            order.template = rendered.template;
            order.parameters = Some(rendered.parameters);
        }
    });
}
