//! A small account on paper: records, a clock, and somebody who does what operations say. It stands
//! in for the store and for the other controllers.

use std::sync::{Arc, LazyLock};

use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::environment::{Environment, EnvironmentSpec, EnvironmentStatus, Power};
use devpocket_specs::installation::{
    Installation, InstallationSpec, InstallationStatus, NAME, Sweep,
};
use devpocket_specs::machine::{Machine, MachineState, Seen};
use devpocket_specs::metadata::{ObjectMeta, names};
use devpocket_specs::money::Money;
use devpocket_specs::namespace::Namespace;
use devpocket_specs::object::Resource;
use devpocket_specs::operation::{Operation, OperationPhase, Resolution, Verb};
use devpocket_specs::tier::Tier;
use jiff::{SignedDuration, Timestamp, ToSpan};
use uuid::Uuid;

use crate::environment::world::{Records, Snapshot};
use crate::environment::{Decision, RecordWrite, decide};
use crate::operation::intent;

static CATALOGUE: LazyLock<Arc<Catalogue>> =
    LazyLock::new(|| Arc::new(Catalogue::builtin().clone()));

pub const NAMESPACE: &str = "team-a";

#[derive(Clone)]
pub struct Lab {
    pub now: Timestamp,
    pub installation: Installation,
    pub environment: Environment,
    pub machines: Vec<Machine>,
    pub operations: Vec<Operation>,
    pub namespace: Namespace,
    pub tiers: Vec<Tier>,
    pub environment_gone: bool,
    /// Machines ever created, by name: one record is one purchase.
    pub created: Vec<String>,
    pub(super) serial: u128,
}

pub fn at(minutes: i64) -> Timestamp {
    "2026-11-22T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
}

pub fn installation() -> Installation {
    Installation {
        metadata: ObjectMeta::named("", NAME),
        spec: InstallationSpec {
            id: "0a1b2c3d".into(),
            monthly_budget: Some(Money::eur(10_000)),
            purchases_per_hour: 3,
            reclaim_after_seconds: 86_400,
            lag_allowance_seconds: 60,
            settle_seconds: 1_800,
            ..InstallationSpec::default()
        },
        status: InstallationStatus {
            sweep: Some(Sweep {
                as_of: at(0),
                instances: 0,
                complete: true,
                trusted: true,
                count: 1,
            }),
            ..InstallationStatus::default()
        },
    }
}

pub fn environment(name: &str, uid: u128) -> Environment {
    let mut metadata = ObjectMeta::named(NAMESPACE, name);
    metadata.uid = Some(Uuid::from_u128(uid));
    metadata.generation = 1;
    metadata.creation_timestamp = Some(at(0));
    Environment {
        metadata,
        spec: EnvironmentSpec {
            size: "vps-10-nvme".into(),
            region: "EU".into(),
            contract_months: 1,
            ..EnvironmentSpec::default()
        },
        status: EnvironmentStatus::default(),
    }
}

impl Lab {
    pub fn new() -> Lab {
        Lab {
            now: at(0),
            installation: installation(),
            environment: environment("api", 7),
            machines: Vec::new(),
            operations: Vec::new(),
            namespace: Namespace {
                metadata: ObjectMeta::named("", NAMESPACE),
                spec: Default::default(),
                status: Default::default(),
            },
            tiers: Vec::new(),
            environment_gone: false,
            created: Vec::new(),
            serial: 1_000,
        }
    }

    /// With a machine that runs as declared, bought ten days ago.
    pub fn running() -> Lab {
        let mut lab = Lab::new();
        lab.settle();
        lab.buy_all();
        lab.look();
        lab.settle();
        assert_eq!(lab.machine().status.state, MachineState::Running);
        lab.later(10 * 24 * 60);
        lab.look();
        lab.settle();
        lab
    }

    pub fn snapshot(&self) -> Snapshot {
        let records = Records {
            installation: Some(Arc::new(self.installation.clone())),
            machines: self.machines.iter().cloned().map(Arc::new).collect(),
            operations: self.operations.iter().cloned().map(Arc::new).collect(),
            templates: Vec::new(),
            namespaces: vec![Arc::new(self.namespace.clone())],
            tiers: self.tiers.iter().cloned().map(Arc::new).collect(),
        };
        Snapshot::new(CATALOGUE.clone(), records)
    }

    pub fn decide(&self) -> Decision {
        decide(&self.snapshot().for_environment(&self.environment, self.now))
    }

    /// One pass: decides, and writes what was decided.
    pub fn pass(&mut self) -> Decision {
        let decision = self.decide();
        for write in &decision.writes {
            self.write(write);
        }
        if let Some(status) = &decision.status {
            self.environment.status = status.clone();
        }
        decision
    }

    /// Passes until nothing is written any more; answers the last decision.
    pub fn settle(&mut self) -> Decision {
        for _ in 0..6 {
            let decision = self.pass();
            if !decision.writes_something() {
                assert!(decision.events.is_empty(), "no news, yet {:?}", decision.events);
                return decision;
            }
        }
        panic!("no fixpoint: {:#?}", self.decide());
    }

    pub(super) fn uid(&mut self) -> Uuid {
        self.serial += 1;
        Uuid::from_u128(self.serial)
    }

    fn stamp(&mut self, metadata: &mut ObjectMeta) {
        metadata.uid = Some(self.uid());
        metadata.creation_timestamp = Some(self.now);
    }

    fn write(&mut self, write: &RecordWrite) {
        match write {
            RecordWrite::AddFinalizer => {
                self.environment.metadata.finalizers.push(names::RELEASE_FINALIZER.into());
            }
            RecordWrite::RemoveFinalizer => {
                self.environment.metadata.finalizers.clear();
                self.environment_gone = true;
            }
            RecordWrite::CreateMachine(machine) => {
                let name = machine.metadata.name.clone();
                assert!(self.machines.iter().all(|m| m.metadata.name != name), "{name} exists");
                let mut machine = Machine::clone(machine);
                self.stamp(&mut machine.metadata);
                self.created.push(name);
                self.machines.push(machine);
            }
            RecordWrite::UpdateMachine(next) => {
                let name = &next.metadata.name;
                let machine = self.machines.iter_mut().find(|m| m.metadata.name == *name).unwrap();
                machine.spec = next.spec.clone();
                machine.metadata.labels.clone_from(&next.metadata.labels);
            }
            RecordWrite::DeleteMachine { name, uid } => {
                self.machines.retain(|m| m.metadata.name != *name || m.uid() != *uid);
            }
            RecordWrite::CreateOperation(operation) => {
                let mut operation = Operation::clone(operation);
                let name = operation.metadata.name.clone();
                assert!(self.operations.iter().all(|o| o.metadata.name != name), "{name} exists");
                self.stamp(&mut operation.metadata);
                self.operations.push(operation);
            }
        }
    }

    pub fn later(&mut self, minutes: i64) {
        self.now += SignedDuration::from_mins(minutes);
    }

    /// A sweep begins now and finds everything as the records have it.
    pub fn look(&mut self) {
        let sweep = self.installation.status.sweep.as_mut().unwrap();
        sweep.as_of = self.now;
        sweep.count += 1;
    }

    /// Time passes until a look is evidence about whatever was done, and one is taken.
    pub fn look_after(&mut self, minutes: i64) {
        self.later(minutes);
        self.look();
    }

    /// The only machine the environment has.
    pub fn machine(&self) -> &Machine {
        let uid = self.environment.metadata.uid;
        let mut ours = self.machines.iter().filter(|m| m.spec.claim.as_ref().map(|c| c.uid) == uid);
        let machine = ours.next().expect("no machine is claimed");
        assert!(ours.next().is_none(), "two machines are claimed");
        machine
    }

    pub fn machine_mut(&mut self) -> &mut Machine {
        let name = self.machine().metadata.name.clone();
        self.machines.iter_mut().find(|m| m.metadata.name == name).unwrap()
    }

    /// Every recorded machine without an instance is bought, and runs.
    pub fn buy_all(&mut self) {
        let now = self.now;
        for place in 0..self.machines.len() {
            let machine = self.machines[place].clone();
            if machine.status.instance_id.is_some() {
                continue;
            }
            let mut purchase = self.purchase(&machine);
            end(&mut purchase, now, OperationPhase::Succeeded);
            self.operations.push(purchase);
            self.give_instance(place);
        }
    }

    /// A planned purchase of the machine, as its controller would record it.
    pub fn purchase(&mut self, machine: &Machine) -> Operation {
        let earlier: Vec<Operation> = self.operations.clone();
        let mut purchase = intent::planned(machine, Verb::Purchase, "test", &earlier);
        purchase.spec.spends = machine.spec.order.as_ref().map(|o| o.due.clone());
        purchase.spec.display_name = Some(machine.spec.display_name.clone());
        self.stamp(&mut purchase.metadata);
        purchase
    }

    fn give_instance(&mut self, place: usize) {
        let now = self.now;
        let machine = &mut self.machines[place];
        let order = machine.spec.order.clone().unwrap();
        machine.spec.install_generation = 1;
        machine.spec.paid_through =
            Some(now.to_zoned(jiff::tz::TimeZone::UTC).date().checked_add(1.month()).unwrap());
        machine.status.instance_id = Some(202_560_000 + i64::try_from(place).unwrap());
        machine.status.instance_name = Some(format!("vmi256000{place}"));
        machine.status.state = MachineState::Running;
        machine.status.seen = Some(Seen {
            provider_status: "running".into(),
            power: Some(Power::Running),
            display_name: machine.spec.display_name.clone(),
            product_id: order.product_id,
            region: order.region,
            image_id: None,
            address: Some("198.18.0.7".into()),
            address_v6: None,
            cancel_date: None,
            created: Some(now),
            error_message: None,
            since: now,
        });
    }

    pub fn verbs(&self) -> Vec<Verb> {
        self.operations.iter().map(|o| o.spec.verb).collect()
    }
}

pub fn set_power(machine: &mut Machine, power: Power) {
    let running = power == Power::Running;
    machine.status.state = if running { MachineState::Running } else { MachineState::Stopped };
    if let Some(seen) = &mut machine.status.seen {
        seen.power = Some(power);
        seen.provider_status = if running { "running" } else { "stopped" }.into();
    }
}

pub fn end(operation: &mut Operation, now: Timestamp, phase: OperationPhase) {
    operation.status.phase = phase;
    operation.status.issued_at = Some(now);
    operation.status.ended_at = Some(now);
    if phase == OperationPhase::Resolved {
        operation.status.resolution = Some(Resolution::NotHappened);
    }
}

pub fn calls(decision: &Decision) -> Vec<&str> {
    decision.plan.steps.iter().map(|s| s.call.as_str()).collect()
}

pub fn condition<'a>(lab: &'a Lab, name: &str) -> &'a devpocket_specs::condition::Condition {
    let found = devpocket_specs::condition::find(&lab.environment.status.conditions, name);
    found.unwrap_or_else(|| panic!("no condition {name}"))
}

pub fn is_true(lab: &Lab, name: &str) -> bool {
    devpocket_specs::condition::is_true(&lab.environment.status.conditions, name)
}
