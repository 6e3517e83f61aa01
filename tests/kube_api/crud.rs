use k8s_openapi::api::core::v1::Namespace;
use kube::Resource as _;
use kube::ResourceExt as _;
use kube::api::{
    Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy,
};
use kube::core::Expression;
use reqwest::Method;
use serde_json::{Value, json};

use super::world::{ENVIRONMENTS, World, environment, refusal};

#[tokio::test]
async fn an_object_is_created_read_replaced_listed_and_deleted() {
    let world = World::new().await;
    let api = world.environments();
    let made = api.create(&PostParams::default(), &environment("web")).await.unwrap();
    assert!(made.uid().is_some() && made.creation_timestamp().is_some());
    assert_eq!(made.metadata.generation, Some(1));

    let mut read = api.get("web").await.unwrap();
    assert_eq!(read, made);
    read.data["spec"]["power"] = "Stopped".into();
    let replaced = api.replace("web", &PostParams::default(), &read).await.unwrap();
    assert_eq!(replaced.metadata.generation, Some(2));
    assert_ne!(replaced.resource_version(), made.resource_version());

    let stale = api.replace("web", &PostParams::default(), &read).await.unwrap_err();
    assert_eq!(refusal(stale), (409, "Conflict".into()));

    let list = api.list(&ListParams::default()).await.unwrap();
    assert_eq!(list.items, std::slice::from_ref(&replaced));
    assert_eq!(list.metadata.resource_version, replaced.resource_version());

    let gone = api.delete("web", &DeleteParams::default()).await.unwrap();
    let status = gone.right().expect("without finalizers it is gone at once");
    assert_eq!(status.details.unwrap().uid, made.uid().unwrap());
    assert_eq!(refusal(api.get("web").await.unwrap_err()), (404, "NotFound".into()));
}

#[tokio::test]
async fn typed_built_in_kinds_work() {
    let world = World::new().await;
    let api: Api<Namespace> = Api::all(world.client());
    let mut namespace = Namespace::default();
    namespace.meta_mut().name = Some("team-b".into());
    api.create(&PostParams::default(), &namespace).await.unwrap();
    let names: Vec<String> =
        api.list(&ListParams::default()).await.unwrap().iter().map(|n| n.name_any()).collect();
    assert_eq!(names, ["team-a", "team-b"]);
}

#[tokio::test]
async fn a_generated_name_is_made_and_kept() {
    let world = World::new().await;
    let mut object = environment("x");
    object.metadata.name = None;
    object.metadata.generate_name = Some("job-".into());
    let api = world.environments();
    for _ in 0..3 {
        // The name for people is unique, and defaults to the generated one.
        let made = api.create(&PostParams::default(), &object).await.unwrap();
        assert!(made.name_any().starts_with("job-") && made.name_any().len() > 4, "{made:?}");
        assert_eq!(api.get(&made.name_any()).await.unwrap(), made);
    }
    let nameless = world.send(Method::POST, ENVIRONMENTS, &json!({"spec": {}})).await;
    assert_eq!((nameless.code, nameless.fields()), (422, vec!["metadata.name"]));
}

#[tokio::test]
async fn finalizers_keep_an_object_until_the_last_is_gone() {
    let world = World::new().await;
    let api = world.environments();
    let mut object = environment("web");
    object.metadata.finalizers = Some(vec!["example.com/a".into()]);
    api.create(&PostParams::default(), &object).await.unwrap();
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Background),
        ..DeleteParams::default()
    };
    let going = api.delete("web", &params).await.unwrap().left().expect("it is still there");
    assert!(going.metadata.deletion_timestamp.is_some());
    assert!(api.get("web").await.unwrap().metadata.deletion_timestamp.is_some());

    let patch = json!([
        {"op": "test", "path": "/metadata/finalizers/0", "value": "example.com/a"},
        {"op": "remove", "path": "/metadata/finalizers/0"},
    ]);
    let path = format!("{ENVIRONMENTS}/web");
    let media = "application/json-patch+json";
    let patched = world.send_as(Method::PATCH, &path, media, patch.to_string()).await;
    assert_eq!(patched.code, 200, "{patched:?}");
    assert_eq!(refusal(api.get("web").await.unwrap_err()).0, 404);
}

#[tokio::test]
async fn preconditions_of_a_delete_are_kept() {
    let world = World::new().await;
    let api = world.environments();
    let made = world.environment("web").await;
    let with = |uid: Option<String>, resource_version: Option<String>| {
        DeleteParams::default().preconditions(Preconditions { uid, resource_version })
    };
    for params in [
        with(Some("00000000-0000-4000-8000-000000000000".into()), None),
        with(None, Some("1".into())),
    ] {
        let refused = api.delete("web", &params).await.unwrap_err();
        assert_eq!(refusal(refused), (409, "Conflict".into()));
    }
    api.delete("web", &with(made.uid(), made.resource_version())).await.unwrap();
}

#[tokio::test]
async fn a_dry_run_changes_nothing_on_any_verb() {
    let world = World::new().await;
    let api = world.environments();
    let kept = world.environment("web").await;
    let before = world.store.revision().await.unwrap();

    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let made = api.create(&dry, &environment("api")).await.unwrap();
    assert!(made.uid().is_some(), "answered as if it had been made");
    let mut changed = kept.clone();
    changed.data["spec"]["power"] = "Stopped".into();
    let replaced = api.replace("web", &dry, &changed).await.unwrap();
    assert_eq!(replaced.data["spec"]["power"], "Stopped");
    let params = PatchParams { dry_run: true, ..PatchParams::apply("me") };
    let merge = Patch::Merge(json!({"spec": {"power": "Stopped"}}));
    api.patch("web", &params, &merge).await.unwrap();
    let mut applied = environment("new");
    applied.types = changed.types.clone();
    api.patch("new", &params, &Patch::Apply(&applied)).await.unwrap();
    let delete = DeleteParams { dry_run: true, ..DeleteParams::default() };
    api.delete("web", &delete).await.unwrap();
    // As kubectl asks for it: in the query instead of the body.
    let in_query = format!("{ENVIRONMENTS}/web?dryRun=All");
    assert_eq!(world.send(Method::DELETE, &in_query, &Value::Null).await.code, 200);
    let status = json!({"status": {"approvals": []}});
    let status_path = format!("{ENVIRONMENTS}/web/status?dryRun=All");
    let merge = "application/merge-patch+json";
    let patched = world.send_as(Method::PATCH, &status_path, merge, status.to_string()).await;
    assert_eq!(patched.code, 200, "{patched:?}");

    assert_eq!(world.store.revision().await.unwrap(), before);
    assert_eq!(api.get("web").await.unwrap(), kept);
    let unknown = format!("{ENVIRONMENTS}/web?dryRun=Some");
    let refused = world.send(Method::DELETE, &unknown, &Value::Null).await;
    assert_eq!(refused.reason(), "BadRequest");
}

#[tokio::test]
async fn labels_and_fields_select() {
    let world = World::new().await;
    let api = world.environments();
    for (name, tier) in [("web", "front"), ("api", "back"), ("db", "back")] {
        let mut object = environment(name);
        object.metadata.labels = Some([("tier".to_owned(), tier.to_owned())].into());
        api.create(&PostParams::default(), &object).await.unwrap();
    }
    let names = async |params: ListParams| -> Vec<String> {
        api.list(&params).await.unwrap().iter().map(|o| o.name_any()).collect()
    };
    assert_eq!(names(ListParams::default().labels("tier=back")).await, ["api", "db"]);
    let not_front = Expression::NotIn("tier".into(), ["front".into()].into());
    assert_eq!(names(ListParams::default().labels_from(&not_front.into())).await, ["api", "db"]);
    assert_eq!(names(ListParams::default().fields("metadata.name=web")).await, ["web"]);
    assert_eq!(
        names(ListParams::default().fields("spec.size=vps-10-nvme,metadata.name!=db")).await,
        ["api", "web"]
    );
    for query in ["labelSelector=a%20in", "fieldSelector=spec.sizes!%3D1", "fieldSelector=x"] {
        let refused = world.get(&format!("{ENVIRONMENTS}?{query}")).await;
        assert_eq!((refused.code, refused.reason()), (400, "BadRequest"), "{query}");
    }
}

#[tokio::test]
async fn lists_reach_over_namespaces_and_stay_inside_one() {
    let world = World::new().await;
    let other = json!({"metadata": {"name": "team-b"}});
    world.send(Method::POST, "/kube/api/v1/namespaces", &other).await;
    world.environment("web").await;
    let there = ENVIRONMENTS.replace("team-a", "team-b");
    let object =
        json!({"metadata": {"name": "api"}, "spec": {"size": "vps-10-nvme", "region": "EU"}});
    assert_eq!(world.send(Method::POST, &there, &object).await.code, 201);
    let all = world.get("/kube/apis/devpocket.dev/v1alpha1/environments").await;
    assert_eq!(all.names(), ["web", "api"]);
    assert_eq!(all.body["kind"], "EnvironmentList");
    assert_eq!(world.get(&there).await.names(), ["api"]);
    assert_eq!(
        world.get(&format!("{ENVIRONMENTS}?limit=1&resourceVersion=0")).await.names(),
        ["web"]
    );
}

#[tokio::test]
async fn a_list_is_as_fresh_as_asked_for() {
    let world = World::new().await;
    world.environment("web").await;
    let now = world.store.revision().await.unwrap();
    let list = async |query: String| world.get(&format!("{ENVIRONMENTS}?{query}")).await;
    let exact = "resourceVersionMatch=Exact&resourceVersion";
    assert_eq!(list(format!("{exact}={now}")).await.names(), ["web"]);
    assert_eq!(list(format!("{exact}=1")).await.names(), [""; 0], "before there was one");
    let fresh = list(format!("resourceVersionMatch=NotOlderThan&resourceVersion={now}")).await;
    assert_eq!(fresh.names(), ["web"]);
    let future = list(format!("resourceVersion={}", now + 1000)).await;
    assert_eq!(future.reason(), "Timeout");
    assert_eq!(future.body["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
    assert_eq!(future.headers["retry-after"], "1");
    assert_eq!(list("resourceVersion=abc".into()).await.reason(), "BadRequest");
    assert_eq!(list("resourceVersionMatch=Exact".into()).await.reason(), "Invalid");
}

#[tokio::test]
async fn a_long_list_is_one_whole_document() {
    let world = World::new().await;
    let note = "x".repeat(20_000);
    for index in 0..12 {
        let mut object = environment(&format!("e{index:02}"));
        object.metadata.annotations = Some([("note".to_owned(), note.clone())].into());
        world.environments().create(&PostParams::default(), &object).await.unwrap();
    }
    let list = world.get(ENVIRONMENTS).await;
    assert_eq!(list.names().len(), 12);
    assert_eq!(list.body["items"][11]["metadata"]["annotations"]["note"], note.as_str());
}

#[tokio::test]
async fn the_status_is_apart() {
    let world = World::new().await;
    let made = world.environment("web").await;
    let mut object = made.clone();
    object.data["status"] = json!({"phase": "running"});
    let replaced =
        world.environments().replace("web", &PostParams::default(), &object).await.unwrap();
    assert_eq!(replaced.resource_version(), made.resource_version(), "nothing was changed");
    let status = world.get(&format!("{ENVIRONMENTS}/web/status")).await;
    assert_eq!((status.code, &status.body["kind"]), (200, &json!("Environment")));
    let secrets = "/kube/api/v1/namespaces/team-a/secrets/x/status";
    assert_eq!(world.get(secrets).await.code, 404, "a kind without status has no such path");
}
