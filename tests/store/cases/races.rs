use std::collections::BTreeMap;
use std::sync::Arc;

use devpocket_controllers::store::{Store, StoreError, WatchEvent};
use devpocket_specs::kind::Kind;
use futures::future::join_all;
use uuid::Uuid;

use super::guards::{at_most, unique};
use crate::objects::*;
use crate::worlds::World;

const WRITERS: usize = 4;
const ROUNDS: usize = 25;

/// Writes at a template of its own and at one it shares, until it has done its rounds.
async fn scribble(store: Arc<dyn Store>, who: usize) -> usize {
    let mut own = create_template(&*store, &format!("own{who}")).await;
    let mut done = 1;
    for n in 1..ROUNDS {
        own = describe(&*store, &own, &n.to_string()).await;
        done += 1;
        let shared = store.get(&template_key("shared")).await.unwrap().expect("it is there");
        match store.write(describing(&shared, &format!("{who}.{n}"))).await {
            Ok(_) => done += 1,
            Err(StoreError::Conflict(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    done
}

/// What a client's cache would hold after these events, if each may only follow from the last.
fn fold(events: &[WatchEvent]) -> BTreeMap<String, String> {
    let mut state: BTreeMap<String, (u64, String)> = BTreeMap::new();
    let mut last = 0;
    for event in events {
        assert!(event.revision > last, "{} after {last}: repeated or reordered", event.revision);
        last = event.revision;
        let name = event.object.metadata.name.clone();
        let before = event.previous.as_ref().map(|previous| previous.revision());
        let known = state.get(&name).map(|(revision, _)| *revision);
        assert_eq!(known, before, "a change of {name} before {last} was missed");
        state.insert(name, (event.object.revision(), description(&event.object).to_owned()));
    }
    state.into_iter().map(|(name, (_, text))| (name, text)).collect()
}

/// Breaks without it: under load a watcher misses, repeats or reorders changes, and every cache in
/// front of the store is wrong for good.
pub async fn watchers_follow_concurrent_writers_exactly(world: &mut dyn World) {
    let (store, other) = (world.store(), world.other().await);
    create_template(&*store, "shared").await;
    let watching = [store.clone(), other.clone()].map(|store| {
        tokio::spawn(async move {
            let mut watch = store.watch(Kind::Template, 0).await.unwrap();
            let mut events = Vec::new();
            loop {
                let event = event(&mut watch).await;
                if event.object.metadata.name == "end" {
                    return events;
                }
                events.push(event);
            }
        })
    });
    let writers = (0..WRITERS).map(|who| {
        let store = if who % 2 == 0 { store.clone() } else { other.clone() };
        tokio::spawn(scribble(store, who))
    });
    let written: usize = join_all(writers).await.into_iter().map(|done| done.unwrap()).sum();
    let listing = store.list(Kind::Template, None).await.unwrap();
    create_template(&*store, "end").await;

    let now: BTreeMap<String, String> = listing
        .items
        .iter()
        .map(|item| (item.metadata.name.clone(), description(item).to_owned()))
        .collect();
    for events in watching {
        let events = events.await.expect("the watcher must not fall behind its own reading");
        assert_eq!(events.len(), written + 1);
        assert_eq!(fold(&events), now);
    }
}

/// Breaks without it: between a list and the watch that follows it a change gets lost.
pub async fn list_then_watch_misses_nothing(world: &mut dyn World) {
    let (store, other) = (world.store(), world.other().await);
    let writing = tokio::spawn({
        let store = store.clone();
        async move {
            for n in 0..120 {
                create_template(&*store, &format!("t{n:03}")).await;
            }
            create_template(&*store, "zz-end").await;
        }
    });
    let mut tries = 0;
    loop {
        let listing = other.list(Kind::Template, None).await.unwrap();
        let mut seen = names(&listing.items);
        if seen.last().is_some_and(|name| name == "zz-end") {
            break;
        }
        let mut watch = other.watch(Kind::Template, listing.revision).await.unwrap();
        let next = event(&mut watch).await.object.metadata.name.clone();
        seen.push(next);
        let expected: Vec<_> = (0..seen.len()).map(|n| format!("t{n:03}")).collect();
        if seen.last().is_some_and(|name| name == "zz-end") {
            assert_eq!(seen.len(), 121);
            break;
        }
        assert_eq!(seen, expected, "the change right after the list");
        tries += 1;
    }
    writing.await.unwrap();
    assert!(tries > 0, "the writer was done before the first list");
}

/// Breaks without it: ten requests in the same second take a tenant ten over the quota.
pub async fn of_fifty_for_the_last_slot_one_gets_it(world: &mut dyn World) {
    let (store, other) = (world.store(), world.other().await);
    create(&*store, lease("n", "first", "h")).await;
    let writes = (0..50).map(|n| {
        let store = if n % 2 == 0 { store.clone() } else { other.clone() };
        let write =
            guarded(creating(lease("n", &format!("l{n}"), "h")), at_most(Some("n"), &[], 2));
        tokio::spawn(async move { store.write(write).await })
    });
    let outcomes: Vec<_> = join_all(writes).await.into_iter().map(|o| o.unwrap()).collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| is_guard(outcome, "quota")).count(), 49);
    assert_eq!(store.list(Kind::Lease, Some("n")).await.unwrap().items.len(), 2);
}

/// Breaks without it: two people who type the same name in the same second both get it.
pub async fn of_twenty_for_one_name_one_gets_it(world: &mut dyn World) {
    let (store, other) = (world.store(), world.other().await);
    let writes = (0..20).map(|n| {
        let store = if n % 2 == 0 { store.clone() } else { other.clone() };
        let write = creating(lease("n", &format!("l{n}"), "box"));
        let write = guarded(write, unique("n", "box", Uuid::nil()));
        tokio::spawn(async move { store.write(write).await })
    });
    let outcomes: Vec<_> = join_all(writes).await.into_iter().map(|o| o.unwrap()).collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| is_guard(outcome, "name-taken")).count(), 19);
}

/// Breaks without it: two records for one purchase, and two purchases.
pub async fn of_twenty_creates_of_one_key_one_happens(world: &mut dyn World) {
    let (store, other) = (world.store(), world.other().await);
    let writes = (0..20).map(|n| {
        let store = if n % 2 == 0 { store.clone() } else { other.clone() };
        tokio::spawn(async move { store.write(creating(template("a"))).await })
    });
    let outcomes: Vec<_> = join_all(writes).await.into_iter().map(|o| o.unwrap()).collect();
    let won: Vec<_> = outcomes.iter().flatten().collect();
    assert_eq!(won.len(), 1);
    let there = store.get(&template_key("a")).await.unwrap().unwrap();
    assert_eq!(there.uid(), won[0].uid(), "the winner is the one that is there");
}

/// Breaks without it: of two edits of one state both are acknowledged and one is lost.
pub async fn of_twenty_edits_of_one_state_one_happens(world: &mut dyn World) {
    let (store, other) = (world.store(), world.other().await);
    let read = create_template(&*store, "a").await;
    let writes = (0..20).map(|n| {
        let store = if n % 2 == 0 { store.clone() } else { other.clone() };
        let write = describing(&read, &format!("edit {n}"));
        tokio::spawn(async move { store.write(write).await })
    });
    let outcomes: Vec<_> = join_all(writes).await.into_iter().map(|o| o.unwrap()).collect();
    let won: Vec<_> = outcomes.iter().flatten().collect();
    assert_eq!(won.len(), 1);
    let there = store.get(&template_key("a")).await.unwrap().unwrap();
    assert_eq!(description(&there), description(won[0]));
}

/// Breaks without it: a delete and a new object of that name in one batch come out in the wrong
/// order.
pub async fn a_name_is_free_for_others_as_soon_as_it_is_gone(world: &mut dyn World) {
    let store = world.store();
    for round in 0..10 {
        let old = create_template(&*store, "a").await;
        let gone = store.write(deleting(&old));
        let new = store.write(creating(template("a")));
        let (gone, new) = tokio::join!(gone, new);
        let gone = gone.expect("nobody else changes it");
        match new {
            Ok(new) => {
                assert!(new.revision() > gone.revision(), "round {round}");
                delete(&*store, &new).await;
            }
            Err(error) => assert_eq!(error, StoreError::AlreadyExists(template_key("a"))),
        }
        assert!(store.get(&template_key("a")).await.unwrap().is_none());
    }
}
