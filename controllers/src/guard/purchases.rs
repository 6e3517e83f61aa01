//! Brakes on spending: the month's budget, purchases per hour, one open purchase per environment.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use devpocket_specs::money::Money;
use devpocket_specs::operation::{Operation, OperationPhase, Resolution};
use devpocket_specs::plan::{Hold, StandstillKind};

use super::ledger::{counts_before, sent_at};
use super::{GuardWorld, HOUR, codes, hold};

pub(super) fn may_buy(world: &GuardWorld<'_>, operation: &Operation) -> Result<(), Hold> {
    one_open(world, operation)?;
    budget(world, operation)?;
    rate(world, operation)
}

/// A second purchase for an environment waits until the first is decided, whatever asked for it.
fn one_open(world: &GuardWorld<'_>, operation: &Operation) -> Result<(), Hold> {
    let Some(environment) = &operation.spec.environment else { return Ok(()) };
    let open = world
        .ledger
        .purchases
        .iter()
        .filter(|other| other.status.phase.is_open() && counts_before(other, operation))
        .find(|other| other.spec.environment.as_ref().is_some_and(|e| e.uid == environment.uid));
    match open {
        None => Ok(()),
        Some(other) => Err(hold(
            StandstillKind::Held,
            codes::PURCHASE_UNDECIDED,
            format!(
                "Nothing more is bought for env/{} while its purchase {} is not decided",
                environment.name, other.metadata.name
            ),
        )),
    }
}

fn budget(world: &GuardWorld<'_>, operation: &Operation) -> Result<(), Hold> {
    let held = |message: String| Hold {
        kind: StandstillKind::Held,
        code: codes::BUDGET.into(),
        message,
        until: None,
    };
    let Some(limit) = world.installation.and_then(|i| i.spec.monthly_budget.as_ref()) else {
        return Err(held(
            "Nothing is bought: no monthly budget is set. An operator sets one".into(),
        ));
    };
    let Some(price) = &operation.spec.spends else {
        return Err(held(format!(
            "{} is not bought: it is not known what it costs",
            operation.spec.machine
        )));
    };
    let committed = committed(world, operation).ok_or_else(|| {
        held(format!(
            "Nothing is bought: this month's purchases are in several currencies, the budget is \
             {limit}; two currencies are never added"
        ))
    })?;
    let Some(total) = committed.checked_add(price) else {
        return Err(held(format!(
            "{} is not bought: its price is {price}, the budget is {limit}; two currencies are \
             never compared",
            operation.spec.machine
        )));
    };
    if total.cents <= limit.cents {
        return Ok(());
    }
    let month = day(world.now).strftime("%B").to_string();
    Err(Hold {
        kind: StandstillKind::Held,
        code: codes::BUDGET.into(),
        message: format!(
            "{} waits: {month} would reach {total}, the limit is {limit}. It costs {price}; \
             {committed} are committed. An operator raises the limit, else it goes on when a \
             month has room",
            wanted_by(operation)
        ),
        until: next_month(world.now),
    })
}

/// What purchases of this month cost so far, planned, issued and undecided ones included. Nothing
/// when no budget is set or the purchases are in another currency.
pub fn committed_this_month(world: &GuardWorld<'_>) -> Option<Money> {
    sum(world, |_| true, true)
}

fn committed(world: &GuardWorld<'_>, operation: &Operation) -> Option<Money> {
    let hypothetical = operation.metadata.creation_timestamp.is_none();
    let mut total = sum(world, |other| counts_before(other, operation), false)?;
    if hypothetical {
        let others = world.ledger.unordered.iter().filter(|u| u.machine != operation.spec.machine);
        for unordered in others {
            total = total.checked_add(&unordered.due)?;
        }
    }
    Some(total)
}

fn sum(
    world: &GuardWorld<'_>,
    counted: impl Fn(&Operation) -> bool,
    with_unordered: bool,
) -> Option<Money> {
    let limit = world.installation?.spec.monthly_budget.as_ref()?;
    let mut total = Money::new(0, limit.currency.clone());
    for other in &world.ledger.purchases {
        if !counts(other) || !in_month(world.now, other) || !counted(other) {
            continue;
        }
        total = total.checked_add(other.spec.spends.as_ref()?)?;
    }
    if with_unordered {
        for unordered in &world.ledger.unordered {
            total = total.checked_add(&unordered.due)?;
        }
    }
    Some(total)
}

/// Whether it spends, spent or may have spent.
pub(super) fn counts(operation: &Operation) -> bool {
    operation.status.phase.is_open() || happened(operation)
}

fn happened(operation: &Operation) -> bool {
    match operation.status.phase {
        OperationPhase::Succeeded => true,
        OperationPhase::Resolved => operation.status.resolution != Some(Resolution::NotHappened),
        _ => false,
    }
}

/// Open purchases count in the month that is; decided ones in the month they were sent.
pub(super) fn in_month(now: Timestamp, operation: &Operation) -> bool {
    if operation.status.phase.is_open() {
        return true;
    }
    let month = |t: Timestamp| (day(t).year(), day(t).month());
    sent_at(operation).is_none_or(|at| month(at) == month(now))
}

fn rate(world: &GuardWorld<'_>, operation: &Operation) -> Result<(), Hold> {
    let limit = world.installation.map_or(0, |i| i.spec.purchases_per_hour) as usize;
    let since = world.now - HOUR;
    let counted = world.ledger.purchases.iter().filter(|o| counts_before(o, operation));
    let mut sent: Vec<Timestamp> = Vec::new();
    let mut queued = 0;
    for other in counted {
        match (other.status.phase, sent_at(other)) {
            (OperationPhase::Planned, _) => queued += 1,
            (_, Some(at)) if at > since => sent.push(at),
            _ => {}
        }
    }
    if operation.metadata.creation_timestamp.is_none() {
        let others = world.ledger.unordered.iter().filter(|u| u.machine != operation.spec.machine);
        queued += others.count();
    }
    if sent.len() + queued < limit {
        return Ok(());
    }
    sent.sort_unstable();
    // The slot of this one is free once enough of the sent ones are an hour old.
    let over = sent.len() + queued - limit;
    let until = sent.get(over.min(sent.len().saturating_sub(1))).map(|at| *at + HOUR);
    let when = until.map_or_else(String::new, |at| format!(". It goes on at {at}"));
    Err(Hold {
        kind: StandstillKind::Held,
        code: codes::PURCHASE_RATE.into(),
        message: format!(
            "{} waits: at most {limit} machines are bought in an hour, and {} were ordered or \
             wait before it{when}",
            wanted_by(operation),
            sent.len() + queued,
        ),
        until,
    })
}

pub(super) fn wanted_by(operation: &Operation) -> String {
    match &operation.spec.environment {
        Some(environment) => format!("env/{}", environment.name),
        None => operation.spec.machine.clone(),
    }
}

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// When the next calendar month (UTC) begins.
pub fn next_month(now: Timestamp) -> Option<Timestamp> {
    let first = day(now).last_of_month().tomorrow().ok()?;
    Some(first.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
