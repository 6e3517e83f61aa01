//! Cancelled, reinstalled, vanished: what waits for a person.

use devpocket_specs::environment::{Phase, conditions};
use devpocket_specs::machine::MachineState;
use devpocket_specs::operation::Verb;
use jiff::civil::date;

use super::lab::{Lab, calls, condition, is_true};

#[test]
fn cancelled_outside_is_told_with_its_last_day_and_works_until_then() {
    let mut lab = Lab::running();
    lab.seen(|m| m.status.seen.as_mut().unwrap().cancel_date = Some(date(2026, 12, 22)));
    assert!(lab.settle().plan.is_empty());
    let ending = condition(&lab, conditions::MACHINE_ENDING);
    assert_eq!(ending.reason, "CancelledOutside");
    assert!(ending.message.contains("2026-12-22"), "{}", ending.message);
    assert!(is_true(&lab, conditions::READY));
}

#[test]
fn a_vanished_machine_is_replaced_only_by_approval_and_once() {
    let mut lab = Lab::running();
    let lost = lab.machine().metadata.name.clone();
    lab.vanish();
    let decision = lab.settle();
    assert_eq!(calls(&decision), ["purchase", "install"]);
    assert!(!decision.plan.steps[0].approved);
    assert!(is_true(&lab, conditions::MACHINE_LOST) && is_true(&lab, conditions::WAITING));
    assert_eq!(lab.environment.status.phase, Phase::Error);
    assert_eq!(lab.created.len(), 1);
    lab.approve();
    lab.settle();
    assert_eq!(lab.created.len(), 2);
    assert_ne!(lab.machine().metadata.name, lost, "the lost one is let go of");
    lab.buy_all();
    lab.look_after(5);
    lab.settle();
    assert!(is_true(&lab, conditions::READY));
    assert!(!is_true(&lab, conditions::MACHINE_LOST));
    assert_eq!(lab.created.len(), 2);
}

#[test]
fn a_lost_machine_is_not_replaced_from_the_pool_without_approval_either() {
    let mut lab = Lab::running();
    lab.vanish();
    lab.pool_machine("m-pool");
    let decision = lab.settle();
    assert_eq!(calls(&decision), ["claim", "reinstall"]);
    assert!(!decision.plan.steps[0].approved);
    lab.approve();
    lab.settle();
    assert_eq!(lab.machine().metadata.name, "m-pool");
    assert_eq!(lab.created.len(), 1, "claiming beats buying");
}

#[test]
fn an_approval_that_is_over_or_for_another_price_replaces_nothing() {
    let mut lab = Lab::running();
    lab.vanish();
    lab.settle();
    lab.approve();
    lab.look_after(24 * 60 + 1);
    lab.settle();
    assert_eq!(lab.created.len(), 1);
    lab.approve();
    lab.edit(|spec| spec.user.shell = Some("/bin/sh".into()));
    lab.settle();
    assert_eq!(lab.created.len(), 1, "what was approved is not what would be done");
}

#[test]
fn a_machine_whose_record_is_gone_is_not_bought_again_silently() {
    let mut lab = Lab::running();
    lab.machines.clear();
    lab.operations.clear();
    let decision = lab.settle();
    assert!(!decision.plan.steps[0].approved);
    assert!(is_true(&lab, conditions::MACHINE_LOST));
    assert_eq!(lab.created.len(), 1);
}

#[test]
fn not_seeing_a_machine_decides_nothing() {
    let mut lab = Lab::running();
    lab.later(5);
    let now = lab.now;
    lab.machine_mut().status.missing = Some(devpocket_specs::machine::Missing {
        since: now,
        latest: now,
        sweeps: 1,
        not_found: Some(now),
    });
    lab.look();
    lab.edit(|spec| spec.power = devpocket_specs::environment::Power::Stopped);
    let decision = lab.settle();
    assert!(decision.plan.is_empty());
    assert_eq!(condition(&lab, conditions::READY).reason, "MachineNotSeen");
    assert_eq!(lab.verbs(), [Verb::Purchase]);
}

#[test]
fn reinstalled_outside_stays_known_until_a_person_has_it_repaired() {
    let mut lab = Lab::running();
    lab.later(5);
    lab.seen(|m| {
        m.status.state = MachineState::Installing;
        let seen = m.status.seen.as_mut().unwrap();
        (seen.power, seen.provider_status) = (None, "installing".into());
    });
    lab.settle();
    assert!(is_true(&lab, conditions::DISK_REPLACED));
    lab.later(5);
    lab.seen_power(devpocket_specs::environment::Power::Running);
    let decision = lab.settle();
    assert_eq!(calls(&decision), ["reinstall"]);
    assert!(!decision.plan.steps[0].approved);
    assert!(is_true(&lab, conditions::DISK_REPLACED) && !is_true(&lab, conditions::READY));
    assert_eq!(lab.verbs(), [Verb::Purchase]);
    lab.approve();
    lab.settle();
    assert_eq!(lab.verbs(), [Verb::Purchase, Verb::Reinstall]);
    assert!(lab.operations[1].spec.fingerprint.is_some());
    lab.carry_out();
    lab.look_after(10);
    lab.settle();
    assert!(!is_true(&lab, conditions::DISK_REPLACED));
    assert!(is_true(&lab, conditions::READY));
}

#[test]
fn an_error_at_contabo_is_shown_with_its_words_and_nothing_is_done() {
    let mut lab = Lab::running();
    lab.later(5);
    lab.seen(|m| {
        m.status.state = MachineState::Error;
        let seen = m.status.seen.as_mut().unwrap();
        (seen.power, seen.provider_status) = (None, "error".into());
        seen.error_message = Some("disk on fire".into());
    });
    assert!(lab.settle().plan.is_empty());
    assert_eq!(lab.environment.status.phase, Phase::Error);
    assert!(lab.environment.status.message.contains("disk on fire"));
}

#[test]
fn another_machine_than_the_one_ordered_is_told_and_nothing_is_ordered_instead() {
    let mut lab = Lab::running();
    lab.seen(|m| m.status.seen.as_mut().unwrap().product_id = "V92".into());
    let decision = lab.pass();
    assert!(decision.plan.is_empty() && decision.writes.is_empty());
    let other = condition(&lab, conditions::NOT_AS_ORDERED);
    assert_eq!(other.reason, "NotAsOrdered");
    assert!(other.message.contains("is a V92 in EU, ordered and paid was a V91"), "{other:?}");
    assert_eq!(decision.events.iter().filter(|e| e.reason == "NotAsOrdered").count(), 1);
    assert!(is_true(&lab, conditions::READY), "it can be used");
    assert!(lab.pass().events.is_empty(), "told once");
}

/// The process died after the inventory saw a stop and our start of it, and before the status said
/// anything of it.
#[test]
fn a_drift_that_came_and_went_unnoticed_is_taken_over_from_the_machine() {
    use devpocket_specs::environment::Drift;
    let mut lab = Lab::running();
    let (since, healed) = (lab.now, lab.now + jiff::SignedDuration::from_secs(42));
    lab.seen(|m| {
        m.status.outside.push(Drift {
            what: "power".into(),
            message: "it was running and is stopped".into(),
            since,
            by: "ops@example.com".into(),
            healed: Some(healed),
        });
    });
    let decision = lab.pass();
    let [drift] = lab.environment.status.drift.as_slice() else { panic!("it is missed") };
    assert_eq!((drift.since, drift.healed), (since, Some(healed)));
    let [event] = decision.events.as_slice() else { panic!("{:?}", decision.events) };
    assert!(
        event.message.ends_with("by ops@example.com; as declared again after 42 s"),
        "{event:?}"
    );
    let again = lab.pass();
    assert!(again.events.is_empty());
    assert_eq!(lab.environment.status.drift.len(), 1, "once");
}
