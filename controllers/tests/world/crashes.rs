//! The process is killed after each step, "done" and "not done", and started again.

use std::time::Duration;

use devpocket_controllers::sim::contabo::{
    Failure, Fault, FaultKind, OperationName, PanelAction, Status, Target,
};
use devpocket_controllers::sim::crash::{Point, Side};
use devpocket_controllers::sim::world::{Options, World};
use devpocket_specs::installation::UnknownPurchase;
use devpocket_specs::machine::MachineState;
use devpocket_specs::operation::{Operation, OperationPhase, Resolution, Verb};

use crate::{HOUR, MINUTE};

/// Long enough for any way to the end: a lease that runs out, a purchase that is settled, a wipe.
const LIMIT: Duration = Duration::from_secs(12 * 3_600);

#[derive(Clone, Copy, Debug)]
enum Scenario {
    Create,
    Adopt,
    Claim,
    PowerDrift,
    Release,
}

impl Scenario {
    /// Where the story begins.
    async fn prepare(self, world: &mut World) {
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
    async fn begin(self, world: &World) {
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
    fn is_over(self, world: &World) -> bool {
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
struct End {
    environments: Vec<String>,
    machines: Vec<String>,
    instances: Vec<String>,
    purchases: usize,
}

fn end(world: &World) -> End {
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
fn issued_and_never_arrived(world: &World) -> bool {
    let issued = world.operations(Verb::Purchase).into_iter().any(|operation| {
        matches!(operation.status.phase, OperationPhase::Issued | OperationPhase::Unknown)
    });
    issued && world.purchases() == 0
}

struct Run {
    steps: Vec<String>,
    end: End,
    held: bool,
}

async fn run(scenario: Scenario, policy: UnknownPurchase, point: Option<Point>) -> Run {
    let options =
        Options { unknown_purchase: policy, reclaim_after_seconds: 120, ..Options::default() };
    let mut world = World::started(options);
    scenario.prepare(&mut world).await;
    world.arm(point);
    scenario.begin(&world).await;
    let over = |world: &World| scenario.is_over(world) || !world.undecided().is_empty();
    let mut reached = world.until(LIMIT, over).await;
    let killed = world.switch.is_tripped();
    assert_eq!(killed, point.is_some() && !reached, "{scenario:?} {point:?}");
    let mut must_hold = false;
    if killed {
        must_hold = policy == UnknownPurchase::Hold && issued_and_never_arrived(&world);
        world.start();
        reached = world.until(LIMIT, over).await;
    }
    let held = !world.undecided().is_empty();
    assert_eq!(held, must_hold, "{scenario:?} {point:?}: exactly these wait for a person");
    if held {
        assert_eq!(world.purchases(), 0);
        let name = world.undecided().remove(0).metadata.name;
        world.resolve(&name, Resolution::NotHappened, None).await.expect("it is undecided");
        reached = world.until(LIMIT, |world| scenario.is_over(world)).await;
    }
    let steps = world.switch.disarm();
    assert!(
        reached,
        "{scenario:?} {policy:?} {point:?} never ended: {:#?} {steps:#?}",
        end(&world)
    );
    world.pass(10 * MINUTE).await;
    Run { steps, end: end(&world), held }
}

/// Kills at every step of the scenario, on both sides, under each policy. `at_least`: the steps
/// there are; the number may not shrink unnoticed.
async fn enumerate(scenario: Scenario, at_least: usize) {
    let undisturbed = run(scenario, UnknownPurchase::Proceed, None).await;
    assert_eq!(undisturbed.end.purchases, 1);
    let effects = undisturbed.steps.len();
    let mut runs = 0;
    let policies: &[UnknownPurchase] = match scenario {
        Scenario::Create | Scenario::Adopt => &[UnknownPurchase::Proceed, UnknownPurchase::Hold],
        // No purchase is under way in these: the policy has nothing to decide.
        Scenario::Claim | Scenario::PowerDrift | Scenario::Release => &[UnknownPurchase::Proceed],
    };
    for &policy in policies {
        let mut held = 0;
        for step in 1..=effects {
            for side in [Side::NotDone, Side::Done] {
                let point = Point { step, side };
                let crashed = run(scenario, policy, Some(point)).await;
                let what = &undisturbed.steps[step - 1];
                assert_eq!(
                    crashed.end, undisturbed.end,
                    "{scenario:?} {policy:?} {point:?} {what}"
                );
                runs += 1;
                held += usize::from(crashed.held);
            }
        }
        let word = format!("{scenario:?}").to_lowercase();
        println!(
            "{word} {policy:?} effects={effects} runs={} purchases=1 held={held}",
            2 * effects
        );
    }
    assert_eq!(runs, 2 * effects * policies.len());
    assert!(effects >= at_least, "{effects} steps: {:#?}", undisturbed.steps);
}

#[tokio::test(start_paused = true)]
async fn create_survives_a_crash_at_every_step() {
    enumerate(Scenario::Create, 36).await;
}

#[tokio::test(start_paused = true)]
async fn adopt_survives_a_crash_at_every_step() {
    enumerate(Scenario::Adopt, 40).await;
}

#[tokio::test(start_paused = true)]
async fn claim_survives_a_crash_at_every_step() {
    enumerate(Scenario::Claim, 36).await;
}

#[tokio::test(start_paused = true)]
async fn power_drift_survives_a_crash_at_every_step() {
    enumerate(Scenario::PowerDrift, 18).await;
}

#[tokio::test(start_paused = true)]
async fn release_survives_a_crash_at_every_step() {
    enumerate(Scenario::Release, 31).await;
}
