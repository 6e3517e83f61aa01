use reqwest::Method;
use serde_json::{Value, json};

use super::world::{Answer, ENVIRONMENTS, World};

fn environment(name: &str, spec: Value) -> Value {
    json!({"metadata": {"name": name}, "spec": spec})
}

fn good() -> Value {
    json!({"size": "vps-10-nvme", "region": "EU"})
}

async fn post(world: &World, query: &str, object: &Value) -> Answer {
    world.send(Method::POST, &format!("{ENVIRONMENTS}{query}"), object).await
}

#[tokio::test]
async fn every_fault_of_an_object_is_a_cause() {
    let world = World::new().await;
    let spec = json!({"size": "vps-10-nvmee", "region": "Mars", "power": "On"});
    let refused = post(&world, "", &environment("web", spec)).await;
    assert_eq!((refused.code, refused.reason()), (422, "Invalid"));
    let mut fields = refused.fields();
    fields.sort_unstable();
    assert_eq!(fields, ["spec.power", "spec.region", "spec.size"]);
    assert_eq!(refused.body["details"]["kind"], "environments");
    assert_eq!(refused.body["details"]["group"], "devpocket.dev");
    assert_eq!(refused.body["details"]["name"], "web");
}

#[tokio::test]
async fn unknown_fields_are_refused_warned_about_or_ignored_as_asked() {
    let world = World::new().await;
    let mut spec = good();
    spec["pwoer"] = "Stopped".into();
    let strict = post(&world, "?fieldValidation=Strict", &environment("a", spec.clone())).await;
    assert!(matches!(strict.code, 400 | 422), "{strict:?}");
    assert_eq!(strict.fields(), ["spec.pwoer"]);
    assert!(strict.message().contains("power"), "names the nearest: {}", strict.message());

    let warned = post(&world, "?fieldValidation=Warn", &environment("b", spec.clone())).await;
    assert_eq!(warned.code, 201, "{warned:?}");
    let warning = warned.headers["warning"].to_str().unwrap();
    assert!(warning.starts_with("299 - ") && warning.contains("spec.pwoer"), "{warning}");
    assert_eq!(warned.body["spec"].get("pwoer"), None);

    let ignored = post(&world, "?fieldValidation=Ignore", &environment("c", spec)).await;
    assert_eq!((ignored.code, ignored.headers.get("warning")), (201, None));
}

#[tokio::test]
async fn a_name_that_comes_twice_is_noticed() {
    let world = World::new().await;
    let text = r#"{"metadata": {"name": "web"}, "spec": {"size": "vps-20-nvme", "size": "vps-10-nvme", "region": "EU"}}"#;
    let send = async |query: &str| {
        let path = format!("{ENVIRONMENTS}{query}");
        world.send_as(Method::POST, &path, "application/json", text.into()).await
    };
    let strict = send("?fieldValidation=Strict").await;
    assert_eq!((strict.reason(), strict.fields()), ("BadRequest", vec!["spec.size"]));
    let warned = send("").await;
    assert_eq!(warned.code, 201);
    assert!(warned.headers["warning"].to_str().unwrap().contains("spec.size"));
}

#[tokio::test]
async fn yaml_is_understood_where_json_is() {
    let world = World::new().await;
    let yaml = "metadata:\n  name: web\nspec:\n  size: vps-10-nvme\n  region: EU\n";
    let made = world.send_as(Method::POST, ENVIRONMENTS, "application/yaml", yaml.into()).await;
    assert_eq!(made.code, 201, "{made:?}");
    let broken = "metadata:\n  name: web\n spec: x\n";
    let refused =
        world.send_as(Method::POST, ENVIRONMENTS, "application/yaml", broken.into()).await;
    assert_eq!(refused.reason(), "BadRequest");
    assert!(refused.message().contains("line"), "{}", refused.message());
}

#[tokio::test]
async fn a_second_object_of_a_name_is_refused() {
    let world = World::new().await;
    assert_eq!(post(&world, "", &environment("web", good())).await.code, 201);
    let again = post(&world, "", &environment("web", good())).await;
    assert_eq!((again.code, again.reason()), (409, "AlreadyExists"));
}

#[tokio::test]
async fn bodies_that_are_too_long_too_deep_or_of_another_type_are_refused() {
    let world = World::new().await;
    let mut long = environment("web", good());
    long["metadata"]["annotations"] = json!({"a": "x".repeat(1024 * 1024)});
    let refused = post(&world, "", &long).await;
    assert_eq!((refused.code, refused.reason()), (413, "RequestEntityTooLarge"));
    let send = async |media: &str, body: String| {
        let refused = world.send_as(Method::POST, ENVIRONMENTS, media, body).await;
        (refused.code, refused.reason().to_owned())
    };
    let deep = format!("{{\"spec\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(send("application/json", deep).await, (400, "BadRequest".into()));
    let unsupported = (415, "UnsupportedMediaType".into());
    assert_eq!(send("application/cbor", "{}".into()).await, unsupported);
    let protobuf = send("application/vnd.kubernetes.protobuf", "k8s".into()).await;
    assert_eq!(protobuf, (400, "BadRequest".into()));
    assert_eq!(send("text/plain", "{}".into()).await, unsupported);
    assert_eq!(send("application/json", "[1]".into()).await, (400, "BadRequest".into()));
    assert_eq!(send("application/json", String::new()).await, (400, "BadRequest".into()));
}

#[tokio::test]
async fn an_object_must_fit_its_path() {
    let world = World::new().await;
    for wrong in [
        json!({"kind": "Machine", "metadata": {"name": "web"}, "spec": good()}),
        json!({"apiVersion": "v1", "metadata": {"name": "web"}, "spec": good()}),
        json!({"metadata": {"name": "web", "namespace": "team-b"}, "spec": good()}),
        json!({"metadata": {"name": 5}, "spec": good()}),
        json!({"metadata": [], "spec": good()}),
    ] {
        let refused = post(&world, "", &wrong).await;
        assert!(matches!(refused.code, 400 | 422), "{refused:?}");
    }
    let path = format!("{ENVIRONMENTS}/web");
    let renamed = environment("api", good());
    assert_eq!(world.send(Method::PUT, &path, &renamed).await.reason(), "BadRequest");
    let none = world.send(Method::PUT, &path, &environment("web", good())).await;
    assert_eq!(none.reason(), "NotFound");
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist_say_so() {
    let world = World::new().await;
    for path in
        ["/kube/api/v1/pods", "/kube/apis/apps/v1/deployments", "/kube/openapi/v2", "/nothing"]
    {
        assert_eq!(world.get(path).await.reason(), "NotFound", "{path}");
    }
    for (method, path) in [
        (Method::DELETE, "/kube/apis/devpocket.dev/v1alpha1/environments".to_owned()),
        (Method::PUT, ENVIRONMENTS.to_owned()),
        (Method::POST, format!("{ENVIRONMENTS}/web")),
        (Method::DELETE, format!("{ENVIRONMENTS}/web/status")),
        (Method::GET, format!("{ENVIRONMENTS}/web/approval")),
        (Method::POST, "/kube/apis/devpocket.dev/v1alpha1/environments".to_owned()),
        (Method::POST, "/kube/version".to_owned()),
    ] {
        let refused = world.send(method.clone(), &path, &Value::Null).await;
        assert_eq!((refused.code, refused.reason()), (405, "MethodNotAllowed"), "{method} {path}");
    }
}
