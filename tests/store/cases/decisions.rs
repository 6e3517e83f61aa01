use std::sync::Arc;

use devpocket_controllers::store::{Store, StoreError, Write};
use devpocket_specs::decision::{DECISIONS_KEPT, Decided, DecisionRecord};
use devpocket_specs::object::Object;
use serde_json::json;
use uuid::Uuid;

use crate::objects::*;
use crate::worlds::World;

fn record(name: &str, uid: u128, plan: &str) -> DecisionRecord {
    let value = json!({
        "at": "2026-11-22T12:00:00Z",
        "environment": {
            "namespace": "team-a", "name": name, "uid": Uuid::from_u128(uid), "generation": 1,
        },
        "version": "0.1.0", "plan": plan, "inputs": ["Environment/web@1"], "digest": "0",
        "did": ["tells a \u{1F600} \u{0} story"],
    });
    serde_json::from_value(value).expect("a record")
}

fn deciding(mut write: Write, record: DecisionRecord) -> Write {
    write.decision = Some(Arc::new(record));
    write
}

async fn plans(store: &dyn Store, name: &str) -> Vec<String> {
    let records = store.decisions("team-a", name).await.unwrap();
    records.iter().map(|record| record.plan.clone()).collect()
}

/// Describes the template anew; the write carries the record.
async fn decide(store: &dyn Store, old: &Object, record: DecisionRecord) -> Object {
    let patch = json!({"spec": {"description": record.plan}});
    let write = deciding(patching(old, patch), record);
    store.write(write).await.unwrap().object.clone()
}

/// Breaks without it: nobody can tell why something was done, or it is told otherwise than decided.
pub async fn a_decision_is_kept_with_the_write_that_carries_it(world: &mut dyn World) {
    let store = world.store();
    assert!(plans(&*store, "web").await.is_empty());
    let first = deciding(creating(template("a")), record("web", 7, "one"));
    let object = store.write(first).await.unwrap().object.clone();
    decide(&*store, &object, record("web", 7, "two")).await;
    assert_eq!(plans(&*store, "web").await, ["two", "one"], "newest first");
    let records = store.decisions("team-a", "web").await.unwrap();
    assert_eq!(*records[0], record("web", 7, "two"));
}

/// Breaks without it: the record of something that was never done.
pub async fn a_refused_write_leaves_no_decision(world: &mut dyn World) {
    let store = world.store();
    create_template(&*store, "a").await;
    let again = deciding(creating(template("a")), record("web", 7, "one"));
    let refused = store.write(again).await.unwrap_err();
    assert!(matches!(refused, StoreError::AlreadyExists(_)), "{refused}");
    assert!(plans(&*store, "web").await.is_empty());
}

/// Breaks without it: a pass that changes nothing writes after all.
pub async fn a_write_that_changes_nothing_leaves_no_decision(world: &mut dyn World) {
    let store = world.store();
    let old = create_template(&*store, "a").await;
    let same = patching(&old, json!({"spec": {"description": "0"}}));
    let before = store.revision().await.unwrap();
    store.write(deciding(same, record("web", 7, "one"))).await.unwrap();
    assert!(plans(&*store, "web").await.is_empty());
    assert_eq!(store.revision().await.unwrap(), before);
}

/// Breaks without it: after a delete, or a restart, nobody can tell any more what was done.
pub async fn a_decision_outlives_its_environment_and_the_process(world: &mut dyn World) {
    let store = world.store();
    let old = create_template(&*store, "a").await;
    store.write(deciding(deleting(&old), record("web", 7, "gone"))).await.unwrap();
    world.restart().await;
    assert_eq!(plans(&*world.store(), "web").await, ["gone"]);
}

/// Breaks without it: what the leader decided is known to the leader only.
pub async fn another_process_reads_the_decisions(world: &mut dyn World) {
    let store = world.store();
    let old = create_template(&*store, "a").await;
    decide(&*store, &old, record("web", 7, "one")).await;
    assert_eq!(plans(&*world.other().await, "web").await, ["one"]);
}

/// Breaks without it: an environment that is edited all day fills the database.
pub async fn only_the_latest_decisions_are_kept(world: &mut dyn World) {
    let store = world.store();
    let mut object = create_template(&*store, "a").await.object.clone();
    object = decide(&*store, &object, record("quiet", 8, "stays")).await;
    for n in 0..DECISIONS_KEPT + 5 {
        object = decide(&*store, &object, record("web", 7, &format!("{n}"))).await;
    }
    let kept = plans(&*store, "web").await;
    assert_eq!(kept.len(), DECISIONS_KEPT);
    assert_eq!(kept[0], format!("{}", DECISIONS_KEPT + 4));
    assert_eq!(kept[DECISIONS_KEPT - 1], "5");
    assert_eq!(plans(&*store, "quiet").await, ["stays"], "others keep theirs");
}

/// Breaks without it: an environment shows what was decided about another one.
pub async fn decisions_are_of_one_name(world: &mut dyn World) {
    let store = world.store();
    let mut object = create_template(&*store, "a").await.object.clone();
    object = decide(&*store, &object, record("web", 7, "one")).await;
    object = decide(&*store, &object, record("web2", 9, "two")).await;
    decide(&*store, &object, record("web", 11, "namesake")).await;
    assert_eq!(plans(&*store, "web").await, ["namesake", "one"]);
    let records = store.decisions("team-a", "web").await.unwrap();
    let uids: Vec<&Decided> = records.iter().map(|record| &record.environment).collect();
    assert_ne!(uids[0].uid, uids[1].uid);
    assert!(store.decisions("team-b", "web").await.unwrap().is_empty());
    assert!(store.decisions("team-a", "we\0b").await.unwrap().is_empty());
}
