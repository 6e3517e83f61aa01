//! Plans that were shown, for a while: a write that names the hash of one that no longer fits is
//! refused with the fact that moved, and for that the facts of then are needed.
//!
//! # Guarantees
//! Nothing is decided from what is kept here: whether a plan fits is always computed anew. Without
//! it a refusal still says what would be done now.
//!
//! # Caveats
//! It is this process's memory: a restart forgets, and another replica does not know. Keeping it in
//! the store would make every look at a plan a write.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use devpocket_controllers::environment::facts;
use devpocket_specs::object::{Key, Object};
use devpocket_specs::plan::{Fact, Plan, PlanMade, moved, steps_moved};
use devpocket_specs::status::{Cause, Reason, Status};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::plan::{HASH_DIGITS_MIN, Planned};

/// Plans kept in all. Those of the environment that was asked about longest ago go first.
const PLANS: usize = 20_000;
/// Plans kept of one environment, the newest.
const PLANS_EACH: usize = 16;
/// How long.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// Longer specs are not kept; what differs in them is then not named.
const SPEC_BYTES: usize = 4_096;

/// The plans that were shown lately.
#[derive(Debug, Default)]
pub struct PlansMade(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    plans: BTreeMap<Key, VecDeque<PlanMade>>,
    total: usize,
}

impl PlansMade {
    /// Keeps a plan that is about to be shown.
    pub(super) fn keep(&self, key: &Key, change: &str, planned: &Planned, now: Timestamp) {
        let spec = &planned.spec;
        let fits = spec.to_string().len() <= SPEC_BYTES;
        let made = PlanMade {
            plan: planned.plan.clone(),
            change: change.to_owned(),
            spec: if fits { spec.clone() } else { Value::Null },
            facts: planned.facts.clone(),
            first: now,
            last: now,
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let plans = kept.plans.entry(key.clone()).or_default();
        let before = plans.len();
        plans.retain(|known| now.duration_since(known.last) < KEPT);
        match plans.back_mut().filter(|last| is_same(last, &made)) {
            Some(last) => last.last = now,
            None => plans.push_back(made),
        }
        if plans.len() > PLANS_EACH {
            plans.pop_front();
        }
        let after = plans.len();
        kept.total = kept.total + after - before;
        kept.forget_surplus();
    }

    /// What was shown of an environment, oldest first.
    pub(super) fn of(&self, key: &Key) -> Vec<PlanMade> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.plans.get(key).map(|plans| plans.iter().cloned().collect()).unwrap_or_default()
    }

    fn find(&self, key: &Key, hash: &str) -> Option<PlanMade> {
        self.of(key).into_iter().rev().find(|made| same_hash(hash, &made.plan.hash))
    }
}

impl Kept {
    fn forget_surplus(&mut self) {
        while self.total > PLANS {
            let last = |plans: &VecDeque<PlanMade>| plans.back().map(|made| made.last);
            let oldest = self.plans.iter().min_by_key(|(_, plans)| last(plans));
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { return };
            self.total -= self.plans.remove(&oldest).map_or(0, |plans| plans.len());
        }
    }
}

fn is_same(a: &PlanMade, b: &PlanMade) -> bool {
    a.plan.hash == b.plan.hash && a.change == b.change && a.spec == b.spec && a.facts == b.facts
}

/// Whether a person means this plan; they may leave out the end of the hash.
pub(super) fn same_hash(seen: &str, hash: &str) -> bool {
    seen.len() >= HASH_DIGITS_MIN && hash.starts_with(seen)
}

/// The facts of a plan: what is declared in the stored record and by whom, and the world.
pub(super) fn all_facts(
    world: &devpocket_controllers::environment::World<'_>,
    stored: Option<&Object>,
) -> Vec<Fact> {
    let mut all = stored.map(declared).unwrap_or_default();
    all.extend(facts(world));
    all
}

/// Each field of the stored `spec`, with who set it.
fn declared(stored: &Object) -> Vec<Fact> {
    let name = &stored.metadata.name;
    let going = stored.metadata.deletion_timestamp;
    let (value, since) = match going {
        Some(_) => ("being deleted", going),
        None => ("declared", stored.metadata.creation_timestamp),
    };
    let (value, by) = (value.to_owned(), None);
    let mut facts = vec![Fact { name: format!("env/{name}"), value, since, by }];
    let managers = stored.metadata.managed_fields.entries();
    for (field, value) in stored.field("spec").as_object().into_iter().flatten() {
        let value = shown(value);
        let owner = owner(&managers, field);
        let (by, since) = owner.map_or((None, None), |(by, since)| (Some(by), since));
        facts.push(Fact { name: format!("spec.{field} of env/{name}"), value, since, by });
    }
    facts
}

/// A value as it is read in a sentence. Two that differ read differently.
fn shown(value: &Value) -> String {
    match (value.as_str(), value["until"].as_str()) {
        (Some(text), _) => text.to_owned(),
        // A pause: its reason does not decide anything.
        (None, Some(until)) => format!("until {until}"),
        (None, None) => value.to_string(),
    }
}

fn owner(managed: &[Value], field: &str) -> Option<(String, Option<Timestamp>)> {
    let owns = |entry: &&Value| {
        entry["subresource"].is_null()
            && !entry["fieldsV1"]["f:spec"][format!("f:{field}")].is_null()
    };
    let entry = managed.iter().filter(owns).max_by_key(|entry| entry["time"].as_str())?;
    let since = entry["time"].as_str().and_then(|time| time.parse().ok());
    Some((entry["manager"].as_str()?.to_owned(), since))
}

/// The plan a person has seen is not what would happen now: which fact moved, and what that changes.
pub(super) fn stale(plans: &PlansMade, seen: &str, now: &Planned, key: &Key) -> Status {
    let known = plans.find(key, seen);
    let mut facts = known.as_ref().map(|known| moved(&known.facts, &now.facts)).unwrap_or_default();
    let known_plan: Plan = known.as_ref().map(|known| known.plan.clone()).unwrap_or_default();
    let (more, less) = steps_moved(&known_plan, &now.plan);
    facts.extend(less.into_iter().map(|step| format!("no longer: {step}")));
    facts.extend(more.into_iter().map(|step| format!("now: {step}")));
    if now.plan.steps.is_empty() {
        facts.push("nothing is left to do".into());
    }
    let made = known.map(|known| format!(", made at {}", known.last)).unwrap_or_default();
    let hash = &now.plan.hash;
    let message = format!(
        "plan {seen} no longer fits the world{made}; it would now be {hash} ({})",
        facts.join("; ")
    );
    let mut status = Status::new(Reason::Conflict, message).about(key).with_code("plan-stale");
    let cause = |message| Cause {
        reason: "PlanStale".into(),
        message,
        code: Some("plan-stale".into()),
        ..Cause::default()
    };
    status.details.causes = facts.into_iter().map(cause).collect();
    status
}

#[cfg(test)]
mod tests {
    use devpocket_specs::kind::Kind;
    use serde_json::json;

    use super::*;

    fn planned(value: &str) -> Planned {
        let fact = Fact { name: "vmi1".into(), value: value.into(), since: None, by: None };
        Planned { plan: Plan::of(Vec::new()), spec: json!({"size": "x"}), facts: vec![fact] }
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
    }

    #[test]
    fn the_same_plan_shown_again_is_one_and_old_ones_go() {
        let plans = PlansMade::default();
        let key = Key::new(Kind::Environment, "main", "web");
        plans.keep(&key, "None", &planned("Running"), at(0));
        plans.keep(&key, "None", &planned("Running"), at(1));
        let made = plans.of(&key);
        assert_eq!((made.len(), made[0].first, made[0].last), (1, at(0), at(1)));
        plans.keep(&key, "None", &planned("Stopped"), at(2));
        assert_eq!(plans.of(&key).len(), 2);
        plans.keep(&key, "None", &planned("Stopped"), at(25));
        assert_eq!(plans.of(&key).len(), 1, "what was last shown a day ago is forgotten");
    }

    #[test]
    fn memory_is_bounded() {
        let plans = PlansMade::default();
        let key = |index: usize| Key::new(Kind::Environment, "main", format!("e{index}"));
        for index in 0..=PLANS {
            let now = at(0) + SignedDuration::from_millis(index as i64);
            plans.keep(&key(index), "None", &planned("Running"), now);
        }
        assert!(plans.of(&key(0)).is_empty(), "the oldest went");
        assert_eq!(plans.of(&key(PLANS)).len(), 1);
        for index in 0..PLANS_EACH * 2 {
            plans.keep(&key(1), "None", &planned(&index.to_string()), at(1));
        }
        assert_eq!(plans.of(&key(1)).len(), PLANS_EACH);
    }
}
