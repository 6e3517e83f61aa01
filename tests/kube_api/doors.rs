//! Who gets in, and what they may learn about themselves.

use kube::Discovery;
use reqwest::Method;
use serde_json::json;

use super::world::{ADMIN_TOKEN, ENVIRONMENTS, GUEST_TOKEN, World, answer, environment_resource};

#[tokio::test]
async fn nothing_is_answered_without_a_valid_token() {
    let world = World::new().await;
    for path in ["/kube", "/kube/version", "/kube/apis", ENVIRONMENTS, "/kube/no/such/thing"] {
        let refused = answer(world.request(Method::GET, path)).await;
        assert_eq!((refused.code, refused.reason()), (401, "Unauthorized"), "{path}");
        assert_eq!(refused.headers["www-authenticate"], "Bearer");
    }
    for value in ["Bearer wrong", "Bearer", "Basic YTpi", &format!("Bearer {ADMIN_TOKEN}x")] {
        let request = world.request(Method::GET, ENVIRONMENTS).header("authorization", value);
        assert_eq!(answer(request).await.reason(), "Unauthorized", "{value}");
    }
}

/// Breaks without it: what somebody tries as a viewer is done as the admin they are.
#[tokio::test]
async fn nobody_acts_as_somebody_else() {
    let world = World::new().await;
    world.environment("web").await;
    for (name, value) in [("impersonate-user", "ann"), ("Impersonate-Group", "viewers")] {
        for (method, path) in [
            (Method::GET, ENVIRONMENTS.to_owned()),
            (Method::DELETE, format!("{ENVIRONMENTS}/web")),
        ] {
            let request = world.request(method.clone(), &path).bearer_auth(ADMIN_TOKEN);
            let refused = answer(request.header(name, value)).await;
            assert_eq!(refused.code, 403, "{method} {path}: {refused:?}");
        }
    }
    let there = world.request(Method::GET, &format!("{ENVIRONMENTS}/web")).bearer_auth(ADMIN_TOKEN);
    assert_eq!(answer(there).await.code, 200);
}

#[tokio::test]
async fn who_is_allowed_nothing_gets_nothing_and_is_told() {
    let world = World::new().await;
    world.environment("web").await;
    let send = async |method: Method, path: &str| {
        let request = world.request(method, path).bearer_auth(GUEST_TOKEN);
        answer(request.header("content-type", "application/json").body("{}")).await
    };
    for (method, path) in [
        (Method::GET, ENVIRONMENTS.to_owned()),
        (Method::GET, format!("{ENVIRONMENTS}/web")),
        (Method::POST, ENVIRONMENTS.to_owned()),
        (Method::DELETE, format!("{ENVIRONMENTS}/web")),
        (Method::POST, format!("{ENVIRONMENTS}/web/approval")),
    ] {
        let refused = send(method.clone(), &path).await;
        assert_eq!((refused.code, refused.reason()), (404, "NotFound"), "{method} {path}");
        assert_eq!(refused.body["details"]["kind"], "namespaces", "{method} {path}");
    }
    for path in
        ["/kube/apis/devpocket.dev/v1alpha1/machines", "/kube/api/v1/namespaces", "/metrics"]
    {
        let refused = send(Method::GET, path).await;
        assert_eq!((refused.code, refused.reason()), (403, "Forbidden"), "{path}");
        assert!(refused.message().contains("guest"), "{}", refused.message());
    }
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused_even_with_a_token() {
    let world = World::new().await;
    let with = async |name: &str, value: &str, path: &str| {
        let request = world.request(Method::GET, path).bearer_auth(ADMIN_TOKEN);
        answer(request.header(name, value)).await
    };
    for path in [ENVIRONMENTS, "/health", "/metrics"] {
        assert_eq!(with("host", "evil.example", path).await.reason(), "Forbidden", "{path}");
        assert_eq!(with("origin", "https://evil.example", path).await.reason(), "Forbidden");
        assert_eq!(with("origin", "null", path).await.reason(), "Forbidden");
    }
    assert_eq!(with("host", "pocket.example", ENVIRONMENTS).await.code, 200);
    let own = format!("http://{}", world.address);
    assert_eq!(with("origin", &own, ENVIRONMENTS).await.code, 200);
}

#[tokio::test]
async fn reviews_tell_the_truth() {
    let world = World::new().await;
    let access = "/kube/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let whoami = "/kube/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let question = json!({"spec": {"resourceAttributes": {
        "verb": "create", "group": "devpocket.dev", "resource": "environments", "namespace": "team-a",
    }}});
    let ask = async |path: &str, token: &str| {
        let request = world.request(Method::POST, path).bearer_auth(token).json(&question);
        answer(request).await
    };
    let admin = ask(access, ADMIN_TOKEN).await;
    assert_eq!((admin.code, &admin.body["status"]["allowed"]), (201, &json!(true)));
    let me = ask(whoami, ADMIN_TOKEN).await;
    assert_eq!(me.body["status"]["userInfo"]["username"], "admin");
    // Also those who may do nothing may ask.
    let guest = ask(access, GUEST_TOKEN).await;
    assert_eq!((guest.code, &guest.body["status"]["allowed"]), (201, &json!(false)));
    assert_eq!(ask(whoami, GUEST_TOKEN).await.body["status"]["userInfo"]["username"], "guest");
    let empty = world.send(Method::POST, access, &json!({"spec": {}})).await;
    assert_eq!(empty.reason(), "BadRequest");
}

#[tokio::test]
async fn discovery_finds_every_kind_in_both_ways() {
    let world = World::new().await;
    for discovery in [
        Discovery::new(world.client()).run().await.unwrap(),
        Discovery::new(world.client()).run_aggregated().await.unwrap(),
    ] {
        let group = discovery.get("devpocket.dev").unwrap();
        let (resource, capabilities) = group.recommended_kind("Environment").unwrap();
        assert_eq!(resource, environment_resource());
        assert!(capabilities.supports_operation(kube::discovery::verbs::WATCH));
        assert!(discovery.has_group("coordination.k8s.io"));
        let core = discovery.get("").unwrap();
        let mut kinds: Vec<String> =
            core.recommended_resources().into_iter().map(|(r, _)| r.plural).collect();
        kinds.sort();
        assert_eq!(kinds, ["events", "namespaces", "secrets"]);
    }
    let version = world.client().apiserver_version().await.unwrap();
    assert_eq!(version.major, "1");
}
