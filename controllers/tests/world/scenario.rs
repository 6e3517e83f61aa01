//! The five stories that are disturbed at every step: what happens, when it is over, and what it
//! ends in.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use devpocket_controllers::sim::contabo::{
    Failure, Fault, FaultKind, OperationName, PanelAction, Status, Target,
};
use devpocket_controllers::sim::crash::{Point, Side};
use devpocket_controllers::sim::world::{Options, World};
use devpocket_specs::installation::UnknownPurchase;
use devpocket_specs::machine::MachineState;
use devpocket_specs::operation::{Operation, OperationPhase, Verb};

use crate::{HOUR, MINUTE};

/// Long enough for any way to the end: a lease that runs out, a purchase that is settled, a wipe.
pub const LIMIT: Duration = Duration::from_secs(12 * 3_600);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    Create,
    Adopt,
    Claim,
    PowerDrift,
    Release,
}

impl Scenario {
    pub const ALL: [Scenario; 5] = [
        Scenario::Create,
        Scenario::Adopt,
        Scenario::Claim,
        Scenario::PowerDrift,
        Scenario::Release,
    ];

    /// Its name in reports.
    pub fn word(self) -> &'static str {
        match self {
            Scenario::Create => "create",
            Scenario::Adopt => "adopt",
            Scenario::Claim => "claim",
            Scenario::PowerDrift => "power",
            Scenario::Release => "release",
        }
    }

    /// The world it plays in.
    pub fn options(self, policy: UnknownPurchase) -> Options {
        Options { unknown_purchase: policy, reclaim_after_seconds: 120, ..Options::default() }
    }

    /// Where the story begins.
    pub async fn prepare(self, world: &mut World) {
        match self {
            Scenario::Create => {}
            Scenario::Adopt => {
                world.fault(Fault::once(
                    Target::One(OperationName::CreateInstance),
                    FaultKind::Lose { how: Failure::Reset },
                ));
            }
            Scenario::Claim => {
                self.have_web(world).await;
                world.delete("web").await;
                assert!(world.until(LIMIT, is_available).await, "{:#?}", world.managed());
                world.pass(10 * MINUTE).await;
            }
            Scenario::PowerDrift | Scenario::Release => self.have_web(world).await,
        }
    }

    async fn have_web(self, world: &mut World) {
        world.declare("web", |_| {}).await;
        assert!(world.ready("web", HOUR).await);
        world.pass(10 * MINUTE).await;
    }

    /// What happens.
    pub async fn begin(self, world: &World) {
        match self {
            Scenario::Create | Scenario::Adopt => drop(world.declare("web", |_| {}).await),
            Scenario::Claim => drop(world.declare("next", |_| {}).await),
            Scenario::PowerDrift => {
                let id = world.instance_of("web").expect("it is bought");
                world.panel(id, &PanelAction::Stop);
            }
            Scenario::Release => world.delete("web").await,
        }
    }

    /// Whether it is over.
    pub fn is_over(self, world: &World) -> bool {
        let over = match self {
            Scenario::Create | Scenario::Adopt => world.is_ready("web"),
            Scenario::Claim => world.is_ready("next"),
            Scenario::PowerDrift => {
                let id = world.instance_of("web").expect("it is bought");
                let is = world.account().instance(id).expect("it exists").facts.status.clone();
                let drift = world.machine_of("web").is_some_and(|m| {
                    let outside = &m.status.outside;
                    !outside.is_empty() && outside.iter().all(|drift| drift.healed.is_some())
                });
                is == Status::Running && drift && world.is_ready("web")
            }
            Scenario::Release => world.environment("web").is_none() && is_available(world),
        };
        over && !world.all::<Operation>().values().any(|o| o.status.phase.is_open())
    }
}

fn is_available(world: &World) -> bool {
    world.managed().iter().any(|m| m.status.state == MachineState::Available)
}

/// What a run ended in, apart from times and numbers that a crash may move.
#[derive(Debug, PartialEq)]
pub struct End {
    environments: Vec<String>,
    machines: Vec<String>,
    instances: Vec<String>,
    pub purchases: usize,
}

pub fn end(world: &World) -> End {
    // Drawn at the first start; a crash there draws another one.
    let id = world.installation().spec.id;
    let environments = world
        .all::<devpocket_specs::environment::Environment>()
        .into_values()
        .map(|e| format!("{} {:?} {:?}", e.metadata.name, e.status.phase, e.status.message));
    let machines = world.all::<devpocket_specs::machine::Machine>().into_values().map(|m| {
        format!(
            "{} managed={} {:?} {:?} claim={:?} pool={} finalizers={:?} outside={:?}",
            m.metadata.name,
            m.spec.managed,
            m.status.state,
            m.status.instance_id,
            m.spec.claim.map(|c| c.name),
            m.spec.pool.is_some(),
            m.metadata.finalizers,
            m.status
                .outside
                .iter()
                .map(|d| (&d.what, &d.by, d.healed.is_some()))
                .collect::<Vec<_>>(),
        )
    });
    let account = world.account();
    let instances = account
        .instances()
        .map(|i| format!("{} {} {}", i.instance_id, i.facts.status, i.facts.display_name))
        .map(|text| text.replace(&id, "ID"));
    End {
        environments: environments.collect(),
        machines: machines.collect(),
        instances: instances.collect(),
        purchases: {
            use devpocket_controllers::sim::contabo::Charge;
            let entries = &account.ledger().entries;
            entries.iter().filter(|entry| entry.kind == Charge::Purchase).count()
        },
    }
}

/// A purchase that was issued, and of which the account knows nothing.
pub fn issued_and_never_arrived(world: &World) -> bool {
    let issued = world.operations(Verb::Purchase).into_iter().any(|operation| {
        matches!(operation.status.phase, OperationPhase::Issued | OperationPhase::Unknown)
    });
    issued && world.purchases() == 0
}

/// All points of a scenario of so many steps.
pub fn points(steps: usize) -> impl Iterator<Item = Point> {
    let sides = |step| [Side::NotDone, Side::Done].map(|side| Point { step, side });
    (1..=steps).flat_map(sides)
}

/// Runs each job in a world, and a runtime, of its own, as many at a time as there are cores.
pub fn each<J, R, F>(jobs: &[J], run: impl Fn(J) -> F + Sync) -> Vec<R>
where
    J: Clone + Sync,
    R: Send,
    F: Future<Output = R>,
{
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, R)>> = Mutex::default();
    let work = || {
        while let Some((place, job)) = {
            let place = next.fetch_add(1, Ordering::Relaxed);
            jobs.get(place).map(|job| (place, job.clone()))
        } {
            let result = in_paused_time(run(job));
            results.lock().expect("no other thread failed").push((place, result));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores.min(jobs.len()) {
            scope.spawn(work);
        }
    });
    let mut results = results.into_inner().expect("no thread failed");
    results.sort_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Runs the story in virtual time.
pub fn in_paused_time<R>(story: impl Future<Output = R>) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing");
    runtime.block_on(story)
}
