//! The facts a decision rests on, taken from plain lists of records.
//!
//! A [`Snapshot`] is made once from all records and indexes them, so that deciding about a thousand
//! environments does not look at a million pairs. Any process with a copy of the records can make
//! one: the leader's controllers, an API replica answering `plan`, a test.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use rustc_hash::FxBuildHasher;
use uuid::Uuid;

use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::environment::{Environment, Power};
use devpocket_specs::installation::Installation;
use devpocket_specs::machine::Machine;
use devpocket_specs::metadata::names;
use devpocket_specs::namespace::Namespace;
use devpocket_specs::object::Resource;
use devpocket_specs::operation::Operation;
use devpocket_specs::plan::Hold;
use devpocket_specs::template::Template;
use devpocket_specs::tier::Tier;

use super::brakes::Brakes;
use super::plan::effective_power;
use crate::guard::{GuardWorld, Ledger, Tenants, Wish, by_age, may_have, may_issue, may_release};

/// All records decisions may rest on.
#[derive(Clone, Debug, Default)]
pub struct Records {
    pub installation: Option<Arc<Installation>>,
    pub machines: Vec<Arc<Machine>>,
    pub operations: Vec<Arc<Operation>>,
    pub templates: Vec<Arc<Template>>,
    pub namespaces: Vec<Arc<Namespace>>,
    pub tiers: Vec<Arc<Tier>>,
}

type ByEnvironment = HashMap<Uuid, Vec<usize>, FxBuildHasher>;

/// The records, indexed.
#[derive(Clone, Debug)]
pub struct Snapshot {
    catalogue: Arc<Catalogue>,
    installation: Option<Arc<Installation>>,
    machines: Vec<Arc<Machine>>,
    /// The operations about each of them, oldest first.
    operations: Vec<Arc<Vec<Arc<Operation>>>>,
    /// Places in `machines`, by the environment they are claimed by, were ordered for or released
    /// from. Never gone through, and hashed alike in every run.
    by_environment: ByEnvironment,
    /// Places in `machines` that may be claimed.
    pool: Vec<usize>,
    templates: BTreeMap<String, Arc<Template>>,
    ledger: Ledger,
    tenants: Tenants,
}

/// Everything known that concerns one environment.
#[derive(Clone, Debug)]
pub struct World<'a> {
    pub now: Timestamp,
    pub catalogue: &'a Catalogue,
    pub installation: Option<&'a Installation>,
    pub environment: &'a Environment,
    /// Machines claimed by, ordered for or released from this environment (or the one it takes
    /// back), and those of the pool.
    pub machines: Vec<&'a Machine>,
    /// Operations about those machines, oldest first.
    pub operations: Vec<&'a Operation>,
    /// The template the environment names, whatever its version.
    pub template: Option<&'a Template>,
    /// Counts over the whole account.
    pub ledger: &'a Ledger,
    /// What each namespace may have.
    pub tenants: &'a Tenants,
    /// Who answers for the brakes that count over the whole account.
    pub brakes: Brakes<'a>,
}

impl Snapshot {
    pub fn new(catalogue: Arc<Catalogue>, records: Records) -> Snapshot {
        let Records { installation, machines, operations, templates, namespaces, tiers } = records;
        let tenants = Tenants::new(namespaces, tiers);
        let ledger = Ledger::of(&machines, &operations);
        let operations =
            machines.iter().map(|m| ledger.shared_of_machine(&m.metadata.name)).collect();
        let mut by_environment = ByEnvironment::default();
        let mut pool = Vec::new();
        for (place, machine) in machines.iter().enumerate() {
            let spec = &machine.spec;
            let uids = [
                spec.claim.as_ref().map(|c| c.uid),
                spec.order.as_ref().map(|o| o.demand.environment_uid),
                spec.release.as_ref().map(|r| r.uid),
            ];
            for uid in uids.into_iter().flatten() {
                let places = by_environment.entry(uid).or_default();
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
            if spec.claim.is_none() && spec.pool.is_some() {
                pool.push(place);
            }
        }
        let templates = templates.into_iter().map(|t| (t.metadata.name.clone(), t)).collect();
        Snapshot {
            catalogue,
            installation,
            machines,
            operations,
            by_environment,
            pool,
            templates,
            ledger,
            tenants,
        }
    }

    /// What the brakes need.
    pub fn guard(&self, now: Timestamp) -> GuardWorld<'_> {
        GuardWorld {
            now,
            installation: self.installation.as_deref(),
            ledger: &self.ledger,
            tenants: &self.tenants,
        }
    }

    /// What concerns this environment. It need not be recorded: a plan for one that is only being
    /// thought of has no uid and finds no machine.
    pub fn for_environment<'a>(
        &'a self,
        environment: &'a Environment,
        now: Timestamp,
    ) -> World<'a> {
        let mut places: Vec<usize> = self.pool.clone();
        let uids = [environment.metadata.uid, undelete_of(environment)];
        for uid in uids.into_iter().flatten() {
            places.extend(self.by_environment.get(&uid).into_iter().flatten());
        }
        places.sort_unstable();
        places.dedup();
        let machines: Vec<&Machine> = places.iter().map(|p| self.machines[*p].as_ref()).collect();
        let mut operations: Vec<&Operation> =
            places.iter().flat_map(|p| &*self.operations[*p]).map(Arc::as_ref).collect();
        // Those of one machine are in order already.
        if machines.len() > 1 {
            operations.sort_by_key(|o| by_age(o));
        }
        let template = template_name(environment).and_then(|(name, _)| self.templates.get(name));
        World {
            now,
            catalogue: &self.catalogue,
            installation: self.installation.as_deref(),
            environment,
            machines,
            operations,
            template: template.map(Arc::as_ref),
            ledger: &self.ledger,
            tenants: &self.tenants,
            brakes: Brakes::Asked,
        }
    }
}

impl<'a> World<'a> {
    pub fn guard(&self) -> GuardWorld<'_> {
        GuardWorld {
            now: self.now,
            installation: self.installation,
            ledger: self.ledger,
            tenants: self.tenants,
        }
    }

    /// Whether the brakes would let this operation be sent now.
    pub fn may_issue(&self, operation: &Operation) -> Result<(), Hold> {
        let spec = &operation.spec;
        let asked = || format!("{} {}", spec.verb.word(), spec.machine);
        self.brakes.answer(asked, || may_issue(&self.guard(), operation))
    }

    /// Whether the tier lets the environment have this machine.
    pub fn may_have(&self, wish: &Wish<'_>) -> Result<(), Hold> {
        let asked = || format!("have {} {}", wish.operation.spec.machine, wish.size);
        self.brakes.answer(asked, || may_have(&self.guard(), wish))
    }

    /// Whether the brakes would let this machine be released now.
    pub fn may_release(&self, machine: &str) -> Result<(), Hold> {
        self.brakes.answer(|| format!("release {machine}"), || may_release(&self.guard(), machine))
    }

    /// The power that holds now.
    pub fn power(&self) -> Power {
        effective_power(self.environment).power
    }

    /// The environment's uid; nil for one that is only being thought of.
    pub fn uid(&self) -> Uuid {
        self.environment.uid()
    }

    /// Operations on a machine, oldest first.
    pub fn operations_of(&self, machine: &Machine) -> Vec<&'a Operation> {
        let uid = machine.uid();
        let name = &machine.metadata.name;
        // No two records have one uid; only those that are not recorded yet have none.
        let about = |o: &&Operation| {
            o.spec.machine_uid == uid && (!uid.is_nil() || o.spec.machine == *name)
        };
        self.operations.iter().copied().filter(about).collect()
    }

    /// The installation's id, part of every displayName.
    pub fn installation_id(&self) -> &'a str {
        self.installation.map_or("", |i| i.spec.id.as_str())
    }
}

/// The deleted environment whose machine this one takes back.
pub fn undelete_of(environment: &Environment) -> Option<Uuid> {
    environment.metadata.annotations.get(names::UNDELETE_OF)?.parse().ok()
}

/// `name@version` of the template an environment names, split.
pub fn template_name(environment: &Environment) -> Option<(&str, Option<&str>)> {
    let named = environment.spec.template.as_deref()?;
    Some(match named.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (named, None),
    })
}
