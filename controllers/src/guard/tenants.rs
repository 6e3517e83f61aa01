//! What a tenant may have: the tier of its namespace.
//!
//! # Guarantees
//! - What counts is what is paid for, whether it runs or not: machines an environment of the
//!   namespace holds, and those being bought for it. A machine that was released counts no more,
//!   though it can still be taken back; taking it back counts it again.
//! - Purchases count by the month, also those whose environment was deleted since. Creating and
//!   deleting in a loop buys no more than the tier says. They count twice: for the namespace, and
//!   for the person who declared it (or approved it, where it replaces something), in whichever
//!   namespace that was. So a team buys no more than its tier says, and neither does somebody who
//!   belongs to several.
//! - A namespace made for an account or a team has the tier that its label names, and may spend
//!   nothing without one. A namespace somebody made by hand has no limits but the installation's.
//!
//! # Assumptions
//! The labels are an admin's to write: no role in a namespace reaches its own record. Who declared an
//! environment is the server's to write (`specs::admit`). It says nobody for admins and tokens of the
//! configuration, who could give themselves any tier: what they declare counts for the namespace.

use std::sync::Arc;

use devpocket_specs::machine::{Machine, MachineState};
use devpocket_specs::metadata::names;
use devpocket_specs::money::Money;
use devpocket_specs::namespace::Namespace;
use devpocket_specs::operation::{Operation, Verb};
use devpocket_specs::plan::{Hold, StandstillKind};
use devpocket_specs::tier::Tier;
use jiff::Timestamp;

use super::ledger::counts_before;
use super::purchases::{counts, in_month, next_month, wanted_by};
use super::{GuardWorld, codes, hold};

/// The namespaces, and the tiers there are. Looked at only when something is about to be spent.
#[derive(Clone, Debug, Default)]
pub struct Tenants {
    namespaces: Vec<Arc<Namespace>>,
    tiers: Vec<Arc<Tier>>,
}

/// What limits a namespace.
#[derive(Clone, Debug, PartialEq)]
pub enum Tenancy {
    /// Nothing but the installation's own limits.
    Unlimited,
    /// It belongs to an account or a team that was given no tier: it spends nothing.
    NoTier,
    /// It names a tier that does not exist: it spends nothing.
    UnknownTier(String),
    Limited(Arc<Tier>),
}

impl Tenants {
    pub fn new(namespaces: Vec<Arc<Namespace>>, tiers: Vec<Arc<Tier>>) -> Tenants {
        Tenants { namespaces, tiers }
    }

    /// None where the namespace is not known.
    pub fn tenancy(&self, namespace: &str) -> Option<Tenancy> {
        let found = self.namespaces.iter().find(|known| known.metadata.name == namespace)?;
        let labels = &found.metadata.labels;
        Some(match labels.get(names::TIER).filter(|name| !name.is_empty()) {
            None if labels.contains_key(names::TENANT) => Tenancy::NoTier,
            None => Tenancy::Unlimited,
            Some(name) => match self.tiers.iter().find(|tier| tier.metadata.name == *name) {
                Some(tier) => Tenancy::Limited(tier.clone()),
                None => Tenancy::UnknownTier(name.clone()),
            },
        })
    }
}

/// A machine an environment is about to get.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The operation that gets it ready: the purchase, or the install of a claimed one.
    pub operation: &'a Operation,
    /// Catalogue name; empty where it is not known.
    pub size: &'a str,
    /// Due now for a purchase; a month's price for a claim.
    pub cost: Option<&'a Money>,
}

/// Whether the namespace of the environment may have this machine.
pub fn may_have(world: &GuardWorld<'_>, wish: &Wish<'_>) -> Result<(), Hold> {
    let operation = wish.operation;
    let Some(environment) = &operation.spec.environment else {
        return Err(hold(
            StandstillKind::Unknown,
            codes::NOT_OBSERVED,
            format!("{} is not bought: it is not known for whom", operation.spec.machine),
        ));
    };
    let (namespace, whom) = (environment.namespace.as_str(), wanted_by(operation));
    let held = |code: &str, message: String| Err(hold(StandstillKind::Held, code, message));
    match world.tenants.tenancy(namespace) {
        Some(Tenancy::Unlimited) => Ok(()),
        Some(Tenancy::Limited(tier)) => within(world, wish, namespace, &tier),
        Some(Tenancy::NoTier) => held(codes::NO_TIER, no_tier(&whom, namespace)),
        Some(Tenancy::UnknownTier(tier)) => held(
            codes::NO_TIER,
            format!(
                "{whom} waits: {namespace} has the tier {tier}, and there is no such tier. \
                 Nothing is bought; an admin gives it another"
            ),
        ),
        None => Err(hold(
            StandstillKind::Unknown,
            codes::NOT_OBSERVED,
            format!("{whom} waits: nothing is known of its namespace {namespace}"),
        )),
    }
}

fn no_tier(whom: &str, namespace: &str) -> String {
    format!(
        "{whom} waits: {namespace} has no tier, so nothing is bought for it. An admin gives it one"
    )
}

fn within(
    world: &GuardWorld<'_>,
    wish: &Wish<'_>,
    namespace: &str,
    tier: &Tier,
) -> Result<(), Hold> {
    let (spec, name) = (&tier.spec, &tier.metadata.name);
    let whom = wanted_by(wish.operation);
    if !wish.size.is_empty() && !spec.allows(wish.size) {
        return Err(hold(
            StandstillKind::Held,
            codes::SIZE_NOT_IN_TIER,
            format!(
                "{whom} waits: tier {name} has no {}; it has {}",
                wish.size,
                spec.sizes.join(", ")
            ),
        ));
    }
    let paid = paid_for(world, wish.operation, namespace);
    if let Some(most) = spec.max_machines
        && paid.len() >= most as usize
    {
        return Err(hold(
            StandstillKind::Held,
            codes::QUOTA,
            format!(
                "{whom} waits: tier {name} allows {}, {namespace} has {}. It goes on when one is \
                 deleted, or an admin gives another tier",
                machines(most as usize),
                paid.len()
            ),
        ));
    }
    if wish.operation.spec.verb == Verb::Purchase {
        purchases(world, wish.operation, namespace, tier)?;
    }
    budget(world, wish, namespace, tier, &paid)
}

fn machines(count: usize) -> String {
    if count == 1 { "1 machine".into() } else { format!("{count} machines") }
}

fn were(count: usize) -> String {
    if count == 1 { "1 was".into() } else { format!("{count} were") }
}

/// The machines of a namespace that are paid for, or will be before this operation.
fn paid_for<'a>(
    world: &GuardWorld<'a>,
    operation: &Operation,
    namespace: &str,
) -> Vec<&'a Machine> {
    let hypothetical = operation.metadata.creation_timestamp.is_none();
    let ledger = world.ledger;
    let is_paid = |machine: &&Machine| {
        let name = machine.metadata.name.as_str();
        let purchases =
            || ledger.of_machine(name).filter(|other| other.spec.verb == Verb::Purchase);
        match machine.status.state {
            MachineState::Gone | MachineState::NotBought => false,
            _ if machine.status.instance_id.is_some() => true,
            _ if purchases().any(|other| counts_before(other, operation)) => true,
            // Recorded, and nothing was planned to be sent for it yet.
            _ => hypothetical && purchases().next().is_none(),
        }
    };
    ledger
        .claimed
        .iter()
        .map(Arc::as_ref)
        .filter(|machine| {
            let claim = machine.spec.claim.as_ref();
            claim.is_some_and(|claim| claim.namespace == namespace)
                && machine.metadata.name != operation.spec.machine
        })
        .filter(is_paid)
        .collect()
}

/// What was bought this month by anybody, before this operation.
fn bought<'a>(
    world: &GuardWorld<'a>,
    operation: &'a Operation,
) -> impl Iterator<Item = &'a Operation> {
    let now = world.now;
    let of =
        move |other: &&Operation| spent_this_month(now, other) && counts_before(other, operation);
    world.ledger.purchases.iter().map(Arc::as_ref).filter(of)
}

/// Whether it is a purchase that counts in the month that is: it spends, spent or may have spent.
pub fn spent_this_month(now: Timestamp, operation: &Operation) -> bool {
    operation.spec.verb == Verb::Purchase && counts(operation) && in_month(now, operation)
}

fn is_for(operation: &Operation, namespace: &str) -> bool {
    let environment = operation.spec.environment.as_ref();
    environment.is_some_and(|environment| environment.namespace == namespace)
}

/// Id of the account a purchase counts for, if it counts for one.
pub fn counts_for(operation: &Operation) -> Option<&str> {
    operation.metadata.labels.get(names::DECLARED_BY).map(String::as_str)
}

fn purchases(
    world: &GuardWorld<'_>,
    operation: &Operation,
    namespace: &str,
    tier: &Tier,
) -> Result<(), Hold> {
    let Some(most) = tier.spec.max_purchases_per_month else { return Ok(()) };
    let here = bought(world, operation).filter(|other| is_for(other, namespace)).count();
    if here >= most as usize {
        let so_far = format!("{} bought for {namespace}", were(here));
        return Err(bought_enough(world, operation, tier, &so_far));
    }
    let Some(account) = counts_for(operation) else { return Ok(()) };
    let mine = bought(world, operation).filter(|other| counts_for(other) == Some(account)).count();
    if mine >= most as usize {
        let so_far = format!("{} bought by who declared it, over all namespaces,", were(mine));
        return Err(bought_enough(world, operation, tier, &so_far));
    }
    Ok(())
}

/// The hold of a purchase for which `so_far` is reason enough to wait for the next month.
fn bought_enough(world: &GuardWorld<'_>, operation: &Operation, tier: &Tier, so_far: &str) -> Hold {
    let until = next_month(world.now);
    let when = until.map_or_else(String::new, |at| format!(". It goes on at {at}"));
    let most = tier.spec.max_purchases_per_month.unwrap_or_default();
    Hold {
        kind: StandstillKind::Held,
        code: codes::PURCHASE_LIMIT.into(),
        message: format!(
            "{} waits: tier {} buys at most {} a month, and {so_far} this month{when}",
            wanted_by(operation),
            tier.metadata.name,
            machines(most as usize),
        ),
        until,
    }
}

/// The month's purchases, and a month of each machine that was there before.
fn budget(
    world: &GuardWorld<'_>,
    wish: &Wish<'_>,
    namespace: &str,
    tier: &Tier,
    paid: &[&Machine],
) -> Result<(), Hold> {
    let Some(limit) = &tier.spec.monthly_budget else { return Ok(()) };
    let (operation, name) = (wish.operation, &tier.metadata.name);
    let whom = wanted_by(operation);
    let held = |why: String| {
        let message = format!("{whom} waits: {why}");
        Err(Hold { code: codes::TIER_BUDGET.into(), ..hold(StandstillKind::Held, "", message) })
    };
    let Some(cost) = wish.cost else {
        return held("it is not known what it costs".into());
    };
    let bought: Vec<&Operation> =
        bought(world, operation).filter(|other| is_for(other, namespace)).collect();
    let older = paid.iter().filter(|machine| {
        !bought.iter().any(|operation| operation.spec.machine == machine.metadata.name)
    });
    let months = older.filter_map(|machine| Some(&machine.spec.order.as_ref()?.price));
    let mut total = Some(cost.clone());
    for amount in bought.iter().filter_map(|operation| operation.spec.spends.as_ref()).chain(months)
    {
        total = total.and_then(|total| total.checked_add(amount));
    }
    match total.filter(|total| total.currency == limit.currency) {
        None => held(format!(
            "the budget of tier {name} is {limit}, and what {namespace} has is in other \
             currencies; two are never added"
        )),
        Some(total) if total.cents > limit.cents => held(format!(
            "{namespace} would cost {total} this month, tier {name} has {limit}. It costs {cost}"
        )),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
