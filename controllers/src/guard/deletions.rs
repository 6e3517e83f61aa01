//! The deletion budget: how many machines may be released, wiped or cancelled within an hour.
//! One machine counts once, however many of the three happen to it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use devpocket_specs::operation::{Operation, OperationPhase};
use devpocket_specs::plan::{Hold, StandstillKind};

use super::ledger::{counts_before, sent_at};
use super::{GuardWorld, HOUR, account_hold, codes};

/// As many machines may always end in an hour, however few there are.
pub const DELETIONS_FLOOR: usize = 3;
/// Beyond the floor: this share of the machines that exist, in percent.
pub const DELETIONS_PERCENT: usize = 10;

/// Whether the machine of a deleted environment may be released now.
pub fn may_release(world: &GuardWorld<'_>, machine: &str) -> Result<(), Hold> {
    account_hold(world)?;
    let ended = ended_within_the_hour(world, |o| o.status.phase != OperationPhase::Planned);
    judge(world, machine, &ended)
}

pub(super) fn may_end(world: &GuardWorld<'_>, operation: &Operation) -> Result<(), Hold> {
    let ended = ended_within_the_hour(world, |other| counts_before(other, operation));
    judge(world, &operation.spec.machine, &ended)
}

fn ended_within_the_hour(
    world: &GuardWorld<'_>,
    counted: impl Fn(&Operation) -> bool,
) -> BTreeMap<String, Timestamp> {
    let since = world.now - HOUR;
    let mut ended = BTreeMap::new();
    let releases = world.ledger.releases.iter().map(|(name, at)| (name.as_str(), *at));
    let ends = world
        .ledger
        .ends
        .iter()
        .filter(|o| o.status.phase != OperationPhase::Rejected && counted(o))
        .filter_map(|o| Some((o.spec.machine.as_str(), sent_at(o)?)));
    for (machine, at) in releases.chain(ends).filter(|(_, at)| *at > since) {
        let first = ended.entry(machine.to_owned()).or_insert(at);
        *first = at.min(*first);
    }
    ended
}

fn judge(
    world: &GuardWorld<'_>,
    machine: &str,
    ended: &BTreeMap<String, Timestamp>,
) -> Result<(), Hold> {
    let limit = DELETIONS_FLOOR.max(world.ledger.managed * DELETIONS_PERCENT / 100);
    if ended.contains_key(machine) || ended.len() < limit {
        return Ok(());
    }
    let mut times: Vec<Timestamp> = ended.values().copied().collect();
    times.sort_unstable();
    let until = times[times.len() - limit] + HOUR;
    Err(Hold {
        kind: StandstillKind::Held,
        code: codes::DELETION_BUDGET.into(),
        message: format!(
            "{machine} is kept for now: {} of {} machines were released, wiped or cancelled \
             within one hour, at most {limit} may be. Its disk is untouched; it goes on at {until}",
            ended.len(),
            world.ledger.managed,
        ),
        until: Some(until),
    })
}
