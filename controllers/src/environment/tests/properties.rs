//! What holds for every history: random people, panels, outcomes and clocks.

use std::collections::BTreeSet;

use devpocket_specs::environment::{Pause, Power, Request};
use devpocket_specs::machine::MachineState;
use devpocket_specs::operation::{OperationPhase, Resolution, Verb};
use jiff::SignedDuration;
use jiff::civil::date;
use proptest::prelude::*;

use super::lab::{Lab, end, set_power};
use crate::environment::observed::{Observed, look};
use crate::environment::{Decision, RecordWrite};

#[derive(Clone, Debug)]
enum Act {
    Later(i64),
    Look,
    Buy,
    Purchase(OperationPhase),
    Send(OperationPhase),
    Panel(Power),
    PanelRename,
    PanelCancel,
    PanelReinstall,
    GoMissing,
    Vanish,
    Declare(Power),
    Rename(u8),
    Restart(u8),
    Wake(u8),
    PauseFor(i64),
    Untrusted(bool),
    Approve,
    Pool,
    ForgetOperations,
    Delete,
}

fn phase() -> impl Strategy<Value = OperationPhase> {
    prop_oneof![
        3 => Just(OperationPhase::Succeeded),
        1 => Just(OperationPhase::Rejected),
        1 => Just(OperationPhase::Unknown),
        1 => Just(OperationPhase::Resolved),
        1 => Just(OperationPhase::Issued),
    ]
}

fn power() -> impl Strategy<Value = Power> {
    prop_oneof![Just(Power::Running), Just(Power::Stopped)]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0i64..90).prop_map(Act::Later),
        6 => Just(Act::Look),
        4 => Just(Act::Buy),
        2 => phase().prop_map(Act::Purchase),
        6 => phase().prop_map(Act::Send),
        3 => power().prop_map(Act::Panel),
        1 => Just(Act::PanelRename),
        1 => Just(Act::PanelCancel),
        1 => Just(Act::PanelReinstall),
        1 => Just(Act::GoMissing),
        1 => Just(Act::Vanish),
        2 => power().prop_map(Act::Declare),
        1 => (0u8..4).prop_map(Act::Rename),
        1 => (0u8..4).prop_map(Act::Restart),
        1 => (0u8..4).prop_map(Act::Wake),
        1 => (1i64..60).prop_map(Act::PauseFor),
        1 => any::<bool>().prop_map(Act::Untrusted),
        1 => Just(Act::Approve),
        1 => Just(Act::Pool),
        1 => Just(Act::ForgetOperations),
        1 => Just(Act::Delete),
    ]
}

fn has_machine(lab: &Lab) -> bool {
    let uid = lab.environment.metadata.uid;
    let claimed = |m: &&devpocket_specs::machine::Machine| {
        m.spec.claim.as_ref().map(|c| c.uid) == uid && m.status.seen.is_some()
    };
    lab.machines.iter().filter(claimed).count() == 1
        && lab.machines.iter().filter(|m| m.spec.claim.is_some()).count() == 1
}

fn play(lab: &mut Lab, act: &Act) {
    match act {
        Act::Later(minutes) => lab.later(*minutes),
        Act::Look => lab.look(),
        Act::Buy => lab.buy_all(),
        Act::Purchase(phase) => purchase(lab, *phase),
        Act::Send(phase) => {
            lab.send_all(*phase);
            if *phase == OperationPhase::Succeeded {
                lab.effects();
            }
        }
        Act::Declare(power) => lab.edit(|s| s.power = *power),
        Act::Rename(n) => lab.edit(|s| s.display_name = Some(format!("name {n}"))),
        Act::Restart(n) => lab.edit(|s| s.restart = Some(Request { id: n.to_string() })),
        Act::Wake(n) => lab.edit(|s| s.wake = Some(Request { id: n.to_string() })),
        Act::PauseFor(minutes) => {
            let until = lab.now + SignedDuration::from_mins(*minutes);
            lab.edit(|s| s.paused = Some(Pause { until, reason: None }));
        }
        Act::Untrusted(untrusted) => {
            lab.installation.status.sweep.as_mut().unwrap().trusted = !untrusted;
        }
        Act::Approve => lab.approve(),
        Act::Pool => {
            let name = format!("m-pool-{}", lab.machines.len());
            if lab.machines.iter().all(|m| m.metadata.name != name) {
                lab.pool_machine(&name);
            }
        }
        Act::ForgetOperations => {
            lab.operations.retain(|o| o.status.phase.is_open() || o.spec.verb == Verb::Purchase);
        }
        Act::Delete => lab.delete(),
        at_the_machine => {
            if has_machine(lab) {
                at_machine(lab, at_the_machine);
            }
        }
    }
}

fn purchase(lab: &mut Lab, phase: OperationPhase) {
    let waiting = lab.machines.iter().find(|m| {
        m.status.instance_id.is_none()
            && m.spec.claim.is_some()
            && !lab.operations.iter().any(|o| o.spec.machine == m.metadata.name)
    });
    let Some(machine) = waiting.cloned() else { return };
    if phase == OperationPhase::Succeeded {
        return lab.buy_all();
    }
    let mut purchase = lab.purchase(&machine);
    end(&mut purchase, lab.now, phase);
    if phase == OperationPhase::Rejected {
        purchase.status.code = Some(400);
    }
    lab.operations.push(purchase);
}

fn at_machine(lab: &mut Lab, act: &Act) {
    match act {
        Act::Panel(power) => lab.seen_power(*power),
        Act::PanelRename => {
            lab.seen(|m| m.status.seen.as_mut().unwrap().display_name = "theirs".into());
        }
        Act::PanelCancel => {
            let day = Some(date(2027, 1, 5));
            lab.seen(|m| m.status.seen.as_mut().unwrap().cancel_date = day);
        }
        Act::PanelReinstall => lab.seen(|m| {
            m.status.state = MachineState::Installing;
            m.status.seen.as_mut().unwrap().power = None;
        }),
        Act::GoMissing => {
            let now = lab.now;
            lab.machine_mut().status.missing = Some(devpocket_specs::machine::Missing {
                since: now,
                latest: now,
                sweeps: 1,
                not_found: None,
            });
        }
        Act::Vanish => lab.vanish(),
        _ => {}
    }
}

/// What every single decision has to keep to.
fn check(lab: &Lab, decision: &Decision, causes: &mut BTreeSet<String>) {
    let environment = &lab.environment;
    let approved = |fingerprint: &str| {
        environment
            .status
            .approvals
            .iter()
            .any(|a| a.expires > lab.now && a.fingerprints.iter().any(|f| f == fingerprint))
    };
    let paused = environment.spec.paused.as_ref().is_some_and(|p| p.until > lab.now);
    assert!(!paused || decision.writes.is_empty(), "paused, yet it writes");
    for write in &decision.writes {
        match write {
            RecordWrite::CreateMachine(machine) => {
                let cause = machine.spec.order.as_ref().unwrap().demand.cause.clone();
                assert!(cause == "create" || approved(&cause), "bought without consent");
                assert!(causes.insert(cause), "bought twice for one demand");
                assert!(!environment.metadata.is_deleting());
                let sweep = lab.installation.status.sweep.as_ref().unwrap();
                assert!(sweep.trusted, "bought from a list that is not trusted");
            }
            RecordWrite::CreateOperation(operation) => {
                let spec = &operation.spec;
                let machine =
                    lab.machines.iter().find(|m| m.metadata.name == spec.machine).unwrap();
                let seen = look(machine, Some(&lab.installation));
                assert!(matches!(seen, Observed::Present(..)), "acts on what it does not see");
                if spec.verb == Verb::Reinstall {
                    let empty = machine.spec.pool.is_some();
                    let consent = spec.fingerprint.as_deref().is_some_and(approved);
                    assert!(empty || consent, "wipes a disk without consent");
                }
                assert!(!matches!(spec.verb, Verb::Purchase | Verb::Cancel));
                let open = lab
                    .operations
                    .iter()
                    .any(|o| o.spec.machine == spec.machine && o.status.phase.is_open());
                assert!(!open, "acts while an effect is under way");
            }
            _ => {}
        }
    }
    for step in &decision.plan.steps {
        let runs = step.approved && step.hold.is_none();
        let risky = step.class.needs_approval() && step.fingerprint.is_none();
        assert!(!(runs && risky), "a risky step without a fingerprint: {step:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_history_buys_twice_acts_blindly_or_writes_without_end(
        acts in prop::collection::vec(act(), 1..40),
    ) {
        let mut lab = Lab::new();
        let mut causes = BTreeSet::new();
        for act in &acts {
            if lab.environment_gone {
                break;
            }
            play(&mut lab, act);
            let mut settled = false;
            for _ in 0..6 {
                let decision = lab.decide();
                check(&lab, &decision, &mut causes);
                lab.pass();
                if !decision.writes_something() {
                    prop_assert!(decision.events.is_empty());
                    settled = true;
                    break;
                }
                if lab.environment_gone {
                    settled = true;
                    break;
                }
            }
            prop_assert!(settled, "no fixpoint after {act:?}: {:#?}", lab.decide());
        }
    }
}

#[test]
fn the_resolution_of_an_unknown_purchase_is_taken_up() {
    let mut lab = Lab::new();
    lab.settle();
    purchase(&mut lab, OperationPhase::Unknown);
    lab.settle();
    lab.operations[0].status.phase = OperationPhase::Resolved;
    lab.operations[0].status.resolution = Some(Resolution::Happened);
    let mut other = Lab::running();
    set_power(other.machine_mut(), Power::Running);
    lab.machines[0].status = other.machine().status.clone();
    lab.look_after(5);
    lab.settle();
    assert!(super::lab::is_true(&lab, devpocket_specs::environment::conditions::READY));
}
