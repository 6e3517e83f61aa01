//! Takes the step `decide` names.

use std::sync::Arc;
use std::time::Duration;

use devpocket_specs::condition::{self, Condition, ConditionStatus};
use devpocket_specs::environment::Power;
use devpocket_specs::installation::Installation;
use devpocket_specs::machine::Machine;
use devpocket_specs::metadata::names;
use devpocket_specs::object::{Resource, SharedKey};
use devpocket_specs::operation::{Operation, Verb};
use devpocket_specs::plan::Hold;

use super::decide::{Step, World, decide, looks_at_others};
use super::{STALLED, WIPE_SEEN};
use crate::client::{ClientError, same};
use crate::guard::codes;
use crate::manager::term::Term;
use crate::operation::intent::planned;
use crate::operation::token;
use crate::runtime::{Involved, Outcome, Reconciler, Severity};

/// Wait for the mirror to show a record that was found to exist already.
const MIRROR_LAG: Duration = Duration::from_secs(1);

/// Drives machines from their order to their end.
pub struct MachineReconciler {
    term: Term,
}

impl Reconciler for MachineReconciler {
    type Key = SharedKey;

    async fn reconcile(&self, key: &SharedKey) -> Outcome {
        match self.step(key).await {
            Ok(outcome) => outcome,
            Err(error) if error.is_fenced() => Outcome::Terminal("the term is over".into()),
            Err(error) if error.is_not_found() => Outcome::Done,
            Err(error) => Outcome::retry(error),
        }
    }
}

impl MachineReconciler {
    pub fn new(term: Term) -> MachineReconciler {
        MachineReconciler { term }
    }

    async fn step(&self, key: &SharedKey) -> Result<Outcome, ClientError> {
        let mirrors = &self.term.mirrors;
        let Some(machine) = mirrors.machines.get_shared(key) else { return Ok(Outcome::Done) };
        let machine = if self.term.is_mirrored_now(&*machine) {
            machine
        } else {
            if !Box::pin(self.term.is_mirrored(&*machine)).await {
                return Ok(Outcome::retry("the mirrors do not follow"));
            }
            let Some(machine) = mirrors.machines.get_shared(key) else { return Ok(Outcome::Done) };
            machine
        };
        let Some(installation) = mirrors.installation() else { return Ok(Outcome::Done) };
        let operations = mirrors.operations_on(&machine.metadata.name);
        let operations: Vec<&Operation> = operations
            .iter()
            .map(Arc::as_ref)
            .filter(|operation| operation.spec.machine_uid == machine.uid())
            .collect();
        let machines = if looks_at_others(&machine) { mirrors.machines.list() } else { Vec::new() };
        let machines: Vec<&Machine> = machines.iter().map(Arc::as_ref).collect();
        let step = decide(&World {
            machine: &machine,
            operations: &operations,
            machines: &machines,
            installation: &installation,
            now: self.term.now(),
        });
        if let Step::Rest { until } = step {
            return Ok(until.map_or(Outcome::Done, |until| Outcome::After(self.term.until(until))));
        }
        // Boxed, so that the many looks at machines at rest do not carry the room for the others.
        Box::pin(self.take(step, &machine, &operations, &installation)).await
    }

    async fn take(
        &self,
        step: Step,
        machine: &Machine,
        operations: &[&Operation],
        installation: &Installation,
    ) -> Result<Outcome, ClientError> {
        let mut next = machine.clone();
        match step {
            Step::Rest { .. } => {}
            Step::Plan { verb, reason } => {
                return self.plan(verb, reason, machine, operations, installation).await;
            }
            Step::Forget { message } => return self.forget(machine, &message).await,
            Step::Adopt { instance_id } => {
                next.status.instance_id = Some(instance_id);
                tracing::info!(machine = %machine.metadata.name, instance_id, "adopted");
                self.status(&next).await?;
            }
            Step::SetState { state, message } => {
                next.status.state = state;
                next.status.message = message;
                self.status(&next).await?;
            }
            Step::NoteWipe { message } => {
                let conditions = &mut next.status.conditions;
                conditions.retain(|c| c.r#type != STALLED);
                condition::set(conditions, self.says(WIPE_SEEN, "Installing", &message));
                self.status(&next).await?;
            }
            Step::Hold(hold) => {
                if next.status.message != hold.message {
                    next.status.message.clone_from(&hold.message);
                    self.status(&next).await?;
                    self.tell(machine, Severity::Warning, "PurchaseUndecided", &hold.message).await;
                }
            }
            Step::Stall(hold) => self.stall(next, hold).await?,
            Step::SetPaidThrough { date, renewed } => {
                next.spec.paid_through = date;
                self.term.client.update(&next).await?;
                if let (true, Some(date)) = (renewed, date) {
                    let text = format!("its contract went on and is paid for until {date}");
                    self.tell(machine, Severity::Normal, "Renewed", &text).await;
                }
            }
            Step::CountInstall { generation } => {
                next.spec.install_generation = generation;
                self.term.client.update(&next).await?;
            }
            Step::SetPool(pool) => {
                next.spec.pool = Some(pool);
                next.spec.install_generation += 1;
                self.term.client.update(&next).await?;
                let text = "wiped, and free to be claimed";
                self.tell(machine, Severity::Normal, "Wiped", text).await;
            }
        }
        Ok(Outcome::Done)
    }

    /// Says once that it was given up, and what ends that.
    async fn stall(&self, mut machine: Machine, hold: Hold) -> Result<(), ClientError> {
        let reason = codes::reason(&hold.code);
        let stalled = self.says(STALLED, &reason, &hold.message);
        condition::set(&mut machine.status.conditions, stalled);
        self.status(&machine).await?;
        metrics::counter!("devpocket_brakes_total", "code" => hold.code).increment(1);
        self.tell(&machine, Severity::Warning, &reason, &hold.message).await;
        Ok(())
    }

    async fn plan(
        &self,
        verb: Verb,
        reason: String,
        machine: &Machine,
        operations: &[&Operation],
        installation: &Installation,
    ) -> Result<Outcome, ClientError> {
        let mut operation = planned(machine, verb, reason, operations.iter().copied());
        let spec = &mut operation.spec;
        let order = machine.spec.order.as_ref();
        match verb {
            Verb::Purchase => {
                let name = &machine.metadata.name;
                let named = Some(machine.spec.display_name.clone())
                    .filter(|text| token::bears(text, &installation.spec.id, name));
                let words = machine.spec.claim.as_ref().map_or("", |claim| claim.name.as_str());
                let named = named
                    .unwrap_or_else(|| token::display_name(words, &installation.spec.id, name));
                spec.display_name = Some(named);
                spec.spends = order.map(|order| order.due.clone());
                spec.image = order.map(|order| order.image.clone());
                spec.user_data_digest = order.map(|order| order.user_data_digest.clone());
            }
            Verb::Reinstall => {
                let fallback = || self.term.client.catalogue().default_image().to_owned();
                spec.image = Some(order.map_or_else(fallback, |order| order.image.clone()));
            }
            Verb::Stop => spec.power = Some(Power::Stopped),
            _ => {}
        }
        match self.term.client.create(&operation).await {
            Ok(_) => Ok(Outcome::Done),
            Err(error) if error.is_already_exists() => Ok(Outcome::After(MIRROR_LAG)),
            Err(error) => Err(error),
        }
    }

    /// Deletes the record and lets it go. Interrupted in between, the next pass finds it being
    /// deleted and does the rest.
    ///
    /// The operations are read once more, as of now: a record is gone for good, and with it the
    /// only owner of what may have been bought.
    async fn forget(&self, machine: &Machine, message: &str) -> Result<Outcome, ClientError> {
        let operations = self.term.client.list::<Operation>(None).await?;
        let open =
            |o: &Operation| o.spec.machine == machine.metadata.name && o.status.phase.is_open();
        if operations.iter().any(open) {
            return Ok(Outcome::retry("an operation on it is not settled"));
        }
        if !machine.metadata.is_deleting() {
            self.tell(machine, Severity::Normal, "Forgotten", message).await;
            self.term.client.delete(&machine.key(), same(machine)).await?;
        }
        if machine.metadata.has_finalizer(names::INSTANCE_FINALIZER) {
            let uid = machine.metadata.uid;
            let release = |record: &mut Machine| {
                if record.metadata.uid == uid {
                    record.metadata.finalizers.retain(|f| f != names::INSTANCE_FINALIZER);
                }
            };
            self.term.client.edit(&machine.key(), release).await?;
        }
        Ok(Outcome::Done)
    }

    fn says(&self, kind: &str, reason: &str, message: &str) -> Condition {
        Condition {
            r#type: kind.into(),
            status: ConditionStatus::True,
            reason: reason.into(),
            message: message.into(),
            last_transition_time: self.term.now(),
            observed_generation: None,
        }
    }

    async fn status(&self, machine: &Machine) -> Result<(), ClientError> {
        self.term.client.update_status(machine).await.map(drop)
    }

    async fn tell(&self, machine: &Machine, severity: Severity, reason: &str, message: &str) {
        self.term.recorder.event(&Involved::of(machine), severity, reason, message).await;
    }
}
