//! Whether the guest has the shell, keys, password, variables and secret parameters that are
//! declared. They are applied by whoever visits the machine; here it is said how far that is.

use devpocket_specs::condition::ConditionStatus;
use devpocket_specs::environment::Phase;
use devpocket_specs::guest::Configured;
use devpocket_specs::plan::{RiskClass, StandstillKind, Step};

use super::bound::Bound;
use super::consent::Implied;
use super::draft::{Draft, Pending};
use super::report::Says;
use crate::guard::{codes, hold};

/// What the step is called in plans.
const CALL: &str = "configure";

/// How far the guest can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It does not run, or does not answer as it should.
    No,
    /// It answers, and is not ready by itself: it installs itself, or failed to.
    Answers,
    /// It answers and is installed.
    Ready,
}

/// Says it, takes back a readiness without it, and plans what is left.
pub(super) fn judge(draft: &mut Draft<'_, '_>, bound: &Bound<'_>, reach: Reach) {
    let is_ready = reach == Reach::Ready;
    let environment = draft.world.environment;
    let generation = bound.machine.spec.install_generation;
    let guest = bound.machine.status.guest.as_ref();
    let known = guest.filter(|guest| guest.generation == generation);
    let known = known.and_then(|guest| guest.configured.as_ref());
    let current = known.filter(|known| known.is_current(environment));
    // What a machine is installed with is no step: it comes with the installation.
    if known.is_some_and(|known| known.whole) && current.is_none() {
        plan(draft, bound);
    }
    let fault = current.and_then(|known| known.fault.as_ref()).filter(|_| reach != Reach::No);
    let says = match is_ready || fault.is_some() {
        // An installation takes minutes, in which somebody can mend it.
        true => verdict(current),
        false => {
            let text = "user and variables are applied while the machine runs and answers";
            Says::new(ConditionStatus::Unknown, "NotReached", text)
        }
    };
    let missing = codes::reason(codes::SECRET_MISSING);
    if let Some(fault) = fault.filter(|fault| is_ready && fault.reason == missing) {
        // Only a person can bring it.
        let text = fault.message.clone();
        draft.hold(hold(StandstillKind::Waiting, codes::SECRET_MISSING, text));
    }
    let ready = draft.report.ready.as_ref().map(|ready| ready.status);
    if is_ready && ready == Some(ConditionStatus::True) && says.status != ConditionStatus::True {
        draft.report.not_ready(Phase::Configuring, says.reason.clone(), says.message.clone());
    }
    draft.report.configured = Some(says);
}

fn verdict(current: Option<&Configured>) -> Says {
    match current {
        Some(Configured { fault: Some(fault), at, .. }) => {
            let message = format!("not all of user and variables is on the machine since {at}: ");
            Says::no(fault.reason.clone(), message + &fault.message)
        }
        Some(Configured { whole: true, .. }) => {
            Says::yes("Configured", "shell, keys, password and variables are as declared")
        }
        _ => Says::no("Configuring", "what is declared of user and variables is being applied"),
    }
}

/// Whoever visits the machine does it, so there is nothing to write for it.
fn plan(draft: &mut Draft<'_, '_>, bound: &Bound<'_>) {
    let step = Step {
        call: CALL.into(),
        machine: bound.machine.metadata.name.clone(),
        summary: format!("apply user and variables on {} over SSH", bound.called()),
        class: RiskClass::Reversible,
        downtime_seconds: None,
        monthly: None,
        due: None,
        fingerprint: None,
        approved: true,
        hold: None,
    };
    let implied = Implied::TheRecord;
    draft.step(Pending { step, implied, writes: Vec::new(), event: None });
}
