//! Collecting what has served its time: finished operations and old events.

use std::collections::BTreeMap;
use std::sync::Arc;

use devpocket_specs::object::Resource;
use devpocket_specs::operation::{Operation, Verb};
use jiff::{SignedDuration, Timestamp};

use super::mirrors::Mirrors;
use crate::client::{Client, ClientError, unchanged};
use crate::machine::state::number;
use crate::runtime::recorder::collect_garbage;

/// How long a finished operation is kept.
pub const OPERATIONS_KEPT: SignedDuration = SignedDuration::from_hours(24 * 90);
/// Operations deleted in one pass.
const AT_MOST: usize = 500;

/// Finished operations that may go. The newest of each verb on a machine that is still recorded
/// stays: its number is the one the next name counts on from, and a machine whose purchase was
/// forgotten would be bought again.
pub fn expired(
    operations: &[Arc<Operation>],
    is_recorded: impl Fn(&str) -> bool,
    now: Timestamp,
) -> Vec<&Arc<Operation>> {
    let mut newest: BTreeMap<(&str, Verb), u64> = BTreeMap::new();
    for operation in operations {
        let key = (operation.spec.machine.as_str(), operation.spec.verb);
        let highest = newest.entry(key).or_default();
        *highest = number(operation).max(*highest);
    }
    operations
        .iter()
        .filter(|operation| {
            let (spec, status) = (&operation.spec, &operation.status);
            let old = status.ended_at.is_some_and(|at| now.duration_since(at) > OPERATIONS_KEPT);
            let kept = newest.get(&(spec.machine.as_str(), spec.verb)) == Some(&number(operation))
                && is_recorded(&spec.machine);
            !status.phase.is_open() && old && !kept
        })
        .collect()
}

/// One pass over operations and events.
pub async fn collect(client: &Client, mirrors: &Mirrors) -> Result<(), ClientError> {
    let operations = mirrors.operations.list();
    let recorded = |machine: &str| mirrors.machine(machine).is_some();
    for operation in expired(&operations, recorded, client.now()).into_iter().take(AT_MOST) {
        match client.delete(&operation.key(), unchanged(&**operation)).await {
            Err(error) if !error.is_conflict() && !error.is_not_found() => return Err(error),
            _ => {}
        }
    }
    collect_garbage(client).await?;
    Ok(())
}
