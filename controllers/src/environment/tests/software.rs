//! Another image, and a rebuild: what wipes a disk in use, and what does not.

use devpocket_specs::environment::{Phase, Request, conditions};
use devpocket_specs::operation::{OperationPhase, Verb};
use devpocket_specs::plan::RiskClass;

use super::lab::{Lab, calls, condition, is_true};

#[test]
fn another_image_waits_for_a_person_and_wipes_once() {
    let mut lab = Lab::running();
    let before = lab.environment.status.template.clone().unwrap();
    lab.edit(|spec| spec.image = Some("debian-13".into()));
    let decision = lab.settle();
    assert_eq!(calls(&decision), ["reinstall"]);
    let step = &decision.plan.steps[0];
    assert_eq!(
        step.summary,
        format!("wipe the disk and install debian-13, it has {}", before.name)
    );
    assert_eq!((step.class, step.approved), (RiskClass::DataRisk, false));
    assert!(is_true(&lab, conditions::WAITING) && is_true(&lab, conditions::READY));
    assert_eq!(lab.verbs(), [Verb::Purchase]);

    lab.approve();
    lab.settle();
    assert_eq!(lab.verbs(), [Verb::Purchase, Verb::Reinstall]);
    assert_eq!(lab.operations[1].spec.image.as_deref(), Some("debian-13"));
    assert_eq!(lab.environment.status.template.as_ref(), Some(&before), "not installed yet");
    lab.carry_out();
    assert!(lab.settle().plan.is_empty());
    assert_eq!(lab.environment.status.template.as_ref().unwrap().name, "debian-13");
    assert_eq!(lab.machine().spec.order.as_ref().unwrap().image, "debian-13");
    assert_eq!(lab.environment.status.phase, Phase::Running);
    // Operations are forgotten; what is installed is not.
    lab.operations.clear();
    assert!(lab.settle().plan.is_empty());
    lab.edit(|spec| spec.image = Some("ubuntu-24.04".into()));
    assert!(!lab.settle().plan.steps[0].approved, "the consent was for that one");
}

#[test]
fn what_is_changed_in_place_wipes_nothing() {
    let mut lab = Lab::running();
    lab.edit(|spec| {
        spec.user.shell = Some("/bin/sh".into());
        spec.env.push(devpocket_specs::environment::EnvVar {
            name: "A".into(),
            value: Some("1".into()),
            value_from: None,
        });
    });
    assert!(lab.settle().plan.is_empty());
}

#[test]
fn the_step_is_shown_and_not_done_while_the_last_look_is_too_old() {
    let mut lab = Lab::running();
    lab.edit(|spec| spec.power = devpocket_specs::environment::Power::Stopped);
    lab.settle();
    lab.send_all(OperationPhase::Succeeded);
    lab.effects();
    lab.edit(|spec| spec.image = Some("debian-13".into()));
    let decision = lab.settle();
    assert_eq!(calls(&decision), ["reinstall"], "so that it can be consented to");
    lab.approve();
    lab.settle();
    assert!(!lab.verbs().contains(&Verb::Reinstall));
    lab.look_after(2);
    lab.settle();
    assert!(lab.verbs().contains(&Verb::Reinstall));
}

#[test]
fn a_rebuild_is_asked_for_once_by_its_id() {
    let mut lab = Lab::running();
    let ask = |lab: &mut Lab, id: &str| {
        lab.edit(|spec| spec.rebuild = Some(Request { id: id.to_owned() }));
    };
    ask(&mut lab, "one");
    let decision = lab.settle();
    assert_eq!(calls(&decision), ["reinstall"]);
    assert!(decision.plan.steps[0].summary.ends_with("(rebuild one)"));
    lab.approve();
    lab.settle();
    lab.carry_out();
    assert!(lab.settle().plan.is_empty());
    assert_eq!(lab.environment.status.requests["rebuild"], "one");
    ask(&mut lab, "two");
    assert!(!lab.settle().plan.steps[0].approved, "another request, another consent");
    assert_eq!(lab.verbs(), [Verb::Purchase, Verb::Reinstall]);
}

#[test]
fn a_reinstall_that_is_refused_is_given_up_until_somebody_edits() {
    let mut lab = Lab::running();
    lab.edit(|spec| spec.image = Some("debian-13".into()));
    lab.settle();
    lab.approve();
    for _ in 0..3 {
        lab.settle();
        lab.send_all(OperationPhase::Rejected);
        lab.look_after(2);
    }
    lab.settle();
    assert_eq!(lab.verbs().len(), 4, "one purchase, three tries");
    assert!(is_true(&lab, conditions::STALLED));
    assert!(condition(&lab, conditions::STALLED).message.contains("not now"));
    assert!(is_true(&lab, conditions::READY), "nothing happened to the disk");
    lab.edit(|spec| spec.image = None);
    assert!(lab.settle().plan.is_empty());
    assert!(!is_true(&lab, conditions::STALLED));
}
