//! Waiting for a purchase.

use devpocket_specs::environment::{Phase, conditions};
use devpocket_specs::operation::{OperationPhase, Resolution};

use super::lab::{Lab, calls, condition, end, is_true};

fn ordered(phase: OperationPhase) -> Lab {
    let mut lab = Lab::new();
    lab.settle();
    let machine = lab.machine().clone();
    let mut purchase = lab.purchase(&machine);
    if phase != OperationPhase::Planned {
        end(&mut purchase, lab.now, phase);
    }
    lab.operations.push(purchase);
    lab
}

#[test]
fn the_message_says_where_the_order_is() {
    for (phase, expected, word) in [
        (OperationPhase::Planned, Phase::Creating, "about to be sent"),
        (OperationPhase::Issued, Phase::Provisioning, "waiting for Contabo's answer"),
        (OperationPhase::Succeeded, Phase::Provisioning, "Contabo prepares"),
        (OperationPhase::Unknown, Phase::Provisioning, "not known yet whether"),
    ] {
        let mut lab = ordered(phase);
        let decision = lab.settle();
        assert!(decision.plan.is_empty(), "{phase:?}: the order is recorded, nothing is left");
        assert_eq!(lab.environment.status.phase, expected, "{phase:?}");
        assert!(
            lab.environment.status.message.contains(word),
            "{}",
            lab.environment.status.message
        );
        assert!(!is_true(&lab, conditions::READY));
    }
}

#[test]
fn an_unknown_purchase_is_held_and_never_ordered_again() {
    let mut lab = ordered(OperationPhase::Unknown);
    lab.settle();
    assert_eq!(condition(&lab, conditions::HELD).reason, "PurchaseUndecided");
    lab.approve();
    lab.look_after(600);
    lab.settle();
    assert_eq!(lab.created.len(), 1);
}

#[test]
fn a_refused_order_is_not_tried_again_until_a_person_approves() {
    let mut lab = ordered(OperationPhase::Rejected);
    lab.operations[0].status.code = Some(400);
    lab.operations[0].status.message = "product not available".into();
    let decision = lab.settle();
    assert_eq!(calls(&decision), ["purchase", "install"]);
    assert_eq!(lab.created.len(), 1);
    assert!(is_true(&lab, conditions::STALLED) && is_true(&lab, conditions::WAITING));
    assert!(lab.environment.status.message.contains("product not available"));
    lab.environment.spec.auto_approve = Some(devpocket_specs::environment::AutoApprove {
        classes: vec![devpocket_specs::plan::RiskClass::Money],
        max_monthly_increase: Some(devpocket_specs::money::Money::eur(9_999)),
    });
    lab.settle();
    assert_eq!(lab.created.len(), 1, "autoApprove does not answer a refusal");
    lab.approve();
    lab.settle();
    assert_eq!(lab.created.len(), 2);
    assert_ne!(lab.created[0], lab.created[1]);
    lab.settle();
    assert_eq!(lab.created.len(), 2, "one approval, one machine");
}

#[test]
fn what_was_never_sent_is_no_refusal() {
    let mut lab = ordered(OperationPhase::Rejected);
    let decision = lab.settle();
    assert!(decision.plan.is_empty());
    assert!(!is_true(&lab, conditions::STALLED));
    lab.operations[0].status.phase = OperationPhase::Resolved;
    lab.operations[0].status.resolution = Some(Resolution::NotHappened);
    lab.settle();
    assert!(lab.environment.status.message.contains("never arrived"));
}

#[test]
fn an_edit_before_the_order_went_out_reaches_the_order() {
    let mut lab = Lab::new();
    lab.settle();
    let before = lab.machine().spec.order.clone().unwrap();
    lab.edit(|spec| {
        spec.user.shell = Some("/usr/bin/fish".into());
        spec.display_name = Some("shop".into());
    });
    lab.settle();
    let after = lab.machine().spec.order.clone().unwrap();
    assert_ne!(before.user_data_digest, after.user_data_digest);
    assert_eq!(before.price, after.price);
    assert!(lab.machine().spec.display_name.starts_with("shop dp-"));
}
