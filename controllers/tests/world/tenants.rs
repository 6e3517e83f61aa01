//! What a tier allows, over weeks and through bad days.

use std::time::Duration;

use devpocket_controllers::sim::contabo::{Failure, Fault, FaultKind, OperationName, Target};
use devpocket_controllers::sim::world::{NAMESPACE, Options, SIZE, World};
use devpocket_specs::admit::Preconditions;
use devpocket_specs::environment::{Environment, EnvironmentSpec, EnvironmentStatus, Reclaim};
use devpocket_specs::installation::UnknownPurchase;
use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::{ObjectMeta, names};
use devpocket_specs::namespace::Namespace;
use devpocket_specs::object::{Key, Resource as _};
use devpocket_specs::operation::{Operation, Verb};
use devpocket_specs::tier::{Tier, TierSpec, TierStatus};

use uuid::Uuid;

use crate::{HOUR, MINUTE};

const SEEDS: u64 = 6;

async fn limit(world: &World, spec: TierSpec) {
    let metadata = ObjectMeta::named("", "starter");
    let tier = Tier { metadata, spec, status: TierStatus::default() };
    world.client("admin").create(&tier).await.expect("the tier is valid");
    label(world, Some("starter")).await;
}

/// As the account's namespace is labelled; no tier: it may spend nothing.
async fn label(world: &World, tier: Option<&str>) {
    let key = Key::cluster(Kind::Namespace, NAMESPACE);
    let edit = |namespace: &mut Namespace| {
        let labels = &mut namespace.metadata.labels;
        labels.insert(names::TENANT.to_owned(), "person".to_owned());
        match tier {
            Some(tier) => labels.insert(names::TIER.to_owned(), tier.to_owned()),
            None => labels.remove(names::TIER),
        };
    };
    world.client("admin").edit(&key, edit).await.expect("the namespace is there");
}

fn held(world: &World, name: &str, code: &str) -> bool {
    let environment = world.environment(name);
    let plan = environment.and_then(|environment| environment.status.plan);
    let steps = plan.map(|plan| plan.steps).unwrap_or_default();
    steps.iter().any(|step| step.hold.as_ref().is_some_and(|hold| hold.code == code))
}

#[tokio::test(start_paused = true)]
async fn without_a_tier_nothing_is_bought_until_there_is_one() {
    let mut world = World::started(Options::default());
    label(&world, None).await;
    world.declare("web", |_| {}).await;
    assert!(world.until(HOUR, |w| held(w, "web", "no-tier")).await);
    world.pass(24 * HOUR).await;
    assert_eq!(world.calls(OperationName::CreateInstance), 0);
    limit(&world, TierSpec { max_machines: Some(1), ..TierSpec::default() }).await;
    assert!(world.ready("web", HOUR).await, "an admin gave it one");
    assert_eq!(world.purchases(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_more_than_the_tier_allows_waits_until_one_is_deleted() {
    let mut world = World::started(Options::default());
    limit(&world, TierSpec { max_machines: Some(2), ..TierSpec::default() }).await;
    // Declared past the guard of the API, all at once.
    for name in ["a", "b", "c", "d"] {
        world.declare(name, |_| {}).await;
    }
    world.pass(2 * HOUR).await;
    assert_eq!(world.purchases(), 2, "never more, whoever was first");
    let waits: Vec<&str> =
        ["a", "b", "c", "d"].into_iter().filter(|name| held(&world, name, "quota")).collect();
    assert_eq!(waits.len(), 2, "{waits:?}");
    let has = ["a", "b", "c", "d"].into_iter().find(|name| !waits.contains(name)).unwrap();
    world.delete(has).await;
    assert!(world.until(2 * HOUR, |w| waits.iter().any(|name| w.is_ready(name))).await);
    assert_eq!(world.purchases(), 3);
}

/// A second namespace, with the same tier as the first.
const OTHER: &str = "second-team";

/// One person, a namespace of their own and a team: what a tier buys is counted over both.
#[tokio::test(start_paused = true)]
async fn a_loop_over_two_namespaces_of_one_person_buys_no_more_than_one_tier_says() {
    for seed in 1..=SEEDS {
        let mut rng = fastrand::Rng::with_seed(seed);
        let policy = UnknownPurchase::Proceed;
        let mut world =
            World::started(Options { seed, unknown_purchase: policy, ..Options::default() });
        let most = 2;
        let tier = TierSpec { max_purchases_per_month: Some(most), ..TierSpec::default() };
        limit(&world, tier).await;
        let mut team: Namespace = world
            .client("admin")
            .get(&Key::cluster(Kind::Namespace, NAMESPACE))
            .await
            .unwrap()
            .unwrap();
        team.metadata = ObjectMeta { labels: team.metadata.labels, ..ObjectMeta::named("", OTHER) };
        world.client("admin").create(&team).await.unwrap();
        let ann = world.client_of("ann", Some(Uuid::from_u128(1)));
        for turn in 0..10 {
            let place = if rng.bool() { NAMESPACE } else { OTHER };
            let mut declared = environment(place, &format!("loop-{turn}"));
            if rng.bool() {
                declared.spec.reclaim = Reclaim::CancelAtTermEnd;
            }
            ann.create(&declared).await.unwrap();
            if rng.u8(..3) == 0 {
                let on = Target::One(OperationName::CreateInstance);
                let how = Failure::Status(500);
                let kind =
                    if rng.bool() { FaultKind::Lose { how } } else { FaultKind::Fail { how } };
                world.fault(Fault::once(on, kind));
            }
            world.pass(Duration::from_secs(rng.u64(1..1_800))).await;
            if rng.u8(..4) > 0 {
                ann.delete(&declared.key(), Preconditions::default()).await.unwrap();
            }
            world.pass(Duration::from_secs(rng.u64(1..600))).await;
            assert!(world.purchases() <= most as usize, "seed {seed}: {}", world.purchases());
        }
        world.pass(2 * HOUR).await;
        assert!(world.purchases() <= most as usize, "seed {seed}: {}", world.purchases());
        assert!(world.purchases() > 0, "seed {seed}: nothing was tried");
        // Somebody else of the same team is not kept from it.
        let bob = world.client_of("bob", Some(Uuid::from_u128(2)));
        let before = purchases_in(&world, OTHER);
        if before < most as usize {
            bob.create(&environment(OTHER, "bobs")).await.unwrap();
            let has = |w: &World| {
                w.environment("bobs").is_some_and(|found| found.status.machine.is_some())
            };
            assert!(world.until(4 * HOUR, has).await, "seed {seed}");
        }
    }
}

fn purchases_in(world: &World, place: &str) -> usize {
    let purchases = world.operations(Verb::Purchase);
    let there = |operation: &&Operation| {
        operation.spec.environment.as_ref().is_some_and(|at| at.namespace == place)
    };
    purchases.iter().filter(there).count()
}

fn environment(place: &str, name: &str) -> Environment {
    Environment {
        metadata: ObjectMeta::named(place, name),
        spec: EnvironmentSpec {
            size: SIZE.to_owned(),
            region: "EU".to_owned(),
            contract_months: 1,
            ..EnvironmentSpec::default()
        },
        status: EnvironmentStatus::default(),
    }
}

/// Somebody creates and deletes as fast as they can, for a month, on bad days.
#[tokio::test(start_paused = true)]
async fn creating_and_deleting_in_a_loop_buys_no_more_than_the_tier_says() {
    for seed in 1..=SEEDS {
        let mut rng = fastrand::Rng::with_seed(seed);
        let policy = UnknownPurchase::Proceed;
        let options = Options { seed, unknown_purchase: policy, ..Options::default() };
        let mut world = World::started(options);
        let most = 2;
        let tier = TierSpec {
            max_machines: Some(1),
            max_purchases_per_month: Some(most),
            ..TierSpec::default()
        };
        limit(&world, tier).await;
        for turn in 0..10 {
            let name = format!("loop-{turn}");
            let reclaim = if rng.bool() { Reclaim::Pool } else { Reclaim::CancelAtTermEnd };
            world.declare(&name, |spec| spec.reclaim = reclaim).await;
            if rng.u8(..3) == 0 {
                let on = Target::One(OperationName::CreateInstance);
                let how = Failure::Status(500);
                let kind =
                    if rng.bool() { FaultKind::Lose { how } } else { FaultKind::Fail { how } };
                world.fault(Fault::once(on, kind));
            }
            world.pass(Duration::from_secs(rng.u64(1..1_800))).await;
            world.delete(&name).await;
            world.pass(Duration::from_secs(rng.u64(1..600))).await;
        }
        world.pass(2 * HOUR).await;
        assert!(world.purchases() <= most as usize, "seed {seed}: {}", world.purchases());
        assert!(world.purchases() > 0, "seed {seed}: nothing was tried");
        world.declare("last", |_| {}).await;
        if world.purchases() == most as usize {
            let waits = |w: &World| held(w, "last", "purchase-limit") || w.is_ready("last");
            assert!(world.until(2 * HOUR, waits).await, "seed {seed}");
        }
        assert!(world.operations(Verb::Purchase).len() <= 12, "seed {seed}");
        world.pass(MINUTE).await;
        assert!(world.purchases() <= most as usize, "seed {seed}");
    }
}
