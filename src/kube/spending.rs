//! What a tenant may buy in a month: counted for its namespace and for whoever declares, over all
//! namespaces, and checked in the write.
//!
//! The leader counts purchases, here what is declared and not ordered yet counts as well: else a
//! hundred environments declared at once would all be taken, and wait. Where a machine of the pool
//! would be claimed nothing is bought, so nothing is refused; should somebody else get that machine,
//! the leader holds the purchase.

use std::collections::BTreeMap;
use std::sync::Arc;

use devpocket_controllers::guard::{self, Tenancy, codes};
use devpocket_controllers::store::{Guard, StoreError, Stored};
use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::names;
use devpocket_specs::object::{Key, Object};
use devpocket_specs::operation::{Operation, Verb};
use devpocket_specs::plan::Plan;
use devpocket_specs::status::Status;
use devpocket_specs::tier::Tier;
use jiff::Timestamp;

use super::tenancy::{machines, refused};
use super::{plan, tenancy};
use crate::server::AppState;

/// Checks what a new environment would cost, and returns what the store must check again.
pub(super) async fn guards(
    state: &AppState,
    object: &Object,
    tier: &Tier,
) -> Result<Vec<Guard>, Status> {
    let most = tier.spec.max_purchases_per_month;
    let taken_back = object.metadata.annotations.contains_key(names::UNDELETE_OF);
    if taken_back || (most.is_none() && tier.spec.monthly_budget.is_none()) {
        return Ok(Vec::new());
    }
    let key = object.key();
    let plan = plan::planned(state, &plan::unmade(object), None).await?.plan;
    within_budget(&key, &plan)?;
    let Some(most) = most.filter(|_| !plan.steps.iter().any(|step| step.call == "claim")) else {
        return Ok(Vec::new());
    };
    let month = Month::read(state).await?;
    let here = Whose::Namespace(key.namespace.clone());
    let mine = object.metadata.labels.get(names::DECLARED_BY).cloned().map(Whose::Account);
    [Some(here), mine]
        .into_iter()
        .flatten()
        .map(|whose| month.room(&key, tier, most, &whose))
        .collect()
}

/// Refuses an approval of a purchase that would be one too many for who gives it.
pub(super) async fn may_approve(state: &AppState, key: &Key, account: &str) -> Result<(), Status> {
    let Tenancy::Limited(tier) = tenancy::tenancy(state, &key.namespace).await? else {
        return Ok(());
    };
    let Some(most) = tier.spec.max_purchases_per_month else { return Ok(()) };
    let month = Month::read(state).await?;
    month.room(key, &tier, most, &Whose::Account(account.to_owned())).map(drop)
}

/// The budget as the leader will judge it, with its reason.
fn within_budget(key: &Key, plan: &Plan) -> Result<(), Status> {
    let holds = plan.steps.iter().filter_map(|step| step.hold.as_ref());
    let Some(hold) = holds.into_iter().find(|hold| hold.code == codes::TIER_BUDGET) else {
        return Ok(());
    };
    let reason = hold.message.split_once(" waits: ").map_or(&*hold.message, |(_, reason)| reason);
    let because = "what is bought in a month counts, and a month of each machine there was before";
    let all = ["devpocket cost".to_owned(), "devpocket get tiers".to_owned()];
    Err(refused(key, codes::TIER_BUDGET, reason.to_owned(), because, &all))
}

/// For whom purchases are counted.
enum Whose {
    Namespace(String),
    Account(String),
}

impl Whose {
    fn bought(&self, operation: &Operation) -> bool {
        let place = operation.spec.environment.as_ref().map(|at| at.namespace.as_str());
        match self {
            Whose::Namespace(namespace) => place == Some(namespace),
            Whose::Account(account) => guard::counts_for(operation) == Some(account),
        }
    }

    fn declared(&self, environment: &Stored) -> bool {
        let metadata = &environment.metadata;
        match self {
            Whose::Namespace(namespace) => metadata.namespace == *namespace,
            Whose::Account(account) => metadata.labels.get(names::DECLARED_BY) == Some(account),
        }
    }

    /// What an environment has that counts here, as guards of the store name it.
    fn place(&self) -> (Option<String>, BTreeMap<String, String>) {
        match self {
            Whose::Namespace(namespace) => (Some(namespace.clone()), BTreeMap::new()),
            Whose::Account(account) => {
                (None, BTreeMap::from([(names::DECLARED_BY.to_owned(), account.clone())]))
            }
        }
    }
}

/// What was bought, and what may still be.
struct Month {
    now: Timestamp,
    purchases: Vec<Operation>,
    environments: Vec<Arc<Stored>>,
}

impl Month {
    async fn read(state: &AppState) -> Result<Month, Status> {
        let operations = state.store.list(Kind::Operation, None).await?.items;
        let mut purchases = Vec::new();
        for stored in operations {
            let operation: Operation = stored
                .to()
                .map_err(|error| Status::from(StoreError::Corrupt(error.to_string())))?;
            if operation.spec.verb == Verb::Purchase {
                purchases.push(operation);
            }
        }
        let environments = state.store.list(Kind::Environment, None).await?.items;
        Ok(Month { now: state.clock.now(), purchases, environments })
    }

    /// Whether one more fits; what holds as long as no more are declared at the same time than fit.
    fn room(&self, key: &Key, tier: &Tier, most: u32, whose: &Whose) -> Result<Guard, Status> {
        let spent = self.purchases.iter().filter(|operation| {
            whose.bought(operation) && guard::spent_this_month(self.now, operation)
        });
        let declared = self.environments.iter().filter(|found| whose.declared(found));
        let (all, waiting) = declared.fold((0_u32, 0_u32), |(all, waiting), found| {
            // What it is asked for is no other one.
            let other = found.key() != *key;
            (all + 1, waiting + u32::from(other && self.may_be_bought(found)))
        });
        let count = waiting.saturating_add(u32::try_from(spent.count()).unwrap_or(u32::MAX));
        let (name, limit) = (&tier.metadata.name, machines(most));
        let who = match whose {
            Whose::Namespace(namespace) => format!("{namespace} has"),
            Whose::Account(_) => "you have".to_owned(),
        };
        let message = format!("tier {name} buys at most {limit} a month, {who} {count} this month");
        if count >= most {
            let all = ["devpocket get tiers".to_owned()];
            return Err(refused(key, codes::PURCHASE_LIMIT, message, &self.because(whose), &all));
        }
        let (namespace, labels) = whose.place();
        Ok(Guard::CountBelow {
            kind: Kind::Environment,
            namespace,
            labels,
            limit: all.saturating_add(most - count),
            message,
            code: codes::PURCHASE_LIMIT.into(),
        })
    }

    /// Whether it has no machine, and none was ordered for it.
    fn may_be_bought(&self, environment: &Stored) -> bool {
        let ordered = |operation: &Operation| {
            operation.spec.environment.as_ref().is_some_and(|of| of.uid == environment.uid())
        };
        let taken_back = environment.metadata.annotations.contains_key(names::UNDELETE_OF);
        !taken_back
            && !environment.metadata.is_deleting()
            && environment.field("status")["machine"].is_null()
            && !self.purchases.iter().any(ordered)
    }

    fn because(&self, whose: &Whose) -> String {
        let place = match whose {
            Whose::Namespace(_) => "",
            Whose::Account(_) => " in whichever namespace,",
        };
        let until = guard::next_month(self.now);
        let until = until.map_or_else(String::new, |at| format!(". The next begins at {at}"));
        format!(
            "a purchase counts,{place} whatever became of it, and so does what is declared and not \
             bought yet{until}"
        )
    }
}
