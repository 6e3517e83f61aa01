//! `recover`: what goes on by itself, and what waits for a person because it wipes.

use devpocket_specs::environment::{Phase, Power, Request, conditions};
use devpocket_specs::guest::{Contact, GuestStatus};
use devpocket_specs::install::{InstallError, InstallState, InstallStatus, codes};
use devpocket_specs::operation::Verb;
use jiff::SignedDuration;

use super::lab::{Lab, calls, is_true};
use crate::environment::Decision;

/// A machine whose installation failed with this code.
fn failed(code: &str) -> Lab {
    let mut lab = Lab::running();
    let (now, generation) = (lab.now, lab.machine().spec.install_generation);
    let error = InstallError { code: code.into(), step: "docker".into(), ..Default::default() };
    lab.machine_mut().status.guest = Some(GuestStatus {
        generation,
        first_awaited: now,
        contact: Contact::Answering,
        since: now,
        message: String::new(),
        host_key: Some("ssh-ed25519 AAAA".into()),
        next_host_key: None,
        certified_at: Some(now),
        install: Some(InstallStatus {
            state: InstallState::Failed,
            step: "docker".into(),
            generation,
            error: Some(error),
            ..InstallStatus::default()
        }),
        missing_tools: Vec::new(),
        resumed: None,
        checked_at: None,
        unread: false,
        configured: None,
    });
    lab
}

fn ask(lab: &mut Lab, id: &str) {
    lab.edit(|spec| spec.recover = Some(Request { id: id.to_owned() }));
}

fn guest(lab: &mut Lab) -> &mut GuestStatus {
    lab.machine_mut().status.guest.as_mut().unwrap()
}

#[test]
fn a_failed_step_is_gone_on_with_without_touching_the_disk() {
    let mut lab = failed(codes::STEP_FAILED);
    lab.settle();
    assert_eq!(lab.machine().spec.resume, None, "nothing is gone on with unasked");
    ask(&mut lab, "one");
    let decision = lab.pass();
    let summary = &decision.plan.steps[0].summary;
    assert_eq!(summary, "go on with the installation at step docker (recover one)");
    assert_eq!(lab.machine().spec.resume.as_deref(), Some("one"));
    assert!(lab.settle().plan.is_empty(), "asked for once");
    guest(&mut lab).resumed = Some("one".into());
    lab.pass();
    assert_eq!(lab.environment.status.requests["recover"], "one");
    lab.settle();
    assert_eq!(lab.verbs(), [Verb::Purchase]);
}

#[test]
fn what_cannot_be_reached_is_gone_on_with_once_it_can() {
    let mut lab = failed(codes::STEP_FAILED);
    guest(&mut lab).contact = Contact::Silent;
    ask(&mut lab, "one");
    lab.settle();
    assert_eq!(lab.machine().spec.resume, None);
    assert!(!lab.environment.status.requests.contains_key("recover"));
    guest(&mut lab).contact = Contact::Answering;
    lab.settle();
    assert_eq!(lab.machine().spec.resume.as_deref(), Some("one"));
}

/// Breaks without it: a machine that is another one has no way back but a new environment.
#[test]
fn a_machine_that_is_another_one_is_installed_anew_once_a_person_approves_the_wipe() {
    let mut lab = failed(codes::STEP_FAILED);
    let guest = guest(&mut lab);
    guest.contact = Contact::WrongIdentity;
    guest.install = Some(InstallStatus { state: InstallState::Succeeded, ..Default::default() });
    lab.installation.status.user_ca = Some("ssh-ed25519 AAAA ca".into());
    let told = |decision: &Decision| {
        let alarms = decision.events.iter().filter(|e| e.warning && e.reason == "MachineIdentity");
        alarms.count()
    };
    assert_eq!(told(&lab.pass()), 1, "who declared it hears of it");
    assert_eq!(told(&lab.pass()), 0, "once");
    assert!(calls(&lab.settle()).is_empty(), "nothing is wiped unasked");
    ask(&mut lab, "one");
    let decision = lab.settle();
    assert_eq!(calls(&decision), ["reinstall"]);
    assert!(!decision.plan.steps[0].approved && is_true(&lab, conditions::WAITING));
}

/// Breaks without it: a restart, or a machine that is taken back, is shown as a loss while it boots.
#[test]
fn a_machine_that_was_just_started_may_be_silent_for_a_while() {
    let mut lab = failed(codes::STEP_FAILED);
    lab.installation.status.user_ca = Some("ssh-ed25519 AAAA ca".into());
    for power in [Power::Stopped, Power::Running] {
        lab.edit(|spec| spec.power = power);
        lab.settle();
        lab.carry_out();
    }
    assert_eq!(lab.verbs(), [Verb::Purchase, Verb::Shutdown, Verb::Start]);
    let guest = guest(&mut lab);
    guest.contact = Contact::Silent;
    guest.install = Some(InstallStatus { state: InstallState::Succeeded, ..Default::default() });
    let decision = lab.settle();
    assert_eq!(lab.environment.status.phase, Phase::Configuring);
    let wait = decision.requeue.expect("it is looked at again");
    lab.now += SignedDuration::try_from(wait).unwrap();
    lab.settle();
    assert_eq!(lab.environment.status.phase, Phase::Error, "{:#?}", lab.environment.status);
}

#[test]
fn where_nothing_is_left_to_go_on_with_a_person_approves_the_wipe() {
    let mut lab = failed(codes::NOT_STARTED);
    ask(&mut lab, "one");
    let decision = lab.settle();
    assert_eq!(calls(&decision), ["reinstall"]);
    assert!(decision.plan.steps[0].summary.ends_with("(recover one)"));
    assert!(!decision.plan.steps[0].approved && is_true(&lab, conditions::WAITING));
    assert_eq!(lab.verbs(), [Verb::Purchase]);
    lab.approve();
    lab.settle();
    assert_eq!(lab.verbs(), [Verb::Purchase, Verb::Reinstall]);
    lab.carry_out();
    lab.machine_mut().spec.install_generation += 1;
    assert!(lab.settle().plan.is_empty());
    assert_eq!(lab.environment.status.requests["recover"], "one");
}
