//! The brakes: pure rules that hold an effect back although somebody wants it.
//!
//! # Guarantees
//! - Every function is a pure function of records and `now`; two replicas that see the same
//!   records hold the same things back.
//! - A brake never fails open. What cannot be judged (no installation record, no list of the
//!   account, two currencies) is held, with a sentence that says what is missing.
//! - Every [`Hold`] carries a stable code of [`codes`], one of the five kinds of standing still, a
//!   sentence with its evidence, and a time when it ends by itself, if it does.
//!
//! # Assumptions
//! - Intents are records before they are effects, so planned and undecided purchases can be counted
//!   as spent. Among intents that are only planned the older goes first: each counts the ones before
//!   it and not the ones behind it, else two that do not fit together would hold each other for ever.
//! - [`may_issue`] is asked right before an operation is sent, by the one process that leads. What
//!   the environment's plan asks earlier is the same question about an operation that does not exist
//!   yet; it counts everything.
//!
//! # Caveats
//! The rates look at one hour of records. A purchase recorded by another database on the same
//! account is not seen; that is what the mark in the account is for.

mod account;
pub mod codes;
mod deletions;
mod ledger;
mod purchases;
mod tenants;
#[cfg(test)]
mod tests;
mod trust;

use jiff::{SignedDuration, Timestamp};

use devpocket_specs::installation::Installation;
use devpocket_specs::operation::{Operation, Verb};
use devpocket_specs::plan::{Hold, StandstillKind};

pub use account::{SIGHT_LIMIT, account_hold, sight_hold};
pub use deletions::{DELETIONS_FLOOR, DELETIONS_PERCENT, may_release};
pub use ledger::{Ledger, by_age};
pub use purchases::{committed_this_month, next_month};
pub use tenants::{Tenancy, Tenants, Wish, counts_for, may_have, spent_this_month};
pub use trust::{Trust, VANISHED_FLOOR, VANISHED_PERCENT, trust};

/// Most operations issued for one machine in any hour. A machine that needs more is not helped by
/// one more: it is being healed to death.
pub const MUTATIONS_PER_HOUR: usize = 12;

/// The window all rates look at.
pub const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// What the brakes need to know.
#[derive(Clone, Copy, Debug)]
pub struct GuardWorld<'a> {
    pub now: Timestamp,
    /// The installation; without one everything is held.
    pub installation: Option<&'a Installation>,
    pub ledger: &'a Ledger,
    /// What each namespace may have.
    pub tenants: &'a Tenants,
}

/// Whether the operation may be sent now. For an operation that is not recorded yet (no creation
/// time): whether it could be.
pub fn may_issue(world: &GuardWorld<'_>, operation: &Operation) -> Result<(), Hold> {
    account_hold(world)?;
    let verb = operation.spec.verb;
    if matches!(verb, Verb::Purchase | Verb::Reinstall | Verb::Cancel) {
        sight_hold(world)?;
    }
    if verb == Verb::Purchase {
        may_have(world, &wish(world, operation))?;
        purchases::may_buy(world, operation)?;
    }
    if ledger::ends_a_machine(operation) {
        deletions::may_end(world, operation)?;
    }
    mutation_budget(world, operation)
}

/// A purchase as its machine's record says it; one that is not recorded yet has no size here.
fn wish<'a>(world: &GuardWorld<'a>, operation: &'a Operation) -> Wish<'a> {
    let recorded = world.ledger.claimed.iter().find(|m| m.metadata.name == operation.spec.machine);
    let order = recorded.and_then(|machine| machine.spec.order.as_ref());
    let size = order.map_or("", |order| order.size.as_str());
    Wish { operation, size, cost: operation.spec.spends.as_ref() }
}

fn mutation_budget(world: &GuardWorld<'_>, operation: &Operation) -> Result<(), Hold> {
    let since = world.now - HOUR;
    let mut sent: Vec<Timestamp> = world
        .ledger
        .of_machine(&operation.spec.machine)
        .filter(|other| !ledger::same(other, operation))
        .filter_map(|other| other.status.issued_at)
        .filter(|at| *at > since)
        .collect();
    if sent.len() < MUTATIONS_PER_HOUR {
        return Ok(());
    }
    sent.sort_unstable();
    let until = sent[sent.len() - MUTATIONS_PER_HOUR] + HOUR;
    Err(Hold {
        kind: StandstillKind::Held,
        code: codes::MUTATION_BUDGET.into(),
        message: format!(
            "{} waits: {MUTATIONS_PER_HOUR} calls were sent for it within one hour, the last at \
             {}; more would not help it. It goes on at {until}",
            operation.spec.machine,
            sent[sent.len() - 1],
        ),
        until: Some(until),
    })
}

/// A hold that lasts until something else changes.
pub(crate) fn hold(kind: StandstillKind, code: &str, message: impl Into<String>) -> Hold {
    Hold { kind, code: code.to_owned(), message: message.into(), until: None }
}
