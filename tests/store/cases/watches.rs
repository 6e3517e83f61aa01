use devpocket_controllers::store::{EventType, StoreError, WatchError, WatchItem};
use devpocket_specs::kind::Kind;
use serde_json::json;

use crate::objects::*;
use crate::worlds::{WATCH_BUFFER, World};

/// Breaks without it: `get -w` shows nothing.
pub async fn a_watch_tells_what_happens(world: &mut dyn World) {
    let store = world.store();
    let mut watch = store.watch(Kind::Template, 0).await.unwrap();
    let a = create_template(&*store, "a").await;
    let a = describe(&*store, &a, "1").await;
    delete(&*store, &a).await;
    let events = events(&mut watch, 3).await;
    assert_eq!(told(&events), ["added a=0", "modified a=1", "deleted a=1"]);
}

/// Breaks without it: a watcher that reconnects misses what happened meanwhile.
pub async fn a_watch_from_the_past_tells_what_happened_since(world: &mut dyn World) {
    let store = world.store();
    let a = create_template(&*store, "a").await;
    let a1 = describe(&*store, &a, "1").await;
    describe(&*store, &a1, "2").await;
    let mut watch = store.watch(Kind::Template, a.revision()).await.unwrap();
    create_template(&*store, "b").await;
    let events = events(&mut watch, 3).await;
    assert_eq!(told(&events), ["modified a=1", "modified a=2", "added b=0"]);
}

/// Breaks without it: a watch that starts where a list ended repeats the list's last object.
pub async fn a_watch_does_not_tell_what_was_at_its_start(world: &mut dyn World) {
    let store = world.store();
    create_template(&*store, "a").await;
    let listing = store.list(Kind::Template, None).await.unwrap();
    let mut watch = store.watch(Kind::Template, listing.revision).await.unwrap();
    create_template(&*store, "b").await;
    assert_eq!(told(&[event(&mut watch).await]), ["added b=0"]);
}

/// Breaks without it: a watcher of environments is handed secrets.
pub async fn a_watch_tells_of_its_kind_only(world: &mut dyn World) {
    let store = world.store();
    let mut watch = store.watch(Kind::Template, 0).await.unwrap();
    create(&*store, lease("n", "a", "h")).await;
    create_template(&*store, "b").await;
    let event = event(&mut watch).await;
    assert_eq!(event.object.kind, Kind::Template);
    assert_eq!(told(&[event]), ["added b=0"]);
}

/// Breaks without it: an object that stops matching a selector stays in the client's list.
pub async fn an_event_carries_the_state_before(world: &mut dyn World) {
    let store = world.store();
    let mut watch = store.watch(Kind::Template, 0).await.unwrap();
    let a = create_template(&*store, "a").await;
    let a1 = describe(&*store, &a, "1").await;
    delete(&*store, &a1).await;
    for store in [store.clone(), world.other().await] {
        let mut again = store.watch(Kind::Template, 0).await.unwrap();
        let events = events(&mut again, 3).await;
        assert!(events[0].previous.is_none());
        assert_eq!(events[1].previous.as_ref().unwrap().object, a.object);
        assert_eq!(events[2].previous.as_ref().unwrap().object, a1.object);
    }
    let live = events(&mut watch, 3).await;
    assert_eq!(live[1].previous.as_ref().unwrap().object, a.object);
}

/// Breaks without it: a client watches on from the revision of a deletion and is told of it again.
pub async fn a_deletion_has_its_own_revision(world: &mut dyn World) {
    let store = world.store();
    let mut watch = store.watch(Kind::Template, 0).await.unwrap();
    let a = create_template(&*store, "a").await;
    let gone = delete(&*store, &a).await;
    let events = events(&mut watch, 2).await;
    assert_eq!(events[1].event, EventType::Deleted);
    assert_eq!(events[1].revision, gone.revision());
    assert_eq!(events[1].object.revision(), gone.revision());
    assert!(events[1].revision > events[0].revision);
}

/// Breaks without it: a cache of an unchanged kind falls out of the history, and relists for ever.
pub async fn progress_follows_the_changes_of_other_kinds(world: &mut dyn World) {
    let store = world.store();
    let mut watch = store.watch(Kind::Template, 0).await.unwrap();
    let other = create(&*store, lease("n", "a", "h")).await;
    loop {
        match item(&mut watch).await.unwrap() {
            WatchItem::Progress(revision) if revision >= other.revision() => break,
            WatchItem::Progress(_) => {}
            WatchItem::Event(event) => panic!("{event:?} is not of this kind"),
        }
    }
}

/// Breaks without it: a bookmark promises what has not been told yet, and the resumed watch skips.
pub async fn progress_never_overtakes_a_change(world: &mut dyn World) {
    let store = world.store();
    let mut watch = store.watch(Kind::Template, 0).await.unwrap();
    let mut written = Vec::new();
    for n in 0..30 {
        create(&*store, lease("n", &format!("l{n}"), "h")).await;
        written.push(create_template(&*store, &format!("t{n}")).await.revision());
    }
    let mut promised = 0;
    let mut told = Vec::new();
    while told.len() < written.len() {
        match item(&mut watch).await.unwrap() {
            WatchItem::Progress(revision) => promised = revision,
            WatchItem::Event(event) => {
                assert!(event.revision > promised, "{} after {promised}", event.revision);
                told.push(event.revision);
            }
        }
    }
    assert_eq!(told, written);
}

/// Breaks without it: after a restore of an older backup a client waits for ever.
pub async fn a_watch_from_the_future_is_refused(world: &mut dyn World) {
    let store = world.store();
    let now = create_template(&*store, "a").await.revision();
    let refused = store.watch(Kind::Template, now + 1_000).await.map(|_| ());
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
}

/// Breaks without it: a watcher that was away too long silently misses what was forgotten.
pub async fn a_watch_from_before_the_compaction_is_expired(world: &mut dyn World) {
    let store = world.store();
    let mut object = create_template(&*store, "a").await;
    let start = object.revision();
    for n in 1..10 {
        object = describe(&*store, &object, &n.to_string()).await;
    }
    world.compact(object.revision()).await;
    let fresh = world.other().await;
    let refused = fresh.watch(Kind::Template, start).await.map(|_| ());
    let Err(StoreError::Expired { requested, oldest }) = refused else {
        panic!("{refused:?} must be Expired");
    };
    assert_eq!(requested, start);
    assert!(oldest > start);
}

/// Breaks without it: compaction costs every client a new list, not only the late ones.
pub async fn a_watch_from_the_compaction_on_is_whole(world: &mut dyn World) {
    let store = world.store();
    let a = create_template(&*store, "a").await;
    let a1 = describe(&*store, &a, "1").await;
    let a2 = describe(&*store, &a1, "2").await;
    world.compact(a1.revision()).await;
    let fresh = world.other().await;
    let mut watch = fresh.watch(Kind::Template, a1.revision()).await.unwrap();
    let events = events_until(&mut watch, a2.revision()).await;
    assert_eq!(told(&events), ["modified a=2"]);
}

/// Breaks without it: compaction loses objects, not only their history.
pub async fn compaction_forgets_no_object(world: &mut dyn World) {
    let store = world.store();
    for n in 0..5 {
        create_template(&*store, &format!("t{n}")).await;
    }
    let now = store.revision().await.unwrap();
    world.compact(now).await;
    let fresh = world.other().await;
    assert_eq!(fresh.list(Kind::Template, None).await.unwrap().items.len(), 5);
    let t0 = fresh.get(&template_key("t0")).await.unwrap().unwrap();
    describe(&*fresh, &t0, "1").await;
}

/// Breaks without it: one viewer with a phone in a tunnel fills the server's memory.
pub async fn a_slow_watcher_is_closed_or_loses_nothing(world: &mut dyn World) {
    let store = world.store();
    let mut slow = store.watch(Kind::Template, 0).await.unwrap();
    let mut quick = store.watch(Kind::Template, 0).await.unwrap();
    let count = WATCH_BUFFER * 3;
    let mut written = Vec::new();
    for n in 0..count {
        written.push(create_template(&*store, &format!("t{n:03}")).await.revision());
        assert_eq!(event(&mut quick).await.revision, written[n], "the others go on");
    }
    let mut told = Vec::new();
    let ended = loop {
        match item(&mut slow).await {
            Ok(WatchItem::Event(event)) => told.push(event.revision),
            Ok(WatchItem::Progress(_)) => {}
            Err(error) => break Some(error),
        }
        if told.len() == count {
            break None;
        }
    };
    assert_eq!(told, written[..told.len()], "what it was told is without a gap");
    if world.pushes() {
        assert_eq!(ended, Some(WatchError::Slow));
        assert!(told.len() <= WATCH_BUFFER + 1, "{} were kept for it", told.len());
    } else {
        assert_eq!(ended, None, "who reads at his own speed loses nothing");
    }
}

/// Breaks without it: what a slow watcher missed is lost to it, instead of being read again.
pub async fn a_closed_watcher_resumes_where_it_was(world: &mut dyn World) {
    let store = world.store();
    let mut watch = store.watch(Kind::Template, 0).await.unwrap();
    let mut object = create_template(&*store, "a").await;
    let seen = event(&mut watch).await.revision;
    for n in 1..WATCH_BUFFER * 2 {
        object = describe(&*store, &object, &n.to_string()).await;
    }
    drop(watch);
    let mut again = store.watch(Kind::Template, seen).await.unwrap();
    let events = events_until(&mut again, object.revision()).await;
    let expected: Vec<_> = (1..WATCH_BUFFER * 2).map(|n| format!("modified a={n}")).collect();
    assert_eq!(told(&events), expected);
}

/// Breaks without it: two replicas of a controller see different worlds.
pub async fn all_watchers_are_told_the_same(world: &mut dyn World) {
    let store = world.store();
    let other = world.other().await;
    let mut watches = Vec::new();
    for store in [&store, &store, &other, &other] {
        watches.push(store.watch(Kind::Template, 0).await.unwrap());
    }
    for n in 0..20 {
        let writer = if n % 2 == 0 { &store } else { &other };
        create_template(&**writer, &format!("t{n}")).await;
    }
    let first = events(&mut watches[0], 20).await;
    for watch in &mut watches[1..] {
        assert_eq!(told(&events(watch, 20).await), told(&first));
    }
}

/// Breaks without it: a client that was away for a while is told a part of what happened.
pub async fn a_long_history_is_told_whole(world: &mut dyn World) {
    let store = world.store();
    let writes: Vec<_> =
        (0..1_200).map(|n| store.write(creating(template(&format!("t{n:04}"))))).collect();
    let mut revisions = Vec::new();
    for outcome in futures::future::join_all(writes).await {
        revisions.push(outcome.unwrap().revision());
    }
    revisions.sort_unstable();
    let mut watch = store.watch(Kind::Template, 0).await.unwrap();
    let events = events(&mut watch, 1_200).await;
    let told: Vec<_> = events.iter().map(|event| event.revision).collect();
    assert_eq!(told, revisions);
}

/// Breaks without it: an object's labels in an event are those of another moment.
pub async fn an_event_shows_the_object_as_of_its_revision(world: &mut dyn World) {
    let store = world.store();
    let a = create(&*store, lease("n", "a", "one")).await;
    let b = store.write(patching(&a, json!({"metadata": {"labels": {"holder": "two"}}}))).await;
    let b = b.unwrap();
    let mut watch = store.watch(Kind::Lease, 0).await.unwrap();
    let events = events_until(&mut watch, b.revision()).await;
    let labels: Vec<_> =
        events.iter().map(|e| e.object.metadata.labels["holder"].as_str()).collect();
    assert_eq!(labels, ["one", "two"]);
    assert_eq!(events[0].object.revision(), a.revision());
}
