use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use devpocket_controllers::sim::store::MemoryStore;
use devpocket_controllers::store::Store;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use kube::ResourceExt as _;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher::{self, watcher};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::world::{
    ADMIN_TOKEN, ENVIRONMENTS, PATIENCE, World, environment, environment_resource, refusal,
};

/// The lines of a watch that ends by itself.
async fn lines(world: &World, query: &str) -> Vec<Value> {
    let path = format!("{ENVIRONMENTS}?watch=true&{query}");
    let request = world.request(Method::GET, &path).bearer_auth(ADMIN_TOKEN);
    let text = request.send().await.unwrap().text().await.unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// `TYPE name` of each line, `BOOKMARK` alone.
fn told(lines: &[Value]) -> Vec<String> {
    let word = |line: &Value| line["type"].as_str().unwrap().to_owned();
    let name = |line: &Value| line["object"]["metadata"]["name"].as_str().map(str::to_owned);
    lines
        .iter()
        .map(|line| {
            [Some(word(line)), name(line)].into_iter().flatten().collect::<Vec<_>>().join(" ")
        })
        .collect()
}

async fn power(world: &World, name: &str, power: &str) {
    let patch = Patch::Merge(json!({"spec": {"power": power}}));
    world.environments().patch(name, &PatchParams::default(), &patch).await.unwrap();
}

async fn label(world: &World, name: &str, tier: &str) {
    let patch = Patch::Merge(json!({"metadata": {"labels": {"tier": tier}}}));
    world.environments().patch(name, &PatchParams::default(), &patch).await.unwrap();
}

#[tokio::test]
async fn list_then_watch_misses_and_repeats_nothing() {
    let world = World::new().await;
    world.environment("web").await;
    let list = world.get(ENVIRONMENTS).await;
    let from = list.body["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    power(&world, "web", "Stopped").await;
    world.environment("api").await;
    world.send(Method::DELETE, &format!("{ENVIRONMENTS}/web"), &Value::Null).await;
    let seen = lines(&world, &format!("resourceVersion={from}&timeoutSeconds=1")).await;
    assert_eq!(told(&seen), ["MODIFIED web", "ADDED api", "DELETED web"]);
    let versions: Vec<u64> = seen
        .iter()
        .map(|l| l["object"]["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(versions.is_sorted() && versions[0] < versions[1] && versions[1] < versions[2]);
}

#[tokio::test]
async fn a_watch_ends_when_it_said_it_would() {
    let world = World::new().await;
    let started = Instant::now();
    assert!(lines(&world, "resourceVersion=1&timeoutSeconds=1").await.is_empty());
    let took = started.elapsed();
    assert!((0.9..5.0).contains(&took.as_secs_f64()), "{took:?}");
}

#[tokio::test]
async fn what_leaves_the_selection_is_deleted_and_what_enters_is_added() {
    let world = World::new().await;
    world.environment("web").await;
    let from = world.store.revision().await.unwrap();
    for tier in ["front", "front2", "back", "front"] {
        label(&world, "web", tier).await;
    }
    let query =
        format!("resourceVersion={from}&timeoutSeconds=1&labelSelector=tier%21%3Dback,tier");
    let seen = lines(&world, &query).await;
    assert_eq!(told(&seen), ["ADDED web", "MODIFIED web", "DELETED web", "ADDED web"]);
    let left = &seen[2]["object"]["metadata"];
    assert_eq!(left["labels"]["tier"], "front2", "as the watcher last saw it");
    assert!(
        left["resourceVersion"].as_str()
            > seen[1]["object"]["metadata"]["resourceVersion"].as_str()
    );
}

#[tokio::test]
async fn initial_events_come_first_and_their_end_is_marked() {
    let world = World::new().await;
    world.environment("web").await;
    world.environment("api").await;
    let streaming = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan\
                     &allowWatchBookmarks=true&timeoutSeconds=1";
    let seen = lines(&world, streaming).await;
    assert_eq!(told(&seen), ["ADDED api", "ADDED web", "BOOKMARK"]);
    let mark = &seen[2]["object"]["metadata"];
    assert_eq!(mark["annotations"]["k8s.io/initial-events-end"], "true");
    let now = world.store.revision().await.unwrap().to_string();
    assert_eq!(mark["resourceVersion"], now);
    // Without a version a watch begins with what there is, as Kubernetes' does.
    assert_eq!(told(&lines(&world, "timeoutSeconds=1").await), ["ADDED api", "ADDED web"]);
}

#[tokio::test]
async fn a_streamed_list_that_is_not_asked_for_properly_is_refused_so_that_clients_fall_back() {
    let world = World::new().await;
    for query in ["sendInitialEvents=true", "resourceVersionMatch=NotOlderThan"] {
        let refused = world.get(&format!("{ENVIRONMENTS}?watch=true&{query}")).await;
        assert_eq!((refused.code, refused.reason()), (422, "Invalid"), "{query}");
        assert_eq!(refused.fields(), ["resourceVersionMatch"]);
    }
}

#[tokio::test]
async fn the_last_word_is_a_bookmark_from_which_to_go_on() {
    let world = World::new().await;
    world.environment("web").await;
    let from = world.store.revision().await.unwrap();
    label(&world, "web", "front").await;
    let query = format!(
        "resourceVersion={from}&timeoutSeconds=1&allowWatchBookmarks=true&labelSelector=none"
    );
    let seen = lines(&world, &query).await;
    assert_eq!(told(&seen), ["BOOKMARK"], "the change was passed over, the place is told");
    let now = world.store.revision().await.unwrap().to_string();
    assert_eq!(seen[0]["object"]["metadata"]["resourceVersion"], now);
}

#[tokio::test]
async fn history_that_is_gone_is_410() {
    let store = MemoryStore::default();
    let world = World::over(Arc::new(store.clone())).await;
    world.environment("web").await;
    store.compact(store.revision().await.unwrap());
    let refused = world.get(&format!("{ENVIRONMENTS}?watch=true&resourceVersion=1")).await;
    assert_eq!((refused.code, refused.reason()), (410, "Expired"));
    let api = world.environments();
    let watch = api.watch(&WatchParams::default(), "1").await;
    match watch {
        Err(error) => assert_eq!(refusal(error), (410, "Expired".into())),
        Ok(events) => match pin!(events).next().await {
            Some(Ok(WatchEvent::Error(status))) => assert_eq!(status.code, 410),
            other => panic!("{other:?}"),
        },
    }
}

#[tokio::test]
async fn stopping_the_server_ends_its_watches() {
    let world = World::new().await;
    let path = format!("{ENVIRONMENTS}?watch=true&resourceVersion=1");
    let request = world.request(Method::GET, &path).bearer_auth(ADMIN_TOKEN);
    let watch = request.send().await.unwrap();
    world.shutdown.cancel();
    assert_eq!(timeout(PATIENCE, watch.text()).await.unwrap().unwrap(), "");
    timeout(PATIENCE, world.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn watchers_that_leave_are_let_go() {
    let store = MemoryStore::default();
    let world = World::over(Arc::new(store.clone())).await;
    let path = format!("{ENVIRONMENTS}?watch=true&resourceVersion=1");
    let request = world.request(Method::GET, &path).bearer_auth(ADMIN_TOKEN);
    let watch = request.send().await.unwrap();
    assert_eq!(store.watchers(), 1);
    drop(watch);
    let gone = async {
        while store.watchers() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, gone).await.expect("the store still holds a watcher");
}

async fn next_name<S>(
    events: &mut S,
    expected: fn(&watcher::Event<DynamicObject>) -> bool,
) -> Option<String>
where
    S: Stream<Item = watcher::Result<watcher::Event<DynamicObject>>> + Unpin,
{
    let next = async {
        loop {
            let event = events.try_next().await.unwrap().unwrap();
            if expected(&event) {
                return match event {
                    watcher::Event::Apply(o)
                    | watcher::Event::Delete(o)
                    | watcher::Event::InitApply(o) => Some(o.name_any()),
                    _ => None,
                };
            }
        }
    };
    timeout(PATIENCE, next).await.expect("the watcher told nothing")
}

async fn follows(config: watcher::Config) {
    let world = World::new().await;
    world.environment("web").await;
    let mut events = pin!(watcher(world.environments(), config));
    let init = |e: &watcher::Event<_>| matches!(e, watcher::Event::InitApply(_));
    assert_eq!(next_name(&mut events, init).await.unwrap(), "web");
    let done = |e: &watcher::Event<_>| matches!(e, watcher::Event::InitDone);
    assert_eq!(next_name(&mut events, done).await, None);
    world.environment("api").await;
    let applied = |e: &watcher::Event<_>| matches!(e, watcher::Event::Apply(_));
    assert_eq!(next_name(&mut events, applied).await.unwrap(), "api");
    world.send(Method::DELETE, &format!("{ENVIRONMENTS}/web"), &Value::Null).await;
    let deleted = |e: &watcher::Event<_>| matches!(e, watcher::Event::Delete(_));
    assert_eq!(next_name(&mut events, deleted).await.unwrap(), "web");
    // Its watch ends every second here, so it has gone on from where it was at least once.
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    world.environment("db").await;
    assert_eq!(next_name(&mut events, applied).await.unwrap(), "db");
}

#[tokio::test]
async fn the_real_watcher_follows_by_list_and_watch() {
    follows(watcher::Config::default().timeout(1)).await;
}

#[tokio::test]
async fn the_real_watcher_follows_by_a_streamed_list() {
    follows(watcher::Config::default().timeout(1).streaming_lists()).await;
}

#[tokio::test]
async fn the_real_controller_reconciles() {
    let world = World::new().await;
    world.environment("web").await;
    let api = world.environments();
    let context = Arc::new((api.clone(), AtomicU32::new(0)));
    let reconcile = |object: Arc<DynamicObject>,
                     context: Arc<(kube::Api<DynamicObject>, AtomicU32)>| async move {
        context.1.fetch_add(1, Ordering::SeqCst);
        if object.labels().get("seen").is_none() {
            let patch = Patch::Merge(json!({"metadata": {"labels": {"seen": "yes"}}}));
            context.0.patch(&object.name_any(), &PatchParams::default(), &patch).await?;
        }
        Ok::<_, kube::Error>(Action::await_change())
    };
    let controller = Controller::new_with(
        api.clone(),
        watcher::Config::default(),
        environment_resource(),
    )
    .run(reconcile, |_, _, _| Action::await_change(), context.clone());
    let mut controller = pin!(controller);
    let all_seen = async {
        loop {
            controller.next().await.unwrap().unwrap();
            let objects = api.list(&Default::default()).await.unwrap();
            let seen = objects.iter().filter(|o| o.labels().contains_key("seen")).count();
            match (objects.items.len(), seen) {
                (1, 1) => {
                    drop(api.create(&PostParams::default(), &environment("api")).await.unwrap())
                }
                (2, 2) => return,
                _ => {}
            }
        }
    };
    timeout(PATIENCE, all_seen).await.expect("the controller did not finish");
    assert!(context.1.load(Ordering::SeqCst) >= 2);
}
