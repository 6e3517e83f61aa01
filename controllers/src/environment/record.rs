//! The record a decision leaves, and making the decision again from it.
//!
//! # Guarantees
//! - A record is made of what was decided, from the very records it was decided on. It is made only
//!   for a pass that writes something, so a pass without news costs nothing and writes nothing.
//! - [`replay`] comes to the same plan, writes and status, or says why it cannot.
//!
//! # Caveats
//! A replay needs the inputs at the revisions the record names. A store's log holds them for as
//! long as it reaches back; the record in words does not need it.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::decision::{Decided, DecidedStep, DecisionRecord, Told, digest};
use devpocket_specs::environment::Environment;
use devpocket_specs::installation::Installation;
use devpocket_specs::kind::Kind;
use devpocket_specs::machine::Machine;
use devpocket_specs::object::{Key, Object, ObjectError, Resource};
use devpocket_specs::operation::Operation;
use devpocket_specs::template::Template;

use super::brakes::Brakes;
use super::decision::{Decision, RecordWrite};
use super::reconcile::told;
use super::world::World;
use super::{decide, facts};
use crate::guard::{Ledger, Tenants};

/// The record of a decision that was made about this world.
pub fn record(world: &World<'_>, decision: &Decision) -> DecisionRecord {
    let environment = world.environment;
    let step = |step: &devpocket_specs::plan::Step| DecidedStep {
        summary: step.summary.clone(),
        hold: step.hold.clone(),
    };
    let news = |event: &super::EventDraft| Told {
        reason: event.reason.clone(),
        message: event.message.clone(),
    };
    DecisionRecord {
        at: world.now,
        environment: Decided {
            namespace: environment.metadata.namespace.clone(),
            name: environment.metadata.name.clone(),
            uid: environment.uid(),
            generation: environment.metadata.generation,
        },
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seen: facts(world),
        plan: decision.plan.hash.clone(),
        steps: decision.plan.steps.iter().map(step).collect(),
        did: decision.writes.iter().map(told).collect(),
        told: decision.events.iter().map(news).collect(),
        message: decision.status_of(environment).message.clone(),
        inputs: inputs(world),
        inputs_left_out: 0,
        brakes: heard(world),
        digest: digest_of(environment, decision),
    }
    .bounded()
}

/// What the brakes answered: the decision is made once more, with somebody listening. Deciding is
/// pure and takes microseconds, and this is only done where something is written anyway.
fn heard(world: &World<'_>) -> Vec<devpocket_specs::decision::BrakeAnswer> {
    let answers = RefCell::default();
    decide(&World { brakes: Brakes::Heard(&answers), ..world.clone() });
    answers.into_inner()
}

fn inputs(world: &World<'_>) -> Vec<String> {
    let mut inputs = vec![reference(world.environment)];
    inputs.extend(world.installation.map(reference));
    inputs.extend(world.template.map(reference));
    inputs.extend(world.machines.iter().copied().map(reference));
    inputs.extend(world.operations.iter().copied().map(reference));
    inputs
}

fn reference<T: Resource>(resource: &T) -> String {
    let metadata = resource.metadata();
    let revision = metadata.resource_version.as_deref().unwrap_or("0");
    format!("{}/{}@{revision}", T::KIND, metadata.name)
}

fn digest_of(environment: &Environment, decision: &Decision) -> String {
    let object = |object: Object| object.to_value().to_string();
    let write = |write: &RecordWrite| match write {
        RecordWrite::AddFinalizer => "add finalizer".to_owned(),
        RecordWrite::RemoveFinalizer => "remove finalizer".to_owned(),
        RecordWrite::CreateMachine(machine) => object(Object::of(&**machine)),
        RecordWrite::UpdateMachine(machine) => object(Object::of(&**machine)),
        RecordWrite::DeleteMachine { name, uid } => format!("delete {name} {uid}"),
        RecordWrite::CreateOperation(operation) => object(Object::of(&**operation)),
    };
    let writes: Vec<String> = decision.writes.iter().map(write).collect();
    let status = serde_json::to_string(decision.status_of(environment)).unwrap_or_default();
    digest(&decision.plan, &status, &writes)
}

/// Why a decision cannot be made again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("the record leaves out {0} of the records it was made from")]
    NotWhole(usize),
    #[error("{0:?} is not an input of a decision")]
    Input(String),
    #[error("{key} at revision {revision} is not in the history any more")]
    Forgotten { key: Key, revision: u64 },
    #[error(transparent)]
    Unreadable(#[from] ObjectError),
    #[error("another decision: recorded is {recorded}, replayed is {replayed}")]
    Other { recorded: String, replayed: String },
}

/// Makes the decision again. `find` answers an object as it was written at a revision.
pub fn replay(
    record: &DecisionRecord,
    catalogue: &Catalogue,
    find: impl Fn(&Key, u64) -> Option<Object>,
) -> Result<Decision, ReplayError> {
    if !record.is_whole() {
        return Err(ReplayError::NotWhole(record.inputs_left_out));
    }
    let then = Then::read(record, find)?;
    let (ledger, tenants) = (Ledger::default(), Tenants::default());
    let answers = RefCell::new(VecDeque::from(record.brakes.clone()));
    let decision = decide(&World {
        now: record.at,
        catalogue,
        installation: then.installation.as_deref(),
        environment: &then.environment,
        machines: then.machines.iter().map(Arc::as_ref).collect(),
        operations: then.operations.iter().map(Arc::as_ref).collect(),
        template: then.template.as_deref(),
        ledger: &ledger,
        tenants: &tenants,
        brakes: Brakes::Remembered(&answers),
    });
    let replayed = digest_of(&then.environment, &decision);
    if (&replayed, &decision.plan.hash) == (&record.digest, &record.plan) {
        Ok(decision)
    } else {
        let recorded = record.digest.clone();
        Err(ReplayError::Other { recorded, replayed })
    }
}

/// The inputs as they were.
struct Then {
    environment: Environment,
    installation: Option<Arc<Installation>>,
    template: Option<Arc<Template>>,
    machines: Vec<Arc<Machine>>,
    operations: Vec<Arc<Operation>>,
}

impl Then {
    fn read(
        record: &DecisionRecord,
        find: impl Fn(&Key, u64) -> Option<Object>,
    ) -> Result<Then, ReplayError> {
        let mut all: BTreeMap<Kind, Vec<Object>> = BTreeMap::new();
        for input in &record.inputs {
            let (kind, name, revision) =
                parse(input).ok_or_else(|| ReplayError::Input(input.clone()))?;
            let namespace = match kind.is_namespaced() {
                true => record.environment.namespace.as_str(),
                false => "",
            };
            let key = Key::new(kind, namespace, name);
            let object = find(&key, revision);
            let object = object.ok_or(ReplayError::Forgotten { key, revision })?;
            all.entry(kind).or_default().push(object);
        }
        let missing = || ReplayError::Input("a record without its environment".into());
        let mut environments = typed::<Environment>(&mut all)?;
        let environment = environments.pop().ok_or_else(missing)?;
        Ok(Then {
            environment: Environment::clone(&environment),
            installation: typed(&mut all)?.pop(),
            template: typed(&mut all)?.pop(),
            machines: typed(&mut all)?,
            operations: typed(&mut all)?,
        })
    }
}

fn typed<T: Resource>(all: &mut BTreeMap<Kind, Vec<Object>>) -> Result<Vec<Arc<T>>, ReplayError> {
    let objects = all.remove(&T::KIND).unwrap_or_default();
    objects.iter().map(|object| Ok(Arc::new(object.to()?))).collect()
}

fn parse(input: &str) -> Option<(Kind, &str, u64)> {
    let (kind, rest) = input.split_once('/')?;
    let (name, revision) = rest.rsplit_once('@')?;
    Some((kind.parse().ok()?, name, revision.parse().ok()?))
}
