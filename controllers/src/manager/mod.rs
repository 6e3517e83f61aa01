//! The controllers of one process, wired together.
//!
//! ```text
//! election ─► mirrors list ─► first look at the account ─► controllers, sweeps, resync, collection
//! ```
//!
//! # Guarantees
//! - Only the leader acts, and everything it writes is fenced by its term.
//! - Nobody acts before the account was looked at in this term, or the failure to look is on
//!   record.
//! - On shutdown, and when the lease is lost, nothing new begins and what runs is finished: an
//!   effect is never left between *issued* and *recorded* by a drain.
//! - Everything lives inside the one future [`Manager::run`] returns. Nothing is spawned: dropping
//!   it is a crash, which is how the simulation kills a process at any point.

mod bootstrap;
mod collect;
pub mod mirrors;
pub mod settings;
pub mod templates;
pub mod term;
pub mod triggers;

use std::sync::Arc;
use std::time::Duration;

use devpocket_specs::admit::Actor;
use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use futures::future::{join, join4};
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::clock::{Clock, Ids, seed};
use crate::cloud::Cloud;
use crate::environment::reconcile::EnvironmentReconciler;
use crate::guest::{Guest, GuestReconciler, Sampler, VISITS};
use crate::history::History;
use crate::install::Lines;
use crate::inventory::Inventory;
use crate::machine::MachineReconciler;
use crate::operation::OperationReconciler;
use crate::runtime::dependents;
use crate::runtime::recorder::SYSTEM_NAMESPACE;
use crate::runtime::{Controller, Elector, LeaderHandle, Recorder, Workqueue, backoff};
use crate::store::Store;

use mirrors::Mirrors;
pub use settings::{FirstInstallation, Settings};
use term::Term;
use triggers::Queues;

/// Name of the lease that says which process leads.
pub const LEASE_NAME: &str = "controllers";
/// The component events and writes name.
pub const COMPONENT: &str = "devpocket-controllers";
/// Wait before a start that failed is tried again.
const START_AGAIN: Duration = Duration::from_secs(2);

/// The world outside, through ports.
#[derive(Clone)]
pub struct Deps {
    pub store: Arc<dyn Store>,
    pub cloud: Arc<dyn Cloud>,
    pub guest: Arc<dyn Guest>,
    /// Where the lines of installations are kept.
    pub lines: Arc<dyn Lines>,
    /// Where it is kept how machines were doing.
    pub history: Arc<dyn History>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub catalogue: Arc<Catalogue>,
}

/// Runs the controllers of a process.
pub struct Manager {
    deps: Deps,
    settings: Arc<Settings>,
    client: Client,
}

impl Manager {
    /// Leads whenever it can, until `shutdown`; then drains. Dropped before, it stops dead.
    pub async fn run(deps: Deps, settings: Settings, shutdown: CancellationToken) {
        let client = Client::new(
            deps.store.clone(),
            deps.clock.clone(),
            deps.ids.clone(),
            deps.catalogue.clone(),
            Actor::system(COMPONENT),
        );
        let lease = Key::new(Kind::Lease, SYSTEM_NAMESPACE, LEASE_NAME);
        let elector =
            Elector::new(client.clone(), lease, settings.identity.clone(), settings.lease);
        let manager = Manager { deps, settings: Arc::new(settings), client };
        elector.run(shutdown.clone(), |leader| manager.lead(leader, shutdown.clone())).await;
    }

    /// One term of leadership.
    async fn lead(&self, leader: LeaderHandle, shutdown: CancellationToken) {
        let stop = CancellationToken::new();
        let client = self.client.fenced(leader.fence());
        let mirrors = Mirrors::new(&self.deps.store, &self.deps.clock, &*self.deps.ids);
        let term = Term {
            recorder: Recorder::new(client.clone(), COMPONENT),
            client,
            leader: leader.clone(),
            cloud: self.deps.cloud.clone(),
            guest: self.deps.guest.clone(),
            lines: self.deps.lines.clone(),
            history: self.deps.history.clone(),
            mirrors: mirrors.clone(),
            settings: self.settings.clone(),
        };
        metrics::gauge!("devpocket_leader").set(1.0);
        let work = self.work(&term, &stop);
        let ending = async {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                () = leader.lost().cancelled() => {}
            }
            stop.cancel();
            std::future::pending::<()>().await
        };
        // Turns are given up by the controllers themselves (`runtime::controller::TURN`). Tokio's
        // budget for a task would be used up by whatever is polled first, and the rest would wait
        // for the next poll, in which the same happens.
        tokio::task::coop::unconstrained(async {
            tokio::select! {
                biased;
                () = ending => {}
                () = mirrors.run() => {}
                () = work => {}
            }
        })
        .await;
        metrics::gauge!("devpocket_leader").set(0.0);
    }

    async fn work(&self, term: &Term, stop: &CancellationToken) {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = self.start(term) => {}
        }
        let inventory = Inventory::new(term.clone());
        join(inventory.first(stop), self.bring_templates(term)).await;
        if stop.is_cancelled() {
            return;
        }
        let queues = self.queues();
        triggers::subscribe(&term.mirrors, &queues);
        let controllers = self.controllers(term, &queues, stop);
        let sampler = Sampler::new(term.clone());
        let chores = join4(
            self.resync(term, &queues, stop),
            self.collect(term, stop),
            dependents::collect(&term.client, stop),
            sampler.run(stop),
        );
        let dispatch = triggers::run(&term.mirrors, &queues);
        let ending = async {
            stop.cancelled().await;
            queues.triggers.shut_down();
        };
        // What wakes the controllers before them: a change is worked on in the turn it is heard in.
        join4(join(ending, dispatch), controllers, inventory.run(stop.clone()), chores).await;
    }

    /// The Installation record is there, and the mirrors hold everything.
    async fn start(&self, term: &Term) {
        while let Err(error) = bootstrap::ensure(&term.client, &self.settings.first).await {
            tracing::warn!("the installation record cannot be made: {error}");
            term.clock().sleep(START_AGAIN).await;
        }
        while let Err(error) = bootstrap::authority(&term.client, &*term.guest).await {
            tracing::warn!("the authority that opens machines is not known: {error}");
            term.clock().sleep(START_AGAIN).await;
        }
        term.mirrors.ready().await;
        let revision = loop {
            match term.client.store().revision().await {
                Ok(revision) => break revision,
                Err(error) => tracing::warn!("the store does not answer: {error}"),
            }
            term.clock().sleep(START_AGAIN).await;
        };
        // The record just made must be in the mirrors before anything is decided.
        term.mirrors.reached(revision).await;
    }

    /// Without them nothing stands still: what is there already goes on.
    async fn bring_templates(&self, term: &Term) {
        if let Err(error) = templates::ensure(&term.client, &self.settings.templates).await {
            tracing::warn!("the templates that come with DevPocket are not all there: {error}");
        }
    }

    async fn controllers(&self, term: &Term, queues: &Queues, stop: &CancellationToken) {
        let clock = &self.deps.clock;
        let environments = Controller::new(
            "environment",
            EnvironmentReconciler::new(term.clone()),
            queues.environments.clone(),
            clock.clone(),
        );
        let machines = Controller::new(
            "machine",
            MachineReconciler::new(term.clone()),
            queues.machines.clone(),
            clock.clone(),
        );
        let operations = Controller::new(
            "operation",
            OperationReconciler::new(term.clone()),
            queues.operations.clone(),
            clock.clone(),
        );
        let guests = Controller::new(
            "guest",
            GuestReconciler::new(term.clone(), stop.clone()),
            queues.guests.clone(),
            clock.clone(),
        )
        .with_concurrency(VISITS);
        join4(
            environments.run(stop.clone()),
            machines.run(stop.clone()),
            operations.run(stop.clone()),
            guests.run(stop.clone()),
        )
        .await;
    }

    fn queues(&self) -> Queues {
        let (clock, ids) = (&self.deps.clock, &*self.deps.ids);
        let queue = || Workqueue::new(clock.clone(), backoff::RECONCILE, seed(ids));
        Queues {
            environments: queue(),
            machines: queue(),
            operations: queue(),
            guests: queue(),
            guest_rest_period: self.settings.guest_rest_period,
            triggers: Workqueue::new(clock.clone(), backoff::RECONCILE, seed(ids)),
        }
    }

    /// Looks at everything now and then, whatever was missed: the triggers are an optimisation.
    async fn resync(&self, term: &Term, queues: &Queues, stop: &CancellationToken) {
        while self.pause(self.settings.resync_period, stop).await {
            triggers::everything(&term.mirrors, queues);
        }
    }

    async fn collect(&self, term: &Term, stop: &CancellationToken) {
        while self.pause(settings::COLLECT_PERIOD, stop).await {
            if let Err(error) = collect::collect(&term.client, &term.mirrors).await {
                tracing::warn!("old records are not collected: {error}");
            }
        }
    }

    /// Waits; `false` when it is time to stop.
    async fn pause(&self, period: Duration, stop: &CancellationToken) -> bool {
        tokio::select! {
            biased;
            () = stop.cancelled() => false,
            () = self.deps.clock.sleep(period) => true,
        }
    }
}
