//! The task that looks at the account: sweeps, looks at single machines, and what they lead to.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use devpocket_specs::installation::{Installation, Sweep};
use devpocket_specs::machine::Machine;
use devpocket_specs::operation::Operation;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::list::{self, List};
use super::look::{Look, Source};
use super::sweep::Records;
use super::{account, mark};
use crate::client::ClientError;
use crate::clock::timeout;
use crate::cloud::CloudError;
use crate::manager::mirrors::installation_key;
use crate::manager::settings::SIGN_IN_PERIOD;
use crate::manager::term::Term;
use crate::operation::evidence::spacing;
use crate::runtime::{Involved, Severity};
use crate::store::Revision;

/// How long a sweep waits for its own writes to show in the mirrors before it says what it saw.
const MIRROR_PATIENCE: Duration = Duration::from_secs(5);

/// Why a look did not come about.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    #[error("contabo: {0}")]
    Cloud(#[from] CloudError),
    #[error("store: {0}")]
    Client(#[from] ClientError),
    #[error("there is no installation record yet")]
    NoInstallation,
}

/// Looks at the account, for one term of leadership.
pub struct Inventory {
    pub(super) term: Term,
    nudge: Arc<Notify>,
    pub(super) state: Mutex<State>,
}

/// What this process remembers. Nothing decided rests on it but when to look again, and that the
/// account was compared with the database once in this term.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Monotonic times of the last list and the last look of any kind.
    last_sweep: Option<Duration>,
    last_look: Option<Duration>,
    sign_in_refused: bool,
    /// The last list did not come about: asking sooner would not help a Contabo in trouble.
    failed: bool,
    pub checked: bool,
    /// The tag in the account lags behind the database.
    pub mark_stale: bool,
    pub rotation: usize,
}

/// The records around a look, kept alive for one pass.
pub(super) struct Around {
    pub installation: Arc<Installation>,
    pub machines: Vec<Arc<Machine>>,
    pub operations: Vec<Arc<Operation>>,
}

impl Around {
    pub fn records(&self) -> Records<'_> {
        Records {
            installation: &self.installation,
            machines: &self.machines,
            operations: &self.operations,
        }
    }

    pub fn look(&self, as_of: Timestamp, source: Source) -> Look {
        let spec = &self.installation.spec;
        Look {
            as_of,
            source,
            lag: SignedDuration::from_secs(spec.lag_allowance_seconds),
            spacing: spacing(SignedDuration::from_secs(spec.settle_seconds)),
        }
    }
}

impl Inventory {
    pub fn new(term: Term) -> Inventory {
        let nudge = Arc::new(Notify::new());
        let (machines, operations) = (nudge.clone(), nudge.clone());
        term.mirrors.machines.on_change(move |_| machines.notify_one());
        term.mirrors.operations.on_change(move |_| operations.notify_one());
        Inventory { term, nudge, state: Mutex::default() }
    }

    /// Looks until one look, good or bad, is on record: before that nobody may act.
    pub async fn first(&self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            match self.sweep().await {
                Ok(()) | Err(InventoryError::Cloud(_)) => return,
                Err(error) => {
                    tracing::warn!("the first look at the account failed: {error}");
                    tokio::select! {
                        biased;
                        () = shutdown.cancelled() => return,
                        () = self.term.clock().sleep(Duration::from_secs(2)) => {}
                    }
                }
            }
        }
    }

    /// Looks until `shutdown`; a look that has begun is finished.
    pub async fn run(&self, shutdown: CancellationToken) {
        loop {
            let due = self.due().saturating_sub(self.term.clock().monotonic());
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = self.term.clock().sleep(due) => {}
                () = self.nudge.notified() => continue,
            }
            let looked = if self.is_sweep_due() { self.sweep().await } else { self.glance().await };
            if let Err(error) = looked {
                tracing::debug!("no look at the account: {error}");
            }
        }
    }

    /// When to look next, monotonic: at the sweep's time, or sooner where something is under way.
    fn due(&self) -> Duration {
        let sweep = self.sweep_due();
        let state = self.lock();
        let soon = state.last_look.unwrap_or_default() + self.term.settings.transition_period;
        if state.failed || soon >= sweep {
            return sweep;
        }
        drop(state);
        let Some(around) = self.around() else { return sweep };
        let records = around.records();
        let hurry = records.wants_sweep() || !records.in_transition(self.term.now()).is_empty();
        if hurry { soon } else { sweep }
    }

    fn sweep_due(&self) -> Duration {
        let state = self.lock();
        let settings = &self.term.settings;
        let period = if state.sign_in_refused { SIGN_IN_PERIOD } else { settings.sweep_period };
        state.last_sweep.map_or(Duration::ZERO, |last| last + period)
    }

    fn is_sweep_due(&self) -> bool {
        let wanted = !self.lock().failed
            && self.around().is_some_and(|around| around.records().wants_sweep());
        wanted || self.sweep_due() <= self.term.clock().monotonic()
    }

    pub(super) fn around(&self) -> Option<Around> {
        let mirrors = &self.term.mirrors;
        Some(Around {
            installation: mirrors.installation()?,
            machines: mirrors.machines.list(),
            operations: mirrors.operations.list(),
        })
    }

    /// One list of the whole account, and all that follows from it.
    async fn sweep(&self) -> Result<(), InventoryError> {
        let begun = self.term.clock().monotonic();
        let swept = self.try_sweep().await;
        {
            let mut state = self.lock();
            state.last_sweep = Some(begun);
            state.last_look = Some(begun);
            state.failed = swept.is_err();
            state.sign_in_refused =
                matches!(&swept, Err(InventoryError::Cloud(CloudError::SignIn { .. })));
        }
        let outcome = if swept.is_ok() { "ok" } else { "failed" };
        metrics::counter!("devpocket_sweeps_total", "outcome" => outcome).increment(1);
        if let Err(InventoryError::Cloud(error)) = &swept {
            self.silent(error).await?;
        }
        swept
    }

    async fn try_sweep(&self) -> Result<(), InventoryError> {
        let found = self.term.cloud.account().await?;
        let installation = self.installation().await?;
        if let Some(mismatch) = account::check_account(&installation, &found) {
            return self.mismatch(&mismatch).await;
        }
        if installation.spec.account.is_none() {
            let record = |i: &mut Installation| i.spec.account = Some(found.clone());
            self.term.client.edit(&installation_key(), record).await?;
        }
        let mut list = list::read(&*self.term.cloud, &**self.term.clock()).await?;
        let marks = self.compare_marks(&installation).await?;
        let around = Around {
            installation: Arc::new(installation),
            machines: self.term.mirrors.machines.list(),
            operations: self.term.mirrors.operations.list(),
        };
        let mut trust = around.records().trust(&list);
        let asked = self.ask(&around, &list).await;
        let mut why = trust.sentence();
        if let Some(flaw) = &list.flaw {
            why = format!("{why}: {flaw}");
        }
        if let Some(contradiction) = asked.contradiction(&around, &list) {
            trust = crate::guard::Trust::Partial;
            why = contradiction;
        }
        let trusted = trust.is_trusted();
        let differences = self.differences(&around, &list, marks.as_ref());
        let revision = self.record(&around, &mut list, &asked, trusted).await?;
        self.wait_for_mirror(revision).await;
        let sweep = Sweep {
            as_of: list.as_of,
            instances: u32::try_from(list.instances.len()).unwrap_or(u32::MAX),
            complete: list.is_complete(),
            trusted,
            count: around.installation.status.sweep.as_ref().map_or(0, |s| s.count) + 1,
        };
        self.report(sweep, &why, &differences, marks.as_ref()).await?;
        self.keep_mark().await
    }

    async fn installation(&self) -> Result<Installation, InventoryError> {
        let found = self.term.client.get::<Installation>(&installation_key()).await?;
        found.ok_or(InventoryError::NoInstallation)
    }

    async fn wait_for_mirror(&self, revision: Revision) {
        let reached = self.term.mirrors.machines.reached(revision);
        if timeout(&**self.term.clock(), MIRROR_PATIENCE, reached).await.is_err() {
            tracing::warn!("the mirror of machines does not follow");
        }
    }

    /// One condition, one event, one metric for the account, however many machines it has.
    async fn silent(&self, error: &CloudError) -> Result<(), InventoryError> {
        metrics::gauge!("devpocket_contabo_reachable").set(0.0);
        let now = self.term.now();
        let checked = self.lock().checked;
        let before = self.term.client.get::<Installation>(&installation_key()).await?;
        let change = |i: &mut Installation| {
            account::unreachable(&mut i.status, error, now);
            account::unchecked(&mut i.status, !checked);
        };
        let after = self.term.client.edit_status(&installation_key(), change).await?;
        self.announce(before.as_ref(), &after).await;
        Ok(())
    }

    async fn mismatch(&self, message: &str) -> Result<(), InventoryError> {
        let now = self.term.now();
        let before = self.installation().await?;
        let change = |i: &mut Installation| {
            account::reachable(&mut i.status, now);
            account::account(&mut i.status, Some(message), now);
        };
        let after = self.term.client.edit_status(&installation_key(), change).await?;
        self.announce(Some(&before), &after).await;
        Ok(())
    }

    /// Says what changed for the account, and why.
    async fn report(
        &self,
        sweep: Sweep,
        why: &str,
        differences: &[String],
        marks: Option<&mark::Comparison>,
    ) -> Result<(), InventoryError> {
        metrics::gauge!("devpocket_contabo_reachable").set(1.0);
        metrics::gauge!("devpocket_inventory_trusted").set(if sweep.trusted { 1.0 } else { 0.0 });
        metrics::gauge!("devpocket_instances").set(f64::from(sweep.instances));
        let now = self.term.now();
        let before = self.installation().await?;
        let change = |i: &mut Installation| {
            let status = &mut i.status;
            account::reachable(status, now);
            account::account(status, None, now);
            account::unchecked(status, false);
            if account::is_accepted(status) {
                if let Some(mark::Comparison::Behind { account, .. }) = marks {
                    status.mark = Some(account.as_mark());
                }
                account::current(status, now);
            } else if !differences.is_empty() {
                account::behind(status, differences, now);
            } else if !account::is_behind(status) {
                account::current(status, now);
            }
            account::swept(status, sweep.clone(), why, now);
        };
        let after = self.term.client.edit_status(&installation_key(), change).await?;
        self.lock().checked = true;
        self.announce(Some(&before), &after).await;
        Ok(())
    }

    /// An event for each condition that flipped.
    async fn announce(&self, before: Option<&Installation>, after: &Installation) {
        use devpocket_specs::condition::{ConditionStatus, find};
        for condition in &after.status.conditions {
            let was = before.and_then(|i| find(&i.status.conditions, &condition.r#type));
            let flipped = match was {
                Some(was) => was.status != condition.status,
                None => condition.status == ConditionStatus::False,
            };
            if !flipped {
                continue;
            }
            let bad = condition.status == ConditionStatus::False;
            let severity = if bad { Severity::Warning } else { Severity::Normal };
            let message = match condition.message.as_str() {
                "" => format!("{} again", condition.r#type),
                message => message.to_owned(),
            };
            let reason = if bad { &condition.reason } else { &condition.r#type };
            self.term.recorder.event(&Involved::of(after), severity, reason, &message).await;
        }
    }

    pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn differences(
        &self,
        around: &Around,
        list: &List,
        marks: Option<&mark::Comparison>,
    ) -> Vec<String> {
        let status = &around.installation.status;
        if account::is_accepted(status) {
            return Vec::new();
        }
        let forgotten = around.records().forgotten(list);
        let newer = match marks {
            Some(mark::Comparison::Behind { difference, .. }) => Some(difference.clone()),
            _ => None,
        };
        if forgotten.is_empty() && newer.is_none() {
            return Vec::new();
        }
        let mut all: Vec<String> = newer.into_iter().collect();
        if account::is_behind(status) {
            all.extend(forgotten);
        } else {
            all.extend(around.records().differences(list));
        }
        all
    }

    /// A look at machines on which something is under way, one by one.
    async fn glance(&self) -> Result<(), InventoryError> {
        self.lock().last_look = Some(self.term.clock().monotonic());
        let around = self.around().ok_or(InventoryError::NoInstallation)?;
        self.look_at_changing(&around).await
    }
}
