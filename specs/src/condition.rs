//! Conditions with the Kubernetes shape and rules.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    True,
    False,
    /// It cannot be seen at the moment; the reason says why.
    Unknown,
}

/// One observation about an object. `lastTransitionTime` moves only when `status` flips.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    pub r#type: String,
    pub status: ConditionStatus,
    /// CamelCase word for programs; the code of the matching message.
    pub reason: String,
    /// One sentence for people.
    pub message: String,
    pub last_transition_time: Timestamp,
    /// `metadata.generation` the observation is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// The condition of that type, if it is there.
pub fn find<'a>(conditions: &'a [Condition], r#type: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.r#type == r#type)
}

/// Whether the condition of that type is there and `True`.
pub fn is_true(conditions: &[Condition], r#type: &str) -> bool {
    find(conditions, r#type).is_some_and(|c| c.status == ConditionStatus::True)
}

/// Puts `next` in place of the condition of its type, keeping the old transition time when the
/// status did not flip, so that writing the same observation twice changes nothing.
pub fn set(conditions: &mut Vec<Condition>, mut next: Condition) {
    match conditions.iter_mut().find(|c| c.r#type == next.r#type) {
        Some(current) => {
            if current.status == next.status {
                next.last_transition_time = current.last_transition_time;
            }
            *current = next;
        }
        None => {
            conditions.push(next);
            conditions.sort_by(|a, b| a.r#type.cmp(&b.r#type));
        }
    }
}

/// Whether the condition of that type says this already, so that setting it would change nothing.
pub fn says(
    conditions: &[Condition],
    r#type: &str,
    (status, reason, message): (ConditionStatus, &str, &str),
    observed_generation: Option<i64>,
) -> bool {
    find(conditions, r#type).is_some_and(|current| {
        current.status == status
            && current.observed_generation == observed_generation
            && current.reason == reason
            && current.message == message
    })
}

/// Removes the condition of that type.
pub fn remove(conditions: &mut Vec<Condition>, r#type: &str) {
    conditions.retain(|c| c.r#type != r#type);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(status: ConditionStatus, second: i64) -> Condition {
        Condition {
            r#type: "Ready".into(),
            status,
            reason: "Test".into(),
            message: String::new(),
            last_transition_time: Timestamp::from_second(second).unwrap(),
            observed_generation: None,
        }
    }

    #[test]
    fn the_transition_time_moves_only_when_the_status_flips() {
        let mut conditions = vec![];
        set(&mut conditions, condition(ConditionStatus::True, 1));
        set(&mut conditions, condition(ConditionStatus::True, 2));
        assert_eq!(conditions[0].last_transition_time.as_second(), 1);
        set(&mut conditions, condition(ConditionStatus::False, 3));
        assert_eq!(conditions[0].last_transition_time.as_second(), 3);
    }
}
