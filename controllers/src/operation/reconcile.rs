//! Takes the step `decide` names.

use std::sync::Arc;
use std::time::Duration;

use devpocket_specs::installation::Installation;
use devpocket_specs::machine::Machine;
use devpocket_specs::namespace::Namespace;
use devpocket_specs::object::{Key, Resource, SharedKey};
use devpocket_specs::operation::{Operation, OperationPhase, Verb};
use devpocket_specs::plan::Hold;
use devpocket_specs::tier::Tier;

use super::decide::{Decision, LOOK_AGAIN, LOOK_AGAIN_UNDECIDED, RECORD_MARGIN, World, decide};
use super::evidence::{Evidence, Verdict, audit_log, judge};
use super::images::Images;
use super::report;
use super::send::{self, PrepareError, Prepared, Workbench};
use super::transition::{self, Answer, Issuer};
use crate::client::ClientError;
use crate::clock::timeout;
use crate::cloud::{Audit, AuditQuery, CloudError};
use crate::guard::{GuardWorld, Ledger, Tenants, may_issue};
use crate::manager::mirrors::operation_key;
use crate::manager::term::Term;
use crate::runtime::{Involved, Outcome, Reconciler};
use crate::store::Guard;

/// How soon evidence is looked for again while it is likely to turn up.
pub const LOOK_SOON: Duration = Duration::from_secs(15);
/// How long after an outcome became unknown that is.
pub const SOON_FOR: Duration = Duration::from_secs(300);
/// Wait before a reply that could not be recorded is tried again.
const RECORD_AGAIN: Duration = Duration::from_millis(500);

/// Drives operations from their intent to a known outcome.
pub struct OperationReconciler {
    term: Term,
    images: Images,
    /// Purchases, wipes and cancellations are judged and issued one after the other, each seeing
    /// the ones before it: two that fit the budget only singly must not pass side by side.
    risky: tokio::sync::Mutex<()>,
}

/// The records around an operation, kept alive for one pass.
struct Around {
    operation: Arc<Operation>,
    machine: Option<Arc<Machine>>,
    environment: Option<Arc<devpocket_specs::environment::Environment>>,
    installation: Arc<Installation>,
    siblings: Arc<Vec<Arc<Operation>>>,
}

impl Reconciler for OperationReconciler {
    type Key = SharedKey;

    async fn reconcile(&self, key: &SharedKey) -> Outcome {
        match self.step(key).await {
            Ok(outcome) => outcome,
            Err(error) if error.is_fenced() => Outcome::Terminal("the term is over".into()),
            Err(error) => Outcome::retry(error),
        }
    }
}

impl OperationReconciler {
    pub fn new(term: Term) -> OperationReconciler {
        OperationReconciler { term, images: Images::default(), risky: tokio::sync::Mutex::new(()) }
    }

    async fn step(&self, key: &Key) -> Result<Outcome, ClientError> {
        let Some(operation) = self.term.mirrors.operations.get(key) else {
            return Ok(Outcome::Done);
        };
        if !self.term.is_mirrored(&*operation).await {
            return Ok(Outcome::retry("the mirrors do not follow"));
        }
        let Some(around) = self.around(key) else { return Ok(Outcome::Done) };
        let siblings: Vec<&Operation> = around.siblings.iter().map(Arc::as_ref).collect();
        let world = World {
            operation: &around.operation,
            machine: around.machine.as_deref(),
            environment: around.environment.as_deref(),
            installation: &around.installation,
            siblings: &siblings,
            now: self.term.now(),
        };
        match decide(&world) {
            Decision::Rest => Ok(Outcome::Done),
            Decision::Wait { until } => Ok(Outcome::After(self.term.until(until))),
            Decision::Behind { .. } => Ok(Outcome::After(LOOK_AGAIN)),
            Decision::Withdraw { message } => self.withdraw(&around.operation, &message).await,
            Decision::Lose { message } => {
                let left = self.wait_out(&around.operation);
                if !left.is_zero() {
                    return Ok(Outcome::After(left));
                }
                let mut lost = Operation::clone(&around.operation);
                transition::lose(&mut lost.status, &message, self.term.now());
                self.write(&lost).await?;
                Ok(Outcome::After(Duration::ZERO))
            }
            Decision::Look => self.look(&around).await,
            Decision::Issue => self.issue(&around).await,
        }
    }

    /// What another leader issued is left alone for the length of a call from the start of this
    /// term, whatever the deadline in the record says: that was written by another clock.
    fn wait_out(&self, operation: &Operation) -> Duration {
        let leader = &self.term.leader;
        if operation.status.issued_epoch == i64::from(leader.epoch()) {
            return Duration::ZERO;
        }
        leader.wait_out(self.term.settings.call_timeout)
    }

    fn around(&self, key: &Key) -> Option<Around> {
        let mirrors = &self.term.mirrors;
        let operation = mirrors.operations.get(key)?;
        let installation = mirrors.installation()?;
        let spec = &operation.spec;
        let machine = mirrors.machine(&spec.machine).filter(|m| m.uid() == spec.machine_uid);
        let environment = spec.environment.as_ref().and_then(|e| mirrors.environment(e));
        let siblings = mirrors.operations_on(&spec.machine);
        Some(Around { machine, environment, installation, siblings, operation })
    }

    async fn withdraw(&self, operation: &Operation, why: &str) -> Result<Outcome, ClientError> {
        let mut withdrawn = operation.clone();
        transition::withdraw(&mut withdrawn.status, why, self.term.now());
        self.write(&withdrawn).await?;
        Ok(Outcome::Done)
    }

    async fn issue(&self, around: &Around) -> Result<Outcome, ClientError> {
        let Some(machine) = around.machine.as_deref() else { return Ok(Outcome::Done) };
        let operation = &*around.operation;
        // Asked before anything is prepared, so that a held operation costs no call.
        if let Err(hold) = self.brakes(operation, false).await? {
            return self.held(operation, hold).await;
        }
        let bench = Workbench {
            client: &self.term.client,
            cloud: &*self.term.cloud,
            guest: &*self.term.guest,
            images: &self.images,
        };
        let prepared = match bench.prepare(operation, machine, around.environment.as_deref()).await
        {
            Ok(prepared) => prepared,
            Err(error @ (PrepareError::Stale(_) | PrepareError::Incomplete(_))) => {
                return self.withdraw(operation, &error.to_string()).await;
            }
            Err(PrepareError::Images(error)) => return Ok(Outcome::retry(error)),
            Err(error @ PrepareError::FirstKey(_)) => return Ok(Outcome::retry(error)),
            Err(PrepareError::Client(error)) => return Err(error),
        };
        let issued = match self.take(operation, machine).await? {
            Ok(issued) => issued,
            Err(outcome) => return Ok(outcome),
        };
        self.send_and_record(&issued, &prepared, &around.installation.spec.id).await
    }

    /// Asks the brakes and makes the operation ours to send, in one go for those that money or
    /// data hang on. The write fails if the machine's record changed since it was judged.
    async fn take(
        &self,
        operation: &Operation,
        machine: &Machine,
    ) -> Result<Result<Operation, Outcome>, ClientError> {
        let risky = is_risky(operation.spec.verb);
        let _turn = if risky { Some(self.risky.lock().await) } else { None };
        if let Err(hold) = self.brakes(operation, risky).await? {
            return Ok(Err(self.held(operation, hold).await?));
        }
        let limit = self.term.settings.call_timeout;
        if !self.term.leader.outlives(limit) {
            return Ok(Err(Outcome::After(Duration::from_secs(1))));
        }
        let issuer = Issuer {
            identity: self.term.settings.identity.clone(),
            epoch: self.term.leader.epoch(),
        };
        let mut issued = operation.clone();
        transition::issue(&mut issued.status, &issuer, self.term.now(), limit);
        let unchanged = Guard::Unchanged {
            key: machine.key(),
            revision: machine.metadata.revision().unwrap_or(0),
        };
        let client = self.term.client.guarded(vec![unchanged]);
        Ok(Ok(client.update_status(&issued).await?))
    }

    /// The brakes, on records as of now where money or data hang on it, else on the mirrors.
    async fn brakes(
        &self,
        operation: &Operation,
        fresh: bool,
    ) -> Result<Result<(), Hold>, ClientError> {
        let mirrors = &self.term.mirrors;
        let (machines, operations, installation, tenants) = if fresh {
            let client = &self.term.client;
            let machines = client.list::<Machine>(None).await?;
            let operations = client.list::<Operation>(None).await?;
            let key = crate::manager::mirrors::installation_key();
            let installation = client.get::<Installation>(&key).await?.map(Arc::new);
            let machines: Vec<Arc<Machine>> = machines.into_iter().map(Arc::new).collect();
            let namespaces = client.list::<Namespace>(None).await?.into_iter().map(Arc::new);
            let tiers = client.list::<Tier>(None).await?.into_iter().map(Arc::new);
            let tenants = Tenants::new(namespaces.collect(), tiers.collect());
            (machines, operations.into_iter().map(Arc::new).collect(), installation, tenants)
        } else {
            let tenants = Tenants::new(mirrors.namespaces.list(), mirrors.tiers.list());
            (mirrors.machines.list(), mirrors.operations.list(), mirrors.installation(), tenants)
        };
        let ledger = Ledger::of(&machines, &operations);
        let world = GuardWorld {
            now: self.term.now(),
            installation: installation.as_deref(),
            ledger: &ledger,
            tenants: &tenants,
        };
        Ok(may_issue(&world, operation))
    }

    async fn held(&self, operation: &Operation, hold: Hold) -> Result<Outcome, ClientError> {
        let again = hold.until.map_or(LOOK_AGAIN, |until| self.term.until(until).min(LOOK_AGAIN));
        self.show_hold(operation, hold).await?;
        Ok(Outcome::After(again))
    }

    async fn show_hold(&self, operation: &Operation, hold: Hold) -> Result<(), ClientError> {
        if operation.status.held.as_ref().is_some_and(|h| report::same_hold(h, &hold)) {
            return Ok(());
        }
        let news = operation.status.held.as_ref().is_none_or(|h| h.code != hold.code);
        let mut held = operation.clone();
        transition::hold(&mut held.status, hold.clone());
        self.write(&held).await?;
        if news {
            report::held(&self.term.recorder, operation, &hold).await;
        }
        Ok(())
    }

    /// From the moment it is `Issued` until its outcome is recorded, this must not be cancelled:
    /// the controller drains it on shutdown, and both the call and the recording end by time.
    async fn send_and_record(
        &self,
        issued: &Operation,
        prepared: &Prepared,
        installation: &str,
    ) -> Result<Outcome, ClientError> {
        let limit = self.term.settings.call_timeout;
        let reply = if self.term.leader.outlives(limit) {
            report::sending(issued);
            let call = send::call(issued, installation, limit);
            let sent = send::send(self.term.cloud.clone(), prepared, &call);
            timeout(&**self.term.clock(), limit, sent).await.unwrap_or_else(|elapsed| {
                Err(CloudError::Unknown { message: elapsed.to_string(), code: None })
            })
        } else {
            let message = "the lease ran out before it was sent".to_owned();
            Err(CloudError::Unavailable { message })
        };
        self.record(issued, reply).await
    }

    async fn record(
        &self,
        issued: &Operation,
        reply: Result<Answer, CloudError>,
    ) -> Result<Outcome, ClientError> {
        let give_up = self.term.clock().monotonic() + RECORD_MARGIN;
        let key = operation_key(&issued.metadata.name);
        loop {
            let at = self.term.now();
            let written = self
                .term
                .client
                .edit_status(&key, |operation: &mut Operation| {
                    let status = &mut operation.status;
                    let open =
                        matches!(status.phase, OperationPhase::Issued | OperationPhase::Unknown);
                    if open && operation.metadata.uid == issued.metadata.uid {
                        transition::answer(status, reply.as_ref(), at);
                    }
                })
                .await;
            match written {
                Ok(recorded) => {
                    report::answered(&self.term.recorder, &recorded).await;
                    return Ok(Outcome::After(Duration::ZERO));
                }
                Err(error) if error.is_transient() && self.term.clock().monotonic() < give_up => {
                    tracing::warn!(operation = %key.name, "outcome not recorded yet: {error}");
                    self.term.clock().sleep(RECORD_AGAIN).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn look(&self, around: &Around) -> Result<Outcome, ClientError> {
        let operation = &*around.operation;
        let audits = match self.audits(operation).await {
            Ok(audits) => audits,
            Err(error) => {
                tracing::debug!(operation = %operation.metadata.name, "audits: {error}");
                return Ok(Outcome::After(LOOK_AGAIN));
            }
        };
        let machines = self.term.mirrors.machines.list();
        let machines: Vec<&Machine> = machines.iter().map(Arc::as_ref).collect();
        let verdict = judge(&Evidence {
            operation,
            machine: around.machine.as_deref(),
            machines: &machines,
            installation: &around.installation,
            audits: &audits,
        });
        let mut next = operation.clone();
        match verdict {
            Verdict::Settled { resolution, instance_id, message } => {
                transition::resolve(&mut next.status, resolution, instance_id, &message);
                self.write(&next).await?;
                report::resolved(&self.term.recorder, &next).await;
                Ok(Outcome::Done)
            }
            Verdict::Undecided(hold) | Verdict::Absent(hold) => {
                self.show_hold(operation, hold).await?;
                Ok(Outcome::After(LOOK_AGAIN_UNDECIDED))
            }
            Verdict::Silent(as_of) => {
                transition::count_silence(&mut next.status, as_of);
                self.write(&next).await?;
                Ok(Outcome::After(Duration::ZERO))
            }
            Verdict::Open => Ok(Outcome::After(self.patience(operation))),
        }
    }

    fn patience(&self, operation: &Operation) -> Duration {
        let soon = operation.status.ended_at.map(|at| transition::after(at, SOON_FOR));
        if soon.is_some_and(|soon| self.term.now() < soon) { LOOK_SOON } else { LOOK_AGAIN }
    }

    /// Audits of the request, and of nothing else: a filter Contabo ignored would make every
    /// purchase of the account look like this one.
    async fn audits(&self, operation: &Operation) -> Result<Vec<Audit>, CloudError> {
        let Some(log) = audit_log(operation.spec.verb) else { return Ok(Vec::new()) };
        let uid = operation.uid();
        let query = AuditQuery { request_id: Some(uid), page: 1, ..AuditQuery::default() };
        let mut audits = self.term.cloud.audits(log, &query).await?.items;
        audits.retain(|audit| audit.request_id.eq_ignore_ascii_case(&uid.to_string()));
        Ok(audits)
    }

    async fn write(&self, operation: &Operation) -> Result<Operation, ClientError> {
        self.term.client.update_status(operation).await
    }
}

fn is_risky(verb: Verb) -> bool {
    matches!(verb, Verb::Purchase | Verb::Reinstall | Verb::Cancel)
}

/// The record an event about an operation is attached to.
pub(super) fn involved(operation: &Operation) -> Involved {
    match &operation.spec.environment {
        Some(environment) => Involved {
            key: Key::new(
                devpocket_specs::kind::Kind::Environment,
                &environment.namespace,
                &environment.name,
            ),
            uid: environment.uid,
        },
        None => Involved::of(operation),
    }
}
