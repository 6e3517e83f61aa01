//! What a plan rested on, so that a refusal can name the fact that moved.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Plan, Step};

/// Something that was true when a plan was made, as people say it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fact {
    /// What it is about: `vmi2561007 of env/shop`, `spec.power of env/shop`. No two facts of a plan
    /// have the same.
    pub name: String,
    /// What it is: `Running`, `vps-10-nvme`.
    pub value: String,
    /// Since when, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Who made it so, where it is known: a field manager, `Contabo audit: ops@example.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// A plan that somebody was shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanMade {
    pub plan: Plan,
    /// What the write would have been: `Create`, `Update`, `None`, `Delete`.
    pub change: String,
    /// `spec` as it would have been stored.
    pub spec: Value,
    pub facts: Vec<Fact>,
    /// When it was first shown like this.
    pub first: Timestamp,
    /// When it was last shown like this.
    pub last: Timestamp,
}

/// What is not as it was, a sentence each without a full stop. Times are RFC 3339. Of something
/// new (`env/shop`) its parts (`spec.size of env/shop`) are not told as well.
pub fn moved(before: &[Fact], now: &[Fact]) -> Vec<String> {
    let find = |facts: &'_ [Fact], name: &str| facts.iter().position(|fact| fact.name == name);
    let is_new = |name: &str| find(before, name).is_none() && find(now, name).is_some();
    let mut sentences = Vec::new();
    for fact in now {
        let Fact { name, value, since, by } = fact;
        if is_new(name) && name.split_once(" of ").is_some_and(|(_, whole)| is_new(whole)) {
            continue;
        }
        let since = since.map(|at| format!(" since {at}")).unwrap_or_default();
        let by = by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default();
        match find(before, name).map(|place| &before[place].value) {
            Some(old) if old == value => {}
            Some(old) => sentences.push(format!("{name} was {old} and is {value}{since}{by}")),
            None => sentences.push(format!("{name} is {value}{since}{by}")),
        }
    }
    for fact in before.iter().filter(|fact| find(now, &fact.name).is_none()) {
        sentences.push(format!("{} was {} and is no more", fact.name, fact.value));
    }
    sentences
}

/// Summaries of the steps the new plan has more, and of those it has less.
pub fn steps_moved(before: &Plan, now: &Plan) -> (Vec<String>, Vec<String>) {
    let has = |plan: &Plan, step: &Step| plan.steps.iter().any(|other| same(other, step));
    let only = |of: &Plan, other: &Plan| {
        let steps = of.steps.iter().filter(|step| !has(other, step));
        steps.map(|step| step.summary.clone()).collect()
    };
    (only(now, before), only(before, now))
}

fn same(a: &Step, b: &Step) -> bool {
    a.call == b.call && a.machine == b.machine && a.fingerprint == b.fingerprint
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(name: &str, value: &str) -> Fact {
        Fact { name: name.into(), value: value.into(), since: None, by: None }
    }

    #[test]
    fn what_moved_is_named_with_both_values_since_when_and_by_whom() {
        let before = [fact("vmi1 of env/shop", "Running"), fact("template python", "version 3")];
        let now = [
            Fact {
                since: Some("2026-11-22T14:02:00Z".parse().unwrap()),
                by: Some("Contabo audit: ops@example.com".into()),
                ..fact("vmi1 of env/shop", "Stopped")
            },
            fact("template python", "version 3"),
        ];
        assert_eq!(
            moved(&before, &now),
            ["vmi1 of env/shop was Running and is Stopped since 2026-11-22T14:02:00Z \
              (Contabo audit: ops@example.com)"]
        );
        assert!(moved(&before, &before).is_empty());
    }

    #[test]
    fn what_came_and_what_went_is_named_too() {
        let (old, new) = ([fact("a", "1")], [fact("b", "2")]);
        assert_eq!(moved(&old, &new), ["b is 2", "a was 1 and is no more"]);
        let made = [fact("env/web", "declared"), fact("spec.size of env/web", "x")];
        assert_eq!(moved(&[], &made), ["env/web is declared"]);
    }
}
