//! Every brake, at its edge.

use std::collections::BTreeSet;
use std::sync::Arc;

use devpocket_specs::condition::{Condition, ConditionStatus};
use devpocket_specs::environment::Pause;
use devpocket_specs::installation::conditions;
use devpocket_specs::machine::Machine;
use devpocket_specs::money::Money;
use devpocket_specs::operation::{EnvironmentRef, Operation, OperationPhase, Resolution, Verb};
use devpocket_specs::plan::{Hold, StandstillKind};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::*;
use crate::environment::tests::lab::{Lab, at, end};
use crate::operation::intent;

/// An account of `machines` running machines, with nothing going on.
struct Account {
    lab: Lab,
    operations: Vec<Operation>,
}

fn account(machines: usize) -> Account {
    let mut lab = Lab::running();
    lab.operations.clear();
    let one = lab.machine().clone();
    lab.machines = (0..machines).map(|n| named(&one, n)).collect();
    lab.installation.spec.monthly_budget = Some(Money::eur(2_000));
    Account { lab, operations: Vec::new() }
}

fn named(machine: &Machine, n: usize) -> Machine {
    let mut machine = machine.clone();
    machine.metadata.name = format!("m-{n}");
    machine
}

impl Account {
    fn ask(&self, operation: &Operation) -> Result<(), Hold> {
        self.ask_at(operation, self.lab.now)
    }

    fn ask_at(&self, operation: &Operation, now: Timestamp) -> Result<(), Hold> {
        let machines: Vec<Arc<Machine>> = self.lab.machines.iter().cloned().map(Arc::new).collect();
        let operations: Vec<Arc<Operation>> =
            self.operations.iter().cloned().map(Arc::new).collect();
        let ledger = Ledger::of(&machines, &operations);
        let tenants = self.tenants();
        let installation = Some(&self.lab.installation);
        let world = GuardWorld { now, installation, ledger: &ledger, tenants: &tenants };
        may_issue(&world, operation)
    }

    fn release(&self, machine: &str) -> Result<(), Hold> {
        let machines: Vec<Arc<Machine>> = self.lab.machines.iter().cloned().map(Arc::new).collect();
        let operations: Vec<Arc<Operation>> =
            self.operations.iter().cloned().map(Arc::new).collect();
        let ledger = Ledger::of(&machines, &operations);
        let installation = Some(&self.lab.installation);
        let (now, tenants) = (self.lab.now, self.tenants());
        let world = GuardWorld { now, installation, ledger: &ledger, tenants: &tenants };
        may_release(&world, machine)
    }

    fn tenants(&self) -> Tenants {
        let namespace = Arc::new(self.lab.namespace.clone());
        Tenants::new(vec![namespace], self.lab.tiers.iter().cloned().map(Arc::new).collect())
    }

    fn operation(&mut self, verb: Verb, machine: usize, minutes_ago: i64) -> Operation {
        let machine = self.lab.machines[machine % self.lab.machines.len()].clone();
        let mut operation = intent::planned(&machine, verb, "test", &self.operations);
        operation.metadata.uid = Some(Uuid::from_u128(self.operations.len() as u128 + 1));
        operation.metadata.creation_timestamp =
            Some(self.lab.now - SignedDuration::from_mins(minutes_ago));
        operation
    }

    /// A purchase of 5.50 EUR for an environment of its own.
    fn purchase(&mut self, minutes_ago: i64, phase: OperationPhase) -> Operation {
        let mut purchase = self.operation(Verb::Purchase, self.operations.len(), minutes_ago);
        let n = self.operations.len();
        purchase.metadata.name = format!("m-new-{n}-purchase-0");
        purchase.spec.machine = format!("m-new-{n}");
        purchase.spec.spends = Some(Money::eur(550));
        purchase.spec.environment = Some(EnvironmentRef {
            uid: Uuid::from_u128(10_000 + n as u128),
            namespace: "team-a".into(),
            name: format!("worker-{n}"),
        });
        if phase != OperationPhase::Planned {
            end(&mut purchase, self.lab.now - SignedDuration::from_mins(minutes_ago), phase);
        }
        self.operations.push(purchase.clone());
        purchase
    }
}

fn code(answer: Result<(), Hold>) -> String {
    answer.err().map_or_else(|| "free".into(), |hold| hold.code)
}

fn condition(name: &str, reason: &str) -> Condition {
    Condition {
        r#type: name.into(),
        status: ConditionStatus::False,
        reason: reason.into(),
        message: "as seen".into(),
        last_transition_time: at(0),
        observed_generation: None,
    }
}

#[test]
fn the_account_as_a_whole_can_hold_every_change() {
    type Change = fn(&mut Account);
    let cases: [(&str, StandstillKind, Change); 6] = [
        ("paused", StandstillKind::Paused, |a| {
            let until = a.lab.now + SignedDuration::from_mins(5);
            a.lab.installation.spec.paused = Some(Pause { until, reason: None });
        }),
        ("database-behind", StandstillKind::Held, |a| {
            let behind = condition(conditions::DATABASE_CURRENT, "DatabaseBehind");
            a.lab.installation.status.conditions = vec![behind];
        }),
        ("account-mismatch", StandstillKind::Held, |a| {
            let other = condition(conditions::ACCOUNT_MATCHES, "AccountMismatch");
            a.lab.installation.status.conditions = vec![other];
        }),
        ("contabo-silent", StandstillKind::Unknown, |a| {
            let silent = condition(conditions::CONTABO_REACHABLE, "Timeout");
            a.lab.installation.status.conditions = vec![silent];
        }),
        ("contabo-sign-in", StandstillKind::Unknown, |a| {
            let refused = condition(conditions::CONTABO_REACHABLE, "ContaboSignIn");
            a.lab.installation.status.conditions = vec![refused];
        }),
        ("some-brake", StandstillKind::Held, |a| {
            let held = hold(StandstillKind::Held, "some-brake", "because");
            a.lab.installation.status.holds = vec![held];
        }),
    ];
    for (expected, kind, change) in cases {
        let mut account = account(5);
        let start = account.operation(Verb::Start, 0, 0);
        assert!(account.ask(&start).is_ok());
        change(&mut account);
        for verb in [Verb::Start, Verb::Purchase, Verb::Cancel] {
            let operation = account.operation(verb, 0, 0);
            let held = account.ask(&operation).unwrap_err();
            assert_eq!((held.code.as_str(), held.kind), (expected, kind), "{verb:?}");
        }
        assert_eq!(code(account.release("m-0")), expected);
    }
}

#[test]
fn a_person_who_saw_the_differences_lifts_database_behind() {
    let mut account = account(1);
    let behind = condition(conditions::DATABASE_CURRENT, "DatabaseBehind");
    account.lab.installation.status.conditions = vec![behind];
    account.lab.installation.status.behind_accepted = Some(account.lab.now);
    let start = account.operation(Verb::Start, 0, 0);
    assert!(account.ask(&start).is_ok());
}

#[test]
fn nothing_is_bought_wiped_or_cancelled_from_a_bad_or_old_list() {
    type Change = fn(&mut Account);
    let cases: [(&str, Change); 4] = [
        ("inventory-untrusted", |a| {
            a.lab.installation.status.sweep.as_mut().unwrap().trusted = false
        }),
        ("inventory-untrusted", |a| {
            a.lab.installation.status.sweep.as_mut().unwrap().complete = false
        }),
        ("not-observed", |a| a.lab.installation.status.sweep = None),
        ("not-observed", |a| a.lab.later(11)),
    ];
    for (expected, change) in cases {
        let mut account = account(1);
        change(&mut account);
        for verb in [Verb::Reinstall, Verb::Cancel] {
            let operation = account.operation(verb, 0, 0);
            assert_eq!(code(account.ask(&operation)), expected);
        }
        let purchase = account.purchase(0, OperationPhase::Planned);
        assert_eq!(code(account.ask(&purchase)), expected);
        let start = account.operation(Verb::Start, 0, 0);
        assert!(account.ask(&start).is_ok(), "power needs no list of the account");
    }
}

#[test]
fn the_budget_counts_what_is_planned_issued_unknown_and_spent() {
    for (phase, counts) in [
        (OperationPhase::Planned, true),
        (OperationPhase::Issued, true),
        (OperationPhase::Unknown, true),
        (OperationPhase::Succeeded, true),
        (OperationPhase::Rejected, false),
        (OperationPhase::Resolved, false),
    ] {
        let mut account = account(1);
        account.lab.installation.spec.monthly_budget = Some(Money::eur(1_099));
        account.purchase(90, phase);
        let purchase = account.purchase(0, OperationPhase::Planned);
        let expected = if counts { "budget" } else { "free" };
        assert_eq!(code(account.ask(&purchase)), expected, "{phase:?}");
        account.lab.installation.spec.monthly_budget = Some(Money::eur(1_100));
        assert_eq!(code(account.ask(&purchase)), "free", "the limit itself may be reached");
    }
}

#[test]
fn a_purchase_that_happened_after_all_counts() {
    let mut account = account(1);
    account.lab.installation.spec.monthly_budget = Some(Money::eur(1_099));
    account.purchase(90, OperationPhase::Resolved);
    account.operations[0].status.resolution = Some(Resolution::Happened);
    let purchase = account.purchase(0, OperationPhase::Planned);
    let held = account.ask(&purchase).unwrap_err();
    assert_eq!(held.code, "budget");
    assert!(held.message.contains("would reach 11.00 EUR, the limit is 10.99 EUR"), "{held:?}");
    assert_eq!(held.until, Some("2027-01-01T00:00:00Z".parse().unwrap()));
    // A new month has room again.
    let next = held.until.unwrap();
    account.lab.installation.status.sweep.as_mut().unwrap().as_of = next;
    assert!(account.ask_at(&purchase, next).is_ok());
}

#[test]
fn two_that_fit_only_singly_do_not_hold_each_other_for_ever() {
    let mut account = account(1);
    account.lab.installation.spec.monthly_budget = Some(Money::eur(600));
    let first = account.purchase(5, OperationPhase::Planned);
    let second = account.purchase(4, OperationPhase::Planned);
    assert_eq!(code(account.ask(&first)), "free");
    assert_eq!(code(account.ask(&second)), "budget");
    // One that is not recorded yet comes after both.
    let mut third = account.purchase(0, OperationPhase::Planned);
    account.operations.pop();
    third.metadata.creation_timestamp = None;
    account.lab.installation.spec.monthly_budget = Some(Money::eur(1_600));
    assert_eq!(code(account.ask(&third)), "budget");
}

#[test]
fn at_most_three_purchases_go_out_in_an_hour() {
    let mut account = account(1);
    account.lab.installation.spec.monthly_budget = Some(Money::eur(9_999));
    for minutes_ago in [50, 40, 61] {
        account.purchase(minutes_ago, OperationPhase::Succeeded);
    }
    let third = account.purchase(2, OperationPhase::Planned);
    let fourth = account.purchase(1, OperationPhase::Planned);
    assert_eq!(code(account.ask(&third)), "free");
    let held = account.ask(&fourth).unwrap_err();
    assert_eq!(held.code, "purchase-rate");
    assert_eq!(held.until, Some(account.lab.now + SignedDuration::from_mins(10)));
}

#[test]
fn one_environment_has_one_open_purchase() {
    let mut account = account(1);
    let first = account.purchase(30, OperationPhase::Unknown);
    let mut second = account.purchase(0, OperationPhase::Planned);
    assert_eq!(code(account.ask(&second)), "free");
    second.spec.environment = first.spec.environment;
    assert_eq!(code(account.ask(&second)), "purchase-undecided");
}

#[test]
fn the_deletion_budget_grows_with_the_fleet_and_counts_a_machine_once() {
    for (machines, allowed) in [(1, 3), (30, 3), (50, 5)] {
        let mut account = account(machines);
        for n in 0..allowed {
            assert!(account.release(&format!("m-{n}")).is_ok());
            let mut cancel = account.operation(Verb::Cancel, n, 30);
            end(
                &mut cancel,
                account.lab.now - SignedDuration::from_mins(30),
                OperationPhase::Succeeded,
            );
            cancel.spec.machine = format!("m-{n}");
            cancel.metadata.name = format!("m-{n}-cancel-0");
            account.operations.push(cancel);
        }
        let held = account.release("m-other").unwrap_err();
        assert_eq!(held.code, "deletion-budget", "{machines}");
        assert_eq!(held.until, Some(account.lab.now + SignedDuration::from_mins(30)));
        assert!(account.release("m-0").is_ok(), "it is counted already");
    }
}

#[test]
fn installing_for_an_environment_is_no_deletion_and_wiping_is() {
    let mut account = account(3);
    for n in 0..3 {
        let machine = &mut account.lab.machines[n];
        machine.spec.release = Some(devpocket_specs::machine::Release {
            uid: Uuid::nil(),
            namespace: "team-a".into(),
            name: "x".into(),
            at: account.lab.now,
            until: account.lab.now,
            reclaim: Default::default(),
            spec: serde_json::Value::Null,
            managed_fields: Default::default(),
        });
    }
    let mut install = account.operation(Verb::Reinstall, 0, 0);
    install.spec.machine = "m-9".into();
    assert_eq!(code(account.ask(&install)), "free");
    install.spec.environment = None;
    assert_eq!(code(account.ask(&install)), "deletion-budget");
}

#[test]
fn a_machine_is_not_healed_to_death() {
    let mut account = account(2);
    for n in 0..MUTATIONS_PER_HOUR {
        let mut start = account.operation(Verb::Start, 0, 0);
        let sent = account.lab.now - SignedDuration::from_mins(50 - n as i64);
        end(&mut start, sent, OperationPhase::Succeeded);
        account.operations.push(start);
    }
    let one_more = account.operation(Verb::Start, 0, 0);
    let held = account.ask(&one_more).unwrap_err();
    assert_eq!(held.code, "mutation-budget");
    assert_eq!(held.until, Some(account.lab.now + SignedDuration::from_mins(10)));
    let elsewhere = account.operation(Verb::Start, 1, 0);
    assert!(account.ask(&elsewhere).is_ok());
}

#[test]
fn without_an_installation_everything_is_held() {
    let mut account = account(1);
    let start = account.operation(Verb::Start, 0, 0);
    let ledger = Ledger::default();
    let tenants = Tenants::default();
    let world = GuardWorld { now: at(0), installation: None, ledger: &ledger, tenants: &tenants };
    assert_eq!(code(may_issue(&world, &start)), "not-observed");
}

#[test]
fn a_list_is_distrusted_when_too_much_is_missing_without_reason() {
    let ids = |n: i64| (0..n).collect::<BTreeSet<i64>>();
    let none = BTreeSet::new();
    let cases = [
        (3, 0, 0, true, Trust::Trusted),
        (4, 0, 0, true, Trust::MassVanish { missing: 4, known: 4 }),
        (20, 14, 0, true, Trust::Trusted),
        (20, 13, 0, true, Trust::MassVanish { missing: 7, known: 20 }),
        (1_000, 700, 0, true, Trust::Trusted),
        (1_000, 699, 0, true, Trust::MassVanish { missing: 301, known: 1_000 }),
        (4, 0, 1, true, Trust::Trusted),
        (4, 4, 0, false, Trust::Partial),
    ];
    for (known, listed, explained, complete, expected) in cases {
        let answer = trust(&ids(known), &ids(explained), &ids(listed), complete);
        assert_eq!(answer, expected, "{known} {listed} {explained} {complete}");
        assert_eq!(answer.is_trusted(), answer.sentence().is_empty());
    }
    assert!(trust(&none, &none, &ids(3), true).is_trusted(), "new machines are no fault");
}
