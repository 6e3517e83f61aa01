//! The deterministic world: the real controllers over the store in memory, the one model of
//! Contabo, and a clock that stands still while anybody has something to do.
//!
//! # Guarantees
//! - The same seed and the same steps of a test are the same run, to the last write
//!   ([`World::fingerprint`]).
//! - Killing a process is dropping its future: nothing it had begun goes on, no destructor writes.
//!   Everything else (store, account, time) stays as it was.
//!
//! # Assumptions
//! A tokio runtime with one thread, started paused (`#[tokio::test(start_paused = true)]`).

mod assertions;
mod operator;
mod process;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use devpocket_specs::admit::Actor;
use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::installation::UnknownPurchase;
use devpocket_specs::money::Money;
use devpocket_specs::object::{Key, Resource};
use jiff::Timestamp;
use uuid::Uuid;

use super::clock::{SeededIds, VirtualClock};
use super::contabo::{self, Contabo};
use super::crash::{Blow, Point, Switch};
use super::guests::SimGuests;
use super::history::SimHistory;
use super::lines::SimLines;
use super::store::{Backup, Limits, MemoryStore};
use crate::client::Client;
use crate::clock::{Clock, Ids};
use crate::manager::Settings;

pub use operator::{NAMESPACE, SIZE};
pub use process::Process;
use process::follow;

/// How often a condition is looked at while time passes.
pub const TICK: Duration = Duration::from_secs(5);
/// When every world begins.
pub const EPOCH: &str = "2026-03-02T08:00:00Z";

/// What a world begins with.
#[derive(Clone, Debug)]
pub struct Options {
    pub seed: u64,
    pub unknown_purchase: UnknownPurchase,
    /// In EUR cents; nothing: no budget.
    pub budget: Option<i64>,
    pub purchases_per_hour: u32,
    /// How long a released machine can be taken back.
    pub reclaim_after_seconds: i64,
    pub contabo: contabo::Settings,
    /// For stories of weeks: looks and renews less often, so that they pass quickly.
    pub unhurried: bool,
    /// Whether machines have operating systems that are visited.
    pub guests: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            seed: 1,
            unknown_purchase: UnknownPurchase::Hold,
            budget: Some(100_000),
            purchases_per_hour: 100,
            reclaim_after_seconds: 86_400,
            contabo: contabo::Settings::default(),
            unhurried: false,
            guests: false,
        }
    }
}

enum Ended {
    First,
    Other,
}

/// The world.
pub struct World {
    pub clock: Arc<dyn Clock>,
    pub store: MemoryStore,
    pub contabo: Arc<Mutex<Contabo>>,
    pub switch: Arc<Switch>,
    /// The machines' operating systems; nobody visits them unless the options say so.
    pub guests: SimGuests,
    /// What their installations printed.
    pub lines: SimLines,
    /// How they were doing.
    pub history: SimHistory,
    pub options: Options,
    ids: Arc<dyn Ids>,
    process: Option<Process>,
    other: Option<Process>,
    started: u32,
}

impl World {
    /// A world in which nothing runs yet.
    pub fn new(options: Options) -> World {
        let epoch: Timestamp = EPOCH.parse().expect("a constant in RFC 3339");
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting_at(epoch));
        let contabo = Contabo::new(options.seed, options.contabo.clone());
        let contabo = Arc::new(Mutex::new(contabo));
        let world = World {
            guests: SimGuests::new(contabo.clone(), clock.clone()),
            lines: SimLines::default(),
            history: SimHistory::default(),
            clock,
            store: MemoryStore::new(Limits::default()),
            contabo,
            switch: Arc::default(),
            ids: Arc::new(SeededIds::new(options.seed)),
            options,
            process: None,
            other: None,
            started: 0,
        };
        world.found();
        world
    }

    /// A world whose controllers run.
    pub fn started(options: Options) -> World {
        let mut world = World::new(options);
        world.start();
        world
    }

    fn settings(&self) -> Settings {
        let mut settings = Settings::new(format!("process-{}", self.started));
        settings.first.monthly_budget = self.options.budget.map(Money::eur);
        settings.first.unknown_purchase = self.options.unknown_purchase;
        if self.options.unhurried {
            settings.sweep_period = Duration::from_secs(300);
            settings.transition_period = Duration::from_secs(60);
            settings.resync_period = Duration::from_secs(3_600);
            settings.sample_period = Duration::from_secs(3_600);
            settings.lease.duration = Duration::from_secs(7_200);
            settings.lease.renew_every = Duration::from_secs(1_800);
        }
        settings.first.reclaim_after_seconds = Some(self.options.reclaim_after_seconds);
        settings.first.purchases_per_hour = Some(self.options.purchases_per_hour);
        settings
    }

    /// Lets time pass; `false` when the first process ended meanwhile: killed by the switch, or
    /// drained because it was asked to.
    pub async fn pass(&mut self, duration: Duration) -> bool {
        let end = self.clock.monotonic() + duration;
        let switch = self.switch.clone();
        loop {
            let left = end.saturating_sub(self.clock.monotonic());
            let ended = tokio::select! {
                biased;
                () = switch.tripped(), if self.process.is_some() => Ended::First,
                () = follow(self.process.as_mut()) => Ended::First,
                () = follow(self.other.as_mut()) => Ended::Other,
                () = self.clock.sleep(left) => return true,
            };
            let by_itself = |p: &Option<Process>| p.as_ref().is_some_and(|p| !p.is_draining());
            match ended {
                Ended::First => {
                    let killed = self.switch.is_tripped();
                    assert!(killed || !by_itself(&self.process), "the controllers ended");
                    self.kill();
                    return false;
                }
                Ended::Other => {
                    assert!(!by_itself(&self.other), "the other controllers ended");
                    self.kill_other();
                }
            }
        }
    }

    /// Lets time pass until the condition holds, at most `limit`; `false` when it never did, or
    /// the process was killed.
    pub async fn until(
        &mut self,
        limit: Duration,
        mut condition: impl FnMut(&World) -> bool,
    ) -> bool {
        let end = self.clock.monotonic() + limit;
        while !condition(self) {
            let tick = if self.options.unhurried { TICK * 60 } else { TICK };
            if self.clock.monotonic() >= end || !self.pass(tick).await {
                return false;
            }
        }
        true
    }

    /// Lets time pass until nothing but routine was written for `quiet`, at most `limit`.
    pub async fn settle(&mut self, quiet: Duration, limit: Duration) -> bool {
        let end = self.clock.monotonic() + limit;
        loop {
            let before = self.changes();
            if !self.pass(quiet).await || self.clock.monotonic() >= end {
                return false;
            }
            if self.changes() == before {
                return true;
            }
        }
    }

    /// Writes that are no routine: the lease, the sweep's own record and events are.
    fn changes(&self) -> usize {
        use devpocket_specs::kind::Kind;
        let routine =
            |key: &Key| matches!(key.kind, Kind::Lease | Kind::Installation | Kind::Event);
        self.store.journal().iter().filter(|commit| !routine(&commit.key)).count()
    }

    /// Arms the switch: counts steps from now on, and kills at the point.
    pub fn arm(&self, point: Option<Point>) {
        self.switch.arm(point);
    }

    /// Arms the switch with something else than death.
    pub fn arm_with(&self, point: Option<Point>, blow: Blow) {
        self.switch.arm_with(point, blow);
    }

    /// A client that acts as a person would, without a fence.
    pub fn client(&self, user: &str) -> Client {
        self.client_of(user, None)
    }

    /// The same of somebody whose purchases are counted.
    pub fn client_of(&self, user: &str, account: Option<Uuid>) -> Client {
        let actor = Actor {
            user: user.to_owned(),
            account,
            manager: "test".to_owned(),
            address: None,
            request_id: String::new(),
        };
        Client::new(
            Arc::new(self.store.clone()),
            self.clock.clone(),
            self.ids.clone(),
            Arc::new(Catalogue::builtin().clone()),
            actor,
        )
    }

    /// The account, for looking and for the panel.
    pub fn account(&self) -> MutexGuard<'_, Contabo> {
        self.contabo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Puts an older database in front of the account: what was written since is forgotten.
    pub fn restore(&mut self, backup: &Backup) {
        self.kill();
        self.kill_other();
        self.store = MemoryStore::restored(backup, Limits::default());
    }

    /// All objects of a kind, by name.
    pub fn all<T: Resource>(&self) -> BTreeMap<String, T> {
        self.store
            .objects_of(T::KIND)
            .into_iter()
            .map(|stored| {
                let object: T = stored.to().expect("the store holds readable objects");
                (stored.metadata.name.clone(), object)
            })
            .collect()
    }

    /// A hash of every write since the world began, and of every call: equal for equal runs.
    pub fn fingerprint(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        for commit in self.store.journal() {
            format!("{commit:?}").hash(&mut hasher);
        }
        for entry in self.account().journal() {
            format!("{entry:?}").hash(&mut hasher);
        }
        hasher.finish()
    }
}
