//! The process is killed after each step, "done" and "not done", and started again.

use devpocket_controllers::sim::crash::Point;
use devpocket_controllers::sim::world::World;
use devpocket_specs::installation::UnknownPurchase;
use devpocket_specs::operation::Resolution;

use crate::MINUTE;
use crate::scenario::{
    End, LIMIT, Scenario, each, end, in_paused_time, issued_and_never_arrived, points,
};

struct Run {
    steps: Vec<String>,
    end: End,
    held: bool,
}

async fn run(scenario: Scenario, policy: UnknownPurchase, point: Option<Point>) -> Run {
    let mut world = World::started(scenario.options(policy));
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
        assert_eq!(world.purchases(), 0, "{scenario:?} {point:?}");
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
    assert!(world.replay_decisions() > 0);
    Run { steps, end: end(&world), held }
}

/// Kills at every step of the scenario, on both sides, under both policies. `effects`: the steps
/// there are; the number may not shrink unnoticed. `held`: the runs that wait for a person under
/// `Hold`: those whose order was written down as sent and never arrived.
fn enumerate(scenario: Scenario, effects: usize, held: usize) {
    let undisturbed = in_paused_time(run(scenario, UnknownPurchase::Proceed, None));
    assert_eq!(undisturbed.end.purchases, 1);
    let steps = &undisturbed.steps;
    let policies = [UnknownPurchase::Proceed, UnknownPurchase::Hold];
    let jobs: Vec<(UnknownPurchase, Point)> = policies
        .into_iter()
        .flat_map(|policy| points(steps.len()).map(move |point| (policy, point)))
        .collect();
    let runs = each(&jobs, |(policy, point)| async move {
        let crashed = run(scenario, policy, Some(point)).await;
        (policy, point, crashed)
    });
    let mut waited = 0;
    for (policy, point, crashed) in &runs {
        let what = &steps[point.step - 1];
        assert_eq!(crashed.end, undisturbed.end, "{scenario:?} {policy:?} {point:?} {what}");
        waited += usize::from(crashed.held);
    }
    let count = |policy| runs.iter().filter(|(p, ..)| *p == policy).count();
    let (n, proceed) = (steps.len(), count(UnknownPurchase::Proceed));
    println!("{} effects={n} runs={proceed} purchases=1", scenario.word());
    assert_eq!((proceed, count(UnknownPurchase::Hold)), (2 * n, 2 * n));
    assert_eq!(n, effects, "{steps:#?}");
    assert_eq!(waited, held);
}

#[test]
fn create_survives_a_crash_at_every_step() {
    enumerate(Scenario::Create, 37, 6);
}

#[test]
fn adopt_survives_a_crash_at_every_step() {
    enumerate(Scenario::Adopt, 41, 6);
}

#[test]
fn claim_survives_a_crash_at_every_step() {
    enumerate(Scenario::Claim, 35, 0);
}

#[test]
fn power_drift_survives_a_crash_at_every_step() {
    enumerate(Scenario::PowerDrift, 15, 0);
}

#[test]
fn release_survives_a_crash_at_every_step() {
    enumerate(Scenario::Release, 31, 0);
}
