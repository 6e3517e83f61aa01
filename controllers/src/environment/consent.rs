//! Consent: which risky steps may run.

use serde_json::Value;

use devpocket_specs::environment::Approval;
use devpocket_specs::money::Money;
use devpocket_specs::plan::{Hold, RiskClass, StandstillKind, Step, StepFacts, fingerprint};

use super::world::World;
use crate::guard::{codes, hold};

/// What can stand in for a person's approval of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Implied {
    /// Creating or deleting the record asked for exactly this.
    TheRecord,
    /// `spec.autoApprove`, if it covers the step.
    AutoApprove,
    /// Nothing: a person has to look. For what replaces something that was lost or refused.
    Nobody,
}

/// The identity of a risky step of this environment.
pub(super) fn identify(
    world: &World<'_>,
    step: &Step,
    template_digest: &str,
    arguments: Value,
) -> String {
    let price = step.due.as_ref().or(step.monthly.as_ref());
    let price = price.filter(|m| m.cents != 0).map(price_text).unwrap_or_default();
    fingerprint(&StepFacts {
        environment_uid: world.uid(),
        // A record that is only being thought of will be at generation 1.
        generation: world.environment.metadata.generation.max(1),
        template_digest,
        call: &step.call,
        machine: &step.machine,
        arguments,
        price: &price,
    })
}

fn price_text(money: &Money) -> String {
    format!("{} {}", money.cents, money.currency)
}

/// The live approval of a step, if there is one.
pub(super) fn approval<'a>(world: &World<'a>, fingerprint: &str) -> Option<&'a Approval> {
    let approvals = &world.environment.status.approvals;
    approvals
        .iter()
        .find(|a| a.expires > world.now && a.fingerprints.iter().any(|f| f == fingerprint))
}

/// Sets `approved`, and the hold of a step that nobody consented to.
pub(super) fn settle(world: &World<'_>, step: &mut Step, implied: Implied) {
    step.approved = !step.class.needs_approval()
        || implied == Implied::TheRecord
        || (implied == Implied::AutoApprove && auto_approved(world, step))
        || step.fingerprint.as_deref().is_some_and(|f| approval(world, f).is_some());
    if !step.approved && step.hold.is_none() {
        step.hold = Some(waits(world, step));
    }
}

fn auto_approved(world: &World<'_>, step: &Step) -> bool {
    let Some(auto) = &world.environment.spec.auto_approve else { return false };
    if !auto.classes.contains(&step.class) {
        return false;
    }
    match (&step.monthly, &auto.max_monthly_increase) {
        (None, _) => step.class != RiskClass::Money,
        (Some(increase), _) if increase.cents <= 0 => true,
        (Some(_), None) => false,
        (Some(increase), Some(most)) => {
            increase.currency == most.currency && increase.cents <= most.cents
        }
    }
}

fn waits(world: &World<'_>, step: &Step) -> Hold {
    hold(
        StandstillKind::Waiting,
        codes::APPROVAL,
        format!(
            "env/{} waits for a person to approve: {} ({})",
            world.environment.metadata.name,
            step.summary,
            step.class.word()
        ),
    )
}
