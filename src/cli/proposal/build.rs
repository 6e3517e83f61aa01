//! Makes a proposal: asks the server what each document would do, and collects all faults.

use std::collections::BTreeSet;

use devpocket_specs::kind::Kind;
use devpocket_specs::money::Money;
use devpocket_specs::object::Key;
use devpocket_specs::plan::{Fact, Plan, RiskClass, Step};
use devpocket_specs::status::{Reason, Status};
use futures::StreamExt;
use serde::Deserialize;
use serde_json::Value;

use super::membership::Terms;
use super::{Fate, Item, Proposal, prune};
use crate::cli::api::{Api, ApiError, WriteOptions};
use crate::cli::command::budget;
use crate::cli::error::Report;
use crate::cli::session::Session;

/// Requests under way at a time.
const AT_ONCE: usize = 8;
/// Most differences of a record that are named.
const DIFFERENCES: usize = 6;

/// A document somebody wants applied.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub key: Key,
    pub document: Value,
}

/// The answer of the `plan` subresource, as far as it is read here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    change: String,
    plan: Plan,
    #[serde(default)]
    facts: Vec<Fact>,
    #[serde(default)]
    notes: Vec<String>,
    environment: Value,
}

/// Asks about every document.
///
/// # Errors
/// The outer one ends everything (no answer, not signed in); the inner ones are refusals of single
/// documents, all of them, with the index of the document.
pub async fn build(
    session: &Session,
    api: &Api,
    wanted: &[Wanted],
    terms: &Terms,
) -> Result<Result<Proposal, Vec<(usize, Status)>>, Report> {
    let created: BTreeSet<Key> = wanted.iter().map(|wanted| wanted.key.clone()).collect();
    let asked = wanted.iter().map(|wanted| item(api, wanted, terms, &created));
    let answers: Vec<Result<Item, ApiError>> =
        futures::stream::iter(asked).buffered(AT_ONCE).collect().await;
    let mut items = Vec::new();
    let mut refusals = Vec::new();
    for (index, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(item) => items.push(item),
            Err(ApiError::Refused { status, code, .. }) if code < 500 && code != 429 => {
                let hidden = behind(api, &wanted[index], terms, &created, &status).await;
                refusals.extend(hidden.map(|hidden| (index, hidden)));
                refusals.push((index, *status));
            }
            Err(error) => return Err(session.report(&error)),
        }
    }
    if !refusals.is_empty() {
        return Ok(Err(refusals));
    }
    let installation = session.installation(api).await?;
    let pruned = prune::find(session, api, terms, &mut items, installation.as_ref()).await?;
    Ok(Ok(priced(session, api, Proposal::of(items, installation, pruned)).await?))
}

async fn item(
    api: &Api,
    wanted: &Wanted,
    terms: &Terms,
    created: &BTreeSet<Key>,
) -> Result<Item, ApiError> {
    let before = match api.get(&wanted.key).await {
        Ok(before) => Some(before),
        Err(error) if error.is_not_found() => None,
        Err(error) => return Err(error),
    };
    let document = terms.document(wanted, before.as_ref()).map_err(|status| ApiError::Refused {
        status: Box::new(status),
        code: 409,
        request_id: None,
    })?;
    let wanted = Wanted { key: wanted.key.clone(), document };
    let answer = match wanted.key.kind {
        Kind::Environment => environment(api, &wanted, before, terms.force).await,
        _ => record(api, &wanted, before, terms.force).await,
    };
    match answer {
        Err(ApiError::Refused { status, .. }) if waits_for(&status, created) => Ok(later(&wanted)),
        other => other,
    }
}

async fn environment(
    api: &Api,
    wanted: &Wanted,
    before: Option<Value>,
    force: bool,
) -> Result<Item, ApiError> {
    let answer = api.plan_of(&wanted.key, &wanted.document, force).await?;
    planned(api, wanted, before, answer)
}

/// An environment with what the server would do for it.
pub fn planned(
    api: &Api,
    wanted: &Wanted,
    before: Option<Value>,
    answer: Value,
) -> Result<Item, ApiError> {
    let answer: Answer = serde_json::from_value(answer).map_err(|error| ApiError::Foreign {
        server: api.server().to_owned(),
        problem: error.to_string(),
    })?;
    let before = before.as_ref().map(content);
    let after = content(&answer.environment);
    // A write that only says who declares it changes nothing anybody would look at.
    let same = before.as_ref() == Some(&after);
    let fate = Fate::of(&answer.change);
    Ok(Item {
        key: wanted.key.clone(),
        document: wanted.document.clone(),
        fate: if same { Fate::Unchanged } else { fate },
        differences: before.as_ref().map(|old| changed(old, &after)).unwrap_or_default(),
        spec: answer.environment["spec"].clone(),
        environment: Some(Box::new(api.typed(answer.environment)?)),
        before,
        after,
        plan: answer.plan,
        facts: answer.facts,
        notes: answer.notes,
        planned: true,
        owned_by_others: same && fate == Fate::Changed,
    })
}

async fn record(
    api: &Api,
    wanted: &Wanted,
    before: Option<Value>,
    force: bool,
) -> Result<Item, ApiError> {
    let options = WriteOptions { dry_run: true, force, ..WriteOptions::default() };
    let after = api.apply(&wanted.key, &wanted.document, &options).await?;
    Ok(compared(wanted, before, &after))
}

/// A record that asks for nothing in the world.
pub fn compared(wanted: &Wanted, before: Option<Value>, after: &Value) -> Item {
    let secret = wanted.key.kind == Kind::Secret;
    let before = before.as_ref().map(content);
    let after = content(after);
    let (fate, differences) = match &before {
        None => (Fate::New, Vec::new()),
        Some(before) if *before == after => (Fate::Unchanged, Vec::new()),
        Some(_) if secret => (Fate::Changed, Vec::new()),
        Some(before) => (Fate::Changed, differences(before, &after)),
    };
    Item {
        key: wanted.key.clone(),
        document: wanted.document.clone(),
        fate,
        differences,
        before,
        spec: after.clone(),
        after,
        environment: None,
        plan: Plan::default(),
        facts: Vec::new(),
        notes: Vec::new(),
        planned: false,
        owned_by_others: false,
    }
}

/// What somebody declared in a record: labels, annotations, and what the kind has.
pub fn content(value: &Value) -> Value {
    let mut value = value.clone();
    let metadata = value["metadata"].take();
    if let Some(members) = value.as_object_mut() {
        members.retain(|name, _| !["apiVersion", "kind", "metadata", "status"].contains(&&**name));
    }
    for name in ["labels", "annotations"] {
        if !metadata[name].is_null() {
            value[name] = metadata[name].clone();
        }
    }
    value
}

/// Differences of an environment: the fields of its spec by their bare names.
fn changed(before: &Value, after: &Value) -> Vec<String> {
    let flat = |content: &Value| {
        let mut flat = content["spec"].clone();
        for name in ["labels", "annotations"] {
            if !content[name].is_null() {
                flat[name] = content[name].clone();
            }
        }
        flat
    };
    differences(&flat(before), &flat(after))
}

/// The server looks at whose a field is before it looks at its value: what is wrong with the
/// document itself, where its refusal is about owners only. Nothing is written by asking.
async fn behind(
    api: &Api,
    wanted: &Wanted,
    terms: &Terms,
    created: &BTreeSet<Key>,
    refusal: &Status,
) -> Option<Status> {
    let about_owners = |status: &Status| {
        status.details.causes.iter().any(|cause| cause.reason == "FieldManagerConflict")
    };
    if terms.force || !about_owners(refusal) {
        return None;
    }
    let forced = Terms { force: true, ..terms.clone() };
    match item(api, wanted, &forced, created).await {
        Err(ApiError::Refused { status, code, .. }) if code < 500 && code != 429 => Some(*status),
        _ => None,
    }
}

/// Whether the refusal is only about something the same call creates first.
fn waits_for(status: &Status, created: &BTreeSet<Key>) -> bool {
    let there =
        |kind: Kind, name: &str| created.iter().any(|key| key.kind == kind && key.name == name);
    let details = &status.details;
    if status.reason == Reason::NotFound && details.kind == "namespaces" {
        return there(Kind::Namespace, &details.name);
    }
    let kind_of = |code: &str| Kind::from_word(code.strip_prefix("unknown-")?);
    !details.causes.is_empty()
        && details.causes.iter().all(|cause| {
            let kind = cause.code.as_deref().and_then(kind_of);
            let name = cause.message.split('"').nth(1).unwrap_or_default();
            cause.reason == "FieldValueNotFound" && kind.is_some_and(|kind| there(kind, name))
        })
}

/// What the server cannot plan before something else is created.
fn later(wanted: &Wanted) -> Item {
    let spec = wanted.document["spec"].clone();
    let text = |name: &str| spec[name].as_str().unwrap_or_default().to_owned();
    let (size, region) = (text("size"), text("region"));
    let place = if region.is_empty() { String::new() } else { format!(" in {region}") };
    let steps = if wanted.key.kind == Kind::Environment {
        vec![Step {
            call: "purchase".into(),
            machine: String::new(),
            summary: format!("buy 1 × {size}{place}, or claim one from the pool"),
            class: RiskClass::Money,
            downtime_seconds: None,
            monthly: None,
            due: None,
            fingerprint: None,
            approved: true,
            hold: None,
        }]
    } else {
        Vec::new()
    };
    Item {
        key: wanted.key.clone(),
        document: wanted.document.clone(),
        fate: Fate::New,
        differences: Vec::new(),
        before: None,
        after: content(&wanted.document),
        environment: None,
        spec,
        plan: Plan::of(steps),
        facts: Vec::new(),
        notes: Vec::new(),
        planned: false,
        owned_by_others: false,
    }
}

/// The proposal with its prices.
pub async fn priced(
    session: &Session,
    api: &Api,
    mut proposal: Proposal,
) -> Result<Proposal, Report> {
    price(session, api, &mut proposal).await?;
    Ok(proposal)
}

/// Prices of what the server could not plan, the day of the prices, and what is spent already.
async fn price(session: &Session, api: &Api, proposal: &mut Proposal) -> Result<(), Report> {
    if proposal.worst() != Some(RiskClass::Money) {
        return Ok(());
    }
    let catalogue = api.catalogue().await.map_err(|error| session.report(&error))?;
    let of = |size: &str, region: &str, months: u64| {
        let sizes = catalogue["sizes"].as_array()?;
        let known =
            |view: &&Value| view["size"]["name"] == size || view["size"]["productId"] == size;
        let prices = sizes.iter().find(known)?["prices"].as_array()?;
        let fits = |line: &&Value| {
            line["region"] == region && line["price"]["termMonths"].as_u64() == Some(months)
        };
        prices.iter().find(fits).map(|line| line["price"].clone())
    };
    for item in proposal.items.iter_mut().filter(|item| item.is_environment()) {
        let region = item.spec["region"].as_str().unwrap_or("EU").to_owned();
        let months = item.spec["contractMonths"].as_u64().unwrap_or(1);
        let size = item.spec["size"].as_str().unwrap_or_default().to_owned();
        let Some(price) = of(&size, &region, months) else { continue };
        let day = price["asOf"].as_str().and_then(|day| day.parse().ok());
        let bought = item.plan.steps.iter().any(|step| step.class == RiskClass::Money);
        if bought {
            proposal.prices_of = proposal.prices_of.min(day).or(proposal.prices_of).or(day);
        }
        if !item.planned {
            let currency = price["currency"].as_str().unwrap_or_default();
            let money = |name: &str| Some(Money::new(price[name].as_i64()?, currency));
            for step in &mut item.plan.steps {
                step.monthly = money("centsPerMonth");
                step.due = money("totalDue");
            }
        }
    }
    proposal.committed = budget::committed(session, api).await?;
    Ok(())
}

/// What differs between two versions of a record, field by field.
pub fn differences(before: &Value, after: &Value) -> Vec<String> {
    let mut found = Vec::new();
    differ(before, after, "", &mut found);
    if found.len() > DIFFERENCES {
        let more = found.len() - DIFFERENCES + 1;
        found.truncate(DIFFERENCES - 1);
        found.push(format!("and {more} more"));
    }
    found
}

fn differ(before: &Value, after: &Value, path: &str, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let (old, new) = (old.get(name), new.get(name));
                differ(old.unwrap_or(&Value::Null), new.unwrap_or(&Value::Null), &path, found);
            }
        }
        _ if before == after => {}
        _ => match (plain(before), plain(after)) {
            (Some(old), Some(new)) => found.push(format!("{path} {old} → {new}")),
            _ => found.push(format!("{path} changes")),
        },
    }
}

/// A value short enough to be read in a line.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("(none)".to_owned()),
        Value::String(text) if text.len() <= 40 && !text.contains('\n') => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_named_with_their_values() {
        let old =
            json!({"size": "a", "power": "Running", "env": [1], "user": {"shell": "/bin/sh"}});
        let new = json!({"size": "b", "power": "Running", "env": [2], "user": {"shell": "/bin/sh"}, "x": true});
        assert_eq!(differences(&old, &new), ["env changes", "size a → b", "x (none) → true"]);
    }
}
