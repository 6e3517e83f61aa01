use devpocket_specs::condition::{Condition, ConditionStatus};
use devpocket_specs::environment::{
    BoundMachine, EffectivePower, EnvironmentSpec, EnvironmentStatus, Phase, conditions,
};
use devpocket_specs::metadata::ObjectMeta;

use super::*;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap()
}

fn condition(name: &str, status: ConditionStatus, message: &str) -> Condition {
    Condition {
        r#type: name.into(),
        status,
        reason: name.into(),
        message: message.into(),
        last_transition_time: at(0),
        observed_generation: None,
    }
}

fn environment(phase: Phase, ready: bool) -> Environment {
    let status = if ready { ConditionStatus::True } else { ConditionStatus::False };
    Environment {
        metadata: ObjectMeta::named("main", "demo"),
        spec: EnvironmentSpec {
            size: "vps-10-nvme".into(),
            region: "EU".into(),
            ..Default::default()
        },
        status: EnvironmentStatus {
            phase,
            conditions: vec![condition(conditions::READY, status, "")],
            machine: Some(BoundMachine { instance_id: Some(7), ..Default::default() }),
            effective_power: Some(EffectivePower { power: Power::Running, reason: "Spec".into() }),
            ..Default::default()
        },
    }
}

fn stopped(healed: Option<Timestamp>) -> Drift {
    let message = "vmi7 was seen Stopped, declared is Running".to_owned();
    Drift { what: "power".into(), message, since: at(0), by: NOBODY_KNOWN.into(), healed }
}

fn story() -> Story {
    let mut story = Story::default();
    story.begin(environment(Phase::Running, true), at(-9_000));
    story
}

#[test]
fn a_stop_in_the_panel_is_one_sentence() {
    let mut story = story();
    let mut seen = environment(Phase::Stopped, false);
    seen.status.drift = vec![stopped(None)];
    assert!(story.changed(seen.clone(), at(10)).is_empty());
    assert!(story.changed(environment_starting(&seen), at(200)).is_empty());
    let mut healed = environment(Phase::Running, true);
    healed.status.drift = vec![stopped(Some(at(1_200)))];
    let lines = story.changed(healed.clone(), at(1_300));
    assert_eq!(lines, ["stopped outside DevPocket, started again after 1.2 s"]);
    assert!(story.changed(healed, at(1_400)).is_empty());
    assert!(story.waited(at(60_000)).is_empty());
}

#[test]
fn it_is_told_when_it_runs_again_not_when_that_is_recorded() {
    let mut story = story();
    let mut seen = environment(Phase::Stopped, false);
    seen.status.drift = vec![stopped(None)];
    assert!(story.changed(seen, at(10)).is_empty());
    let mut runs = environment(Phase::Running, true);
    runs.status.drift = vec![stopped(None)];
    let lines = story.changed(runs.clone(), at(1_500));
    assert_eq!(lines, ["stopped outside DevPocket, started again after 1.5 s"]);
    assert!(story.waited(at(20_000)).is_empty());
    runs.status.drift = vec![stopped(Some(at(1_200)))];
    assert!(story.changed(runs, at(17_000)).is_empty());
}

fn environment_starting(seen: &Environment) -> Environment {
    let mut next = seen.clone();
    next.status.message = "starts vmi7".into();
    next
}

#[test]
fn what_is_not_undone_is_told_with_the_reason_once() {
    let mut story = story();
    let mut held = environment(Phase::Stopped, false);
    held.status.drift = vec![stopped(None)];
    assert!(story.changed(held.clone(), at(10)).is_empty());
    held.status.conditions.push(condition(
        conditions::HELD,
        ConditionStatus::True,
        "the next try is at 08:19",
    ));
    let lines = story.changed(held.clone(), at(20));
    assert_eq!(lines, ["stopped outside DevPocket; held: the next try is at 08:19"]);
    assert!(story.changed(held, at(30)).is_empty());
    assert!(story.waited(at(60_000)).is_empty());
}

#[test]
fn what_stays_unhealed_is_told_after_a_while() {
    let mut story = story();
    let mut seen = environment(Phase::Stopped, false);
    seen.status.drift = vec![stopped(None)];
    seen.status.message = "vmi7 is stopped, declared is Running".into();
    story.changed(seen, at(10));
    assert!(story.waited(at(9_000)).is_empty());
    let lines = story.waited(at(10_000));
    let expected = "stopped outside DevPocket; not undone yet: vmi7 is stopped, declared is \
                    Running";
    assert_eq!(lines[0].1, expected);
}

#[test]
fn a_person_who_accepts_it_is_not_told_that_it_was_started() {
    let mut story = story();
    let mut seen = environment(Phase::Stopped, false);
    seen.status.drift = vec![stopped(None)];
    story.changed(seen, at(10));
    let mut accepted = environment(Phase::Stopped, false);
    accepted.status.drift = vec![stopped(Some(at(500)))];
    accepted.status.effective_power =
        Some(EffectivePower { power: Power::Stopped, reason: "Spec".into() });
    let lines = story.changed(accepted, at(600));
    assert_eq!(lines, ["stopped outside DevPocket, and now declared so"]);
}

#[test]
fn a_new_one_is_ordered_and_ready() {
    let mut story = Story::default();
    let mut fresh = environment(Phase::Creating, false);
    fresh.status.machine = None;
    assert!(story.changed(fresh, at(0)).is_empty());
    let lines = story.changed(environment(Phase::Provisioning, false), at(400));
    assert_eq!(lines, ["ordered 1 × vps-10-nvme in EU (simulated)"]);
    let lines = story.changed(environment(Phase::Running, true), at(4_000));
    assert_eq!(lines, ["ready after 4.0 s"]);
    assert!(story.gone(&environment(Phase::Running, true))[0].contains("undelete demo"));
}
