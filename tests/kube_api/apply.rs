use kube::ResourceExt as _;
use kube::api::{DynamicObject, Patch, PatchParams};
use reqwest::Method;
use serde_json::{Value, json};

use super::world::{ENVIRONMENTS, World};

const APPLY: &str = "application/apply-patch+yaml";

fn applied(spec: Value) -> Value {
    json!({
        "apiVersion": "devpocket.dev/v1alpha1",
        "kind": "Environment",
        "metadata": {"name": "web"},
        "spec": spec,
    })
}

async fn apply(
    world: &World,
    manager: &str,
    force: bool,
    spec: Value,
) -> kube::Result<DynamicObject> {
    let mut params = PatchParams::apply(manager);
    params.force = force;
    world.environments().patch("web", &params, &Patch::Apply(applied(spec))).await
}

#[tokio::test]
async fn an_apply_creates_and_then_changes_nothing() {
    let world = World::new().await;
    let spec = json!({"size": "vps-10-nvme", "region": "EU"});
    let made = apply(&world, "ann", false, spec.clone()).await.unwrap();
    assert_eq!(made.data["spec"]["size"], "vps-10-nvme");
    let again = apply(&world, "ann", false, spec).await.unwrap();
    assert_eq!(again, made, "the same apply is no write");
}

#[tokio::test]
async fn a_conflict_names_the_other_manager_and_force_takes_over() {
    let world = World::new().await;
    let base = json!({"size": "vps-10-nvme", "region": "EU", "power": "Running"});
    apply(&world, "ann", false, base).await.unwrap();
    let other = json!({"power": "Stopped"});
    let error = apply(&world, "bob", false, other.clone()).await.unwrap_err();
    let kube::Error::Api(status) = error else { panic!("{error}") };
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    let causes = status.details.unwrap().causes;
    assert_eq!(causes.len(), 1, "{causes:?}");
    assert_eq!(causes[0].reason, "FieldManagerConflict");
    assert!(causes[0].message.contains("ann"), "{causes:?}");
    assert_eq!(causes[0].field, ".spec.power");

    let forced = apply(&world, "bob", true, other).await.unwrap();
    assert_eq!(forced.data["spec"]["power"], "Stopped");
    let managers = forced.metadata.managed_fields.unwrap();
    let names: Vec<&str> = managers.iter().filter_map(|m| m.manager.as_deref()).collect();
    assert_eq!(names, ["ann", "bob"]);
}

#[tokio::test]
async fn what_is_left_out_of_the_next_apply_is_removed() {
    let world = World::new().await;
    let spec = json!({"size": "vps-10-nvme", "region": "EU"});
    let mut object = applied(spec.clone());
    object["metadata"]["labels"] = json!({"team": "a"});
    let (api, params) = (world.environments(), PatchParams::apply("ann"));
    let first = api.patch("web", &params, &Patch::Apply(object)).await.unwrap();
    assert_eq!(first.labels()["team"], "a");
    let second = apply(&world, "ann", false, spec).await.unwrap();
    assert!(second.labels().is_empty(), "{second:?}");
}

#[tokio::test]
async fn an_apply_in_yaml_needs_a_manager_and_the_right_name() {
    let world = World::new().await;
    let yaml = "apiVersion: devpocket.dev/v1alpha1\nkind: Environment\nspec:\n  size: vps-10-nvme\n  \
                region: EU\n";
    let path = format!("{ENVIRONMENTS}/web");
    let nobody = world.send_as(Method::PATCH, &path, APPLY, yaml.into()).await;
    assert_eq!((nobody.code, nobody.fields()), (422, vec!["fieldManager"]));
    let path = format!("{path}?fieldManager=ann");
    let made = world.send_as(Method::PATCH, &path, APPLY, yaml.into()).await;
    assert_eq!(made.code, 201, "{made:?}");
    assert_eq!(made.body["metadata"]["name"], "web");
    let wrong = yaml.replace("spec:", "metadata: {name: api}\nspec:");
    let refused = world.send_as(Method::PATCH, &path, APPLY, wrong).await;
    assert_eq!(refused.reason(), "BadRequest");
    let forced = format!("{path}&force=true");
    let merge = "application/merge-patch+json";
    let refused = world.send_as(Method::PATCH, &forced, merge, "{}".into()).await;
    assert_eq!((refused.code, refused.fields()), (422, vec!["force"]));
}
