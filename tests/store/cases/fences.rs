use devpocket_controllers::store::StoreError;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use serde_json::json;

use crate::objects::*;
use crate::worlds::World;

fn leader() -> Key {
    Key::new(Kind::Lease, "devpocket-system", "controllers")
}

fn leadership(holder: &str) -> serde_json::Value {
    lease("devpocket-system", "controllers", holder)
}

/// Breaks without it: the leader cannot write.
pub async fn the_holder_of_the_epoch_may_write(world: &mut dyn World) {
    let store = world.store();
    create(&*store, leadership("one")).await;
    store.write(fenced(creating(template("a")), &leader(), 0)).await.unwrap();
}

/// Breaks without it: a leader that was paused for a minute wakes up and buys a second machine.
pub async fn the_holder_of_an_older_epoch_may_not(world: &mut dyn World) {
    let store = world.store();
    let held = create(&*store, leadership("one")).await;
    let taken = json!({"spec": {"holderIdentity": "two", "leaseTransitions": 1}});
    store.write(patching(&held, taken)).await.unwrap();
    let late = store.write(fenced(creating(template("a")), &leader(), 0)).await;
    assert_eq!(late.unwrap_err(), StoreError::Fenced { lease: leader(), epoch: 0 });
    assert!(store.get(&template_key("a")).await.unwrap().is_none());
    store.write(fenced(creating(template("a")), &leader(), 1)).await.unwrap();
}

/// Breaks without it: whoever deletes the lease frees everybody from it.
pub async fn without_a_lease_nobody_passes_its_fence(world: &mut dyn World) {
    let store = world.store();
    let write = store.write(fenced(creating(template("a")), &leader(), 0)).await;
    assert!(matches!(write, Err(StoreError::Fenced { .. })), "{write:?}");
}

/// Breaks without it: a deposed leader hears "conflict", tries again, and believes it still leads.
pub async fn a_fence_is_looked_at_before_anything_else(world: &mut dyn World) {
    let store = world.store();
    create(&*store, leadership("one")).await;
    let a = create_template(&*store, "a").await;
    describe(&*store, &a, "1").await;
    let late = store.write(fenced(describing(&a, "2"), &leader(), 7)).await;
    assert!(matches!(late, Err(StoreError::Fenced { .. })), "{late:?}");
}

/// Breaks without it: two processes both take the lease, and both lead.
pub async fn of_two_candidates_one_takes_the_lease(world: &mut dyn World) {
    let (store, other) = (world.store(), world.other().await);
    let held = create(&*store, leadership("nobody")).await;
    let take = |who: &str| {
        patching(&held, json!({"spec": {"holderIdentity": who, "leaseTransitions": 1}}))
    };
    let (one, two) = tokio::join!(store.write(take("one")), other.write(take("two")));
    assert_ne!(one.is_ok(), two.is_ok(), "{one:?} {two:?}");
}

/// Breaks without it: a write of the old leader lands after the new one has looked around.
pub async fn no_fenced_write_lands_after_the_takeover(world: &mut dyn World) {
    let (store, other) = (world.store(), world.other().await);
    let held = create(&*store, leadership("one")).await;
    let old_leader = async {
        let mut landed = Vec::new();
        for n in 0..2_000 {
            let write = fenced(creating(template(&format!("t{n}"))), &leader(), 0);
            match store.write(write).await {
                Ok(stored) => landed.push(stored.revision()),
                Err(StoreError::Fenced { .. }) => return landed,
                Err(other) => panic!("{other}"),
            }
        }
        panic!("the takeover was never noticed");
    };
    let new_leader = async {
        for _ in 0..20 {
            other.revision().await.unwrap();
            tokio::task::yield_now().await;
        }
        let taken = json!({"spec": {"holderIdentity": "two", "leaseTransitions": 1}});
        other.write(patching(&held, taken)).await.unwrap().revision()
    };
    let (landed, takeover) = tokio::join!(old_leader, new_leader);
    assert!(landed.iter().all(|revision| *revision < takeover), "{landed:?} vs {takeover}");
}
