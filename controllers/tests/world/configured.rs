//! User and variables of machines that run: applied, changed, taken away, and what keeps them from
//! being so. No machine is installed again for them.

use devpocket_controllers::guest::{Configuration, Password, Value};
use devpocket_controllers::sim::contabo::PanelAction;
use devpocket_controllers::sim::guests::Day;
use devpocket_controllers::sim::world::{NAMESPACE, Options, World};
use devpocket_specs::condition::{self, Condition, ConditionStatus};
use devpocket_specs::environment::{
    EnvVar, EnvironmentSpec, Pause, Phase, SecretKeyRef, ValueFrom, conditions,
};
use devpocket_specs::install::INSTALL_LOG_PATH;
use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::ObjectMeta;
use devpocket_specs::object::Key;
use devpocket_specs::operation::Verb;
use devpocket_specs::secret::Secret;

use crate::{HOUR, MINUTE};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGdvb2Rnb29kZ29vZGdvb2Rnb29kZ29vZGdvb2Rnb29k";

fn sealed(value: &str) -> String {
    format!("sealed:v1:test:{value}")
}

fn from(name: &str) -> SecretKeyRef {
    SecretKeyRef { name: name.into(), key: "pw".into() }
}

fn from_secret(name: &str, secret: &str) -> EnvVar {
    let value_from = Some(ValueFrom { secret_key_ref: from(secret) });
    EnvVar { name: name.into(), value: None, value_from }
}

fn plain(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.into(), value: Some(value.into()), value_from: None }
}

async fn create_secret(world: &World, name: &str, value: &str) {
    let secret = Secret {
        metadata: ObjectMeta::named(NAMESPACE, name),
        data: [("pw".to_owned(), sealed(value))].into(),
        string_data: Default::default(),
        r#type: String::new(),
        immutable: None,
    };
    world.client("admin").create(&secret).await.expect("it is valid");
}

async fn change_secret(world: &World, name: &str, value: &str) {
    let key = Key::new(Kind::Secret, NAMESPACE, name);
    let change = |secret: &mut Secret| secret.data = [("pw".to_owned(), sealed(value))].into();
    world.client("admin").edit(&key, change).await.expect("it is valid");
}

/// A machine that is installed and at rest.
async fn ready(declare: impl FnOnce(&mut EnvironmentSpec)) -> World {
    let mut world = World::started(Options { guests: true, ..Options::default() });
    create_secret(&world, "db", "one").await;
    world.declare("web", declare).await;
    assert!(world.ready("web", HOUR).await, "{:#?}", world.environment("web"));
    world.pass(10 * MINUTE).await;
    world
}

fn configured(world: &World) -> Option<Configuration> {
    world.guests.configured(world.instance_of("web")?)
}

fn is_configured(world: &World) -> Option<Condition> {
    let environment = world.environment("web")?;
    condition::find(&environment.status.conditions, conditions::GUEST_CONFIGURED).cloned()
}

fn says(world: &World, reason: &str) -> bool {
    is_configured(world).is_some_and(|says| says.reason == reason)
}

/// What a variable was given.
fn given(world: &World, name: &str) -> Option<String> {
    match configured(world)?.variables?.get(name)? {
        Value::Sealed(sealed) => Some(sealed.text.clone()),
        Value::Plain(value) => Some(value.clone()),
    }
}

fn left_alone(world: &World) {
    assert_eq!(world.operations(Verb::Reinstall).len(), 0);
    assert_eq!(world.operations(Verb::Restart).len(), 0);
    assert_eq!(world.purchases(), 1);
}

#[tokio::test(start_paused = true)]
async fn user_and_variables_are_applied_to_a_running_guest_and_taken_away_again() {
    let mut world = ready(|_| {}).await;
    assert!(says(&world, "Configured"), "{:#?}", is_configured(&world));
    world
        .edit("web", |spec| {
            (spec.user.keys, spec.user.direct_ssh) = (vec![KEY.into()], true);
            spec.user.password_secret = Some(from("db"));
            spec.user.shell = Some("/usr/bin/zsh".into());
            spec.env = vec![plain("A", "1"), from_secret("B", "db")];
        })
        .await;
    let there = |w: &World| configured(w).is_some_and(|c| c.keys == [KEY]);
    assert!(world.until(MINUTE, there).await, "{:?}", configured(&world));
    assert_eq!(given(&world, "A").as_deref(), Some("1"));
    assert_eq!(given(&world, "B"), Some(sealed("one")));
    let is = configured(&world).unwrap();
    assert_eq!(is.shell.as_deref(), Some("/usr/bin/zsh"));
    assert!(matches!(is.password, Password::Set(_)));
    let current = |w: &World| w.is_ready("web") && says(w, "Configured");
    assert!(world.until(MINUTE, current).await, "{:#?}", is_configured(&world));

    // A member's key that is taken out of the record opens the machine a minute more at most.
    world.edit("web", |spec| spec.user.keys.clear()).await;
    let gone = |w: &World| configured(w).is_some_and(|c| c.keys.is_empty());
    assert!(world.until(MINUTE, gone).await, "{:?}", configured(&world));
    world.edit("web", |spec| spec.user.password_secret = None).await;
    let locked = |w: &World| configured(w).is_some_and(|c| c.password == Password::Locked);
    assert!(world.until(MINUTE, locked).await, "{:?}", configured(&world));

    change_secret(&world, "db", "two").await;
    let changed = |w: &World| given(w, "B") == Some(sealed("two"));
    assert!(world.until(MINUTE, changed).await, "{:?}", given(&world, "B"));
    world.pass(HOUR).await;
    assert!(current(&world), "{:#?}", world.environment("web"));
    // At rest nothing is sent, and nothing written.
    let writes = world.machine_of("web").unwrap().metadata.resource_version;
    world.pass(HOUR).await;
    assert_eq!(world.machine_of("web").unwrap().metadata.resource_version, writes);
    left_alone(&world);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_missing_is_named_and_heals_by_itself() {
    let mut world = ready(|spec| {
        (spec.user.keys, spec.user.direct_ssh) = (vec![KEY.into()], true);
        spec.env = vec![from_secret("B", "db")];
    })
    .await;
    let key = Key::new(Kind::Secret, NAMESPACE, "db");
    world.client("admin").delete(&key, Default::default()).await.expect("deleted");
    world.edit("web", |spec| spec.user.keys.clear()).await;
    let gone = |w: &World| configured(w).is_some_and(|c| c.keys.is_empty());
    assert!(world.until(MINUTE, gone).await, "a key waits for a Secret");
    assert!(
        world.until(MINUTE, |w| says(w, "SecretMissing")).await,
        "{:#?}",
        is_configured(&world)
    );
    let environment = world.environment("web").unwrap();
    assert_eq!(environment.status.phase, Phase::Configuring);
    let waits = condition::is_true(&environment.status.conditions, conditions::WAITING);
    assert!(waits, "a person has to do something");
    assert!(!world.is_ready("web"));
    for word in ["\"db\"", "spec.env[0]", "Create it"] {
        assert!(environment.status.message.contains(word), "{}", environment.status.message);
    }
    assert_eq!(given(&world, "B"), Some(sealed("one")), "it is taken from the machine");
    let since = is_configured(&world).unwrap().message;
    world.pass(HOUR).await;
    assert_eq!(is_configured(&world).unwrap().message, since);
    create_secret(&world, "db", "again").await;
    assert!(world.ready("web", MINUTE).await, "{:#?}", is_configured(&world));
    assert_eq!(given(&world, "B"), Some(sealed("again")));
    left_alone(&world);
}

#[tokio::test(start_paused = true)]
async fn what_a_machine_has_against_it_is_told_and_tried_again() {
    let mut world = ready(|_| {}).await;
    let instance = world.instance_of("web").unwrap();
    world.guests.day(instance, Day::TakesNoShell);
    world
        .edit("web", |spec| {
            spec.user.shell = Some("/usr/bin/nosuchshell".into());
            spec.env = vec![plain("A", "1")];
        })
        .await;
    let told = |w: &World| {
        is_configured(w).is_some_and(|says| {
            says.reason == "NotConfigured" && says.message.contains("no package of that name")
        })
    };
    assert!(world.until(2 * MINUTE, told).await, "{:#?}", is_configured(&world));
    assert_eq!(given(&world, "A").as_deref(), Some("1"), "the rest is applied");
    assert!(!world.is_ready("web"));
    world.pass(HOUR).await;
    assert!(told(&world));
    world.guests.day(instance, Day::Good);
    assert!(world.ready("web", 5 * MINUTE).await, "{:#?}", is_configured(&world));
    assert_eq!(configured(&world).unwrap().shell.as_deref(), Some("/usr/bin/nosuchshell"));
    left_alone(&world);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_is_away_or_off_or_paused_gets_it_when_it_is_back() {
    let mut world = ready(|spec| {
        (spec.user.keys, spec.user.direct_ssh) = (vec![KEY.into()], true);
    })
    .await;
    let instance = world.instance_of("web").unwrap();
    let gone = |w: &World| configured(w).is_some_and(|c| c.keys.is_empty());
    world.guests.day(instance, Day::NeverOpens);
    world.edit("web", |spec| spec.user.keys.clear()).await;
    let unknown =
        |w: &World| is_configured(w).is_some_and(|says| says.status == ConditionStatus::Unknown);
    assert!(world.until(5 * MINUTE, unknown).await, "{:#?}", is_configured(&world));
    assert!(!gone(&world) && !world.is_ready("web"));
    world.guests.day(instance, Day::Good);
    assert!(world.until(2 * MINUTE, gone).await);
    assert!(world.ready("web", 5 * MINUTE).await, "{:#?}", is_configured(&world));

    // Stopped by the record: ready as declared, and applied with the next start.
    world.edit("web", |spec| spec.power = devpocket_specs::environment::Power::Stopped).await;
    assert!(world.until(HOUR, unknown).await, "{:#?}", is_configured(&world));
    world.edit("web", |spec| spec.env = vec![plain("A", "2")]).await;
    world.pass(10 * MINUTE).await;
    assert!(world.is_ready("web") && given(&world, "A").is_none());
    world.edit("web", |spec| spec.power = devpocket_specs::environment::Power::Running).await;
    let set = |w: &World| given(w, "A").as_deref() == Some("2");
    assert!(world.until(HOUR, set).await, "{:#?}", is_configured(&world));
    assert!(world.ready("web", 10 * MINUTE).await);

    // Paused: nothing is done, and then it is.
    let until = world.now() + jiff::SignedDuration::from_mins(30);
    world
        .edit("web", |spec| {
            spec.paused = Some(Pause { until, reason: None });
            spec.env = vec![plain("A", "3")];
        })
        .await;
    world.pass(20 * MINUTE).await;
    assert!(set(&world), "{:?}", given(&world, "A"));
    let next = |w: &World| given(w, "A").as_deref() == Some("3");
    assert!(world.until(15 * MINUTE, next).await, "{:?}", given(&world, "A"));
    left_alone(&world);
}

#[tokio::test(start_paused = true)]
async fn a_plan_shows_it_as_a_step_without_risk_until_it_is_done() {
    let mut world = ready(|_| {}).await;
    let instance = world.instance_of("web").unwrap();
    world.guests.day(instance, Day::NeverOpens);
    world.edit("web", |spec| spec.env = vec![plain("A", "1")]).await;
    let plan = |w: &World| w.environment("web").and_then(|e| e.status.plan);
    assert!(world.until(MINUTE, |w| plan(w).is_some()).await);
    let steps = plan(&world).unwrap().steps;
    let calls: Vec<&str> = steps.iter().map(|step| step.call.as_str()).collect();
    assert_eq!(calls, ["configure"]);
    assert!(steps[0].approved && steps[0].downtime_seconds.is_none(), "{steps:#?}");
    world.guests.day(instance, Day::Good);
    assert!(world.until(5 * MINUTE, |w| plan(w).is_none()).await, "{:#?}", plan(&world));
    assert!(world.ready("web", MINUTE).await);
    left_alone(&world);
}

#[tokio::test(start_paused = true)]
async fn lines_of_an_installation_are_kept_without_the_values_it_was_given() {
    let mut world = ready(|spec| spec.env = vec![from_secret("B", "db")]).await;
    let uid = world.environment("web").unwrap().metadata.uid.unwrap();
    let lines: Vec<String> = world.lines.of(uid).into_iter().map(|line| line.text).collect();
    assert!(lines.iter().any(|line| line == "using ***"), "{INSTALL_LOG_PATH}: {lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("sealed:")), "{lines:#?}");
    // A reboot changes nothing about what it has.
    world.panel(world.instance_of("web").unwrap(), &PanelAction::Migrate);
    assert!(world.ready("web", HOUR).await);
    assert_eq!(given(&world, "B"), Some(sealed("one")));
    left_alone(&world);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_is_taken_back_is_configured_for_the_record_that_took_it() {
    let mut world = ready(|spec| spec.env = vec![plain("A", "1")]).await;
    let old = world.environment("web").unwrap();
    let instance = world.instance_of("web");
    world.delete("web").await;
    assert!(world.until(HOUR, |w| w.environment("web").is_none()).await);
    world.undelete("web", &old).await;
    assert!(world.ready("web", HOUR).await, "{:#?}", is_configured(&world));
    assert_eq!(world.instance_of("web"), instance);
    assert_eq!(is_configured(&world).unwrap().status, ConditionStatus::True);
    assert!(world.operations(Verb::Reinstall).is_empty(), "the disk is as it was");
}
