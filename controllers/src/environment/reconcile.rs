//! Executes decisions: builds the world from the mirrors, asks [`decide`], writes what it says.
//!
//! # Guarantees
//! - Nothing is decided here. What is written is [`super::Decision::writes`], in order; the first
//!   failure ends the pass, and the next one decides anew from what is there by then.
//! - A pass without news makes no call to the store.
//! - What money or a machine's end hangs on (a new machine, a claim, a release) is decided from
//!   records read just then, one at a time: two that fit the budget only singly must not pass side
//!   by side on mirrors that have seen neither. The write also demands that the environment still
//!   exists.
//!
//! # Caveats
//! Events are recorded last, and not again if the process dies before: they are news, not state.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use devpocket_specs::admit::Preconditions;
use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::decision::DecisionRecord;
use devpocket_specs::environment::Environment;
use devpocket_specs::installation::Installation;
use devpocket_specs::kind::Kind;
use devpocket_specs::machine::Machine;
use devpocket_specs::metadata::names;
use devpocket_specs::namespace::Namespace;
use devpocket_specs::object::{Key, Resource, SharedKey};
use devpocket_specs::operation::Operation;
use devpocket_specs::template::Template;
use devpocket_specs::tier::Tier;

use super::world::{Records, Snapshot};
use super::{Decision, EventDraft, RecordWrite, decide, record};
use crate::client::{Client, ClientError};
use crate::guard::codes;
use crate::manager::mirrors::{installation_key, machine_key};
use crate::manager::term::Term;
use crate::runtime::{Involved, Outcome, Reconciler, Severity};
use crate::store::{Guard, StoreError};

/// Wait before a decision that met a newer record is made again: the mirrors are about to see it.
const CONFLICT_WAIT: Duration = Duration::from_millis(20);

/// The versions of the mirrors a snapshot was made of.
type Versions = [u64; 6];

/// Keeps environments as they are declared.
pub struct EnvironmentReconciler {
    term: Term,
    catalogue: Arc<Catalogue>,
    /// The last snapshot: a thousand environments that are looked at together share one.
    snapshot: Mutex<Option<(Versions, Arc<Snapshot>)>>,
    /// See the guarantees.
    careful: tokio::sync::Mutex<()>,
}

impl Reconciler for EnvironmentReconciler {
    type Key = SharedKey;

    async fn reconcile(&self, key: &SharedKey) -> Outcome {
        match self.pass(key).await {
            Ok(outcome) => outcome,
            Err(error) if error.is_fenced() => Outcome::Terminal("the term is over".into()),
            Err(error) if error.is_conflict() => Outcome::After(CONFLICT_WAIT),
            Err(error) if error.is_not_found() => Outcome::After(CONFLICT_WAIT),
            Err(error) => Outcome::retry(error),
        }
    }
}

impl EnvironmentReconciler {
    pub fn new(term: Term) -> EnvironmentReconciler {
        let catalogue = Arc::new(term.client.catalogue().clone());
        EnvironmentReconciler {
            term,
            catalogue,
            snapshot: Mutex::new(None),
            careful: tokio::sync::Mutex::new(()),
        }
    }

    async fn pass(&self, key: &SharedKey) -> Result<Outcome, ClientError> {
        let Some(environment) = self.term.mirrors.environments.get_shared(key) else {
            return Ok(Outcome::Done);
        };
        let snapshot = self.mirrored();
        let (decision, record) = decided(&snapshot, &environment, self.term.now());
        let is_news = decision.writes_something();
        if !is_news && decision.events.is_empty() {
            return Ok(decision.requeue.map_or(Outcome::Done, Outcome::After));
        }
        // Boxed, so that the many passes without news do not carry the room for those with some.
        Box::pin(async move {
            if !is_news {
                self.tell(&environment, &decision.events).await;
                return Ok(decision.requeue.map_or(Outcome::Done, Outcome::After));
            }
            if decision.writes.iter().any(needs_care) {
                return self.carefully(key).await;
            }
            self.execute(Environment::clone(&environment), decision, record).await
        })
        .await
    }

    /// Decides from the records as they are, one environment at a time.
    async fn carefully(&self, key: &Key) -> Result<Outcome, ClientError> {
        let _turn = self.careful.lock().await;
        let Some(environment) = self.term.client.get::<Environment>(key).await? else {
            return Ok(Outcome::Done);
        };
        let snapshot = self.fresh().await?;
        let (decision, record) = decided(&snapshot, &environment, self.term.now());
        self.execute(environment, decision, record).await
    }

    /// The world as the mirrors have it.
    fn mirrored(&self) -> Arc<Snapshot> {
        let mirrors = &self.term.mirrors;
        let versions = [
            mirrors.installations.version(),
            mirrors.machines.version(),
            mirrors.operations.version(),
            mirrors.templates.version(),
            mirrors.namespaces.version(),
            mirrors.tiers.version(),
        ];
        let mut kept = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, snapshot)) = kept.as_ref()
            && *at == versions
        {
            return snapshot.clone();
        }
        // Read after the versions: what is newer than they say is only seen too early.
        let records = Records {
            installation: mirrors.installation(),
            machines: mirrors.machines.list(),
            operations: mirrors.operations.list(),
            templates: mirrors.templates.list(),
            namespaces: mirrors.namespaces.list(),
            tiers: mirrors.tiers.list(),
        };
        let snapshot = Arc::new(Snapshot::new(self.catalogue.clone(), records));
        *kept = Some((versions, snapshot.clone()));
        snapshot
    }

    /// The world as the store has it now.
    async fn fresh(&self) -> Result<Snapshot, ClientError> {
        let client = &self.term.client;
        let installation = client.get::<Installation>(&installation_key()).await?;
        let records = Records {
            installation: installation.map(Arc::new),
            machines: shared(client.list::<Machine>(None).await?),
            operations: shared(client.list::<Operation>(None).await?),
            templates: shared(client.list::<Template>(None).await?),
            namespaces: shared(client.list::<Namespace>(None).await?),
            tiers: shared(client.list::<Tier>(None).await?),
        };
        Ok(Snapshot::new(self.catalogue.clone(), records))
    }

    /// Carries it out. The record goes with the first write that happens.
    async fn execute(
        &self,
        mut environment: Environment,
        decision: Decision,
        record: Option<DecisionRecord>,
    ) -> Result<Outcome, ClientError> {
        let writes = &decision.writes;
        let key = environment.key();
        let mut client = self.term.client.deciding(record);
        for write in writes {
            tracing::info!(environment = %key, "{}", told(write));
            match write {
                RecordWrite::AddFinalizer => {
                    environment.metadata.finalizers.push(names::RELEASE_FINALIZER.into());
                    environment = client.update(&environment).await?;
                    client = client.deciding(None);
                }
                RecordWrite::RemoveFinalizer => {
                    let finalizers = &mut environment.metadata.finalizers;
                    finalizers.retain(|f| f != names::RELEASE_FINALIZER);
                    client.update(&environment).await?;
                    return Ok(Outcome::Done);
                }
                other => {
                    if write_record(&client, &environment, other).await? {
                        client = client.deciding(None);
                    }
                }
            }
        }
        if let Some(status) = decision.status {
            environment.status = status;
            environment = client.update_status(&environment).await?;
            // Or the next pass decides on what this one found, and its writes are refused.
            self.term.is_mirrored(&environment).await;
        }
        self.tell(&environment, &decision.events).await;
        Ok(decision.requeue.map_or(Outcome::Done, Outcome::After))
    }

    async fn tell(&self, environment: &Environment, events: &[EventDraft]) {
        let involved = Involved::of(environment);
        for event in events {
            let severity = if event.warning { Severity::Warning } else { Severity::Normal };
            if event.reason == "DriftOver" {
                metrics::counter!("devpocket_drift_healed_total").increment(1);
            }
            if let Some(code) = codes::brake(&event.reason).filter(|_| event.warning) {
                metrics::counter!("devpocket_brakes_total", "code" => code).increment(1);
            }
            if event.warning || event.reason == "Paused" {
                metrics::counter!("devpocket_alarms_total", "reason" => event.reason.clone())
                    .increment(1);
            }
            self.term.recorder.event(&involved, severity, &event.reason, &event.message).await;
        }
    }
}

/// The decision, and its record if it leaves anything to write.
fn decided(
    snapshot: &Snapshot,
    environment: &Environment,
    now: Timestamp,
) -> (Decision, Option<DecisionRecord>) {
    let world = snapshot.for_environment(environment, now);
    let decision = decide(&world);
    let record = decision.writes_something().then(|| record(&world, &decision));
    (decision, record)
}

/// Writes one record; `false` when it was there already and nothing was written.
async fn write_record(
    client: &Client,
    environment: &Environment,
    write: &RecordWrite,
) -> Result<bool, ClientError> {
    // Nothing is made for, or given to, an environment that is going.
    let wanted = || client.guarded(vec![Guard::Exists { key: environment.key() }]);
    match write {
        RecordWrite::CreateMachine(machine) => create_machine(&wanted(), machine).await,
        RecordWrite::UpdateMachine(machine) if claims(environment, machine) => {
            wanted().update(&**machine).await.map(|_| true)
        }
        RecordWrite::UpdateMachine(machine) => client.update(&**machine).await.map(|_| true),
        RecordWrite::DeleteMachine { name, uid } => {
            let same = Preconditions { uid: Some(*uid), resource_version: None };
            match client.delete(&machine_key(name), same).await {
                Err(error) if error.is_not_found() => Ok(false),
                other => other.map(|()| true),
            }
        }
        RecordWrite::CreateOperation(operation) => match client.create(&**operation).await {
            // Made in a pass this one's mirrors have not seen: the same need.
            Err(error) if error.is_already_exists() => Ok(false),
            other => other.map(|_| true),
        },
        RecordWrite::AddFinalizer | RecordWrite::RemoveFinalizer => Ok(false),
    }
}

/// Whether the update keeps or makes the machine this environment's.
fn claims(environment: &Environment, machine: &Machine) -> bool {
    let claim = machine.spec.claim.as_ref();
    claim.is_some_and(|c| Some(c.uid) == environment.metadata.uid)
}

/// Money, or the end of a machine, hangs on it.
fn needs_care(write: &RecordWrite) -> bool {
    matches!(write, RecordWrite::CreateMachine(_) | RecordWrite::UpdateMachine(_))
}

/// The record of a machine to be bought. One that is there already answers the same need, or the
/// name means something else and nothing may be bought under it.
async fn create_machine(client: &Client, machine: &Machine) -> Result<bool, ClientError> {
    let refused = match client.create(machine).await {
        Err(error) if error.is_already_exists() => error,
        other => return other.map(|_| true),
    };
    let there = client.get::<Machine>(&machine_key(&machine.metadata.name)).await?;
    let demand = |m: &Machine| m.spec.order.as_ref().map(|o| o.demand.clone());
    match there {
        Some(there) if demand(&there) == demand(machine) => Ok(false),
        Some(_) => Err(refused),
        None => Err(StoreError::NotFound(machine.key()).into()),
    }
}

fn shared<T>(records: Vec<T>) -> Vec<Arc<T>> {
    records.into_iter().map(Arc::new).collect()
}

/// A write in a few words.
pub(super) fn told(write: &RecordWrite) -> String {
    match write {
        RecordWrite::AddFinalizer => "takes the environment on".into(),
        RecordWrite::RemoveFinalizer => "lets the environment go".into(),
        RecordWrite::CreateMachine(m) => format!("orders {}", m.metadata.name),
        RecordWrite::UpdateMachine(m) => format!("updates {}", m.metadata.name),
        RecordWrite::DeleteMachine { name, .. } => format!("removes the record of {name}"),
        RecordWrite::CreateOperation(o) => {
            let kind = Kind::Operation.info().singular;
            format!("plans {kind} {}: {}", o.metadata.name, o.spec.reason)
        }
    }
}
