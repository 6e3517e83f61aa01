//! Carries a proposal out: first what others refer to, then the environments, and what goes last:
//! whatever fails before leaves everything where it is.

use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::names;
use devpocket_specs::object::Key;
use devpocket_specs::plan::{Plan, RiskClass};
use serde_json::{Value, json};

use super::{Fate, Item, Proposal};
use crate::cli::api::{Api, ApiError, WriteOptions};
use crate::cli::error::{Failure, Report, exit};
use crate::cli::question::Given;
use crate::cli::refusal;
use crate::cli::session::Session;
use crate::manifest::short_name;

/// How the records are written.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    pub force: bool,
    pub given: Given,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Written {
    pub records: Vec<Value>,
    pub deleted: Vec<Key>,
}

/// Writes every record that differs, gives the consent that was asked for, and deletes what goes.
pub async fn send(
    session: &Session,
    api: &Api,
    proposal: &Proposal,
    manner: Manner,
) -> Result<Written, Report> {
    let (mut going, mut order): (Vec<&Item>, Vec<&Item>) =
        proposal.items.iter().partition(|item| item.fate == Fate::Goes);
    order.sort_by_key(|item| rank(item.key.kind));
    // What refers to others goes before them.
    going.sort_by_key(|item| std::cmp::Reverse(rank(item.key.kind)));
    let mut written = Written::default();
    let mut names = Vec::new();
    for item in order {
        let sent = one(session, api, item, manner).await;
        let value = sent.map_err(|report| report.so_far(&so_far(&names)))?;
        if item.fate != Fate::Unchanged {
            names.push(short_name(&item.key));
        }
        written.records.push(value);
    }
    for item in going {
        let gone = delete(session, api, item).await;
        gone.map_err(|report| report.so_far(&so_far(&names)))?;
        names.push(format!("the deletion of {}", short_name(&item.key)));
        written.deleted.push(item.key.clone());
    }
    Ok(written)
}

/// Exactly this object and, for an environment, exactly this plan; and only while it is of the set.
async fn delete(session: &Session, api: &Api, item: &Item) -> Result<(), Report> {
    let label = |object: &Value| object["metadata"]["labels"][names::APPLY_SET].clone();
    match api.get(&item.key).await {
        Ok(now) if label(&now) == label(&item.document) => {}
        Ok(_) => {
            let name = short_name(&item.key);
            let message = format!("{name} left its set after this was planned, and stays");
            let failure = Failure::new("plan-stale", message).exit(exit::REFUSED).at(name);
            return Err(failure.into());
        }
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(failed(session, item, &error)),
    }
    let uid = item.document["metadata"]["uid"].as_str();
    let plan_hash = item.is_environment().then(|| item.plan.hash.clone());
    let options = WriteOptions { plan_hash, ..WriteOptions::default() };
    match api.delete(&item.key, uid, &options).await {
        Ok(_) => Ok(()),
        // Somebody else was faster: it is gone, as it shall be.
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(failed(session, item, &error)),
    }
}

fn failed(session: &Session, item: &Item, error: &ApiError) -> Report {
    match error {
        ApiError::Refused { status, request_id, .. } => {
            refusal::refused(status, request_id.as_deref()).about(&short_name(&item.key))
        }
        _ => session.report(error),
    }
}

/// What others refer to comes first.
fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::Namespace => 0,
        Kind::Tier | Kind::Template => 1,
        Kind::Secret => 2,
        Kind::Environment => 4,
        _ => 3,
    }
}

fn so_far(done: &[String]) -> String {
    match done {
        [] => "nothing was changed, nothing was bought".to_owned(),
        _ => format!("{} stand as declared; the rest was not sent", done.join(", ")),
    }
}

async fn one(session: &Session, api: &Api, item: &Item, manner: Manner) -> Result<Value, Report> {
    let failed = |error: ApiError| failed(session, item, &error);
    let options = WriteOptions {
        dry_run: false,
        force: manner.force,
        plan_hash: item.planned.then(|| item.plan.hash.clone()),
    };
    let written = if item.fate == Fate::Unchanged && !item.owned_by_others {
        api.get(&item.key).await
    } else {
        api.apply(&item.key, &item.document, &options).await
    };
    let written = written.map_err(failed)?;
    approve(api, item, manner.given).await.map_err(failed)?;
    Ok(written)
}

/// Consent to the steps the person has seen, as far as it was given; a step that was not in the
/// plan shown is never approved.
pub async fn approve(api: &Api, item: &Item, given: Given) -> Result<(), ApiError> {
    if item.unapproved().next().is_none() {
        return Ok(());
    }
    let answer = api.plan(&item.key).await?;
    let now: Plan = serde_json::from_value(answer["plan"].clone()).unwrap_or_default();
    let allowed = |class: RiskClass| given.plan || !given.yes || class != RiskClass::DataRisk;
    let fingerprints: Vec<&String> = now
        .steps
        .iter()
        .filter(|step| !step.approved && allowed(step.class))
        .filter(|step| {
            item.unapproved().any(|seen| {
                seen.call == step.call
                    && seen.machine == step.machine
                    && seen.summary == step.summary
                    && seen.due == step.due
            })
        })
        .filter_map(|step| step.fingerprint.as_ref())
        .collect();
    if fingerprints.is_empty() {
        return Ok(());
    }
    let body = json!({"fingerprints": fingerprints});
    api.act(&item.key, "approval", &body, false).await.map(|_| ())
}
