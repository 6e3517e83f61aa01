//! Which machine is the environment's. The binding is `Machine.spec.claim` and nothing else.

use devpocket_specs::machine::Machine;
use devpocket_specs::operation::Verb;

use super::observed::{Observed, look, refused_outright};
use super::world::World;

/// What the claims say.
pub(super) enum Binding<'a> {
    None,
    One {
        machine: &'a Machine,
        /// Claimed as well, but lost or never bought: what the bound one replaced.
        replaced: Vec<&'a Machine>,
    },
    /// Never chosen between.
    Many(Vec<&'a Machine>),
}

pub(super) fn of<'a>(world: &World<'a>) -> Binding<'a> {
    let uid = world.environment.metadata.uid;
    let mut claimed: Vec<&Machine> = world
        .machines
        .iter()
        .copied()
        .filter(|m| uid.is_some() && m.spec.claim.as_ref().map(|c| c.uid) == uid)
        .collect();
    claimed.sort_by_key(|m| (m.spec.claim.as_ref().map(|c| c.at), &m.metadata.name));
    let (live, dead): (Vec<&Machine>, Vec<&Machine>) =
        claimed.into_iter().partition(|m| !is_dead(world, m));
    match (live.as_slice(), dead.last()) {
        ([], None) => Binding::None,
        ([], Some(last)) => {
            let replaced = dead[..dead.len() - 1].to_vec();
            Binding::One { machine: last, replaced }
        }
        ([machine], _) => Binding::One { machine, replaced: dead },
        _ => Binding::Many(live),
    }
}

/// Proved to be gone, or refused by Contabo.
pub(super) fn is_dead(world: &World<'_>, machine: &Machine) -> bool {
    is_refused(world, machine) || is_lost(world, machine)
}

pub(super) fn is_lost(world: &World<'_>, machine: &Machine) -> bool {
    matches!(look(machine, world.installation), Observed::Absent(_))
}

/// The order was refused outright. It is not sent again by itself.
pub(super) fn is_refused(world: &World<'_>, machine: &Machine) -> bool {
    if machine.status.instance_id.is_some() {
        return false;
    }
    let mut operations = world.operations_of(machine).into_iter().rev();
    operations.find(|o| o.spec.verb == Verb::Purchase).is_some_and(refused_outright)
}
