//! What a full pass over everything costs when nothing has to be done: CPU time for each
//! environment, with its machine and its finished operations; and with a visit to its guest as well,
//! which is in memory here.
//!
//! The controllers run in the in-memory world with virtual time, where nothing but them and the
//! store takes part; sweeps and samples are kept out of the time measured.

use std::sync::Arc;
use std::time::Duration;

use devpocket_controllers::history::Forgotten;
use devpocket_controllers::install::Unkept;
use devpocket_controllers::manager::{Deps, Manager, Settings};
use devpocket_controllers::sim::clock::SeededIds;
use devpocket_controllers::sim::cloud::SimCloud;
use devpocket_controllers::sim::world::{Options, World};
use devpocket_specs::catalogue::Catalogue;
use tokio_util::sync::CancellationToken;

use super::cpu;
use super::stats::median;
use super::table::{Row, Scale};

const RESYNC: Duration = Duration::from_secs(60);
/// Passes of one measurement: the kernel counts a running thread's time in ticks of some ms.
const PASSES: u32 = 20;
const NEVER: Duration = Duration::from_secs(400 * 86_400);

pub fn measure(scale: Scale) -> Vec<Row> {
    let (environments, rounds) = scale.pick((20, 1), (1_000, 7));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let (passes, visited) = runtime.expect("a runtime").block_on(async {
        let mut world = converged(environments).await;
        world.kill();
        (
            costs(&world, environments, rounds, NEVER).await,
            costs(&world, environments, rounds, RESYNC).await,
        )
    });
    vec![
        Row::new(
            format!("no-op pass, {environments} environments"),
            format!("{:.1} µs CPU each", median(&passes)),
            "<= 10 µs",
        ),
        Row::new(
            "the same with a visit to each guest",
            format!("{:.1} µs CPU each", median(&visited)),
            "-",
        ),
    ]
}

/// Of each pass, with guests that are visited so often.
async fn costs(world: &World, environments: usize, rounds: usize, visits: Duration) -> Vec<f64> {
    let mut process = Box::pin(controllers(world, visits));
    // The old lease runs out, everything is looked at once, and what follows is at rest.
    wait(world, &mut process, Duration::from_secs(3_600)).await;
    let writes = world.writes();
    let mut costs = Vec::new();
    for _ in 0..rounds {
        let before = cpu::own_seconds();
        wait(world, &mut process, RESYNC * PASSES).await;
        let looks = environments * PASSES as usize;
        costs.push((cpu::own_seconds() - before) * 1e6 / looks as f64);
    }
    let passes = rounds * PASSES as usize;
    let leases = passes * RESYNC.as_secs() as usize / 10;
    assert!(world.writes() - writes <= leases + passes, "a pass at rest writes nothing");
    costs
}

async fn converged(environments: usize) -> World {
    let mut world = World::started(Options {
        budget: Some(100_000_000),
        purchases_per_hour: 1_000,
        guests: true,
        ..Options::default()
    });
    for index in 0..environments {
        world.declare(&format!("e{index:05}"), |_| {}).await;
    }
    let limit = Duration::from_secs(48 * 3_600);
    let last = |world: &World| (0..environments).all(|i| world.is_ready(&format!("e{i:05}")));
    // Looking at all of them is dear, so time passes in large steps.
    for _ in 0..limit.as_secs() / 1_800 {
        world.pass(Duration::from_secs(1_800)).await;
        if last(&world) {
            return world;
        }
    }
    let first = world.environment("e00000").map(|e| e.status.message);
    panic!("the environments never became ready: {first:?}");
}

fn controllers(world: &World, visits: Duration) -> impl Future<Output = ()> + use<> {
    let ids = Arc::new(SeededIds::new(99));
    let contabo = world.contabo.clone();
    let deps = Deps {
        store: Arc::new(world.store.clone()),
        cloud: Arc::new(SimCloud::new(contabo, world.clock.clone(), ids.clone(), Arc::default())),
        guest: Arc::new(world.guests.clone()),
        lines: Arc::new(Unkept),
        history: Arc::new(Forgotten),
        clock: world.clock.clone(),
        ids,
        catalogue: Arc::new(Catalogue::builtin().clone()),
    };
    let mut settings = Settings::new("bench");
    settings.sweep_period = NEVER;
    settings.transition_period = NEVER;
    settings.sample_period = NEVER;
    settings.guest_rest_period = visits;
    settings.resync_period = RESYNC;
    Manager::run(deps, settings, CancellationToken::new())
}

async fn wait(world: &World, process: &mut (impl Future<Output = ()> + Unpin), time: Duration) {
    tokio::select! {
        biased;
        () = process => panic!("the controllers ended by themselves"),
        () = world.clock.sleep(time) => {}
    }
}
