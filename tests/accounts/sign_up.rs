//! Registering.

use devpocket::accounts::Registration;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use reqwest::Method;
use serde_json::json;

use super::world::{ADMIN_TOKEN, PASSWORD, World};

#[tokio::test]
async fn an_account_comes_with_a_namespace_of_its_own_and_may_spend_nothing() {
    let world = World::new().await;
    let made = world.register("ann").await;
    assert_eq!(made.code, 201, "{made:?}");
    let user = &made.body;
    assert_eq!((&user["username"], &user["email"]), (&json!("ann"), &json!("ann@example.com")));
    assert_eq!(user["subscription_plan"], "none", "no tier until somebody says so");
    assert_eq!((&user["is_active"], &user["is_admin"]), (&json!(true), &json!(false)));
    assert!(!made.body.to_string().contains("argon2"), "the hash never leaves: {made:?}");
    let namespace = user["namespace"].as_str().unwrap();
    assert!(namespace.starts_with("u-") && !namespace.contains("ann"), "{namespace}");
    let key = Key::new(Kind::Namespace, "", namespace);
    assert!(world.store.get(&key).await.unwrap().is_some(), "the Namespace object");
    let sql = "SELECT role FROM members WHERE namespace = $1";
    let roles: Vec<(String,)> =
        sqlx::query_as(sql).bind(namespace).fetch_all(&world.pool).await.unwrap();
    assert_eq!(roles, [("owner".to_owned(),)]);
    assert_eq!(world.trail().await, ["register account ann anonymous"]);
}

#[tokio::test]
async fn a_namespace_that_could_not_be_made_is_made_at_the_next_sign_in() {
    let world = World::new().await;
    let made = world.register("ann").await;
    let namespace = made.body["namespace"].as_str().unwrap().to_owned();
    let path = format!("{}/kube/api/v1/namespaces/{namespace}", world.url);
    let gone = reqwest::Client::new().delete(&path).bearer_auth(ADMIN_TOKEN).send().await.unwrap();
    assert_eq!(gone.status().as_u16(), 200);
    world.login("ann", PASSWORD).await.signed();
    let key = Key::new(Kind::Namespace, "", namespace);
    assert!(world.store.get(&key).await.unwrap().is_some());
}

#[tokio::test]
async fn everything_that_is_wrong_is_named_at_once() {
    let world = World::new().await;
    let form = json!({"username": "аnn lee", "email": "ann@localhost", "password": "short"});
    let refused = world.post("/auth/register", form).await;
    assert_eq!(
        refused.faults(),
        [
            "username invalid_format",
            "email invalid_format",
            "password min_length",
            "password password_strength",
            "password password_strength",
        ]
    );
    let without = world.post("/auth/register", json!({"username": "ann"})).await;
    assert_eq!(without.faults(), ["email required"]);
    let typed = world.post("/auth/register", json!({"username": 1})).await;
    assert_eq!(typed.faults(), ["username invalid_type"]);
    let http = reqwest::Client::new();
    let url = format!("{}/api/v1/auth/register", world.url);
    let form = http.post(&url).form(&[("username", "ann")]).send().await.unwrap();
    assert_eq!(form.status().as_u16(), 415, "what a foreign page can send without being asked");
    let text = http.post(&url).header("content-type", "application/json").body("{").send().await;
    assert_eq!(text.unwrap().status().as_u16(), 400);
}

#[tokio::test]
async fn names_and_addresses_belong_to_one() {
    let world = World::new().await;
    assert_eq!(world.register("alice").await.code, 201);
    let with = async |username: &str, email: &str| {
        let form = json!({"username": username, "email": email, "password": PASSWORD});
        let refused = world.post("/auth/register", form).await;
        (refused.code, refused.detail().to_owned())
    };
    for alike in ["alice", "ALICE", "aIice", "a1ice"] {
        let (code, detail) = with(alike, "other@example.com").await;
        assert_eq!((code, detail.as_str()), (400, "Username already taken"), "{alike}");
    }
    let (code, detail) = with("bob", "ALICE@Example.com").await;
    assert_eq!((code, detail.as_str()), (400, "Email already registered"));
    let (code, detail) = with("admin", "other@example.com").await;
    assert_eq!((code, detail.as_str()), (422, "Validation error"), "reserved");
}

#[tokio::test]
async fn with_mail_nobody_learns_which_addresses_have_accounts() {
    let world = World::with(|settings| settings.mail = true).await;
    let first = world.register("ann").await;
    let form = json!({"username": "bob", "email": "ann@example.com", "password": PASSWORD});
    let second = world.post("/auth/register", form).await;
    assert_eq!((first.code, second.code), (201, 201));
    let keys =
        |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&first.body), keys(&second.body));
    assert_eq!(world.login("bob", PASSWORD).await.code, 401, "there is no such account");
    assert_eq!(first.body["is_verified"], false);
}

#[tokio::test]
async fn who_may_register_is_a_setting() {
    for (registration, word) in
        [(Registration::Invite, "invitation"), (Registration::Closed, "closed")]
    {
        let world = World::with(|settings| settings.registration = registration).await;
        let refused = world.register("ann").await;
        assert_eq!(refused.code, 403);
        assert!(refused.detail().contains(word), "{refused:?}");
    }
    let world = World::with(|settings| settings.default_tier = Some("starter".into())).await;
    assert_eq!(world.register("ann").await.body["subscription_plan"], "starter");
}

#[tokio::test]
async fn what_is_not_there_is_said_in_the_apps_form() {
    let world = World::new().await;
    let missing = world.get(ADMIN_TOKEN, "/nothing").await;
    assert_eq!((missing.code, missing.body["path"].as_str()), (404, Some("/api/v1/nothing")));
    missing.detail();
    let method = world.send(Method::DELETE, "/auth/login", None, None).await;
    assert_eq!(method.code, 405);
    method.detail();
}
