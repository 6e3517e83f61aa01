//! What was given up stays given up until a person does something; then it begins anew.

use devpocket_specs::condition::{self, ConditionStatus};
use devpocket_specs::environment::conditions;
use jiff::Timestamp;

use super::draft::Draft;

/// Whether it was given up and the declaration changed since.
pub(super) fn somebody_acted(draft: &Draft<'_, '_>) -> bool {
    let environment = draft.world.environment;
    condition::is_true(&environment.status.conditions, conditions::STALLED)
        && environment.status.observed_generation != environment.metadata.generation
}

/// When the last standstill ended: what was tried before does not count any more.
pub(super) fn ended(draft: &Draft<'_, '_>) -> Option<Timestamp> {
    if somebody_acted(draft) {
        return Some(draft.world.now);
    }
    let stalled = condition::find(&draft.world.environment.status.conditions, conditions::STALLED);
    stalled.filter(|c| c.status == ConditionStatus::False).map(|c| c.last_transition_time)
}
