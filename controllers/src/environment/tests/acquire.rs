//! Buying, claiming, taking back.

use devpocket_specs::environment::{Phase, conditions};
use devpocket_specs::metadata::names;
use devpocket_specs::money::Money;
use devpocket_specs::operation::{OperationPhase, Verb};
use jiff::ToSpan;
use jiff::civil::date;

use super::lab::{Lab, at, calls, condition, is_true};
use crate::environment::RecordWrite;
use crate::environment::names::machine_name;

#[test]
fn a_new_environment_orders_one_machine_and_says_what_it_costs() {
    let mut lab = Lab::new();
    let decision = lab.pass();
    assert_eq!(calls(&decision), ["purchase", "install"]);
    assert_eq!(decision.plan.steps[0].due, Some(Money::eur(550)));
    assert!(matches!(decision.writes[0], RecordWrite::AddFinalizer), "before anything is made");
    let machine = lab.machine();
    let order = machine.spec.order.as_ref().unwrap();
    assert_eq!((order.product_id.as_str(), order.region.as_str()), ("V91", "EU"));
    assert_eq!(order.demand.cause, "create");
    assert!(machine.spec.display_name.ends_with(&format!("dp-0a1b2c3d-{}", machine.metadata.name)));
    assert_eq!(
        machine.metadata.name,
        machine_name(lab.environment.metadata.uid.unwrap(), "create")
    );
    assert_eq!(machine.metadata.finalizers, [names::INSTANCE_FINALIZER]);
    assert_eq!(lab.settle().writes, []);
}

#[test]
fn what_cannot_be_bought_exactly_is_held_and_nothing_is_written() {
    type Change = fn(&mut Lab);
    let cases: [(&str, Change); 9] = [
        ("unknown-size", |lab| lab.environment.spec.size = "vps-x".into()),
        ("unknown-region", |lab| lab.environment.spec.region = "MARS".into()),
        ("unknown-image", |lab| lab.environment.spec.image = Some("windows-98".into())),
        ("unknown-template", |lab| lab.environment.spec.template = Some("nope".into())),
        ("unknown-term", |lab| lab.environment.spec.contract_months = 7),
        ("not-rendered", |lab| lab.environment.spec.user.shell = Some("bash; rm".into())),
        ("budget", |lab| lab.installation.spec.monthly_budget = None),
        ("budget", |lab| lab.installation.spec.monthly_budget = Some(Money::eur(549))),
        ("budget", |lab| lab.installation.spec.monthly_budget = Some(Money::new(9_999, "USD"))),
    ];
    for (code, change) in cases {
        let mut lab = Lab::new();
        change(&mut lab);
        let decision = lab.pass();
        assert_eq!(decision.writes, [RecordWrite::AddFinalizer], "{code}");
        assert_eq!(lab.environment.status.phase, Phase::Creating, "{code}");
        let held = condition(&lab, conditions::HELD);
        assert_eq!(held.reason, crate::guard::codes::reason(code), "{}", held.message);
        assert_eq!(lab.environment.status.message, held.message);
        assert!(lab.settle().writes.is_empty());
    }
}

#[test]
fn an_unpriced_product_is_not_bought() {
    let mut lab = Lab::new();
    lab.environment.spec.contract_months = 12;
    let priced = lab.decide().writes.len() > 1;
    lab.environment.spec.size = "vps-plus-4".into();
    lab.environment.spec.region = "SIN".into();
    let decision = lab.pass();
    assert!(
        !decision.writes.iter().any(|w| matches!(w, RecordWrite::CreateMachine(_))),
        "{priced}"
    );
}

#[test]
fn claiming_beats_buying_and_the_machine_is_installed_before_it_is_ready() {
    let mut lab = Lab::new();
    lab.pool_machine("m-pool");
    let decision = lab.pass();
    assert_eq!(calls(&decision), ["claim", "reinstall"]);
    assert_eq!(decision.plan.steps[1].fingerprint.as_ref().map(String::len), Some(64));
    assert!(lab.created.is_empty(), "nothing is bought");
    assert_eq!(lab.machine().metadata.name, "m-pool");
    lab.settle();
    assert_eq!(lab.verbs(), [Verb::Reinstall]);
    assert_eq!(lab.environment.status.phase, Phase::Installing);
    assert!(!is_true(&lab, conditions::READY));
    // The digest sent is the environment's own.
    assert!(lab.operations[0].spec.user_data_digest.is_some());
    lab.send_all(OperationPhase::Succeeded);
    lab.look_after(5);
    lab.settle();
    assert!(lab.machine().spec.pool.is_none(), "installed: the mark of the wipe goes");
    // It carried another environment's name: renamed, and that is nobody's drift.
    assert_eq!(lab.verbs(), [Verb::Reinstall, Verb::Rename]);
    lab.carry_out();
    lab.settle();
    assert!(is_true(&lab, conditions::READY), "{}", lab.environment.status.message);
    assert!(lab.environment.status.drift.is_empty());
}

#[test]
fn a_claimed_machine_is_not_installed_again_when_old_operations_are_forgotten() {
    let mut lab = Lab::new();
    lab.pool_machine("m-pool");
    lab.settle();
    lab.carry_out();
    lab.settle();
    lab.carry_out();
    lab.settle();
    lab.operations.clear();
    lab.look_after(130_000);
    lab.settle();
    assert!(!lab.verbs().contains(&Verb::Reinstall), "that would wipe a disk in use");
}

#[test]
fn a_pool_machine_that_does_not_fit_is_left_alone() {
    type Change = fn(&mut Lab);
    let cases: [(&str, Change); 6] = [
        ("another region", |lab| lab.machines[0].spec.order.as_mut().unwrap().region = "UK".into()),
        ("another product", |lab| {
            lab.machines[0].spec.order.as_mut().unwrap().product_id = "V94".into();
        }),
        ("cancelled", |lab| {
            let seen = lab.machines[0].status.seen.as_mut().unwrap();
            seen.cancel_date = Some(date(2026, 12, 20));
        }),
        ("about to be cancelled", |lab| {
            let today = at(0).to_zoned(jiff::tz::TimeZone::UTC).date();
            lab.machines[0].spec.paid_through = today.checked_add(2.days()).ok();
        }),
        ("not ours", |lab| lab.machines[0].spec.managed = false),
        ("not seen", |lab| lab.machines[0].status.seen = None),
    ];
    for (why, change) in cases {
        let mut lab = Lab::new();
        lab.pool_machine("m-pool");
        change(&mut lab);
        assert_eq!(calls(&lab.decide()), ["purchase", "install"], "{why}");
    }
}

#[test]
fn a_deleted_environment_is_taken_back_with_its_machine() {
    let mut lab = Lab::running();
    let machine = lab.machine().metadata.name.clone();
    lab.delete();
    lab.settle();
    assert!(lab.environment_gone);
    let mut back = lab.clone();
    back.environment = super::lab::environment("api", 8);
    let old = lab.environment.metadata.uid.unwrap().to_string();
    back.environment.metadata.annotations.insert(names::UNDELETE_OF.into(), old);
    let decision = back.pass();
    assert_eq!(calls(&decision), ["bind"]);
    assert_eq!(back.machine().metadata.name, machine);
    assert!(back.machine().spec.release.is_none());
    back.settle();
    assert!(!back.verbs().contains(&Verb::Reinstall), "the disk is as it was");
    assert!(is_true(&back, conditions::READY));
    assert_eq!(back.created.len(), 1, "nothing more was bought");
}

#[test]
fn taking_back_too_late_or_another_size_buys_nothing() {
    type Change = fn(&mut Lab);
    let cases: [(&str, Change); 4] = [
        ("UndeleteExpired", |lab| lab.later(24 * 60 + 1)),
        ("UndeleteExpired", |lab| lab.machines.clear()),
        ("UndeleteMismatch", |lab| lab.environment.spec.size = "vps-20-nvme".into()),
        ("UndeleteMismatch", |lab| lab.environment.spec.region = "UK".into()),
    ];
    for (reason, change) in cases {
        let mut lab = Lab::running();
        lab.delete();
        lab.settle();
        let old = lab.environment.metadata.uid.unwrap().to_string();
        lab.environment = super::lab::environment("api", 8);
        lab.environment.metadata.annotations.insert(names::UNDELETE_OF.into(), old);
        change(&mut lab);
        lab.settle();
        assert_eq!(condition(&lab, conditions::HELD).reason, reason);
        assert_eq!(lab.created.len(), 1, "{reason}");
    }
}

#[test]
fn the_install_of_a_claimed_machine_is_given_up_after_three_refusals() {
    let mut lab = Lab::new();
    lab.pool_machine("m-pool");
    lab.settle();
    for _ in 0..3 {
        lab.send_all(OperationPhase::Rejected);
        lab.look_after(5);
        lab.settle();
    }
    assert_eq!(lab.verbs().len(), 3);
    assert_eq!(condition(&lab, conditions::STALLED).reason, "Refused");
}

#[test]
fn two_machines_claimed_by_one_environment_are_not_chosen_between() {
    let mut lab = Lab::running();
    let mut twin = lab.machine().clone();
    twin.metadata.name = "m-twin".into();
    lab.machines.push(twin);
    lab.machines[0].status.seen.as_mut().unwrap().power = None;
    let decision = lab.settle();
    assert!(decision.plan.is_empty());
    assert_eq!(condition(&lab, conditions::HELD).reason, "MachineAmbiguous");
}
