//! Looking at the world from outside.

use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::condition;
use devpocket_specs::environment::{Environment, conditions};
use devpocket_specs::installation::{self, Installation};
use devpocket_specs::machine::Machine;
use devpocket_specs::object::Key;
use devpocket_specs::operation::{Operation, OperationPhase, Verb};

use super::World;
use crate::environment::replay;
use crate::sim::contabo::{Charge, OperationName};

impl World {
    pub fn environment(&self, name: &str) -> Option<Environment> {
        self.all::<Environment>().remove(name)
    }

    pub fn installation(&self) -> Installation {
        let found = self.all::<Installation>().remove(installation::NAME);
        found.expect("the first start makes the installation record")
    }

    pub fn is_ready(&self, name: &str) -> bool {
        self.environment(name).is_some_and(|environment| {
            let status = &environment.status;
            status.observed_generation == environment.metadata.generation
                && condition::is_true(&status.conditions, conditions::READY)
        })
    }

    /// The machine an environment holds.
    pub fn machine_of(&self, name: &str) -> Option<Machine> {
        let uid = self.environment(name)?.metadata.uid?;
        let claims = |machine: &Machine| machine.spec.claim.as_ref().is_some_and(|c| c.uid == uid);
        self.all::<Machine>().into_values().find(claims)
    }

    /// The instance of the environment's machine.
    pub fn instance_of(&self, name: &str) -> Option<i64> {
        self.machine_of(name)?.status.instance_id
    }

    /// Machines under our care.
    pub fn managed(&self) -> Vec<Machine> {
        self.all::<Machine>().into_values().filter(|machine| machine.spec.managed).collect()
    }

    /// Operations of a verb, oldest first.
    pub fn operations(&self, verb: Verb) -> Vec<Operation> {
        let mut all: Vec<Operation> =
            self.all::<Operation>().into_values().filter(|o| o.spec.verb == verb).collect();
        all.sort_by_key(|o| (o.metadata.creation_timestamp, o.metadata.name.clone()));
        all
    }

    /// Purchases nobody can tell the outcome of.
    pub fn undecided(&self) -> Vec<Operation> {
        let mut purchases = self.operations(Verb::Purchase);
        purchases.retain(|o| o.status.phase == OperationPhase::Unknown && o.status.held.is_some());
        purchases
    }

    /// What the account really charged for orders through the API.
    pub fn purchases(&self) -> usize {
        let account = self.account();
        account.ledger().entries.iter().filter(|entry| entry.kind == Charge::Purchase).count()
    }

    /// How often an operation of the API was called.
    pub fn calls(&self, name: OperationName) -> u64 {
        self.account().calls(name)
    }

    pub fn mutating_calls(&self) -> u64 {
        self.account().mutating_calls()
    }

    /// Makes every recorded decision again; each must come to the same plan, writes and status.
    /// Answers how many there were.
    pub fn replay_decisions(&self) -> usize {
        let records = self.store.all_decisions();
        for record in &records {
            let find = |key: &Key, revision| {
                self.store.written(key, revision).map(|stored| stored.object.clone())
            };
            let replayed = replay(record, Catalogue::builtin(), find);
            if let Err(error) = replayed {
                panic!("the decision of {} cannot be made again: {error}: {record:#?}", record.at);
            }
        }
        records.len()
    }

    /// Writes of a kind since the world began.
    pub fn writes(&self) -> usize {
        self.store.journal().len()
    }
}
