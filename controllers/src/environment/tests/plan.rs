//! The plan as others see it.

use devpocket_specs::environment::AutoApprove;
use devpocket_specs::money::Money;
use devpocket_specs::plan::RiskClass;

use super::lab::Lab;
use crate::environment::plan_for;

#[test]
fn a_plan_made_before_the_record_exists_has_the_same_hash_each_time_and_moves_with_the_facts() {
    let mut lab = Lab::new();
    lab.environment.metadata.uid = None;
    lab.environment.metadata.generation = 0;
    let hash = |lab: &Lab| {
        let snapshot = lab.snapshot();
        plan_for(&snapshot.for_environment(&lab.environment, lab.now)).hash
    };
    let first = hash(&lab);
    lab.later(1);
    assert_eq!(hash(&lab), first, "time alone changes nothing");
    lab.environment.metadata.generation = 1;
    assert_eq!(hash(&lab), first);
    lab.environment.spec.region = "UK".into();
    assert_ne!(hash(&lab), first, "another price, another plan");
}

#[test]
fn auto_approve_covers_what_it_names_up_to_its_limit() {
    use crate::environment::consent::{Implied, settle};
    let mut lab = Lab::new();
    let step = lab.decide().plan.steps[0].clone();
    let cases = [
        (vec![RiskClass::Money], Some(Money::eur(550)), true),
        (vec![RiskClass::Money], Some(Money::eur(549)), false),
        (vec![RiskClass::Money], Some(Money::new(9_999, "USD")), false),
        (vec![RiskClass::Money], None, false),
        (vec![RiskClass::DataRisk], Some(Money::eur(550)), false),
    ];
    for (classes, max_monthly_increase, expected) in cases {
        lab.environment.spec.auto_approve = Some(AutoApprove { classes, max_monthly_increase });
        let snapshot = lab.snapshot();
        let world = snapshot.for_environment(&lab.environment, lab.now);
        let mut step = step.clone();
        step.hold = None;
        settle(&world, &mut step, Implied::AutoApprove);
        assert_eq!(step.approved, expected, "{:?}", lab.environment.spec.auto_approve);
        assert_eq!(step.hold.is_none(), expected);
    }
}
