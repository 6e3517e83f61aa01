//! What the evidence says about an order of unknown outcome, case by case.

use devpocket_specs::installation::{
    Installation, InstallationSpec, InstallationStatus, Sweep, UnknownPurchase,
};
use devpocket_specs::machine::{Demand, Machine, MachineSpec, MachineStatus, Order, Seen};
use devpocket_specs::metadata::ObjectMeta;
use devpocket_specs::money::Money;
use devpocket_specs::operation::{Operation, OperationPhase, Resolution, Verb};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::evidence::{Evidence, Verdict, judge};
use super::intent::planned;
use super::token::display_name;
use crate::cloud::Audit;

const HERE: &str = "0a1b2c3d";
const NAME: &str = "m-1";

fn at(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
}

fn machine() -> Machine {
    let order = Order {
        size: "vps-10-nvme".into(),
        product_id: "V91".into(),
        region: "EU".into(),
        image: "ubuntu-24.04".into(),
        contract_months: 1,
        price: Money::eur(550),
        due: Money::eur(550),
        prices_of: jiff::civil::date(2026, 8, 22),
        user_data_digest: String::new(),
        template: None,
        parameters: None,
        demand: Demand { environment_uid: Uuid::nil(), cause: "create".into() },
    };
    Machine {
        metadata: ObjectMeta::named("", NAME),
        spec: MachineSpec { managed: true, order: Some(order), ..MachineSpec::default() },
        status: MachineStatus::default(),
    }
}

fn stranger(id: i64, name: &str, minutes: i64) -> Machine {
    let mut metadata = ObjectMeta::named("", format!("i-{id}"));
    metadata.creation_timestamp = Some(at(minutes));
    let seen = Seen {
        provider_status: "running".into(),
        power: None,
        display_name: name.into(),
        product_id: "V91".into(),
        region: "EU".into(),
        image_id: None,
        address: None,
        address_v6: None,
        cancel_date: None,
        created: Some(at(minutes)),
        error_message: None,
        since: at(minutes),
    };
    let status =
        MachineStatus { instance_id: Some(id), seen: Some(seen), ..MachineStatus::default() };
    Machine { metadata, spec: MachineSpec::default(), status }
}

/// Sent in minute 0, given up in minute 1.
fn purchase() -> Operation {
    let mut operation = planned(&machine(), Verb::Purchase, "needed", []);
    operation.status.phase = OperationPhase::Unknown;
    operation.status.issued_at = Some(at(0));
    operation.status.deadline = Some(at(1));
    operation.status.ended_at = Some(at(1));
    operation
}

fn installation(policy: UnknownPurchase, sweep: i64) -> Installation {
    let spec = InstallationSpec {
        id: HERE.into(),
        unknown_purchase: policy,
        lag_allowance_seconds: 60,
        settle_seconds: 1_800,
        ..InstallationSpec::default()
    };
    let sweep = Sweep { as_of: at(sweep), instances: 0, complete: true, trusted: true, count: 1 };
    let status = InstallationStatus { sweep: Some(sweep), ..InstallationStatus::default() };
    Installation { metadata: ObjectMeta::named("", "devpocket"), spec, status }
}

fn verdict(
    operation: &Operation,
    strangers: &[Machine],
    installation: &Installation,
    audits: &[Audit],
) -> Verdict {
    let own = machine();
    let mut machines: Vec<&Machine> = strangers.iter().collect();
    machines.push(&own);
    judge(&Evidence { operation, machine: Some(&own), machines: &machines, installation, audits })
}

fn audit(instance_id: i64) -> Audit {
    Audit {
        id: 1,
        action: "CREATED".into(),
        at: at(0),
        request_id: String::new(),
        trace_id: None,
        username: String::new(),
        instance_id,
        changes: serde_json::Value::Null,
    }
}

#[test]
fn one_instance_with_the_token_is_the_one_and_two_are_a_persons_to_tell_apart() {
    let world = installation(UnknownPurchase::Proceed, 3);
    let ours = display_name("web", HERE, NAME);
    let one = [stranger(7, &ours, 2), stranger(8, &display_name("web", HERE, "m-12"), 2)];
    let found = verdict(&purchase(), &one, &world, &[]);
    let Verdict::Settled { resolution, instance_id, .. } = found else { panic!("{found:?}") };
    assert_eq!((resolution, instance_id), (Resolution::Happened, Some(7)));
    let two = [stranger(7, &ours, 2), stranger(9, &ours, 2)];
    assert!(matches!(verdict(&purchase(), &two, &world, &[]), Verdict::Undecided(_)));
    // The audit names another instance than the one that bears the token.
    assert!(matches!(verdict(&purchase(), &one, &world, &[audit(9)]), Verdict::Undecided(_)));
}

#[test]
fn an_audit_without_a_number_is_proof_that_it_arrived_and_no_more() {
    let world = installation(UnknownPurchase::Proceed, 500);
    assert_eq!(verdict(&purchase(), &[], &world, &[audit(0)]), Verdict::Open);
}

#[test]
fn an_instance_nobody_can_explain_keeps_the_order_from_being_sent_again() {
    let world = installation(UnknownPurchase::Proceed, 500);
    let mut operation = purchase();
    operation.status.silent_sweeps = 3;
    operation.status.silent_since = Some(at(10));
    operation.status.silent_latest = Some(at(40));
    let new = [stranger(7, "", 2)];
    assert!(matches!(verdict(&operation, &new, &world, &[]), Verdict::Undecided(_)));
    let old = [stranger(7, "", -60)];
    assert!(matches!(verdict(&operation, &old, &world, &[]), Verdict::Settled { .. }));
}

#[test]
fn silence_is_proof_only_over_three_sweeps_and_the_settle_time() {
    let mut operation = purchase();
    let too_early = installation(UnknownPurchase::Proceed, 2);
    assert_eq!(verdict(&operation, &[], &too_early, &[]), Verdict::Open);
    for minute in [3, 18, 33] {
        let world = installation(UnknownPurchase::Proceed, minute);
        let silent = verdict(&operation, &[], &world, &[]);
        assert_eq!(silent, Verdict::Silent(at(minute)));
        super::transition::count_silence(&mut operation.status, at(minute));
        if minute < 33 {
            let soon = installation(UnknownPurchase::Proceed, minute + 14);
            assert_eq!(verdict(&operation, &[], &soon, &[]), Verdict::Open, "not that soon");
        }
    }
    let proceed = verdict(&operation, &[], &installation(UnknownPurchase::Proceed, 34), &[]);
    let Verdict::Settled { resolution, .. } = proceed else { panic!("{proceed:?}") };
    assert_eq!(resolution, Resolution::NotHappened);
    let hold = verdict(&operation, &[], &installation(UnknownPurchase::Hold, 34), &[]);
    assert!(matches!(hold, Verdict::Absent(_)), "{hold:?}");
}

#[test]
fn an_untrusted_or_partial_sweep_counts_for_nothing() {
    for (complete, trusted) in [(false, true), (true, false)] {
        let mut world = installation(UnknownPurchase::Proceed, 10);
        let sweep = world.status.sweep.as_mut().unwrap();
        (sweep.complete, sweep.trusted) = (complete, trusted);
        assert_eq!(verdict(&purchase(), &[], &world, &[]), Verdict::Open);
    }
}
