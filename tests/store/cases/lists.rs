use devpocket_specs::kind::Kind;

use crate::objects::*;
use crate::worlds::World;

/// Breaks without it: pages and diffs of lists jump about.
pub async fn a_list_is_ordered_by_namespace_then_name(world: &mut dyn World) {
    let store = world.store();
    for (namespace, name) in [("b", "x"), ("a", "z"), ("a-b", "y"), ("a", "b"), ("a", "a-1")] {
        create(&*store, lease(namespace, name, "h")).await;
    }
    let listing = store.list(Kind::Lease, None).await.unwrap();
    let keys: Vec<_> = listing.items.iter().map(|i| i.key().to_string()).collect();
    let expected = ["lease/a/a-1", "lease/a/b", "lease/a/z", "lease/a-b/y", "lease/b/x"];
    assert_eq!(keys, expected);
}

/// Breaks without it: a tenant sees what belongs to one whose name begins like theirs.
pub async fn a_list_of_one_namespace_has_nothing_of_another(world: &mut dyn World) {
    let store = world.store();
    for namespace in ["team", "team-b", "tea", "teams"] {
        create(&*store, lease(namespace, "x", "h")).await;
    }
    let listing = store.list(Kind::Lease, Some("team")).await.unwrap();
    assert_eq!(listing.items.len(), 1);
    assert_eq!(listing.items[0].metadata.namespace, "team");
}

/// Breaks without it: a controller decodes one kind as another.
pub async fn a_list_has_only_its_kind(world: &mut dyn World) {
    let store = world.store();
    create_template(&*store, "a").await;
    create(&*store, lease("n", "a", "h")).await;
    let listing = store.list(Kind::Template, None).await.unwrap();
    assert_eq!(names(&listing.items), ["a"]);
    assert!(listing.items.iter().all(|item| item.kind == Kind::Template));
}

/// Breaks without it: clients refuse an empty list for lack of a resourceVersion.
pub async fn an_empty_list_has_a_revision_to_watch_from(world: &mut dyn World) {
    let store = world.store();
    create(&*store, lease("n", "a", "h")).await;
    let listing = store.list(Kind::Template, None).await.unwrap();
    assert!(listing.items.is_empty());
    assert_eq!(listing.revision, store.revision().await.unwrap());
}

/// Breaks without it: a person creates an environment and does not find it in the list.
pub async fn a_list_has_what_was_acknowledged_before_it(world: &mut dyn World) {
    let store = world.store();
    for n in 0..20 {
        let name = format!("t{n:02}");
        let created = create_template(&*store, &name).await;
        let listing = store.list(Kind::Template, None).await.unwrap();
        assert!(listing.revision >= created.revision());
        assert_eq!(names(&listing.items).last(), Some(&name));
    }
}

/// Breaks without it: the same, when the request after the write reaches another replica.
pub async fn another_process_reads_what_was_acknowledged_before(world: &mut dyn World) {
    let (store, other) = (world.store(), world.other().await);
    let mut object = create_template(&*store, "a").await;
    for n in 1..15 {
        object = describe(&*store, &object, &n.to_string()).await;
        let read = other.get(&template_key("a")).await.unwrap().unwrap();
        assert_eq!(read.revision(), object.revision());
        let listing = other.list(Kind::Template, None).await.unwrap();
        assert_eq!(description(&listing.items[0]), n.to_string());
    }
}

/// Breaks without it: what lies behind the first page of a large installation does not exist.
pub async fn a_long_list_is_whole(world: &mut dyn World) {
    let store = world.store();
    let writes: Vec<_> =
        (0..1_200).map(|n| store.write(creating(template(&format!("t{n:04}"))))).collect();
    for outcome in futures::future::join_all(writes).await {
        outcome.unwrap();
    }
    for store in [store.clone(), world.other().await] {
        let listing = store.list(Kind::Template, None).await.unwrap();
        let expected: Vec<_> = (0..1_200).map(|n| format!("t{n:04}")).collect();
        assert_eq!(names(&listing.items), expected);
    }
}

/// Breaks without it: deleted objects stay in the list for ever.
pub async fn a_list_has_nothing_that_was_deleted(world: &mut dyn World) {
    let store = world.store();
    let a = create_template(&*store, "a").await;
    create_template(&*store, "b").await;
    delete(&*store, &a).await;
    let listing = store.list(Kind::Template, None).await.unwrap();
    assert_eq!(names(&listing.items), ["b"]);
}
