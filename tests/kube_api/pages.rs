//! Lists in pages, and as of a revision.

use std::sync::Arc;

use devpocket_controllers::sim::store::MemoryStore;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;

use super::world::{Answer, ENVIRONMENTS, World, refusal};

async fn list(world: &World, query: &str) -> Answer {
    world.get(&format!("{ENVIRONMENTS}?{query}")).await
}

fn now(store: &MemoryStore) -> u64 {
    *store.latest().borrow()
}

fn next(answer: &Answer) -> &str {
    answer.body["metadata"]["continue"].as_str().unwrap_or_else(|| panic!("{answer:?}"))
}

#[tokio::test]
async fn pages_together_are_the_list_as_it_was_when_the_first_was_made() {
    let world = World::new().await;
    let api = world.environments();
    for name in ["a", "b", "c", "d", "e"] {
        world.environment(name).await;
    }
    let whole = list(&world, "").await;
    let page = |token: Option<String>| ListParams {
        limit: Some(2),
        continue_token: token,
        ..ListParams::default()
    };
    let first = api.list(&page(None)).await.unwrap();
    assert_eq!(first.metadata.remaining_item_count, Some(3));
    // Everything that can happen happens behind and ahead of the reader.
    api.delete("a", &DeleteParams::default()).await.unwrap();
    api.delete("c", &DeleteParams::default()).await.unwrap();
    world.environment("bb").await;
    let patch = Patch::Merge(json!({"spec": {"power": "Stopped"}}));
    api.patch("d", &PatchParams::default(), &patch).await.unwrap();

    let mut read = first.items.clone();
    let mut token = first.metadata.continue_.clone();
    let mut pages = 1;
    while let Some(text) = token {
        let page = api.list(&page(Some(text))).await.unwrap();
        assert_eq!(page.metadata.resource_version, first.metadata.resource_version);
        read.extend(page.items);
        token = page.metadata.continue_.filter(|text| !text.is_empty());
        pages += 1;
    }
    assert_eq!(pages, 3);
    let read: Vec<_> = read.iter().map(|o| (o.name_any(), o.resource_version().unwrap())).collect();
    let then: Vec<_> = whole.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["metadata"])
        .map(|m| {
            (m["name"].as_str().unwrap().into(), m["resourceVersion"].as_str().unwrap().into())
        })
        .collect();
    assert_eq!(read, then);
    assert_eq!(list(&world, "").await.names(), ["b", "bb", "d", "e"]);
}

#[tokio::test]
async fn a_page_past_the_history_offers_the_rest_as_it_is_now() {
    let store = MemoryStore::default();
    let world = World::over(Arc::new(store.clone())).await;
    for name in ["a", "b", "c"] {
        world.environment(name).await;
    }
    let first = list(&world, "limit=1").await;
    world.environment("bb").await;
    store.compact(now(&store));
    let expired = list(&world, &format!("limit=1&continue={}", next(&first))).await;
    assert_eq!((expired.code, expired.reason()), (410, "Expired"));
    assert!(expired.message().contains("inconsistent list"), "{}", expired.message());
    let rest = list(&world, &format!("continue={}", next(&expired))).await;
    assert_eq!(rest.names(), ["b", "bb", "c"], "the one made since shows up");
    // The real client tells it from other refusals.
    let params = ListParams::default().limit(1).continue_token(next(&first));
    let refused = world.environments().list(&params).await.unwrap_err();
    assert_eq!(refusal(refused), (410, "Expired".into()));
}

#[tokio::test]
async fn a_selector_is_kept_over_pages_and_hides_how_many_remain() {
    let world = World::new().await;
    for name in ["a", "b", "c", "d"] {
        world.environment(name).await;
    }
    let query = "fieldSelector=metadata.name!%3Db&limit=2";
    let first = list(&world, query).await;
    assert_eq!(first.names(), ["a", "c"]);
    assert_eq!(first.body["metadata"].get("remainingItemCount"), None);
    let last = list(&world, &format!("{query}&continue={}", next(&first))).await;
    assert_eq!(last.names(), ["d"]);
    assert_eq!(last.body["metadata"].get("continue"), None, "nothing comes after");
    // Exactly as many as fit are the whole list.
    assert_eq!(list(&world, "limit=4").await.body["metadata"].get("continue"), None);
}

#[tokio::test]
async fn the_rules_for_revisions_are_kubernetes_own() {
    let store = MemoryStore::default();
    let world = World::over(Arc::new(store.clone())).await;
    world.environment("a").await;
    let then = now(&store);
    world.environment("b").await;
    let latest = now(&store);
    let exact = format!("resourceVersionMatch=Exact&resourceVersion={then}");
    let past = list(&world, &exact).await;
    assert_eq!(past.names(), ["a"]);
    assert_eq!(past.body["metadata"]["resourceVersion"], then.to_string());
    assert_eq!(list(&world, &format!("resourceVersion={then}&limit=5")).await.names(), ["a"]);
    assert_eq!(list(&world, &format!("resourceVersion={then}")).await.names(), ["a", "b"]);
    let fresh = format!("resourceVersionMatch=NotOlderThan&limit=5&resourceVersion={then}");
    assert_eq!(list(&world, &fresh).await.names(), ["a", "b"]);
    for (query, code) in [
        ("resourceVersionMatch=Exact".to_owned(), 422),
        ("resourceVersionMatch=NotOlderThan".to_owned(), 422),
        ("resourceVersionMatch=Exact&resourceVersion=0".to_owned(), 422),
        ("resourceVersionMatch=Newest&resourceVersion=1".to_owned(), 400),
        ("continue=made-up".to_owned(), 400),
        ("limit=-1".to_owned(), 400),
        ("limit=many".to_owned(), 400),
    ] {
        assert_eq!(list(&world, &query).await.code, code, "{query}");
    }
    let first = list(&world, "limit=1").await;
    let token = next(&first);
    for (query, code) in [
        (format!("continue={token}&resourceVersion={latest}"), 400),
        (format!("continue={token}&resourceVersionMatch=Exact&resourceVersion={latest}"), 422),
    ] {
        assert_eq!(list(&world, &query).await.code, code, "{query}");
    }
    store.compact(latest);
    assert_eq!(list(&world, &exact).await.reason(), "Expired");
    // One object is at least as new as asked for, or is waited for.
    let one = async |version: u64| {
        world.get(&format!("{ENVIRONMENTS}/a?resourceVersion={version}")).await
    };
    assert_eq!(one(latest).await.code, 200);
    assert_eq!(one(latest + 1000).await.reason(), "Timeout");
}
