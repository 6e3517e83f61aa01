//! Lines of an installation that cannot be kept when they come: they wait on the machine, nobody
//! hurries to read them again and again, and none is lost.

use std::time::Duration;

use devpocket_controllers::sim::guests::Day;
use devpocket_controllers::sim::world::{NAMESPACE, Options, World};
use devpocket_specs::condition::{self, Condition};
use devpocket_specs::environment::{EnvVar, Phase, SecretKeyRef, ValueFrom, conditions};
use devpocket_specs::event::Event;
use devpocket_specs::install::{InstallState, codes};
use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::ObjectMeta;
use devpocket_specs::object::Key;
use devpocket_specs::secret::Secret;

use crate::{HOUR, MINUTE};

/// Within which a machine that installs itself is visited again.
const SOON: Duration = Duration::from_secs(5);
const WHOLE: [&str; 4] =
    ["devpocket: clock", "devpocket: packages", "devpocket: docker", "devpocket: node"];
const SHUT: &str = "sealed:v1:test:one";

/// A machine that installs itself and is to be given a value nobody can open.
async fn shut_out() -> World {
    let mut world = World::started(Options { guests: true, ..Options::default() });
    world.guests.shut(SHUT, true);
    let secret = Secret {
        metadata: ObjectMeta::named(NAMESPACE, "db"),
        data: [("pw".to_owned(), SHUT.to_owned())].into(),
        string_data: Default::default(),
        r#type: String::new(),
        immutable: None,
    };
    world.client("admin").create(&secret).await.expect("it is valid");
    let from = SecretKeyRef { name: "db".into(), key: "pw".into() };
    let value_from = Some(ValueFrom { secret_key_ref: from });
    let variable = EnvVar { name: "B".into(), value: None, value_from };
    world.declare("web", |spec| spec.env = vec![variable]).await;
    assert!(world.until(HOUR, is_told).await, "{:#?}", world.environment("web"));
    world
}

fn is_configured(world: &World) -> Option<Condition> {
    let environment = world.environment("web")?;
    condition::find(&environment.status.conditions, conditions::GUEST_CONFIGURED).cloned()
}

/// Which value it is, and what to do about it.
fn is_told(world: &World) -> bool {
    is_configured(world).is_some_and(|says| {
        let words = ["\"pw\"", "db", "Write the Secret again"];
        says.reason == "NotConfigured" && words.iter().all(|word| says.message.contains(word))
    })
}

/// How often it was told to whoever has the environment.
fn told(world: &World) -> i64 {
    let events = world.all::<Event>().into_values();
    let ours = events.filter(|event| {
        event.reason == "GuestNotConfigured" && event.metadata.namespace == NAMESPACE
    });
    ours.map(|event| event.count).sum()
}

fn lines(world: &World) -> Vec<String> {
    let uid = world.environment("web").unwrap().metadata.uid.unwrap();
    world.lines.of(uid).into_iter().map(|line| line.text).collect()
}

fn is_installed(world: &World) -> bool {
    let install = world.environment("web").and_then(|e| e.status.install);
    install.is_some_and(|install| install.state == InstallState::Succeeded)
}

/// How often somebody signs in within this time.
async fn visits(world: &mut World, time: Duration) -> u64 {
    let before = world.guests.signed_in();
    assert!(world.pass(time).await);
    world.guests.signed_in() - before
}

#[tokio::test(start_paused = true)]
async fn a_value_that_does_not_open_is_told_once_and_the_lines_come_when_it_does() {
    let mut world = shut_out().await;
    assert_eq!(world.environment("web").unwrap().status.phase, Phase::Installing);
    let visits = visits(&mut world, MINUTE).await;
    assert!((10..40).contains(&visits), "{visits} visits in a minute");
    assert_eq!(lines(&world), [""; 0]);
    assert!(is_told(&world) && told(&world) == 1, "told {} times", told(&world));
    // The key is back: nothing about the Secret changes.
    world.guests.shut(SHUT, false);
    let comes = |w: &World| lines(w).len() >= 2;
    assert!(world.until(SOON, comes).await, "{:#?}", lines(&world));
    assert!(!is_installed(&world));
    assert!(world.ready("web", HOUR).await, "{:#?}", world.environment("web"));
    assert_eq!(lines(&world), WHOLE);
    assert_eq!(told(&world), 1);
}

#[tokio::test(start_paused = true)]
async fn lines_wait_beyond_the_end_of_the_installation_and_the_process() {
    let mut world = shut_out().await;
    assert!(world.until(HOUR, is_installed).await);
    assert!(world.until(MINUTE, is_told).await, "{:#?}", is_configured(&world));
    world.pass(10 * MINUTE).await;
    assert!(is_told(&world) && !world.is_ready("web"));
    assert_eq!(world.environment("web").unwrap().status.phase, Phase::Configuring);
    // A visit and a sample a minute.
    let visits = visits(&mut world, 10 * MINUTE).await;
    assert!(visits <= 25, "{visits} visits in ten minutes");
    world.kill();
    world.start();
    world.pass(10 * MINUTE).await;
    assert_eq!(lines(&world), [""; 0]);
    assert_eq!(told(&world), 1);
    let key = Key::new(Kind::Secret, NAMESPACE, "db");
    let change = |secret: &mut Secret| {
        secret.data = [("pw".to_owned(), "sealed:v1:test:two".to_owned())].into();
    };
    world.client("admin").edit(&key, change).await.expect("it is valid");
    assert!(world.until(SOON, |w| lines(w) == WHOLE).await, "{:#?}", lines(&world));
    assert!(world.ready("web", MINUTE).await, "{:#?}", is_configured(&world));
    // They are read once.
    world.pass(10 * MINUTE).await;
    let writes = world.machine_of("web").unwrap().metadata.resource_version;
    world.pass(HOUR).await;
    assert_eq!(world.machine_of("web").unwrap().metadata.resource_version, writes);
    assert_eq!(lines(&world), WHOLE);
}

#[tokio::test(start_paused = true)]
async fn a_database_that_takes_no_lines_costs_none_whenever_it_is_back() {
    for begins in [0, 2] {
        let mut world = World::started(Options { guests: true, ..Options::default() });
        world.declare("web", |_| {}).await;
        assert!(world.until(HOUR, |w| lines(w).len() > begins).await);
        world.lines.away(u32::MAX);
        let visits = visits(&mut world, MINUTE).await;
        assert!(visits < 40, "{visits} visits in a minute");
        // Its lines are no reason why a machine would not be ready.
        assert!(world.ready("web", HOUR).await, "{:#?}", world.environment("web"));
        world.pass(5 * MINUTE).await;
        world.lines.away(0);
        assert!(world.until(2 * MINUTE, |w| lines(w) == WHOLE).await, "{:#?}", lines(&world));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_without_the_machines_words_until_they_can_be_masked() {
    let mut world = shut_out().await;
    let code = codes::DISK_FULL;
    let instance = world.instance_of("web").unwrap();
    world.guests.day(instance, Day::Fails { step: "docker".into(), code });
    let error = |w: &World| w.environment("web")?.status.install?.error;
    assert!(world.until(HOUR, |w| error(w).is_some()).await);
    let told = error(&world).unwrap();
    assert_eq!((told.code.as_str(), told.step.as_str()), (code, "docker"));
    assert!(told.lines.is_empty() && told.message.contains("kept back"), "{told:?}");
    world.guests.shut(SHUT, false);
    let whole = |w: &World| error(w).is_some_and(|told| !told.lines.is_empty());
    assert!(world.until(2 * MINUTE, whole).await, "{:?}", error(&world));
}
