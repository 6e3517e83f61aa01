//! The account as a whole on bad days.

use devpocket_controllers::sim::contabo::{
    Failure, Fault, FaultKind, OperationName, PanelAction, Target,
};
use devpocket_controllers::sim::world::{Options, World};
use devpocket_specs::condition::{self, ConditionStatus};
use devpocket_specs::event::Event;
use devpocket_specs::installation::{Installation, conditions};
use devpocket_specs::kind::Kind;
use devpocket_specs::machine::Machine;
use devpocket_specs::operation::Verb;
use jiff::SignedDuration;

use crate::basics::with_web;
use crate::{HOUR, MINUTE};

fn is(world: &World, kind: &str) -> ConditionStatus {
    let status = world.installation().status;
    condition::find(&status.conditions, kind).unwrap().status
}

fn events(world: &World, reason: &str) -> usize {
    world.all::<Event>().values().filter(|event| event.reason == reason).count()
}

#[tokio::test(start_paused = true)]
async fn two_silent_hours_are_one_condition_one_event_and_no_damage() {
    let mut world = with_web(Options::default()).await;
    for name in ["a", "b"] {
        world.declare(name, |_| {}).await;
        assert!(world.ready(name, HOUR).await);
    }
    world.pass(10 * MINUTE).await;
    let (until, before) = (world.now() + SignedDuration::from_hours(2), world.mutating_calls());
    world.fault(Fault::outage(until, Failure::Hang));
    world.pass(10 * MINUTE).await;
    assert_eq!(is(&world, conditions::CONTABO_REACHABLE), ConditionStatus::False);
    let quiet = world.store.journal().len();
    world.pass(100 * MINUTE).await;
    let written = world.store.journal().split_off(quiet);
    let writes = written.iter().filter(|c| c.key.kind != Kind::Lease).count();
    assert!(writes <= 3, "silence is written once, not over and over: {written:?}");
    assert!(world.is_ready("web"), "Ready keeps its last value");
    let ready = |w: &World| {
        let status = w.environment("web").unwrap().status;
        condition::find(&status.conditions, "Ready").unwrap().last_transition_time
    };
    assert!(ready(&world) < until - SignedDuration::from_hours(2), "and since when it had it");
    let status = world.environment("web").unwrap().status;
    let unseen = condition::find(&status.conditions, "Unobserved").unwrap();
    assert_eq!((unseen.status, unseen.reason.as_str()), (ConditionStatus::True, "ContaboSilent"));
    assert!(status.message.contains("Contabo does not answer since "), "{}", status.message);
    let asked = world.calls(OperationName::Grant) + world.calls(OperationName::ListInstances);
    assert!(asked < 400, "asked about once a minute, not in a hot loop: {asked}");
    world.pass(20 * MINUTE).await;
    assert_eq!(is(&world, conditions::CONTABO_REACHABLE), ConditionStatus::True);
    assert_eq!(events(&world, "ContaboSilent"), 1);
    assert_eq!(world.mutating_calls(), before);
}

#[tokio::test(start_paused = true)]
async fn wrong_credentials_are_named_and_not_hammered() {
    let mut world = World::new(Options::default());
    world.fault(Fault::always(
        Target::One(OperationName::Grant),
        FaultKind::Fail { how: Failure::Status(401) },
    ));
    world.start();
    world.declare("web", |_| {}).await;
    world.pass(2 * HOUR).await;
    let status = world.installation().status;
    let found = condition::find(&status.conditions, conditions::CONTABO_REACHABLE).unwrap();
    assert_eq!(found.reason, "ContaboSignIn");
    assert!(found.message.contains("asked again every 5 min"), "{}", found.message);
    assert_eq!(events(&world, "ContaboSignIn"), 1);
    let told = world.environment("web").unwrap().status.message;
    assert!(told.contains("does not accept these credentials since "), "{told}");
    assert!(world.calls(OperationName::Grant) <= 30, "{}", world.calls(OperationName::Grant));
    assert_eq!(world.purchases(), 0);
    world.account().disarm_all();
    assert!(world.ready("web", HOUR).await);
}

#[tokio::test(start_paused = true)]
async fn an_empty_or_partial_list_buys_wipes_and_cancels_nothing() {
    for kind in
        [FaultKind::EmptyList, FaultKind::PartialList { keep: 1 }, FaultKind::ShortPage { drop: 2 }]
    {
        let mut world = with_web(Options::default()).await;
        for name in ["a", "b", "c", "d"] {
            world.declare(name, |_| {}).await;
            assert!(world.ready(name, HOUR).await);
        }
        world.pass(10 * MINUTE).await;
        let before = world.mutating_calls();
        world.fault(Fault::always(Target::One(OperationName::ListInstances), kind.clone()));
        world.pass(10 * MINUTE).await;
        assert_eq!(is(&world, conditions::INVENTORY_TRUSTED), ConditionStatus::False, "{kind:?}");
        world.declare("late", |_| {}).await;
        world.pass(3 * HOUR).await;
        assert_eq!(world.purchases(), 5, "{kind:?}: nothing is bought on such a list");
        assert_eq!(world.mutating_calls(), before, "{kind:?}");
        assert!(world.managed().iter().all(|m| m.status.missing.is_none()), "{kind:?}");
        world.account().disarm_all();
        assert!(world.ready("late", 2 * HOUR).await, "{kind:?}");
        assert_eq!(world.purchases(), 6, "{kind:?}");
    }
}

/// More than max(3, 30 %) really gone: asked for one by one, then lost one by one, none bought again.
#[tokio::test(start_paused = true)]
async fn machines_that_vanish_in_a_mass_are_asked_for_and_then_lost_and_the_account_goes_on() {
    let mut world = with_web(Options::default()).await;
    for name in ["a", "b", "c", "d", "e"] {
        world.declare(name, |_| {}).await;
        assert!(world.ready(name, HOUR).await);
    }
    world.pass(10 * MINUTE).await;
    for name in ["a", "b", "c", "d", "e"] {
        let id = world.instance_of(name).unwrap();
        world.panel(id, &PanelAction::Remove);
    }
    let distrusted = |w: &World| is(w, conditions::INVENTORY_TRUSTED) == ConditionStatus::False;
    assert!(world.until(5 * MINUTE, distrusted).await);
    let gets = world.calls(OperationName::GetInstance);
    assert!(gets > 0);
    world.pass(5 * MINUTE).await;
    assert!(!distrusted(&world), "404 for each explains the list");
    let lost = |w: &World, name: &str| {
        let status = w.environment(name).unwrap().status;
        condition::is_true(&status.conditions, "MachineLost")
    };
    assert!(!lost(&world, "a"), "not proved yet");
    world.pass(HOUR).await;
    for name in ["a", "b", "c", "d", "e"] {
        assert!(lost(&world, name), "{name}: {:#?}", world.environment(name));
    }
    assert!(world.is_ready("web"));
    world.pass(24 * HOUR).await;
    assert_eq!(world.purchases(), 6, "nothing is bought again silently");
    world.declare("new", |_| {}).await;
    assert!(world.ready("new", HOUR).await, "work goes on");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_lags_for_minutes_leads_to_no_second_purchase() {
    let mut options = Options::default();
    options.contabo.list_lag = SignedDuration::from_mins(12);
    let mut world = World::started(options);
    world.declare("web", |_| {}).await;
    assert!(world.ready("web", 2 * HOUR).await, "{:#?}", world.environment("web"));
    world.pass(2 * HOUR).await;
    assert_eq!(world.purchases(), 1);
    assert!(world.is_ready("web"));
    assert!(world.operations(Verb::Start).is_empty(), "old news is no drift");
}

#[tokio::test(start_paused = true)]
async fn another_account_is_refused_and_nothing_in_it_is_changed() {
    let mut world = with_web(Options::default()).await;
    world.stop().await;
    let before = world.mutating_calls();
    let mut settings = world.account().settings().clone();
    settings.account.customer_id = "90000002".into();
    world.account().set_settings(settings);
    world.start();
    world.declare("next", |_| {}).await;
    world.pass(2 * HOUR).await;
    assert_eq!(is(&world, conditions::ACCOUNT_MATCHES), ConditionStatus::False);
    assert_eq!(world.mutating_calls(), before);
}

/// A backup is restored after a machine was bought, one was stopped and one renamed.
#[tokio::test(start_paused = true)]
async fn a_restored_older_database_changes_nothing_and_names_every_difference() {
    let mut world = with_web(Options::default()).await;
    world.declare("old", |_| {}).await;
    assert!(world.ready("old", HOUR).await);
    world.pass(10 * MINUTE).await;
    let backup = world.store.backup();
    world.declare("new", |_| {}).await;
    assert!(world.ready("new", HOUR).await);
    world.pass(10 * MINUTE).await;
    let bought = world.instance_of("new").unwrap();
    let (web, old) = (world.instance_of("web").unwrap(), world.instance_of("old").unwrap());
    world.kill();
    world.panel(web, &PanelAction::Cancel { date: None });
    world.panel(old, &PanelAction::Stop);
    world.restore(&backup);
    let before = world.mutating_calls();
    world.start();
    world.pass(4 * HOUR).await;
    assert_eq!(world.mutating_calls(), before, "0 mutating calls");
    let status = world.installation().status;
    assert!(status.holds.iter().any(|hold| hold.code == "database-behind"), "{status:#?}");
    for id in [bought, web, old] {
        let named = status.differences.iter().any(|d| d.contains(&id.to_string()));
        assert!(named, "instance {id} differs: {:#?}", status.differences);
    }
    accept(&world).await;
    world.pass(HOUR).await;
    assert!(world.installation().status.holds.is_empty(), "{:#?}", world.installation());
    assert!(world.is_ready("old"), "work goes on");
    assert_eq!(world.purchases(), 3);
    let stranger = world.all::<Machine>().remove(&format!("i-{bought}")).unwrap();
    assert!(!stranger.spec.managed, "what the database does not know is not touched");
}

/// `devpocket resume --all`.
async fn accept(world: &World) {
    let now = world.now();
    let key = devpocket_controllers::manager::mirrors::installation_key();
    let change = |i: &mut Installation| i.status.behind_accepted = Some(now);
    world.client("admin").edit_status(&key, change).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_second_process_takes_over_and_the_first_changes_nothing_more() {
    let mut world = with_web(Options::default()).await;
    world.kill();
    world.declare("next", |_| {}).await;
    world.start();
    assert!(world.ready("next", HOUR).await);
    assert_eq!(world.purchases(), 2);
}
