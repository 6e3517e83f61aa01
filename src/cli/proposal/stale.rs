//! The proposal somebody has seen is not what would happen now: which fact moved.
//!
//! Only the hash is named on the command line, maybe on another computer and hours later. The server
//! keeps the plans it has shown for a while, each environment's by itself. The proposal is put
//! together from them as it was at each time one of them was shown, newest first, until the hash is
//! the one that was named; then it is known what it rested on.

use std::collections::BTreeSet;

use devpocket_specs::plan::{Plan, PlanMade, moved, steps_moved};
use futures::StreamExt;
use jiff::Timestamp;
use serde_json::Value;

use super::build::differences;
use super::{Fate, Item, Proposal, hash_of, line, line_of, set_line};
use crate::cli::api::Api;
use crate::cli::error::{Failure, Report, exit};
use crate::cli::output::{age, count};
use crate::cli::session::Session;
use crate::manifest::short_name;

/// Requests under way at a time.
const AT_ONCE: usize = 8;
/// Most facts that are named.
const FACTS: usize = 6;

/// Why `hash` is refused. `again` is the command that was called, without the hash.
pub async fn stale(
    session: &Session,
    api: &Api,
    proposal: &Proposal,
    hash: &str,
    again: &str,
) -> Report {
    let recent = futures::stream::iter(proposal.items.iter().map(|item| recent(api, item)));
    let recent: Vec<Vec<PlanMade>> = recent.buffered(AT_ONCE).collect().await;
    let then = as_it_was(proposal, &recent, hash);
    let plan = again.replacen(" apply ", " plan ", 1).replacen(" create ", " create --dry-run ", 1);
    let plan = plan.replace(" --wait", "");
    let failure = match &then {
        Some(then) => known(session, proposal, then, hash),
        None => unknown(proposal, hash),
    };
    let steps = then.map(|then| steps(&proposal.items, &then)).unwrap_or_default();
    let steps = if steps.is_empty() { "the plan as it is now".to_owned() } else { steps };
    failure
        .exit(exit::REFUSED)
        .so_far("nothing was changed, nothing was bought")
        .attempt(plan, &steps)
        .into()
}

/// What the server has shown of an environment lately; nothing if it does not say.
async fn recent(api: &Api, item: &Item) -> Vec<PlanMade> {
    if !item.planned {
        return Vec::new();
    }
    let answer = api.recent_plans(&item.key, &item.document).await.unwrap_or(Value::Null);
    let made: Vec<PlanMade> = serde_json::from_value(answer["recent"].clone()).unwrap_or_default();
    made.into_iter().filter(|made| made.change != "Delete").collect()
}

/// The plan each item had when the proposal had this hash; `None` where it is the same as now or
/// was never planned.
fn as_it_was(
    proposal: &Proposal,
    recent: &[Vec<PlanMade>],
    hash: &str,
) -> Option<Vec<Option<PlanMade>>> {
    let items = &proposal.items;
    let times: BTreeSet<Timestamp> =
        recent.iter().flatten().flat_map(|made| [made.first, made.last]).collect();
    times.into_iter().rev().find_map(|time| {
        let then: Vec<Option<PlanMade>> = recent
            .iter()
            .map(|plans| plans.iter().rev().find(|made| made.first <= time).cloned())
            .collect();
        let lines = items.iter().zip(&then).filter_map(|(item, made)| match made {
            Some(made) if is_idle(made) => None,
            Some(made) => Some(line_of(&item.key, &made.spec, &made.plan.hash)),
            None if item.is_idle() => None,
            None => Some(line(item)),
        });
        let set = set_line(proposal.pruned.as_ref());
        hash_of(lines.chain(set).collect()).starts_with(hash).then_some(then)
    })
}

fn is_idle(made: &PlanMade) -> bool {
    Fate::of(&made.change) == Fate::Unchanged && made.plan.is_empty()
}

/// Whether the item would do what it would have done then.
fn is_moved(item: &Item, made: &PlanMade) -> bool {
    item.plan.hash != made.plan.hash || item.spec != made.spec || is_idle(made) != item.is_idle()
}

fn known(session: &Session, proposal: &Proposal, then: &[Option<PlanMade>], hash: &str) -> Failure {
    let mut facts = Vec::new();
    let mut shown: Vec<Timestamp> = Vec::new();
    let mut others = 0;
    for (item, made) in proposal.items.iter().zip(then) {
        match made.as_ref().filter(|made| is_moved(item, made)) {
            None => others += 1,
            Some(made) => {
                shown.push(made.last);
                facts.extend(facts_of(item, made));
            }
        }
    }
    let now = session.now();
    let made = shown.into_iter().min().map(|at| format!(" (made {} ago)", age(at, now)));
    let more = facts.len().saturating_sub(FACTS);
    facts.truncate(FACTS);
    if more > 0 {
        facts.push(format!("And {}", count(more, "other fact")));
    }
    match others {
        0 => {}
        1 => facts.push("1 other is as it was".to_owned()),
        _ => facts.push(format!("{others} others are as they were")),
    }
    let because = session.output.words.local_times(&facts.join(". "), now);
    let message = format!("plan {hash} no longer fits the world{}", made.unwrap_or_default());
    Failure::new("plan-stale", message).because(because)
}

/// What is different for one item: in the file, or else in the world, or else in what would be done.
fn facts_of(item: &Item, made: &PlanMade) -> Vec<String> {
    let name = short_name(&item.key);
    let mut facts: Vec<String> = moved(&made.facts, &item.facts);
    let declared_anew = facts.iter().any(|fact| fact.starts_with("spec."));
    if item.spec != made.spec && !made.spec.is_null() && !declared_anew {
        let fields = differences(&made.spec, &item.spec);
        facts.push(format!("{name} is declared otherwise than then: {}", fields.join(", ")));
    }
    if facts.is_empty() {
        let (more, less) = steps_moved(&made.plan, &item.plan);
        facts.extend(more.into_iter().map(|step| format!("{name}: now {step}")));
        facts.extend(less.into_iter().map(|step| format!("{name}: no longer {step}")));
    }
    facts
}

/// `the new plan has 1 step more: start vmi2561007`
fn steps(items: &[Item], then: &[Option<PlanMade>]) -> String {
    let (mut more, mut less) = (Vec::new(), Vec::new());
    for (item, made) in items.iter().zip(then) {
        let nothing = Plan::default();
        let before = made.as_ref().map_or(&nothing, |made| &made.plan);
        if made.is_some() {
            let (added, gone) = steps_moved(before, &item.plan);
            more.extend(added);
            less.extend(gone);
        }
    }
    let told = |steps: &[String], word: &str| match steps {
        [] => None,
        [one] => Some(format!("1 step {word}: {one}")),
        many => Some(format!("{} {word}", count(many.len(), "step"))),
    };
    let told: Vec<String> =
        [told(&more, "more"), told(&less, "less")].into_iter().flatten().collect();
    if told.is_empty() { String::new() } else { format!("the new plan has {}", told.join("; ")) }
}

/// The server does not know that plan: what would be done now is all that can be said.
fn unknown(proposal: &Proposal, hash: &str) -> Failure {
    let mut facts = Vec::new();
    for item in proposal.items.iter().filter(|item| !item.is_idle()) {
        let steps: Vec<&str> = item.plan.steps.iter().map(|step| step.summary.as_str()).collect();
        let what = match (steps.is_empty(), item.differences.is_empty()) {
            (false, _) => steps.join("; "),
            (true, false) => item.differences.join(", "),
            (true, true) => "is new".to_owned(),
        };
        facts.push(format!("{}: {what}", short_name(&item.key)));
    }
    let more = facts.len().saturating_sub(FACTS);
    facts.truncate(FACTS);
    if more > 0 {
        facts.push(format!("And {more} more"));
    }
    let now = if facts.is_empty() {
        "Now there is nothing left to do".to_owned()
    } else {
        format!("It would now be {}: {}", proposal.shown_hash(), facts.join(". "))
    };
    let because = format!(
        "the server does not know it any more (it keeps plans for a day, until it is restarted), \
         or it was for other files. {now}"
    );
    Failure::new("plan-stale", format!("plan {hash} no longer fits the world")).because(because)
}
