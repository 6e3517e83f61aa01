//! Machines with operating systems: what a good installation looks like from outside, and each bad
//! day, which ends in a stated condition and never in another installation.

use std::time::Duration;

use devpocket_controllers::sim::contabo::PanelAction;
use devpocket_controllers::sim::guests::Day;
use devpocket_controllers::sim::world::{Options, World};
use devpocket_specs::condition::{self, Condition, ConditionStatus};
use devpocket_specs::environment::{Phase, conditions};
use devpocket_specs::guest::Contact;
use devpocket_specs::install::{InstallState, InstallStatus, codes};
use devpocket_specs::machine::MachineState;
use devpocket_specs::operation::Verb;

use crate::{HOUR, MINUTE};

const SECOND: Duration = Duration::from_secs(1);

fn visited() -> Options {
    Options { guests: true, ..Options::default() }
}

fn guest_ready(world: &World) -> Option<Condition> {
    let environment = world.environment("web")?;
    condition::find(&environment.status.conditions, conditions::GUEST_READY).cloned()
}

fn is(world: &World, reason: &str) -> bool {
    guest_ready(world).is_some_and(|ready| ready.reason == reason)
}

fn install(world: &World) -> Option<InstallStatus> {
    world.environment("web")?.status.install
}

/// An instance that is just being installed, on a day like this.
async fn installing(day: Day) -> World {
    let mut world = World::started(visited());
    world.declare("web", |_| {}).await;
    assert!(world.until(HOUR, |w| w.instance_of("web").is_some()).await);
    let instance = world.instance_of("web").unwrap();
    world.guests.day(instance, day);
    world
}

async fn ready() -> World {
    let mut world = installing(Day::Good).await;
    assert!(world.ready("web", HOUR).await, "{:#?}", world.environment("web"));
    world.pass(10 * MINUTE).await;
    world
}

fn today(world: &World, day: Day) {
    world.guests.day(world.instance_of("web").unwrap(), day);
}

/// Nothing was done about it: no disk was touched, nothing was bought.
fn left_alone(world: &World) {
    assert_eq!(world.operations(Verb::Reinstall).len(), 0);
    assert_eq!(world.purchases(), 1);
    assert_eq!(world.managed().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_installation_is_told_step_by_step_and_ends_with_a_key_of_the_machines_own() {
    let mut world = installing(Day::Good).await;
    let mut steps = Vec::new();
    let mut percent = 0;
    for _ in 0..3600 {
        world.pass(SECOND).await;
        if let Some(install) = install(&world) {
            assert!(install.percent >= percent, "{percent} % became {} %", install.percent);
            percent = install.percent;
            if steps.last() != Some(&install.step) {
                steps.push(install.step);
            }
        }
        if world.is_ready("web") {
            break;
        }
        // Power alone is not readiness, not for a moment.
        let ready = guest_ready(&world).is_some_and(|c| c.status == ConditionStatus::True);
        assert!(!ready || install(&world).unwrap().state == InstallState::Succeeded);
    }
    assert!(world.is_ready("web"), "{:#?}", world.environment("web"));
    steps.retain(|step| !step.is_empty());
    assert_eq!(steps, ["clock", "packages", "docker", "node", "done"]);
    let environment = world.environment("web").unwrap();
    assert_eq!(environment.status.phase, Phase::Running);
    let install = environment.status.install.unwrap();
    assert_eq!((install.percent, install.state), (100, InstallState::Succeeded));
    assert_eq!(install.installed_tools["git"], "2.47.3");
    let guest = world.machine_of("web").unwrap().status.guest.unwrap();
    assert!(guest.host_key.unwrap().contains("own"), "its own key");
    assert_eq!(guest.next_host_key, None);
    assert_eq!(world.guests.first_keys(), 0, "the key for the first contact is kept");
    left_alone(&world);
    // At rest a visit writes nothing.
    world.pass(10 * MINUTE).await;
    let writes = world.machine_of("web").unwrap().metadata.resource_version;
    world.pass(HOUR).await;
    assert_eq!(world.machine_of("web").unwrap().metadata.resource_version, writes);
}

#[tokio::test(start_paused = true)]
async fn a_failed_step_is_told_with_what_failed_and_its_last_lines() {
    for code in [codes::SOURCE_DOWN, codes::DISK_FULL, codes::CLOCK_WRONG, codes::STEP_TIMEOUT] {
        let mut world = installing(Day::Fails { step: "docker".into(), code }).await;
        assert!(world.until(HOUR, |w| is(w, "InstallFailed")).await, "{code}");
        let environment = world.environment("web").unwrap();
        assert_eq!(environment.status.phase, Phase::Error);
        let error = environment.status.install.unwrap().error.unwrap();
        assert_eq!((error.code.as_str(), error.step.as_str()), (code, "docker"));
        assert!(!error.lines.is_empty(), "{error:?}");
        let said = guest_ready(&world).unwrap().message;
        assert!(said.contains("docker") && said.contains("last line"), "{said}");
        world.pass(2 * HOUR).await;
        assert!(is(&world, "InstallFailed"));
        left_alone(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn what_never_comes_is_given_up_after_the_time_limit_and_still_counts_when_it_comes() {
    let hangs = Day::Hangs { step: "docker".into() };
    let full = Day::Broken("look on the machine ended with code 1: No space left on device".into());
    for (day, reason, word) in [
        (Day::NeverOpens, "InstallFailed", "nothing was heard from the machine within 15 min"),
        (hangs, "InstallFailed", "it is in step docker"),
        (full, "GuestBroken", "No space left on device"),
        (Day::Refuses, "GuestRefused", "certificate"),
    ] {
        let mut world = installing(day.clone()).await;
        let told = world.until(HOUR, |w| {
            guest_ready(w).is_some_and(|c| c.reason == reason && c.message.contains(word))
        });
        assert!(told.await, "{day:?}: {:#?}", guest_ready(&world));
        let phase = world.environment("web").unwrap().status.phase;
        assert_eq!(phase, Phase::Error, "{day:?}");
        let waited = world.until(HOUR, |w| {
            install(w).is_some_and(|install| install.state == InstallState::Failed)
        });
        assert!(waited.await, "{day:?}: the time limit never comes");
        left_alone(&world);
        today(&world, Day::Good);
        assert!(world.ready("web", HOUR).await, "{day:?}: {:#?}", world.environment("web"));
        left_alone(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn another_machine_at_first_contact_is_never_signed_in_to() {
    let mut world = installing(Day::Other).await;
    assert!(world.until(HOUR, |w| is(w, "MachineIdentity")).await);
    assert_eq!(world.guests.signed_in(), 0);
    world.pass(2 * HOUR).await;
    assert_eq!(world.guests.signed_in(), 0);
    assert!(is(&world, "MachineIdentity"));
    left_alone(&world);
}

#[tokio::test(start_paused = true)]
async fn a_running_machine_that_is_lost_or_another_one_is_a_condition_and_nothing_else() {
    let mut world = ready().await;
    for (day, reason, contact) in [
        (Day::NeverOpens, "GuestUnreachable", Contact::Silent),
        (Day::Refuses, "GuestRefused", Contact::Refused),
        (Day::Broken("half an answer".into()), "GuestBroken", Contact::Broken),
        (Day::Other, "MachineIdentity", Contact::WrongIdentity),
    ] {
        let signed_in = world.guests.signed_in();
        today(&world, day.clone());
        assert!(world.until(HOUR, |w| is(w, reason)).await, "{day:?}");
        let guest = world.machine_of("web").unwrap().status.guest.unwrap();
        assert_eq!(guest.contact, contact);
        assert!(!guest.message.is_empty(), "{day:?}: no evidence");
        assert!(!world.is_ready("web"));
        world.pass(3 * HOUR).await;
        assert!(is(&world, reason), "{day:?} went away by itself");
        let since = world.machine_of("web").unwrap().status.guest.unwrap().since;
        assert_eq!(since, guest.since, "since when it is so");
        assert_eq!(world.guests.signed_in(), signed_in, "{day:?}");
        left_alone(&world);
        assert_eq!(world.operations(Verb::Restart).len(), 0);
        today(&world, Day::Good);
        assert!(world.ready("web", HOUR).await, "{day:?}: {:#?}", world.environment("web"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_network_that_loses_answers_and_a_process_that_is_killed_only_delay_first_contact() {
    for lost in 1..=8 {
        let mut world = installing(Day::LosesReplies(lost)).await;
        assert!(world.ready("web", HOUR).await, "{lost}: {:#?}", world.environment("web"));
        assert_eq!(world.guests.first_keys(), 0, "{lost}");
        left_alone(&world);
    }
    // Killed every so often while it goes on: the next one takes up what was written down.
    for every in [210, 330, 470, 710, 1300] {
        let mut world = installing(Day::Good).await;
        world.until(HOUR, |w| guest_ready(w).is_some_and(|c| c.reason == "WaitingForSsh")).await;
        for _ in 0..6 {
            world.pass(Duration::from_millis(every)).await;
            world.kill();
            world.start();
            world.pass(MINUTE).await;
        }
        assert!(world.ready("web", HOUR).await, "{every}: {:#?}", world.environment("web"));
        assert_eq!(world.guests.first_keys(), 0, "{every}");
        left_alone(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reboot_in_mid_installation_only_delays_it() {
    let mut world = installing(Day::Good).await;
    assert!(world.until(HOUR, |w| install(w).is_some_and(|i| i.step == "docker")).await);
    world.panel(world.instance_of("web").unwrap(), &PanelAction::Migrate);
    assert!(world.ready("web", HOUR).await, "{:#?}", world.environment("web"));
    left_alone(&world);
}

#[tokio::test(start_paused = true)]
async fn another_installation_begins_with_another_first_key() {
    let options = Options { reclaim_after_seconds: 3_600, ..visited() };
    let mut world = World::started(options);
    world.declare("web", |_| {}).await;
    assert!(world.ready("web", HOUR).await);
    let key = world.machine_of("web").unwrap().status.guest.unwrap().host_key;
    world.delete("web").await;
    let available =
        |world: &World| world.managed().iter().any(|m| m.status.state == MachineState::Available);
    assert!(world.until(4 * HOUR, available).await, "{:#?}", world.managed());
    world.declare("web", |_| {}).await;
    assert!(world.ready("web", 2 * HOUR).await, "{:#?}", world.environment("web"));
    assert_eq!(world.purchases(), 1);
    let machine = world.machine_of("web").unwrap();
    let guest = machine.status.guest.unwrap();
    assert_eq!(guest.generation, machine.spec.install_generation);
    assert!(guest.generation > 1);
    assert_ne!(guest.host_key, key, "keys belong to an installation");
    assert_eq!(world.guests.first_keys(), 0);
}
