//! A process of controllers in the world: its way to the store, its steps, its end.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use devpocket_specs::catalogue::Catalogue;
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use super::World;
use crate::clock::Clock;
use crate::guest::Unobserved;
use crate::manager::{Deps, Manager};
use crate::sim::clock::Ahead;
use crate::sim::cloud::SimCloud;
use crate::sim::crash::Switch;
use crate::sim::store::Link;
use crate::store::Store;

/// Controllers that run, with what can befall them.
pub struct Process {
    pub(super) future: Pin<Box<dyn Future<Output = ()>>>,
    /// Its way to the store.
    pub link: Link,
    pub shutdown: CancellationToken,
}

impl World {
    /// Starts a process, under an identity of its own.
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "a process runs already");
        self.switch.reset();
        self.process = Some(self.launch(self.switch.clone(), self.clock.clone()));
    }

    /// Starts another process beside the first: a candidate that leads when nobody else does.
    /// Steps are counted of the first one only.
    pub fn start_other(&mut self) {
        self.start_other_ahead(SignedDuration::ZERO);
    }

    /// As [`World::start_other`], with a wall clock that is ahead of everybody else's.
    pub fn start_other_ahead(&mut self, by: SignedDuration) {
        assert!(self.other.is_none(), "two are enough");
        let clock = Arc::new(Ahead { of: self.clock.clone(), by });
        self.other = Some(self.launch(Arc::default(), clock));
    }

    fn launch(&mut self, switch: Arc<Switch>, clock: Arc<dyn Clock>) -> Process {
        self.started += 1;
        let (link, shutdown) = (Link::default(), CancellationToken::new());
        let store: Arc<dyn Store> =
            Arc::new(self.store.probed(switch.clone()).linked(link.clone()));
        let cloud =
            SimCloud::new(self.contabo.clone(), self.clock.clone(), self.ids.clone(), switch);
        let deps = Deps {
            store,
            cloud: Arc::new(cloud),
            guest: match self.options.guests {
                true => Arc::new(self.guests.clone()),
                false => Arc::new(Unobserved),
            },
            lines: Arc::new(self.lines.clone()),
            history: Arc::new(self.history.clone()),
            clock,
            ids: self.ids.clone(),
            catalogue: Arc::new(Catalogue::builtin().clone()),
        };
        let future = Box::pin(Manager::run(deps, self.settings(), shutdown.clone()));
        Process { future, link, shutdown }
    }

    /// Kills the process where it stands.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Kills the other process where it stands.
    pub fn kill_other(&mut self) {
        self.other = None;
    }

    /// The other process takes the place of the first, which is killed if it still runs.
    pub fn promote_other(&mut self) {
        self.process = self.other.take();
    }

    /// Asks the process to stop, and waits until it has.
    pub async fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.shutdown.cancel();
            process.future.await;
        }
    }

    /// The first process's way to the store.
    pub fn link(&self) -> Link {
        self.process.as_ref().expect("a process runs").link.clone()
    }

    /// What asks the first process to drain.
    pub fn shutdown(&self) -> CancellationToken {
        self.process.as_ref().expect("a process runs").shutdown.clone()
    }

    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }
}

/// Follows a process that may not be there: it ends when the process does.
pub(super) async fn follow(process: Option<&mut Process>) {
    match process {
        Some(process) => process.future.as_mut().await,
        None => std::future::pending().await,
    }
}

impl Process {
    /// Whether it was asked to end.
    pub fn is_draining(&self) -> bool {
        self.shutdown.is_cancelled()
    }
}
