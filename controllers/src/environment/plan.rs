//! The decision about one environment, top down. Pure: the same records and the same `now` give
//! the same answer everywhere.
//!
//! Order matters and is this: deletion, then the binding (none, one, several), then the stage the
//! machine is in. A pause is laid over the result, so that a paused environment still shows what
//! would be done.

use devpocket_specs::environment::{EffectivePower, Environment};
use devpocket_specs::metadata::names;
use devpocket_specs::plan::Plan;

use super::acquire::{self, Need};
use super::binding::{self, Binding};
use super::bound::{self, Bound};
use super::decision::{Decision, RecordWrite};
use super::draft::Draft;
use super::world::World;
use super::{release, requests};

/// Decides everything about one environment.
pub fn decide(world: &World<'_>) -> Decision {
    let mut draft = Draft::new(world);
    let environment = world.environment;
    if environment.metadata.is_deleting() {
        release::plan(&mut draft);
        return draft.finish();
    }
    if !environment.metadata.has_finalizer(names::RELEASE_FINALIZER) {
        draft.keep(RecordWrite::AddFinalizer);
    }
    match binding::of(world) {
        Binding::None => unbound(&mut draft),
        Binding::One { machine, replaced } => {
            bound::plan(&mut draft, &Bound::new(world, machine), &replaced);
        }
        Binding::Many(machines) => bound::ambiguous(&mut draft, &machines),
    }
    let power = Some(effective_power(environment));
    if draft.status.effective_power != power {
        draft.status.to_mut().effective_power = power;
    }
    draft.finish()
}

/// Which power holds now, and why. Schedules and activity will have a word here.
pub fn effective_power(environment: &Environment) -> EffectivePower {
    EffectivePower { power: environment.spec.power, reason: "Spec".into() }
}

/// The plan alone, as `devpocket plan` and the `plan` subresource show it. It also answers for an
/// environment that is only being thought of (no uid yet).
pub fn plan_for(world: &World<'_>) -> Plan {
    decide(world).plan
}

/// Without a machine. An environment that had one is not given another by itself, whatever became
/// of the record: a lost machine is never bought again silently.
fn unbound(draft: &mut Draft<'_, '_>) {
    let world = draft.world;
    match &world.environment.status.machine {
        Some(had) => {
            let message = format!("{} was bound to it and is not any more", had.name);
            acquire::plan(draft, Need::Instead { of: &had.name });
            draft.report.lost = Some(super::report::Says::yes("MachineLost", message.clone()));
            let phase = devpocket_specs::environment::Phase::Error;
            draft.report.not_ready(phase, "MachineLost", message);
        }
        None => {
            requests::void(draft);
            acquire::plan(draft, Need::First);
        }
    }
}
