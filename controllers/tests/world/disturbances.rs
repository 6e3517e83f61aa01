//! The store goes away at each step; a leader loses its way to the store at each step while another
//! process takes over; a process is asked to drain at each step. The stories end as they do
//! undisturbed, with one purchase and no order sent twice.

use std::sync::Arc;
use std::time::Duration;

use devpocket_controllers::sim::contabo::OperationName;
use devpocket_controllers::sim::crash::{Blow, Point, Side};
use devpocket_controllers::sim::store::Link;
use devpocket_controllers::sim::world::World;
use devpocket_specs::installation::UnknownPurchase;
use devpocket_specs::operation::{Operation, OperationPhase};
use tokio_util::sync::CancellationToken;

use crate::MINUTE;
use crate::scenario::{End, LIMIT, Scenario, each, end, points};

/// Shorter than the time in which an outcome is still recorded.
const BLINK: Duration = Duration::from_secs(8);
/// Longer than the lease.
const LONG: Duration = Duration::from_secs(300);

/// What befalls the process at the step.
#[derive(Clone, Copy, Debug)]
enum Disturbance {
    /// Nobody reaches the store for this long.
    StoreAway(Duration),
    /// The leader does not reach the store for this long, and still reaches Contabo; another
    /// process stands by.
    Partition(Duration),
    /// The process is asked to stop, and another is started when it has.
    Drain,
}

fn blow(world: &World, disturbance: Disturbance) -> Blow {
    match disturbance {
        Disturbance::StoreAway(_) | Disturbance::Partition(_) => {
            let link: Link = world.link();
            Blow::Meet(Arc::new(move || link.cut()))
        }
        Disturbance::Drain => {
            let shutdown: CancellationToken = world.shutdown();
            Blow::Meet(Arc::new(move || shutdown.cancel()))
        }
    }
}

/// Lets the disturbance happen, and end.
async fn endure(world: &mut World, disturbance: Disturbance) {
    match disturbance {
        Disturbance::StoreAway(duration) | Disturbance::Partition(duration) => {
            assert!(world.pass(duration).await);
            world.link().restore();
        }
        Disturbance::Drain => {
            if world.is_running() {
                world.stop().await;
            }
            let issued = |o: &Operation| o.status.phase == OperationPhase::Issued;
            let left: Vec<_> = world.all::<Operation>().into_values().filter(issued).collect();
            assert!(left.is_empty(), "nothing is left between issued and recorded: {left:#?}");
            world.start();
        }
    }
}

/// Terms never overlap: what one leader wrote comes before all that the next one wrote.
fn assert_no_stale_write(world: &World, what: &str) {
    let epochs: Vec<i32> = world.store.journal().iter().filter_map(|c| c.epoch).collect();
    assert!(epochs.is_sorted(), "{what}: a former leader wrote: {epochs:?}");
}

async fn run(scenario: Scenario, disturbance: Option<Disturbance>, point: Option<Point>) -> End {
    let mut world = World::started(scenario.options(UnknownPurchase::Proceed));
    scenario.prepare(&mut world).await;
    if matches!(disturbance, Some(Disturbance::Partition(_))) {
        world.start_other();
    }
    let orders = world.calls(OperationName::CreateInstance);
    if let Some(disturbance) = disturbance {
        let blow = blow(&world, disturbance);
        world.arm_with(point, blow);
    }
    scenario.begin(&world).await;
    let what = format!("{scenario:?} {disturbance:?} {point:?}");
    if let Some(disturbance) = disturbance {
        // A write that is refused has no other side: such a run goes on undisturbed.
        let met = |world: &World| world.switch.is_struck() || scenario.is_over(world);
        world.until(LIMIT, met).await;
        if world.switch.is_struck() {
            endure(&mut world, disturbance).await;
        }
    }
    let over = world.until(LIMIT, |world| scenario.is_over(world)).await;
    assert!(over, "{what} never ended: {:#?}", end(&world));
    world.pass(10 * MINUTE).await;
    assert_no_stale_write(&world, &what);
    assert!(world.replay_decisions() > 0, "{what}");
    let orders = world.calls(OperationName::CreateInstance) - orders;
    assert!(orders <= 1 || world.purchases() == 1, "{what}: {orders} orders were sent");
    end(&world)
}

async fn undisturbed(scenario: Scenario) -> (usize, End) {
    let mut world = World::started(scenario.options(UnknownPurchase::Proceed));
    scenario.prepare(&mut world).await;
    world.arm(None);
    scenario.begin(&world).await;
    assert!(world.until(LIMIT, |world| scenario.is_over(world)).await);
    let steps = world.switch.disarm().len();
    world.pass(10 * MINUTE).await;
    (steps, end(&world))
}

/// All five stories, each disturbed at each of its steps on both sides.
fn disturb(with: impl Fn(Point) -> Disturbance) {
    let undisturbed: Vec<(usize, End)> = each(&Scenario::ALL, undisturbed);
    let jobs: Vec<(usize, Point, Disturbance)> = undisturbed
        .iter()
        .enumerate()
        .flat_map(|(story, (steps, _))| points(*steps).map(move |point| (story, point)))
        .map(|(story, point)| (story, point, with(point)))
        .collect();
    let ends = each(&jobs, |(story, point, disturbance)| async move {
        let scenario = Scenario::ALL[story];
        (story, point, disturbance, run(scenario, Some(disturbance), Some(point)).await)
    });
    for (story, point, disturbance, end) in ends {
        let scenario = Scenario::ALL[story];
        assert_eq!(end.purchases, 1, "{scenario:?} {disturbance:?} {point:?}");
        assert_eq!(end, undisturbed[story].1, "{scenario:?} {disturbance:?} {point:?}");
    }
}

/// A short absence before some steps and after others, and a long one the other way round.
fn absence(point: Point) -> Duration {
    let odd = point.step % 2 == 1;
    if odd == (point.side == Side::Done) { BLINK } else { LONG }
}

#[test]
fn every_story_survives_a_store_that_goes_away_at_every_step() {
    disturb(|point| Disturbance::StoreAway(absence(point)));
}

#[test]
fn every_story_survives_a_leader_that_still_believes_at_every_step() {
    disturb(|_| Disturbance::Partition(LONG));
}

#[test]
fn every_story_survives_a_drain_at_every_step() {
    disturb(|_| Disturbance::Drain);
}
