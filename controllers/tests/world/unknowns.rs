//! What nobody has documented about Contabo, one answer after the other; and each way to lose a
//! reply, on every call but the purchase (which has tests of its own). Whatever the answer is, a
//! machine goes through its whole life, and one purchase pays for it.

use std::time::Duration;

use devpocket_controllers::sim::contabo::{
    BusyAnswer, Failure, Fault, FaultKind, LineUp, OperationName, ReinstalledName, RepeatedCancel,
    RepeatedRequestId, Settings, Status, Target, TextMatch,
};
use devpocket_controllers::sim::world::{Options, World};
use devpocket_specs::environment::Power;
use devpocket_specs::machine::MachineState;
use jiff::SignedDuration;

use crate::HOUR;

/// Long enough for any way to the end: an unknown outcome that is settled, a wipe done again.
const LIMIT: Duration = Duration::from_secs(12 * 3_600);

/// Every answer that is not the usual one.
fn answers() -> Vec<(&'static str, Settings)> {
    let usual = Settings::default;
    let lag = |seconds: i64| SignedDuration::from_secs(seconds);
    vec![
        ("usual", usual()),
        ("exact filter", Settings { display_name_match: TextMatch::Exact, ..usual() }),
        (
            "second cancel is 422",
            Settings { repeated_cancel: RepeatedCancel::Unprocessable, ..usual() },
        ),
        ("second cancel is 409", Settings { repeated_cancel: RepeatedCancel::Conflict, ..usual() }),
        ("busy is 409", Settings { busy: BusyAnswer::Conflict, ..usual() }),
        ("busy is ignored", Settings { busy: BusyAnswer::AcceptAndIgnore, ..usual() }),
        (
            "a request id counts once",
            Settings { repeated_request_id: RepeatedRequestId::Conflict, ..usual() },
        ),
        ("pages of one", Settings { default_page_size: 1, max_page_size: 1, ..usual() }),
        ("name cleared", Settings { reinstalled_name: ReinstalledName::Cleared, ..usual() }),
        ("slow audits", Settings { audit_delay: lag(600), audit_id_delay: lag(600), ..usual() }),
        ("404 after 201", Settings { get_lag: lag(45), ..usual() }),
        ("slow lists", Settings { list_lag: lag(50), ..usual() }),
        ("old line-up", Settings { line_up: LineUp::Spring2025, periods: vec![1], ..usual() }),
    ]
}

/// Ordered, stopped, started, released, wiped and claimed again.
async fn live(world: &mut World, told: &str) {
    world.declare("web", |_| {}).await;
    assert!(world.ready("web", LIMIT).await, "{told}: {:#?}", world.environment("web"));
    let id = world.instance_of("web").unwrap();
    world.edit("web", |spec| spec.power = Power::Stopped).await;
    let stopped =
        |world: &World| world.account().instance(id).unwrap().facts.status == Status::Stopped;
    assert!(world.until(LIMIT, stopped).await, "{told}: not stopped");
    world.edit("web", |spec| spec.power = Power::Running).await;
    assert!(world.ready("web", LIMIT).await, "{told}: not started again");
    world.delete("web").await;
    let available =
        |world: &World| world.managed().iter().any(|m| m.status.state == MachineState::Available);
    assert!(world.until(LIMIT, available).await, "{told}: {:#?}", world.managed());
    world.declare("next", |_| {}).await;
    assert!(world.ready("next", LIMIT).await, "{told}: {:#?}", world.environment("next"));
    assert_eq!(world.instance_of("next"), Some(id), "{told}: claiming beats buying");
    assert_eq!(world.purchases(), 1, "{told}");
}

fn options(contabo: Settings) -> Options {
    Options { reclaim_after_seconds: 1_800, contabo, ..Options::default() }
}

#[tokio::test(start_paused = true)]
async fn a_machine_lives_safely_under_every_answer_nobody_has_documented() {
    for (told, settings) in answers() {
        let mut world = World::started(options(settings));
        // The order's reply is lost on top, so that the machine has to be found.
        world.fault(Fault::once(
            Target::One(OperationName::CreateInstance),
            FaultKind::Lose { how: Failure::Reset },
        ));
        live(&mut world, told).await;
        assert_eq!(world.calls(OperationName::CreateInstance), 1, "{told}: sent once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_lives_on_whatever_becomes_of_the_replies() {
    let flavours = ["reset", "hang", "500", "504", "truncated", "mistyped", "429", "429:30"];
    for flavour in flavours {
        let how: Failure = flavour.parse().unwrap();
        for kind in [FaultKind::Lose { how }, FaultKind::Fail { how }] {
            let told = format!("{kind:?}");
            let mut world = World::started(options(Settings::default()));
            let mutations = OperationName::ALL.iter().copied().filter(|name| name.is_mutation());
            for name in mutations.filter(|name| *name != OperationName::CreateInstance) {
                world.fault(Fault::once(Target::One(name), kind.clone()));
            }
            live(&mut world, &told).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pages_that_shift_make_no_machine_vanish() {
    for by in [1, -1] {
        let settings = Settings { max_page_size: 1, ..Settings::default() };
        let mut world = World::started(options(settings));
        for name in ["a", "b", "c"] {
            world.declare(name, |_| {}).await;
            assert!(world.ready(name, HOUR).await);
        }
        let calls = world.mutating_calls();
        let list = Target::One(OperationName::ListInstances);
        let fault = world.fault(Fault::always(list, FaultKind::ShiftedPages { by }));
        world.pass(3 * HOUR).await;
        assert_eq!(world.mutating_calls(), calls, "nothing is done from a list that lies");
        for name in ["a", "b", "c"] {
            assert!(world.is_ready(name), "{name}: {:#?}", world.environment(name));
        }
        world.account().disarm(fault);
        world.pass(HOUR).await;
        assert_eq!((world.purchases(), world.managed().len()), (3, 3));
    }
}
