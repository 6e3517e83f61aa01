//! Executes the environment's decisions until its own reconciler is there, which replaces this.

use super::term::Term;
use crate::client::ClientError;
use crate::environment::{RecordWrite, Records, Snapshot, decide};
use crate::guest::Guest;
use crate::runtime::{Involved, Outcome, Reconciler, Severity};
use devpocket_specs::admit::Preconditions;
use devpocket_specs::environment::Environment;
use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::names;
use devpocket_specs::object::Key;
use std::sync::Arc;

/// Writes what `environment::decide` decides.
pub struct EnvironmentReconciler {
    term: Term,
}
impl EnvironmentReconciler {
    pub fn new(term: Term, _guest: Arc<dyn Guest>) -> Self {
        EnvironmentReconciler { term }
    }
    async fn step(&self, key: &Key) -> Result<Outcome, ClientError> {
        let m = &self.term.mirrors;
        let Some(env) = m.environments.get(key) else { return Ok(Outcome::Done) };
        let records = Records {
            installation: m.installation(),
            machines: m.machines.list(),
            operations: m.operations.list(),
            templates: m.templates.list(),
        };
        let snapshot = Snapshot::new(Arc::new(self.term.client.catalogue().clone()), records);
        let decision = decide(&snapshot.for_environment(&env, self.term.now()));
        let c = &self.term.client;
        let mut env = Environment::clone(&env);
        for write in &decision.writes {
            match write {
                RecordWrite::AddFinalizer => {
                    env.metadata.finalizers.push(names::RELEASE_FINALIZER.into());
                    env = c.update(&env).await?;
                }
                RecordWrite::RemoveFinalizer => {
                    env.metadata.finalizers.retain(|f| f != names::RELEASE_FINALIZER);
                    c.update(&env).await?;
                    return Ok(Outcome::Done);
                }
                RecordWrite::CreateMachine(machine) => match c.create(&**machine).await {
                    Err(e) if e.is_already_exists() => {}
                    o => {
                        o?;
                    }
                },
                RecordWrite::UpdateMachine(machine) => {
                    c.update(&**machine).await?;
                }
                RecordWrite::DeleteMachine { name, uid } => {
                    c.delete(
                        &Key::cluster(Kind::Machine, name),
                        Preconditions { uid: Some(*uid), resource_version: None },
                    )
                    .await?;
                }
                RecordWrite::CreateOperation(op) => match c.create(&**op).await {
                    Err(e) if e.is_already_exists() => {}
                    o => {
                        o?;
                    }
                },
            }
        }
        if decision.status != env.status {
            env.status = decision.status.clone();
            env = c.update_status(&env).await?;
        }
        for event in &decision.events {
            let severity = if event.warning { Severity::Warning } else { Severity::Normal };
            self.term
                .recorder
                .event(&Involved::of(&env), severity, &event.reason, &event.message)
                .await;
        }
        Ok(decision.requeue.map_or(Outcome::Done, Outcome::After))
    }
}
impl Reconciler for EnvironmentReconciler {
    type Key = Key;
    async fn reconcile(&self, key: &Key) -> Outcome {
        match self.step(key).await {
            Ok(o) => o,
            Err(e) if e.is_not_found() => Outcome::Done,
            Err(e) => Outcome::retry(e),
        }
    }
}
