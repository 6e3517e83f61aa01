//! Deletion.

use devpocket_specs::environment::{Phase, conditions};
use devpocket_specs::metadata::names;
use devpocket_specs::operation::{OperationPhase, Verb};
use jiff::SignedDuration;

use super::lab::{Lab, calls, condition, end};

#[test]
fn a_deleted_environment_releases_its_machine_recoverably_and_then_goes() {
    let mut lab = Lab::running();
    lab.delete();
    let now = lab.now;
    let decision = lab.pass();
    assert_eq!(calls(&decision), ["release"]);
    assert!(!lab.environment_gone, "the machine is let go of before the record");
    let machine = &lab.machines[0];
    let release = machine.spec.release.as_ref().unwrap();
    assert_eq!(release.until, now + SignedDuration::from_hours(24));
    assert_eq!(release.spec["size"], "vps-10-nvme");
    assert!(machine.spec.claim.is_none() && machine.spec.pool.is_none());
    lab.settle();
    assert!(lab.environment_gone);
    assert_eq!(lab.verbs(), [Verb::Purchase], "nothing is wiped or cancelled");
}

#[test]
fn an_environment_that_never_had_a_machine_just_goes() {
    let mut lab = Lab::new();
    lab.installation.spec.monthly_budget = None;
    lab.settle();
    lab.delete();
    lab.settle();
    assert!(lab.environment_gone);
    assert_eq!(lab.environment.status.phase, Phase::Terminated);
}

#[test]
fn an_order_that_was_never_sent_is_taken_back() {
    for rejected in [false, true] {
        let mut lab = Lab::new();
        lab.settle();
        if rejected {
            let machine = lab.machine().clone();
            let mut purchase = lab.purchase(&machine);
            end(&mut purchase, lab.now, OperationPhase::Rejected);
            lab.operations.push(purchase);
        }
        lab.delete();
        lab.settle();
        assert!(lab.machines.is_empty() && lab.environment_gone);
    }
}

#[test]
fn while_it_is_unknown_whether_a_machine_was_bought_the_record_stays() {
    for phase in [OperationPhase::Issued, OperationPhase::Unknown] {
        let mut lab = Lab::new();
        lab.settle();
        let machine = lab.machine().clone();
        let mut purchase = lab.purchase(&machine);
        end(&mut purchase, lab.now, phase);
        lab.operations.push(purchase);
        lab.delete();
        lab.settle();
        assert_eq!(condition(&lab, conditions::HELD).reason, "PurchaseUndecided");
        assert!(!lab.environment_gone && lab.machines.len() == 1);
        // It did arrive: the machine is released like any other.
        lab.operations[0].status.phase = OperationPhase::Resolved;
        lab.operations[0].status.resolution =
            Some(devpocket_specs::operation::Resolution::Happened);
        let mut bought = Lab::running();
        let status = bought.machine_mut().status.clone();
        lab.machines[0].status = status;
        lab.settle();
        assert!(lab.machines[0].spec.release.is_some() && lab.environment_gone);
    }
}

#[test]
fn the_deletion_budget_keeps_the_fourth_machine_for_an_hour() {
    let mut lab = Lab::running();
    for n in 0..3 {
        lab.pool_machine(&format!("m-{n}"));
        let machine = lab.machines.last_mut().unwrap();
        machine.spec.release.as_mut().unwrap().at = lab.now;
    }
    lab.delete();
    let decision = lab.settle();
    let hold = decision.plan.steps[0].hold.clone().unwrap();
    assert_eq!(hold.code, "deletion-budget");
    assert_eq!(hold.until, Some(lab.now + SignedDuration::from_hours(1)));
    assert!(lab.machine().spec.release.is_none());
    lab.look_after(60);
    lab.settle();
    assert!(lab.environment_gone);
}

#[test]
fn a_lost_machine_is_only_let_go_of() {
    let mut lab = Lab::running();
    lab.vanish();
    lab.delete();
    lab.settle();
    assert!(lab.environment_gone && lab.machines[0].spec.release.is_none());
    assert!(!lab.environment.metadata.has_finalizer(names::RELEASE_FINALIZER));
}
