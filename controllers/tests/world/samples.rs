//! How machines are doing is known by the minute while they answer; where they did not is a gap, and
//! nothing else changes.

use devpocket_controllers::sim::contabo::PanelAction;
use devpocket_controllers::sim::guests::Day;
use devpocket_controllers::sim::world::{Options, World};
use devpocket_specs::object::Resource as _;
use devpocket_specs::sample::{SAMPLE_SECONDS, Sample};

use crate::{HOUR, MINUTE};

async fn ready(names: &[&str]) -> World {
    let mut world = World::started(Options { guests: true, ..Options::default() });
    for name in names {
        world.declare(name, |_| {}).await;
        assert!(world.ready(name, HOUR).await, "{:#?}", world.environment(name));
    }
    world
}

fn samples(world: &World) -> Vec<Sample> {
    world.history.of(world.environment("web").unwrap().uid())
}

/// Seconds between each two.
fn gaps(samples: &[Sample]) -> Vec<i64> {
    samples.windows(2).map(|two| two[1].at.as_second() - two[0].at.as_second()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_answers_is_known_by_the_minute_from_its_installation_on() {
    let mut world = ready(&["web"]).await;
    let installing = samples(&world);
    assert!(installing.len() >= 3, "a machine that installs itself is sampled: {installing:#?}");
    assert_eq!((installing[0].cpu, installing[0].network), (None, None), "a rate takes two");
    world.pass(30 * MINUTE).await;
    let all = samples(&world);
    for sample in &all[1..] {
        assert!((sample.cpu_percent().unwrap() - 10.0).abs() < 0.1, "{sample:?}");
        let network = sample.network.unwrap();
        assert!(network.received.abs_diff(2_000) < 20 && network.sent.abs_diff(500) < 5);
        assert_eq!(sample.memory.unwrap().total, 8 << 30);
    }
    let gaps = gaps(&all);
    assert!(gaps[0] < SAMPLE_SECONDS, "the second one does not wait for a whole minute");
    assert!(gaps[1..].iter().all(|gap| (55..=70).contains(gap)), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn silence_is_a_gap_a_reboot_begins_anew_and_neither_is_a_zero() {
    let mut world = ready(&["web"]).await;
    world.pass(10 * MINUTE).await;
    let instance = world.instance_of("web").unwrap();
    world.guests.day(instance, Day::NeverOpens);
    world.pass(20 * MINUTE).await;
    let silent = samples(&world).len();
    world.pass(10 * MINUTE).await;
    assert_eq!(samples(&world).len(), silent);
    world.guests.day(instance, Day::Good);
    world.pass(10 * MINUTE).await;
    let all = samples(&world);
    assert!(all.len() > silent + 5);
    let gap = gaps(&all).into_iter().position(|gap| gap > 1_000).expect("a gap");
    assert_eq!((all[gap + 1].cpu, all[gap + 1].network), (None, None), "{:?}", all[gap + 1]);
    assert!(all[gap + 2].cpu.is_some());

    let before = all.last().unwrap().uptime;
    world.panel(instance, &PanelAction::Migrate);
    world.pass(20 * MINUTE).await;
    let all = samples(&world);
    let anew = all.iter().rposition(|sample| sample.cpu.is_none()).unwrap();
    assert!(all[anew].uptime < before, "{:?}", all[anew]);
    assert!(all[anew..].is_sorted_by_key(|sample| sample.uptime));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_kept_is_missing_and_nothing_waits_for_it() {
    let mut world = ready(&["web"]).await;
    world.pass(10 * MINUTE).await;
    let (kept, written) = (samples(&world).len(), world.writes());
    world.history.away(5);
    world.pass(10 * MINUTE).await;
    assert!(world.is_ready("web"));
    let missing = 10_usize.abs_diff(samples(&world).len() - kept);
    assert!((4..=6).contains(&missing), "{missing} of 10 are missing");
    assert!(world.writes() - written < 100, "only the lease and the sweep are written");
}

#[tokio::test(start_paused = true)]
async fn all_machines_of_a_turn_are_one_write_and_nobody_is_none() {
    let mut world = World::started(Options { guests: true, ..Options::default() });
    world.pass(HOUR).await;
    assert_eq!(world.history.writes(), 0);
    for name in ["web", "a", "b", "c", "d", "e", "f", "g"] {
        world.declare(name, |_| {}).await;
    }
    for name in ["web", "a", "b", "c", "d", "e", "f", "g"] {
        assert!(world.ready(name, HOUR).await);
    }
    let (writes, before) = (world.history.writes(), samples(&world).len());
    world.pass(HOUR).await;
    assert!((59..=61).contains(&(samples(&world).len() - before)));
    let writes = world.history.writes() - writes;
    assert!(writes <= 6 * 60, "{writes} writes of 8 machines in an hour");
}
