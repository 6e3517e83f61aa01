//! Carries a proposal out: first what others refer to, then the environments.

use devpocket_specs::kind::Kind;
use devpocket_specs::plan::{Plan, RiskClass};
use serde_json::{Value, json};

use super::{Fate, Item, Proposal};
use crate::cli::api::{Api, ApiError, WriteOptions};
use crate::cli::error::Report;
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

/// Writes every record that differs and gives the consent that was asked for. Returns the records.
pub async fn send(
    session: &Session,
    api: &Api,
    proposal: &Proposal,
    manner: Manner,
) -> Result<Vec<Value>, Report> {
    let mut order: Vec<&Item> = proposal.items.iter().collect();
    order.sort_by_key(|item| rank(item.key.kind));
    let mut written = Vec::new();
    let mut names = Vec::new();
    for item in order {
        let sent = one(session, api, item, manner).await;
        let value = sent.map_err(|report| report.so_far(&so_far(&names)))?;
        if item.fate != Fate::Unchanged {
            names.push(short_name(&item.key));
        }
        written.push(value);
    }
    Ok(written)
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
    let name = short_name(&item.key);
    let failed = |error: ApiError| match &error {
        ApiError::Refused { status, request_id, .. } => {
            refusal::refused(status, request_id.as_deref()).about(&name)
        }
        _ => session.report(&error),
    };
    let options = WriteOptions {
        dry_run: false,
        force: manner.force,
        plan_hash: item.planned.then(|| item.plan.hash.clone()),
    };
    let written = if item.fate == Fate::Unchanged {
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
async fn approve(api: &Api, item: &Item, given: Given) -> Result<(), ApiError> {
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
