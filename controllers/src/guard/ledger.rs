//! What the brakes count: purchases, ends of machines, and calls per machine, taken from the
//! records once so that many questions can be asked cheaply.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use rustc_hash::FxBuildHasher;
use uuid::Uuid;

use devpocket_specs::machine::{Machine, MachineState};
use devpocket_specs::money::Money;
use devpocket_specs::object::Resource;
use devpocket_specs::operation::{Operation, OperationPhase, Resolution, Verb};

/// A machine record whose order nobody planned to send yet.
#[derive(Clone, Debug)]
pub(super) struct Unordered {
    pub machine: String,
    pub due: Money,
}

/// Counts over all machines and operations.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub(super) purchases: Vec<Arc<Operation>>,
    /// Wipes and cancellations.
    pub(super) ends: Vec<Arc<Operation>>,
    pub(super) releases: Vec<(String, Timestamp)>,
    pub(super) unordered: Vec<Unordered>,
    pub(super) managed: usize,
    /// Machines an environment holds.
    pub(super) claimed: Vec<Arc<Machine>>,
    /// Never gone through, and hashed alike in every run.
    by_machine: HashMap<String, Arc<Vec<Arc<Operation>>>, FxBuildHasher>,
}

impl Ledger {
    /// Counts over these records; they must be all machines and all operations.
    pub fn of<'a>(
        machines: impl IntoIterator<Item = &'a Arc<Machine>>,
        operations: impl IntoIterator<Item = &'a Arc<Operation>>,
    ) -> Ledger {
        let mut ledger = Ledger::default();
        for operation in operations {
            if operation.spec.verb == Verb::Purchase {
                ledger.purchases.push(operation.clone());
            }
            if ends_a_machine(operation) {
                ledger.ends.push(operation.clone());
            }
            let on_machine = ledger.by_machine.entry(operation.spec.machine.clone()).or_default();
            Arc::make_mut(on_machine).push(operation.clone());
        }
        for operations in ledger.by_machine.values_mut() {
            Arc::make_mut(operations).sort_by(|one, other| by_age(one).cmp(&by_age(other)));
        }
        for machine in machines {
            ledger.count(machine);
        }
        ledger
    }

    fn count(&mut self, machine: &Arc<Machine>) {
        if machine.spec.claim.is_some() && machine.spec.managed {
            self.claimed.push(machine.clone());
        }
        let name = &machine.metadata.name;
        if let Some(release) = &machine.spec.release {
            self.releases.push((name.clone(), release.at));
        }
        let exists = machine.status.instance_id.is_some()
            && !matches!(machine.status.state, MachineState::Gone | MachineState::NotBought);
        if machine.spec.managed && exists {
            self.managed += 1;
        }
        let purchased = self
            .by_machine
            .get(name)
            .is_some_and(|all| all.iter().any(|o| o.spec.verb == Verb::Purchase));
        let wanted = machine.spec.claim.is_some() && !machine.metadata.is_deleting();
        if let Some(order) = machine.spec.order.as_ref().filter(|_| !exists && wanted && !purchased)
        {
            self.unordered.push(Unordered { machine: name.clone(), due: order.due.clone() });
        }
    }

    /// The operations about a machine, oldest first.
    pub fn of_machine(&self, machine: &str) -> impl Iterator<Item = &Operation> {
        self.by_machine.get(machine).into_iter().flat_map(|all| all.iter()).map(Arc::as_ref)
    }

    /// The same, for whoever asks often and keeps them.
    pub(crate) fn shared_of_machine(&self, machine: &str) -> Arc<Vec<Arc<Operation>>> {
        self.by_machine.get(machine).cloned().unwrap_or_default()
    }

    /// Machines under our care that exist.
    pub fn managed(&self) -> usize {
        self.managed
    }
}

/// Whether this takes a machine away from everybody: a cancellation, or a wipe. A reinstall for an
/// environment (of a machine proved empty, or approved) is not one.
pub(super) fn ends_a_machine(operation: &Operation) -> bool {
    match operation.spec.verb {
        Verb::Cancel => true,
        Verb::Reinstall => operation.spec.environment.is_none(),
        _ => false,
    }
}

/// What operations are put in order by, the oldest first.
pub fn by_age(operation: &Operation) -> (Option<Timestamp>, &str) {
    (operation.metadata.creation_timestamp, &operation.metadata.name)
}

/// Whether both are the same record; two that are not stored yet are the same by name.
pub(super) fn same(one: &Operation, other: &Operation) -> bool {
    one.metadata.name == other.metadata.name
        && (one.uid() == other.uid() || one.uid() == Uuid::nil() || other.uid() == Uuid::nil())
}

/// Whether `other` has to be counted when `operation` is judged: it was sent and may have happened,
/// or it is planned and goes first.
pub(super) fn counts_before(other: &Operation, operation: &Operation) -> bool {
    if same(other, operation) {
        return false;
    }
    match other.status.phase {
        OperationPhase::Planned => goes_first(other, operation),
        OperationPhase::Issued | OperationPhase::Unknown | OperationPhase::Succeeded => true,
        OperationPhase::Rejected => false,
        OperationPhase::Resolved => other.status.resolution != Some(Resolution::NotHappened),
    }
}

/// Planned intents are served in the order of their creation. One that is not recorded yet comes
/// after all that are.
fn goes_first(other: &Operation, operation: &Operation) -> bool {
    operation.metadata.creation_timestamp.is_none() || by_age(other) < by_age(operation)
}

/// When the call went out, as far as it is known.
pub(super) fn sent_at(operation: &Operation) -> Option<Timestamp> {
    operation.status.issued_at.or(operation.metadata.creation_timestamp)
}
