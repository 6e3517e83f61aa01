//! Every change the operator makes at Contabo, under every way the call can fail: which outcome it
//! records, how often it calls, how often it had an effect, and where it ends.
//!
//! | the call | recorded as | what the operator does then |
//! |---|---|---|
//! | failed, nothing known (reset, hang, 5xx, 429, broken) | unknown | looks; when it is proved that nothing happened: once more. A purchase waits for a person instead |
//! | was done, the reply lost | unknown | looks; finds that it happened, and goes on without a second call |
//! | 401 | rejected | signs in anew, and calls once more |
//! | 403 | rejected | calls once more later. A purchase waits for a person; a restart was asked for once, and is told as failed |
//! | 422 (a contract the API may not end) | rejected | asks once more, an hour apart, and says so |
//! | accepted and not done | succeeded | sees that nothing came of it, and calls once more; after a deaf shutdown it pulls the plug |
//!
//! Snapshots, rollbacks, secrets and tags on machines are calls of the client only: the operator does
//! not use them yet. Its own tag, the mark, is at the end.

use std::time::Duration;

use devpocket_controllers::sim::contabo::{
    Effect, Failure, Fault, FaultKind, OperationName, PanelAction, Status, Target,
};
use devpocket_controllers::sim::world::{Options, World};
use devpocket_specs::condition::ConditionStatus;
use devpocket_specs::environment::{Power, Reclaim, Request};
use devpocket_specs::event::Event;
use devpocket_specs::machine::MachineState;
use devpocket_specs::operation::{Operation, OperationPhase, Resolution, Verb};

use crate::scenario::each;
use crate::{HOUR, MINUTE};

/// Long enough for anything that ends: an operation that is settled, a refusal that is tried anew.
const LIMIT: Duration = Duration::from_secs(12 * 3_600);
/// How long nothing more may come once it is over.
const QUIET: Duration = Duration::from_secs(2 * 3_600);

/// A change, and what makes the operator want it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Purchase,
    Start,
    Shutdown,
    Stop,
    Restart,
    Rename,
    Wipe,
    Cancel,
}

impl Change {
    const ALL: [Change; 8] = [
        Change::Purchase,
        Change::Start,
        Change::Shutdown,
        Change::Stop,
        Change::Restart,
        Change::Rename,
        Change::Wipe,
        Change::Cancel,
    ];

    fn verb(self) -> Verb {
        match self {
            Change::Purchase => Verb::Purchase,
            Change::Start => Verb::Start,
            Change::Shutdown => Verb::Shutdown,
            Change::Stop => Verb::Stop,
            Change::Restart => Verb::Restart,
            Change::Rename => Verb::Rename,
            Change::Wipe => Verb::Reinstall,
            Change::Cancel => Verb::Cancel,
        }
    }

    fn call(self) -> OperationName {
        match self {
            Change::Purchase => OperationName::CreateInstance,
            Change::Start => OperationName::Start,
            Change::Shutdown => OperationName::Shutdown,
            Change::Stop => OperationName::Stop,
            Change::Restart => OperationName::Restart,
            Change::Rename => OperationName::PatchInstance,
            Change::Wipe => OperationName::ReinstallInstance,
            Change::Cancel => OperationName::CancelInstance,
        }
    }

    /// Up to the moment before the operator wants it.
    async fn prepare(self, world: &mut World) {
        if self == Change::Purchase {
            return;
        }
        world.declare("web", |_| {}).await;
        assert!(world.ready("web", HOUR).await, "{self:?}");
        world.pass(5 * MINUTE).await;
        match self {
            Change::Start => {
                world.edit("web", |spec| spec.power = Power::Stopped).await;
                assert!(world.until(HOUR, |w| is(w, Status::Stopped)).await, "{self:?}");
                world.pass(5 * MINUTE).await;
            }
            Change::Stop => {
                let deaf = Fault::always(Target::One(OperationName::Shutdown), FaultKind::Ignore);
                world.fault(deaf);
            }
            Change::Cancel => {
                world.edit("web", |spec| spec.reclaim = Reclaim::CancelAtTermEnd).await;
                world.pass(MINUTE).await;
            }
            _ => {}
        }
    }

    /// What makes the operator want it.
    async fn begin(self, world: &World) {
        match self {
            Change::Purchase => drop(world.declare("web", |_| {}).await),
            Change::Start => world.edit("web", |spec| spec.power = Power::Running).await,
            Change::Shutdown | Change::Stop => {
                world.edit("web", |spec| spec.power = Power::Stopped).await;
            }
            Change::Restart => {
                world.edit("web", |spec| spec.restart = Some(Request { id: "r1".into() })).await;
            }
            Change::Rename => {
                let id = world.instance_of("web").expect("it is bought");
                world.panel(id, &PanelAction::Rename { display_name: "else".into() });
            }
            Change::Wipe | Change::Cancel => world.delete("web").await,
        }
    }

    /// Whether what was wanted is so.
    fn is_done(self, world: &World) -> bool {
        match self {
            Change::Purchase => world.is_ready("web"),
            Change::Start => is(world, Status::Running) && world.is_ready("web"),
            Change::Shutdown | Change::Stop => is(world, Status::Stopped),
            Change::Restart => world.environment("web").is_some_and(|environment| {
                environment.status.requests.get("restart").is_some_and(|id| id == "r1")
            }),
            Change::Rename => {
                let account = world.account();
                let mut names = account.instances().map(|i| i.facts.display_name.clone());
                names.all(|name| name.starts_with("web dp-"))
            }
            Change::Wipe => {
                world.managed().iter().any(|m| m.status.state == MachineState::Available)
            }
            Change::Cancel => {
                world.account().instances().all(|instance| instance.facts.cancel_date.is_some())
            }
        }
    }
}

fn is(world: &World, status: Status) -> bool {
    world.account().instances().all(|instance| instance.facts.status == status)
}

fn effects(world: &World, change: Change) -> u64 {
    let account = world.account();
    let calls = account.journal().filter(|entry| entry.operation == change.call());
    calls.filter(|entry| entry.effect == Effect::Accepted).count() as u64
}

/// Where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// What was wanted is so.
    Converged,
    /// It is held by this code until a person acts.
    Held(&'static str),
    /// It is told as failed in an event of this reason, and over.
    Told(&'static str),
}

/// What became of it: the first operation, and everything together.
#[derive(Debug, PartialEq)]
struct Story {
    first: (OperationPhase, Option<Resolution>),
    calls: u64,
    effects: u64,
    end: End,
}

fn expected(change: Change, kind: &FaultKind) -> Story {
    use OperationPhase as Phase;
    let story = |phase, resolution, calls, effects, end| Story {
        first: (phase, resolution),
        calls,
        effects,
        end,
    };
    match (kind, change) {
        (FaultKind::Fail { how: Failure::Status(403) }, Change::Purchase) => {
            story(Phase::Rejected, None, 1, 0, End::Held("purchase-refused"))
        }
        (FaultKind::Fail { how: Failure::Status(403) }, Change::Restart) => {
            story(Phase::Rejected, None, 1, 0, End::Told("RestartFailed"))
        }
        (FaultKind::Fail { how: Failure::Status(401 | 403) } | FaultKind::NotCancellable, _) => {
            story(Phase::Rejected, None, 2, 1, End::Converged)
        }
        (FaultKind::Fail { .. }, Change::Purchase) => {
            story(Phase::Unknown, None, 1, 0, End::Held("purchase-undecided"))
        }
        (FaultKind::Fail { .. }, _) => {
            story(Phase::Resolved, Some(Resolution::NotHappened), 2, 1, End::Converged)
        }
        (FaultKind::Lose { .. }, _) => {
            story(Phase::Resolved, Some(Resolution::Happened), 1, 1, End::Converged)
        }
        // The plug is pulled instead; and whether a machine was restarted cannot be seen.
        (_, Change::Shutdown | Change::Restart) => {
            story(Phase::Succeeded, None, 1, 1, End::Converged)
        }
        _ => story(Phase::Succeeded, None, 2, 2, End::Converged),
    }
}

/// The code that holds it, if one does.
fn held(world: &World, change: Change) -> Option<String> {
    let operations = world.operations(change.verb());
    let undecided = operations.iter().find_map(|o| o.status.held.as_ref().map(|h| h.code.clone()));
    let environment = world.environment("web");
    let refused = environment.is_some_and(|environment| {
        let conditions = environment.status.conditions;
        conditions
            .iter()
            .any(|c| c.reason == "PurchaseRefused" && c.status == ConditionStatus::True)
    });
    undecided.or(refused.then(|| "purchase-refused".to_owned()))
}

fn is_over(world: &World, change: Change, end: End) -> bool {
    let open = || world.all::<Operation>().values().any(|o| o.status.phase.is_open());
    match end {
        End::Converged => change.is_done(world) && !open(),
        End::Held(code) => held(world, change).is_some_and(|held| held == code),
        End::Told(reason) => {
            !open() && world.all::<Event>().values().any(|event| event.reason == reason)
        }
    }
}

async fn run(change: Change, kind: FaultKind) -> (Change, FaultKind, Result<Story, String>) {
    let mut world = World::started(Options { reclaim_after_seconds: 120, ..Options::default() });
    change.prepare(&mut world).await;
    let (before, called) = (effects(&world, change), world.calls(change.call()));
    let earlier = world.operations(change.verb()).len();
    world.fault(Fault::once(Target::One(change.call()), kind.clone()));
    change.begin(&world).await;
    let end = expected(change, &kind).end;
    if !world.until(LIMIT, |world| is_over(world, change, end)).await {
        let operations = world.operations(change.verb());
        return (change, kind, Err(format!("it never ended: {operations:#?}")));
    }
    // Nothing is sent again once it is over, or held.
    world.pass(QUIET).await;
    let first = world.operations(change.verb()).into_iter().nth(earlier);
    let first = first.expect("there was an operation").status;
    let story = Story {
        first: (first.phase, first.resolution),
        calls: world.calls(change.call()) - called,
        effects: effects(&world, change) - before,
        end,
    };
    (change, kind, Ok(story))
}

/// All faults that make sense for a change.
fn kinds(change: Change) -> Vec<FaultKind> {
    let flavours = ["reset", "hang", "500", "502", "504", "truncated", "mistyped", "429", "429:5"];
    let flavours = flavours.map(|how| how.parse::<Failure>().expect("it is a failure"));
    let fail = flavours.iter().map(|how| FaultKind::Fail { how: *how });
    let lose = flavours.iter().map(|how| FaultKind::Lose { how: *how });
    let refused = [401, 403].map(|code| FaultKind::Fail { how: Failure::Status(code) });
    let own = match change {
        Change::Purchase => None,
        Change::Cancel => Some(FaultKind::NotCancellable),
        _ => Some(FaultKind::Ignore),
    };
    fail.chain(lose).chain(refused).chain(own).collect()
}

#[test]
fn every_fault_of_every_change_has_its_outcome_and_its_end() {
    let jobs: Vec<(Change, FaultKind)> = Change::ALL
        .into_iter()
        .flat_map(|change| kinds(change).into_iter().map(move |kind| (change, kind)))
        .collect();
    let stories = each(&jobs, |(change, kind)| run(change, kind));
    let mut wrong = Vec::new();
    for (change, kind, story) in &stories {
        let wanted = expected(*change, kind);
        if story.as_ref() != Ok(&wanted) {
            wrong.push(format!("{change:?} {kind:?}: {story:#?}, and not {wanted:?}"));
        }
    }
    println!("changes={} stories={}", Change::ALL.len(), stories.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(stories.len(), 8 * 20 + 7, "the number may not shrink unnoticed");
}

/// The mark is a tag in the account. However writing it fails, there is one in the end, it says what
/// the database says, and no machine waits for it.
#[test]
fn the_mark_is_kept_through_every_fault() {
    let mut jobs = Vec::new();
    for call in [OperationName::CreateTag, OperationName::UpdateTag] {
        jobs.extend(kinds(Change::Purchase).into_iter().map(|kind| (call, kind)));
    }
    each(&jobs, |(call, kind)| async move {
        let mut world = World::started(Options::default());
        world.fault(Fault::once(Target::One(call), kind.clone()));
        world.declare("web", |_| {}).await;
        assert!(world.ready("web", HOUR).await, "{call} {kind:?}");
        // Something to mark anew.
        world.edit("web", |spec| spec.restart = Some(Request { id: "r1".into() })).await;
        world.pass(HOUR).await;
        assert!(world.account().faults().is_empty(), "{call} {kind:?} was hit");
        let mark = world.installation().status.mark.expect("the account is marked");
        let id = world.installation().spec.id;
        let wanted = format!("devpocket:{id}:{}:{}", mark.sequence, mark.written.as_second());
        let tags: Vec<String> = world.account().tags().map(|tag| tag.name.clone()).collect();
        assert_eq!(tags, [wanted], "{call} {kind:?}");
        assert!(world.installation().status.holds.is_empty(), "{call} {kind:?}");
        assert!(world.is_ready("web"), "{call} {kind:?}");
    });
}
