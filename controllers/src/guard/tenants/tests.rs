//! Every limit of a tier, at its edge, as the plan of one more environment shows it.

use std::collections::BTreeMap;

use devpocket_specs::machine::Release;
use devpocket_specs::metadata::{ObjectMeta, names};
use devpocket_specs::money::Money;
use devpocket_specs::object::Resource;
use devpocket_specs::plan::Hold;
use devpocket_specs::tier::{Tier, TierSpec, TierStatus};

use crate::environment::tests::lab::{Lab, environment};

/// An account with one running machine, ten days old, in a namespace with this tier.
fn limited(spec: TierSpec) -> Lab {
    let mut lab = Lab::running();
    let metadata = ObjectMeta::named("", "starter");
    lab.tiers = vec![Tier { metadata, spec, status: TierStatus::default() }];
    label(&mut lab, &[(names::TENANT, "team"), (names::TIER, "starter")]);
    lab
}

fn label(lab: &mut Lab, labels: &[(&str, &str)]) {
    let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    lab.namespace.metadata.labels = labels.iter().map(text).collect::<BTreeMap<_, _>>();
}

/// What holds the machine of one more environment.
fn one_more(lab: &Lab) -> Option<Hold> {
    let mut lab = lab.clone();
    lab.environment = environment("worker", 99);
    lab.decide().plan.steps[0].hold.clone()
}

fn code(lab: &Lab) -> String {
    one_more(lab).map_or_else(String::new, |hold| hold.code)
}

/// Another machine, bought now, for an environment that runs.
fn another(lab: &mut Lab, name: &str, uid: u128) {
    lab.environment = environment(name, uid);
    lab.settle();
    lab.buy_all();
    lab.look();
    lab.settle();
    assert_eq!(
        lab.machines.iter().filter(|m| m.status.instance_id.is_some()).count(),
        lab.machines.len()
    );
}

#[test]
fn what_is_paid_for_counts_whether_it_runs_or_not() {
    let lab = limited(TierSpec { max_machines: Some(2), ..TierSpec::default() });
    assert_eq!(code(&lab), "");
    let mut lab = limited(TierSpec { max_machines: Some(1), ..TierSpec::default() });
    let hold = one_more(&lab).unwrap();
    assert_eq!(hold.code, "quota");
    assert!(
        hold.message.starts_with("env/worker waits: tier starter allows 1 machine, team-a has 1"),
        "{}",
        hold.message
    );
    lab.environment.spec.power = devpocket_specs::environment::Power::Stopped;
    lab.settle();
    assert_eq!(code(&lab), "quota", "a stopped machine costs the same");
}

#[test]
fn a_released_machine_counts_no_more() {
    let mut lab = limited(TierSpec { max_machines: Some(1), ..TierSpec::default() });
    let (now, uid) = (lab.now, lab.environment.uid());
    let machine = &mut lab.machines[0];
    let claim = machine.spec.claim.take().unwrap();
    machine.spec.release = Some(Release {
        uid,
        namespace: claim.namespace,
        name: claim.name,
        at: now,
        until: now + jiff::SignedDuration::from_hours(24),
        reclaim: Default::default(),
        spec: serde_json::Value::Null,
        managed_fields: Default::default(),
    });
    assert_eq!(code(&lab), "");
}

#[test]
fn a_tier_has_sizes() {
    let only = |size: &str| TierSpec { sizes: vec![size.to_owned()], ..TierSpec::default() };
    assert_eq!(code(&limited(only("vps-10-nvme"))), "");
    assert_eq!(code(&limited(only("vps-20-nvme"))), "size-not-in-tier");
}

#[test]
fn who_was_given_no_tier_spends_nothing() {
    let mut lab = limited(TierSpec::default());
    assert_eq!(code(&lab), "", "a tier without limits has none");
    label(&mut lab, &[(names::TENANT, "person")]);
    assert_eq!(code(&lab), "no-tier");
    label(&mut lab, &[(names::TENANT, "person"), (names::TIER, "gone")]);
    assert_eq!(code(&lab), "no-tier", "one that was deleted is none");
    label(&mut lab, &[]);
    assert_eq!(code(&lab), "", "made by hand: the installation's limits are all there are");
    lab.namespace.metadata.name = "elsewhere".into();
    assert_eq!(code(&lab), "not-observed", "what is not known is not spent");
}

#[test]
fn purchases_count_in_the_month_they_were_made_in_and_not_before() {
    let two = TierSpec { max_purchases_per_month: Some(2), ..TierSpec::default() };
    let mut lab = limited(two);
    // The first one was bought last month.
    another(&mut lab, "second", 8);
    assert_eq!(code(&lab), "");
    another(&mut lab, "third", 9);
    let hold = one_more(&lab).unwrap();
    assert_eq!(hold.code, "purchase-limit");
    assert_eq!(hold.until, Some("2027-01-01T00:00:00Z".parse().unwrap()));
    // Gone or not: what was bought was bought.
    lab.machines.clear();
    assert_eq!(code(&lab), "purchase-limit");
    lab.now = "2027-01-02T00:00:00Z".parse().unwrap();
    if let Some(sweep) = &mut lab.installation.status.sweep {
        sweep.as_of = lab.now;
    }
    assert_eq!(code(&lab), "");
}

/// As if it had been declared by this account.
fn by(lab: &mut Lab, account: &str) {
    let labels = &mut lab.environment.metadata.labels;
    labels.insert(names::DECLARED_BY.to_owned(), account.to_owned());
}

#[test]
fn who_buys_in_two_namespaces_buys_no_more_than_in_one() {
    let mut lab = limited(TierSpec { max_purchases_per_month: Some(2), ..TierSpec::default() });
    for (name, uid) in [("second", 8), ("third", 9)] {
        lab.environment = environment(name, uid);
        by(&mut lab, "ann");
        lab.settle();
        lab.buy_all();
    }
    // All of that was elsewhere.
    for operation in &mut lab.operations {
        if let Some(environment) = &mut operation.spec.environment {
            environment.namespace = "team-b".into();
        }
    }
    let hold_for = |account: Option<&str>, lab: &Lab| {
        let mut lab = lab.clone();
        lab.environment = environment("worker", 99);
        if let Some(account) = account {
            by(&mut lab, account);
        }
        lab.decide().plan.steps[0].hold.clone()
    };
    let hold = hold_for(Some("ann"), &lab).unwrap();
    assert_eq!(hold.code, "purchase-limit");
    let why = "2 were bought by who declared it, over all namespaces, this month";
    assert!(hold.message.contains(why), "{}", hold.message);
    assert!(hold.until.is_some());
    assert_eq!(hold_for(Some("bob"), &lab), None, "somebody else buys for themselves");
    assert_eq!(hold_for(None, &lab), None, "an admin's purchases count for the namespace only");
    // What another month saw counts no more.
    lab.now = "2027-01-02T00:00:00Z".parse().unwrap();
    if let Some(sweep) = &mut lab.installation.status.sweep {
        sweep.as_of = lab.now;
    }
    assert_eq!(hold_for(Some("ann"), &lab), None);
}

#[test]
fn the_budget_is_the_months_purchases_and_what_there_was() {
    let budget =
        |cents: i64| TierSpec { monthly_budget: Some(Money::eur(cents)), ..TierSpec::default() };
    assert_eq!(code(&limited(budget(1_100))), "");
    assert_eq!(code(&limited(budget(1_099))), "tier-budget");
    let mut lab = limited(budget(1_650));
    another(&mut lab, "second", 8);
    assert_eq!(code(&lab), "", "5.50 older, 5.50 bought now, 5.50 more");
    another(&mut lab, "third", 9);
    assert_eq!(code(&lab), "tier-budget");
    let dollars = Money { currency: "USD".into(), ..Money::eur(10_000) };
    let other = TierSpec { monthly_budget: Some(dollars), ..TierSpec::default() };
    assert_eq!(code(&limited(other)), "tier-budget", "two currencies are never compared");
}

#[test]
fn another_tenants_machines_do_not_count() {
    let mut lab = limited(TierSpec { max_machines: Some(1), ..TierSpec::default() });
    let machine = &mut lab.machines[0];
    if let Some(claim) = &mut machine.spec.claim {
        claim.namespace = "team-b".into();
    }
    assert_eq!(code(&lab), "");
}
