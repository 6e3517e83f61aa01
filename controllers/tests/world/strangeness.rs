//! What Contabo does to an order that is paid, and what machines do by themselves.

use std::time::Duration;

use devpocket_controllers::sim::contabo::{
    CreateInstance, Failure, Fault, FaultKind, OperationName, Outcome, PanelAction, Target,
};
use devpocket_controllers::sim::world::{Options, World};
use devpocket_specs::condition::{self, Condition};
use devpocket_specs::environment::{Phase, Power, conditions};
use devpocket_specs::event::Event;
use devpocket_specs::machine::MachineState;
use devpocket_specs::operation::{OperationPhase, Resolution, Verb};
use jiff::SignedDuration;

use crate::basics::with_web;
use crate::{HOUR, MINUTE};

fn on_order(kind: FaultKind) -> Fault {
    Fault::once(Target::One(OperationName::CreateInstance), kind)
}

fn standing(world: &World, name: &str, kind: &str) -> Option<Condition> {
    let status = world.environment(name)?.status;
    condition::find(&status.conditions, kind)
        .filter(|c| c.status == condition::ConditionStatus::True)
        .cloned()
}

fn told(world: &World, name: &str) -> Vec<(String, String, u32)> {
    let about = |e: &Event| e.involved_object.name.as_deref() == Some(name);
    let mut events: Vec<Event> = world.all::<Event>().into_values().filter(about).collect();
    events.sort_by_key(|e| (e.first_timestamp, e.reason.clone()));
    let count = |e: Event| (e.reason, e.message, u32::try_from(e.count).unwrap_or(0));
    events.into_iter().map(count).collect()
}

#[tokio::test(start_paused = true)]
async fn an_order_that_waits_for_money_stock_or_people_says_so_and_nothing_is_ordered_instead() {
    let cases = [
        (Outcome::PendingPayment, "payment"),
        (Outcome::VerificationRequired, "verified"),
        (Outcome::ProductNotAvailable, "no stock"),
        (Outcome::ManualProvisioning, "by hand"),
    ];
    for (outcome, word) in cases {
        let mut world = World::started(Options::default());
        world.fault(on_order(FaultKind::Order { outcome: outcome.clone() }));
        world.declare("web", |_| {}).await;
        world.pass(6 * HOUR).await;
        let waits = standing(&world, "web", conditions::WAITING);
        let waits = waits.unwrap_or_else(|| panic!("{outcome:?}: {:#?}", world.environment("web")));
        assert_eq!(waits.reason, "BlockedAtContabo", "{outcome:?}");
        assert!(waits.message.contains(word), "{outcome:?}: {}", waits.message);
        assert!(!world.is_ready("web"));
        let events = told(&world, "web");
        let told = events.iter().filter(|(reason, ..)| reason == "BlockedAtContabo");
        assert_eq!(told.map(|(.., count)| count).sum::<u32>(), 1, "{events:#?}");
        assert_eq!(world.purchases(), 1, "{outcome:?}");
        let id = world.instance_of("web").unwrap();
        world.panel(id, &PanelAction::Proceed);
        assert!(world.ready("web", 2 * HOUR).await, "{outcome:?}: it goes on by itself");
        assert_eq!(standing(&world, "web", conditions::WAITING), None);
        assert_eq!(world.calls(OperationName::CreateInstance), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_is_stuck_is_stalled_after_two_hours_and_goes_on_when_contabo_does() {
    for outcome in [Outcome::StuckInstalling, Outcome::StuckProvisioning] {
        let mut world = World::started(Options::default());
        world.fault(on_order(FaultKind::Order { outcome: outcome.clone() }));
        world.declare("web", |_| {}).await;
        world.pass(HOUR).await;
        assert_eq!(standing(&world, "web", conditions::STALLED), None, "slow is not stuck");
        world.pass(2 * HOUR).await;
        let stalled = standing(&world, "web", conditions::STALLED).expect("it is stuck");
        assert_eq!(stalled.reason, "StuckAtContabo");
        assert_eq!(world.purchases(), 1);
        let id = world.instance_of("web").unwrap();
        world.panel(id, &PanelAction::Proceed);
        assert!(world.ready("web", HOUR).await, "{outcome:?}: {:#?}", world.environment("web"));
        assert_eq!(standing(&world, "web", conditions::STALLED), None);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_or_a_status_nobody_knows_is_never_ready_and_never_ordered_again() {
    for outcome in
        [Outcome::Error("disk failure".into()), Outcome::UnknownStatus("quarantined".into())]
    {
        let mut world = World::started(Options::default());
        world.fault(on_order(FaultKind::Order { outcome: outcome.clone() }));
        world.declare("web", |_| {}).await;
        world.pass(4 * HOUR).await;
        let stalled = standing(&world, "web", conditions::STALLED).expect("it is broken");
        assert_eq!(stalled.reason, "MachineError", "{outcome:?}");
        let said = match &outcome {
            Outcome::Error(text) | Outcome::UnknownStatus(text) => text,
            _ => unreachable!(),
        };
        assert!(stalled.message.contains(said.as_str()), "{}", stalled.message);
        assert_eq!(world.environment("web").unwrap().status.phase, Phase::Error);
        assert_eq!(world.calls(OperationName::CreateInstance), 1);
        assert_eq!(world.mutating_calls(), 1 + mark_calls(&world), "{outcome:?}: left alone");
    }
}

/// The mark kept in the account is a tag, and no machine's business.
fn mark_calls(world: &World) -> u64 {
    world.calls(OperationName::CreateTag) + world.calls(OperationName::UpdateTag)
}

#[tokio::test(start_paused = true)]
async fn a_machine_just_ordered_reads_as_ordered_while_lists_lag() {
    let mut options = Options::default();
    options.contabo.list_lag = SignedDuration::from_mins(4);
    options.contabo.get_lag = SignedDuration::from_mins(4);
    let mut world = World::started(options);
    world.declare("web", |_| {}).await;
    let bought = |w: &World| w.instance_of("web").is_some();
    assert!(world.until(HOUR, bought).await);
    let id = world.instance_of("web").unwrap();
    world.pass(Duration::from_secs(30)).await;
    let message = world.environment("web").unwrap().status.message;
    assert!(message.contains(&format!("ordered as instance {id}")), "{message}");
    assert!(message.contains("usual for up to 1 min"), "{message}");
    world.pass(2 * MINUTE).await;
    let message = world.environment("web").unwrap().status.message;
    assert!(message.contains("nothing is ordered instead"), "{message}");
    assert!(!message.contains("gone"), "{message}");
    assert!(world.ready("web", HOUR).await);
    assert_eq!(world.purchases(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_keeps_going_off_is_started_twice_and_then_left_to_a_person() {
    let mut world = with_web(Options::default()).await;
    world.pass(10 * MINUTE).await;
    let id = world.instance_of("web").unwrap();
    let off = |w: &World| {
        use devpocket_controllers::sim::contabo::Status;
        w.account().instance(id).unwrap().facts.status == Status::Stopped
    };
    let on = |w: &World| !off(w);
    world.panel(id, &PanelAction::Stop);
    assert!(world.until(10 * MINUTE, on).await, "the first time it is started at once");
    world.pass(3 * MINUTE).await;
    world.panel(id, &PanelAction::Stop);
    world.pass(5 * MINUTE).await;
    let held = standing(&world, "web", conditions::HELD).expect("the second start waits");
    assert_eq!(held.reason, "PowerFlapping");
    assert!(held.message.contains("the next try is at"), "{}", held.message);
    assert!(world.until(HOUR, on).await, "and comes");
    world.pass(3 * MINUTE).await;
    world.panel(id, &PanelAction::Stop);
    world.pass(5 * MINUTE).await;
    let stalled = standing(&world, "web", conditions::STALLED).expect("then it is left alone");
    assert_eq!(stalled.reason, "PowerFlapping");
    let starts = world.operations(Verb::Start).len();
    world.pass(24 * HOUR).await;
    assert_eq!(world.operations(Verb::Start).len(), starts, "not healed to death");
    assert_eq!(starts, 2);
    assert!(stalled.message.contains("`devpocket stop web`"), "{}", stalled.message);
    world.edit("web", |spec| spec.power = Power::Stopped).await;
    assert!(world.ready("web", HOUR).await, "a person accepts it");
    world.edit("web", |spec| spec.power = Power::Running).await;
    assert!(world.ready("web", HOUR).await, "a person has it started once more");
}

#[tokio::test(start_paused = true)]
async fn one_heal_is_two_events_a_person_can_read() {
    let mut world = with_web(Options::default()).await;
    world.pass(30 * MINUTE).await;
    let before = told(&world, "web").len();
    let id = world.instance_of("web").unwrap();
    let called = world.machine_of("web").unwrap().status.instance_name.unwrap();
    world.panel(id, &PanelAction::Stop);
    assert!(world.until(HOUR, |w| !w.operations(Verb::Start).is_empty()).await);
    assert!(world.ready("web", HOUR).await);
    world.pass(10 * MINUTE).await;
    let events = told(&world, "web");
    let news: Vec<_> = events.iter().skip(before).collect();
    let [stopped, started] = news.as_slice() else { panic!("{events:#?}") };
    assert_eq!(stopped.0, "Drift");
    assert_eq!(
        stopped.1,
        format!(
            "{called} was stopped outside DevPocket (customer panel or the machine itself), \
             starting it again"
        )
    );
    assert_eq!(started.0, "DriftOver");
    assert!(started.1.starts_with(&format!("{called} started again after ")), "{}", started.1);
    let drift = &world.environment("web").unwrap().status.drift[0];
    assert!(drift.healed.is_some());
}

#[tokio::test(start_paused = true)]
async fn whoever_used_the_api_is_named() {
    use devpocket_controllers::sim::contabo::{Action, Call, Request};
    let mut world = with_web(Options::default()).await;
    world.pass(30 * MINUTE).await;
    let id = world.instance_of("web").unwrap();
    let (now, who) = (world.now(), world.account().settings().account.username.clone());
    let request = Request::Act { instance_id: id, action: Action::Stop, body: Box::default() };
    let call =
        Call { request_id: "6f1e0f1c-4d51-4b8f-9d3c-0d4c6f1a2b3c".into(), trace_id: None, request };
    assert_eq!(world.account().step(&call, now).status, 201);
    world.pass(10 * MINUTE).await;
    let drift = world.environment("web").unwrap().status.drift[0].clone();
    assert_eq!((drift.what.as_str(), drift.by.as_str()), ("power", who.as_str()));
    let events = told(&world, "web");
    let by = format!("was stopped outside DevPocket by {who}, starting it again");
    assert!(events.iter().any(|(_, text, _)| text.contains(&by)), "{events:#?}");
    assert!(world.is_ready("web"));
}

#[tokio::test(start_paused = true)]
async fn two_machines_that_bear_one_name_wait_for_a_person_to_tell_them_apart() {
    let mut options = Options::default();
    // The audits would tell; they do not know the instance.
    options.contabo.audit_id_delay = SignedDuration::from_hours(48);
    options.contabo.list_lag = SignedDuration::from_mins(3);
    let mut world = World::started(options);
    world.fault(on_order(FaultKind::Lose { how: Failure::Reset }));
    world.declare("web", |_| {}).await;
    let unknown = |w: &World| {
        w.operations(Verb::Purchase)
            .first()
            .is_some_and(|o| o.status.phase == OperationPhase::Unknown)
    };
    assert!(world.until(HOUR, unknown).await);
    let purchase = world.operations(Verb::Purchase).remove(0);
    let copy = CreateInstance {
        period: Some(1),
        product_id: Some("V91".into()),
        display_name: purchase.spec.display_name.clone(),
        ..CreateInstance::default()
    };
    let now = world.now();
    let twin = world.account().panel_purchase(&copy, now).unwrap();
    assert!(world.until(HOUR, |w| !w.undecided().is_empty()).await);
    let held = world.undecided().remove(0);
    let hold = held.status.held.as_ref().unwrap();
    assert_eq!(hold.code, "purchase-undecided");
    assert!(hold.message.contains(&twin.to_string()), "{}", hold.message);
    world.pass(24 * HOUR).await;
    assert_eq!(world.instance_of("web"), None, "never chosen between");
    assert_eq!(world.calls(OperationName::CreateInstance), 1);
    let right = world
        .account()
        .instances()
        .map(|i| i.instance_id)
        .find(|id| *id != twin)
        .expect("the one that was ordered");
    let name = &held.metadata.name;
    world.resolve(name, Resolution::Happened, Some(right)).await.unwrap();
    assert!(world.ready("web", HOUR).await, "{:#?}", world.environment("web"));
    assert_eq!(world.instance_of("web"), Some(right));
}

#[tokio::test(start_paused = true)]
async fn a_wipe_that_is_accepted_and_never_seen_is_stalled_with_a_way_out() {
    let mut world = World::started(Options { reclaim_after_seconds: 120, ..Options::default() });
    world.declare("web", |_| {}).await;
    assert!(world.ready("web", HOUR).await);
    let id = world.instance_of("web").unwrap();
    let on_reinstall = Target::One(OperationName::ReinstallInstance);
    world.fault(Fault::always(on_reinstall, FaultKind::Ignore));
    world.delete("web").await;
    world.pass(12 * HOUR).await;
    let machine = world.managed().remove(0);
    assert_eq!(machine.status.state, MachineState::Wiping, "nobody can claim it");
    let stalled = condition::find(&machine.status.conditions, "Stalled").expect("it is stalled");
    assert_eq!(stalled.reason, "WipeUnproved");
    assert!(stalled.message.contains("customer panel"), "{}", stalled.message);
    assert_eq!(machine.status.message, stalled.message);
    assert_eq!(world.operations(Verb::Reinstall).len(), 3);
    let warned = told(&world, &machine.metadata.name);
    let warned: Vec<_> = warned.iter().filter(|(reason, ..)| reason == "WipeUnproved").collect();
    assert!(matches!(warned.as_slice(), [(_, _, 1)]), "{warned:#?}");
    world.declare("next", |_| {}).await;
    assert!(world.ready("next", HOUR).await);
    assert_ne!(world.instance_of("next"), Some(id), "it is not handed on");
    world.panel(id, &PanelAction::Reinstall { image_id: None });
    let free = |w: &World| w.managed().iter().any(|m| m.status.state == MachineState::Available);
    assert!(world.until(HOUR, free).await, "{:#?}", world.managed());
    let machine = world.managed().into_iter().find(|m| m.status.instance_id == Some(id)).unwrap();
    assert!(condition::find(&machine.status.conditions, "Stalled").is_none());
}

#[tokio::test(start_paused = true)]
async fn whoever_used_the_api_is_named_when_the_audits_come_late() {
    use devpocket_controllers::sim::contabo::{Action, Call, Request};
    let mut options = Options::default();
    options.contabo.audit_delay = SignedDuration::from_mins(4);
    let mut world = with_web(options).await;
    world.pass(30 * MINUTE).await;
    let id = world.instance_of("web").unwrap();
    let (now, who) = (world.now(), world.account().settings().account.username.clone());
    let call = Call {
        request_id: "6f1e0f1c-4d51-4b8f-9d3c-0d4c6f1a2b3c".into(),
        trace_id: None,
        request: Request::Act { instance_id: id, action: Action::Stop, body: Box::default() },
    };
    assert_eq!(world.account().step(&call, now).status, 201);
    world.pass(3 * MINUTE).await;
    let by = |w: &World| w.environment("web").unwrap().status.drift[0].by.clone();
    assert_eq!(by(&world), "unknown");
    world.pass(10 * MINUTE).await;
    assert_eq!(by(&world), who);
    let audits = world.calls(OperationName::ListActionAudits);
    world.pass(HOUR).await;
    assert_eq!(world.calls(OperationName::ListActionAudits), audits, "not asked for ever");
}
