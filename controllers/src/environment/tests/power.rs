//! Power, names, restarts, drift.

use devpocket_specs::environment::{Drift, DriftPolicy, Pause, Phase, Power, Request, conditions};
use devpocket_specs::operation::{OperationPhase, Verb};
use jiff::SignedDuration;

use super::lab::{Lab, calls, condition, is_true};

#[test]
fn a_machine_as_declared_is_ready_and_a_pass_without_news_writes_nothing() {
    let mut lab = Lab::running();
    assert!(is_true(&lab, conditions::READY));
    assert_eq!(lab.environment.status.phase, Phase::Running);
    let guest = condition(&lab, conditions::GUEST_READY);
    assert_eq!(guest.reason, "NotObserved");
    for _ in 0..20 {
        lab.look_after(3);
        let decision = lab.pass();
        assert_eq!((decision.writes, decision.status), (vec![], None));
        assert_eq!(decision.requeue, None);
    }
}

#[test]
fn stopped_outside_is_started_and_recorded_with_who_it_was() {
    let mut lab = Lab::running();
    let now = lab.now;
    lab.seen_power(Power::Stopped);
    lab.machine_mut().status.outside.push(Drift {
        what: "power".into(),
        message: String::new(),
        since: now,
        by: "ops@example.com".into(),
        healed: None,
    });
    let decision = lab.pass();
    assert_eq!(calls(&decision), ["start"]);
    let drift = &lab.environment.status.drift[0];
    assert_eq!(
        (drift.what.as_str(), drift.by.as_str(), drift.healed),
        ("power", "ops@example.com", None)
    );
    assert!(is_true(&lab, conditions::DRIFTED));
    assert!(!lab.operations.last().unwrap().spec.by_person);
    assert!(lab.settle().plan.is_empty(), "recorded already: nothing new to plan");
    lab.carry_out();
    lab.settle();
    assert!(lab.environment.status.drift[0].healed.is_some());
    assert!(!is_true(&lab, conditions::DRIFTED));
    assert!(is_true(&lab, conditions::READY));
    assert_eq!(lab.verbs().iter().filter(|v| **v == Verb::Start).count(), 1);
}

#[test]
fn a_look_begun_before_the_start_ended_does_not_start_it_again() {
    let mut lab = Lab::running();
    lab.seen_power(Power::Stopped);
    lab.settle();
    lab.send_all(OperationPhase::Succeeded);
    // The list still shows it stopped, and was begun within the lag allowance.
    lab.now += SignedDuration::from_secs(59);
    lab.look();
    let decision = lab.settle();
    assert!(decision.plan.is_empty() && decision.requeue.is_some());
    assert_eq!(lab.verbs().last(), Some(&Verb::Start));
    assert_eq!(lab.verbs().iter().filter(|v| **v == Verb::Start).count(), 1);
}

#[test]
fn drift_that_is_only_reported_is_not_healed() {
    let mut lab = Lab::running();
    lab.edit(|spec| spec.drift = DriftPolicy::Report);
    lab.settle();
    lab.later(60);
    lab.seen(|m| {
        super::lab::set_power(m, Power::Stopped);
        m.status.seen.as_mut().unwrap().display_name = "mine now".into();
    });
    let decision = lab.settle();
    assert!(decision.plan.is_empty());
    assert_eq!(lab.verbs(), [Verb::Purchase]);
    let what: Vec<&str> = lab.environment.status.drift.iter().map(|d| d.what.as_str()).collect();
    assert_eq!(what, ["power", "displayName"]);
    assert!(!is_true(&lab, conditions::READY));
    // A person's own edit is no drift and is done.
    lab.edit(|spec| spec.power = Power::Stopped);
    lab.settle();
    assert!(is_true(&lab, conditions::READY), "stopped, as now declared");
}

#[test]
fn an_edit_of_power_is_obeyed_and_is_no_drift() {
    let mut lab = Lab::running();
    lab.edit(|spec| spec.power = Power::Stopped);
    let decision = lab.pass();
    assert_eq!(calls(&decision), ["shutdown"]);
    assert!(lab.operations.last().unwrap().spec.by_person);
    lab.carry_out();
    lab.settle();
    assert!(lab.environment.status.drift.is_empty());
    assert_eq!(lab.environment.status.phase, Phase::Stopped);
    assert!(is_true(&lab, conditions::READY));
    lab.edit(|spec| spec.power = Power::Running);
    assert_eq!(calls(&lab.pass()), ["start"]);
}

#[test]
fn a_guest_that_ignores_the_shutdown_is_switched_off_after_the_grace() {
    let mut lab = Lab::running();
    lab.edit(|spec| spec.power = Power::Stopped);
    lab.settle();
    lab.send_all(OperationPhase::Succeeded);
    lab.look_after(2);
    let decision = lab.settle();
    assert!(decision.plan.is_empty(), "within the grace it is left alone");
    assert!(decision.requeue.is_some());
    lab.look_after(2);
    assert_eq!(calls(&lab.pass()), ["stop"]);
}

#[test]
fn flapping_waits_then_tries_once_more_then_stalls_until_a_person_acts() {
    let mut lab = Lab::running();
    lab.seen_power(Power::Stopped);
    lab.settle();
    lab.carry_out();
    lab.settle();
    lab.later(5);
    lab.seen_power(Power::Stopped);
    let decision = lab.settle();
    assert_eq!(calls(&decision), ["start"]);
    let hold = decision.plan.steps[0].hold.clone().unwrap();
    assert_eq!(hold.code, "power-flapping");
    assert_eq!(hold.until, Some(lab.now + SignedDuration::from_mins(19)));
    lab.look_after(19);
    lab.settle();
    assert_eq!(lab.verbs().iter().filter(|v| **v == Verb::Start).count(), 2);
    lab.carry_out();
    lab.settle();
    assert!(is_true(&lab, conditions::READY));
    lab.later(3);
    lab.seen_power(Power::Stopped);
    lab.settle();
    assert_eq!(condition(&lab, conditions::STALLED).reason, "PowerFlapping");
    lab.look_after(600);
    lab.settle();
    assert!(is_true(&lab, conditions::STALLED), "it stays given up, however long nobody acts");
    lab.edit(|spec| spec.wake = Some(Request { id: "now".into() }));
    lab.settle();
    assert_eq!(lab.verbs().iter().filter(|v| **v == Verb::Start).count(), 3);
    lab.carry_out();
    lab.settle();
    assert!(is_true(&lab, conditions::READY) && !is_true(&lab, conditions::STALLED));
    assert_eq!(lab.environment.status.requests["wake"], "now");
}

#[test]
fn refusals_are_waited_on_and_given_up() {
    let mut lab = Lab::running();
    lab.seen_power(Power::Stopped);
    lab.settle();
    lab.send_all(OperationPhase::Rejected);
    let decision = lab.settle();
    assert_eq!(decision.plan.steps[0].hold.as_ref().unwrap().code, "refused");
    for _ in 0..2 {
        lab.look_after(6);
        lab.settle();
        lab.send_all(OperationPhase::Rejected);
    }
    lab.settle();
    assert_eq!(condition(&lab, conditions::STALLED).reason, "Refused");
    lab.look_after(600);
    lab.settle();
    assert_eq!(lab.verbs().iter().filter(|v| **v == Verb::Start).count(), 3);
}

#[test]
fn a_restart_is_done_once_for_each_request() {
    let mut lab = Lab::running();
    lab.edit(|spec| spec.restart = Some(Request { id: "r1".into() }));
    lab.settle();
    assert_eq!(lab.verbs().last(), Some(&Verb::Restart));
    lab.carry_out();
    lab.settle();
    assert_eq!(lab.environment.status.requests["restart"], "r1");
    lab.look_after(60);
    lab.settle();
    assert_eq!(lab.verbs().iter().filter(|v| **v == Verb::Restart).count(), 1);
}

#[test]
fn a_restart_of_unknown_outcome_is_not_sent_again_and_one_that_never_arrived_is() {
    let mut lab = Lab::running();
    lab.edit(|spec| spec.restart = Some(Request { id: "r1".into() }));
    lab.settle();
    lab.send_all(OperationPhase::Unknown);
    lab.look_after(90);
    lab.settle();
    assert_eq!(lab.verbs().iter().filter(|v| **v == Verb::Restart).count(), 1);
    lab.send_all(OperationPhase::Resolved);
    let restart = lab.operations.last_mut().unwrap();
    super::lab::end(restart, lab.now, OperationPhase::Resolved);
    lab.settle();
    assert_eq!(lab.verbs().iter().filter(|v| **v == Verb::Restart).count(), 2);
}

#[test]
fn a_request_older_than_the_machine_is_void() {
    let mut lab = Lab::new();
    lab.environment.spec.restart = Some(Request { id: "old".into() });
    lab.settle();
    lab.buy_all();
    lab.look_after(5);
    lab.settle();
    assert_eq!(lab.verbs(), [Verb::Purchase]);
    assert_eq!(lab.environment.status.requests["restart"], "old");
}

#[test]
fn a_new_display_name_is_set_and_one_changed_outside_is_set_back() {
    let mut lab = Lab::running();
    lab.edit(|spec| spec.display_name = Some("The Shop".into()));
    lab.settle();
    assert_eq!(lab.verbs().last(), Some(&Verb::Rename));
    assert!(lab.environment.status.drift.is_empty());
    assert_eq!(
        lab.operations.last().unwrap().spec.display_name.as_ref(),
        Some(&lab.machine().spec.display_name),
        "the record says the same as the intent, else it would be withdrawn"
    );
    lab.carry_out();
    lab.settle();
    lab.later(60);
    lab.seen(|m| m.status.seen.as_mut().unwrap().display_name = "x".into());
    lab.settle();
    assert_eq!(lab.verbs().iter().filter(|v| **v == Verb::Rename).count(), 2);
    assert_eq!(lab.environment.status.drift[0].what, "displayName");
    assert!(is_true(&lab, conditions::READY), "it is usable all the same");
}

#[test]
fn a_pause_beats_everything_and_ends_by_itself() {
    let mut lab = Lab::running();
    let until = lab.now + SignedDuration::from_mins(120);
    lab.edit(|spec| spec.paused = Some(Pause { until, reason: None }));
    lab.later(10);
    lab.seen_power(Power::Stopped);
    let decision = lab.settle();
    assert_eq!(calls(&decision), ["start"], "what would be done is shown");
    assert!(is_true(&lab, conditions::PAUSED));
    assert_eq!(decision.requeue, Some(std::time::Duration::from_secs(110 * 60)));
    lab.delete();
    lab.settle();
    assert!(!lab.environment_gone, "paused beats deletion, too");
    lab.environment.metadata.deletion_timestamp = None;
    lab.look_after(111);
    lab.settle();
    assert_eq!(lab.verbs().last(), Some(&Verb::Start));
    assert!(!is_true(&lab, conditions::PAUSED));
}

#[test]
fn a_silent_contabo_leaves_ready_as_it_was_and_nothing_is_sent() {
    let mut lab = Lab::running();
    lab.later(120);
    lab.edit(|spec| spec.power = Power::Stopped);
    let decision = lab.settle();
    let ready = condition(&lab, conditions::READY);
    assert_eq!(ready.status, devpocket_specs::condition::ConditionStatus::True);
    assert!(is_true(&lab, conditions::UNOBSERVED));
    assert_eq!(lab.verbs().len(), 2, "a stop is still tried: {:?}", decision.plan);
}
