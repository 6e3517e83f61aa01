//! What was decided is on record, small, and can be made again. That every record of every disturbed
//! story replays is asserted where the stories are (`crashes`, `disturbances`, `seeds`).

use devpocket_controllers::sim::contabo::PanelAction;
use devpocket_controllers::sim::world::{Options, World};
use devpocket_controllers::store::Store as _;
use devpocket_specs::decision::{DECISIONS_KEPT, DecisionRecord};
use devpocket_specs::installation::UnknownPurchase;
use devpocket_specs::operation::Verb;
use std::sync::Arc;

use crate::basics::with_web;
use crate::scenario::{LIMIT, Scenario, in_paused_time};
use crate::{HOUR, MINUTE};

async fn decisions(world: &World, name: &str) -> Vec<Arc<DecisionRecord>> {
    world.store.decisions("team", name).await.unwrap()
}

fn did(records: &[Arc<DecisionRecord>]) -> String {
    records.iter().flat_map(|record| record.did.clone()).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_decision_of_every_story_is_made_again_with_the_same_outcome() {
    for scenario in Scenario::ALL {
        in_paused_time(async move {
            let mut world = World::started(scenario.options(UnknownPurchase::Proceed));
            scenario.prepare(&mut world).await;
            scenario.begin(&world).await;
            assert!(world.until(LIMIT, |world| scenario.is_over(world)).await, "{scenario:?}");
            world.pass(10 * MINUTE).await;
            assert!(world.replay_decisions() >= 3, "{scenario:?}");
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_says_what_was_seen_what_was_decided_and_why() {
    let mut world = with_web(Options::default()).await;
    world.pass(10 * MINUTE).await;
    let bought = did(&decisions(&world, "web").await);
    assert!(bought.contains("orders "), "{bought}");
    let id = world.instance_of("web").unwrap();
    world.panel(id, &PanelAction::Stop);
    assert!(world.until(10 * MINUTE, |w| !w.operations(Verb::Start).is_empty()).await);
    assert!(world.ready("web", HOUR).await);
    let records = decisions(&world, "web").await;
    let start = records.iter().find(|r| r.steps.iter().any(|s| s.summary.starts_with("start ")));
    let start = start.expect("the start was decided");
    let seen = start.seen.iter().find(|fact| fact.name.ends_with(" of env/web"));
    assert_eq!(seen.map(|fact| fact.value.as_str()), Some("Stopped"), "{start:#?}");
    assert!(start.did.iter().any(|did| did.contains("stopped outside DevPocket")), "{start:#?}");
    assert!(start.inputs[0].starts_with("Environment/web@"), "{start:#?}");
    assert_eq!(start.brakes.len(), 1, "the brakes were asked once: {start:#?}");
    let bytes = serde_json::to_vec(&**start).unwrap().len();
    assert!(bytes < 4 * 1024, "{bytes} bytes");
}

#[tokio::test(start_paused = true)]
async fn a_brake_that_holds_is_on_record_with_its_words() {
    let mut world = World::started(Options { budget: None, ..Options::default() });
    world.declare("web", |_| {}).await;
    world.pass(10 * MINUTE).await;
    assert_eq!(world.purchases(), 0);
    let records = decisions(&world, "web").await;
    let held = records.iter().find_map(|record| {
        let hold = record.steps.first()?.hold.as_ref()?;
        (hold.code == "budget").then(|| (record.clone(), hold.message.clone()))
    });
    let (record, message) = held.expect("the purchase is held");
    assert!(message.contains("no monthly budget is set"), "{message}");
    let asked = record.brakes.iter().find(|brake| brake.asked.starts_with("purchase "));
    let asked = asked.unwrap_or_else(|| panic!("not asked about the purchase: {record:?}"));
    assert_eq!(asked.hold.as_ref().map(|hold| hold.code.as_str()), Some("budget"));
    assert!(world.replay_decisions() > 0);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_hour_leaves_no_record() {
    let mut world = with_web(Options::default()).await;
    world.pass(30 * MINUTE).await;
    let before = decisions(&world, "web").await.len();
    world.pass(HOUR).await;
    assert_eq!(decisions(&world, "web").await.len(), before);
}

#[tokio::test(start_paused = true)]
async fn what_was_decided_outlives_the_environment_and_its_namesake_begins_anew() {
    let mut world = with_web(Options::default()).await;
    let uid = world.environment("web").unwrap().metadata.uid.unwrap();
    world.delete("web").await;
    assert!(world.until(HOUR, |world| world.environment("web").is_none()).await);
    let records = decisions(&world, "web").await;
    assert!(did(&records).contains("lets the environment go"), "{:#?}", did(&records));
    assert!(records.iter().all(|record| record.environment.uid == uid));
    world.declare("web", |_| {}).await;
    assert!(world.ready("web", HOUR).await);
    let all = decisions(&world, "web").await;
    assert_ne!(all[0].environment.uid, uid, "newest first");
    assert!(all.iter().any(|record| record.environment.uid == uid), "the old ones stay");
    assert!(world.replay_decisions() > records.len());
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_is_edited_all_day_keeps_the_latest_records_only() {
    let mut world = with_web(Options::default()).await;
    for round in 0..DECISIONS_KEPT {
        world.edit("web", move |spec| spec.display_name = Some(format!("Web {round}"))).await;
        world.pass(2 * MINUTE).await;
    }
    let records = decisions(&world, "web").await;
    assert_eq!(records.len(), DECISIONS_KEPT);
    let generation = world.environment("web").unwrap().metadata.generation;
    assert_eq!(records[0].environment.generation, generation, "the newest is among them");
}

#[tokio::test(start_paused = true)]
async fn no_secret_and_nothing_of_other_people_is_in_a_record() {
    let mut world = World::started(Options::default());
    world
        .declare("web", |spec| {
            let value = serde_json::json!([{"name": "KEY", "value": "hunter2"}]);
            spec.env = serde_json::from_value(value).expect("a value of an environment variable");
        })
        .await;
    world.declare("zephyr", |_| {}).await;
    assert!(world.ready("web", HOUR).await && world.ready("zephyr", HOUR).await);
    let records = decisions(&world, "web").await;
    let text = serde_json::to_string(&records).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    assert!(!text.contains("zephyr"), "{text}");
}
