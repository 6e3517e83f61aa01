//! What a tenant may declare: the tier of its namespace, checked in the write.
//!
//! The leader asks the same again before anything is bought (`controllers::guard`), with what is
//! paid for. Here environments count, each of which is one machine: whoever has as many as the tier
//! allows is told at once, and two who create at the same time meet in the transaction. What may be
//! bought in a month is in [`super::spending`].

use std::sync::Arc;

use devpocket_controllers::guard::{Tenancy, Tenants, codes};
use devpocket_controllers::store::{Guard, Stored};
use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::names;
use devpocket_specs::namespace::Namespace;
use devpocket_specs::object::{Key, Object};
use devpocket_specs::status::{Cause, Reason, Status};
use devpocket_specs::tier::Tier;

use super::spending;
use crate::server::AppState;

/// Names of environments listed in a refusal.
const NAMES_SHOWN: usize = 10;

/// Checks a new environment, or another size of one, and returns what the store must check again.
pub(super) async fn guards(
    state: &AppState,
    old: Option<&Object>,
    object: &Object,
) -> Result<Vec<Guard>, Status> {
    let size = |object: &Object| object.field("spec")["size"].as_str().map(str::to_owned);
    if object.kind != Kind::Environment || (old.is_some() && old.and_then(size) == size(object)) {
        return Ok(Vec::new());
    }
    let (key, namespace) = (object.key(), object.metadata.namespace.as_str());
    let tier = match tenancy(state, namespace).await? {
        Tenancy::Unlimited => return Ok(Vec::new()),
        Tenancy::Limited(tier) => tier,
        // Only what is new would be bought.
        _ if old.is_some() => return Ok(Vec::new()),
        Tenancy::NoTier => {
            let message = format!("{namespace} has no tier, so nothing can be bought for it");
            return Err(refused(&key, codes::NO_TIER, message, "an admin gives it one", &[]));
        }
        Tenancy::UnknownTier(tier) => {
            let message = format!("{namespace} has the tier {tier}, and there is no such tier");
            return Err(refused(&key, codes::NO_TIER, message, "an admin gives it another", &[]));
        }
    };
    let (name, size) = (&tier.metadata.name, size(object).unwrap_or_default());
    if !tier.spec.allows(&size) {
        let message = format!("tier {name} has no {size}");
        let because = format!("it has {}", tier.spec.sizes.join(", "));
        let all = ["devpocket get tiers".to_owned()];
        return Err(refused(&key, codes::SIZE_NOT_IN_TIER, message, &because, &all));
    }
    let mut guards = Vec::new();
    if old.is_none() {
        if let Some(limit) = tier.spec.max_machines {
            guards.push(quota(state, &key, &tier, limit).await?);
        }
        guards.extend(spending::guards(state, object, &tier).await?);
    }
    Ok(guards)
}

pub(super) async fn tenancy(state: &AppState, namespace: &str) -> Result<Tenancy, Status> {
    let key = Key::cluster(Kind::Namespace, namespace);
    let found = state.store.get(&key).await?.ok_or_else(|| Status::not_found(&key))?;
    let read = |error: devpocket_specs::object::ObjectError| {
        Status::new(Reason::InternalError, error.to_string())
    };
    let found: Namespace = found.to().map_err(read)?;
    let mut tiers = Vec::new();
    if let Some(name) = found.metadata.labels.get(names::TIER).filter(|name| !name.is_empty())
        && let Some(tier) = state.store.get(&Key::cluster(Kind::Tier, name.as_str())).await?
    {
        tiers.push(Arc::new(tier.to::<Tier>().map_err(read)?));
    }
    let tenants = Tenants::new(vec![Arc::new(found)], tiers);
    Ok(tenants.tenancy(namespace).unwrap_or(Tenancy::Unlimited))
}

async fn quota(state: &AppState, key: &Key, tier: &Tier, limit: u32) -> Result<Guard, Status> {
    let (name, namespace) = (&tier.metadata.name, &key.namespace);
    let environments = state.store.list(Kind::Environment, Some(namespace)).await?.items;
    let machines = machines(limit);
    let message = format!("tier {name} allows {machines}, {namespace} has {}", environments.len());
    if environments.len() >= limit as usize {
        let mut attempts = Vec::new();
        let cheapest = environments.iter().find(|found| is_stopped(found));
        if let Some(one) = cheapest.or(environments.last()) {
            attempts.push(format!("devpocket delete env/{}", one.metadata.name));
        }
        attempts.push("devpocket get tiers".to_owned());
        return Err(refused(key, codes::QUOTA, message, &because(&environments), &attempts));
    }
    Ok(Guard::CountBelow {
        kind: Kind::Environment,
        namespace: Some(namespace.clone()),
        labels: Default::default(),
        limit,
        message,
        code: codes::QUOTA.into(),
    })
}

pub(super) fn machines(count: u32) -> String {
    if count == 1 { "1 machine".to_owned() } else { format!("{count} machines") }
}

fn is_stopped(environment: &Stored) -> bool {
    environment.field("status")["phase"].as_str() == Some("stopped")
}

/// Which there are, and why one that stands still is among them.
fn because(environments: &[Arc<Stored>]) -> String {
    let shown = environments.iter().take(NAMES_SHOWN).map(|found| found.metadata.name.as_str());
    let mut text = shown.collect::<Vec<&str>>().join(", ");
    if environments.len() > NAMES_SHOWN {
        text.push_str(&format!(" and {} more", environments.len() - NAMES_SHOWN));
    }
    if let Some(stopped) = environments.iter().find(|found| is_stopped(found)) {
        let until = stopped.field("status")["cost"]["paidUntil"].as_str();
        let until = until.map(|day| format!(" until {day}")).unwrap_or_default();
        let name = &stopped.metadata.name;
        text.push_str(&format!(". {name} is stopped, but paid for{until}, so it counts"));
    }
    text
}

pub(super) fn refused(
    key: &Key,
    code: &str,
    message: String,
    because: &str,
    attempts: &[String],
) -> Status {
    let mut status = Status::new(Reason::Forbidden, message).about(key).with_code(code);
    status.details.causes = vec![Cause {
        reason: "FieldValueForbidden".into(),
        message: because.to_owned(),
        code: Some(code.to_owned()),
        r#try: attempts.to_vec(),
        ..Cause::default()
    }];
    status
}
