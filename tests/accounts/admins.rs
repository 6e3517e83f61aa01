//! What administrators do with other people's accounts.

use reqwest::Method;
use serde_json::json;

use super::world::{ADMIN_TOKEN, PASSWORD, World};

#[tokio::test]
async fn an_admin_makes_accounts_whatever_registration_says() {
    let world = World::with(|s| s.registration = devpocket::accounts::Registration::Closed).await;
    let form = json!({"username": "ann", "email": "ann@example.com"});
    let made = world.post_as(ADMIN_TOKEN, "/admin/accounts", form).await;
    assert_eq!(made.code, 201, "{made:?}");
    let link = made.body["reset_link"].as_str().unwrap();
    assert!(link.starts_with("http://127.0.0.1:8000/reset#dpc_"), "{link}");
    let code = link.split('#').nth(1).unwrap();
    let form = json!({"token": code, "new_password": PASSWORD});
    assert_eq!(world.post("/auth/reset-password", form).await.code, 200);
    world.login("ann", PASSWORD).await.signed();
    let form = json!({
        "username": "root-of-all", "email": "r@example.com", "password": PASSWORD, "admin": true,
    });
    let made = world.post_as(ADMIN_TOKEN, "/admin/accounts", form).await;
    assert_eq!((made.code, &made.body["reset_link"]), (201, &json!(null)), "{made:?}");
    let admin = world.login("root-of-all", PASSWORD).await.signed();
    let list = world.get(&admin.access, "/admin/accounts?query=ann").await;
    assert_eq!(list.body.as_array().unwrap().len(), 1, "an admin by account is one: {list:?}");
    let all = world.get(&admin.access, "/admin/accounts").await;
    assert_eq!(all.body.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_tier_is_one_that_there_is_and_counts_at_once() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let set = async |tier| {
        world.post_as(ADMIN_TOKEN, "/admin/accounts/ann/tier", json!({"tier": tier})).await
    };
    assert_eq!(set(Some("gold")).await.faults(), ["tier unknown-tier"]);
    let http = reqwest::Client::new();
    let url = format!("{}/kube/apis/devpocket.dev/v1alpha1/tiers", world.url);
    let tier = json!({"metadata": {"name": "gold"}, "spec": {}});
    let made = http.post(url).bearer_auth(ADMIN_TOKEN).json(&tier).send().await.unwrap();
    assert_eq!(made.status().as_u16(), 201, "{}", made.text().await.unwrap());
    assert_eq!(set(Some("gold")).await.body["subscription_plan"], "gold");
    let me = world.get(&ann.access, "/users/me").await;
    assert_eq!(
        (&me.body["subscription_plan"], &me.body["is_admin"]),
        (&json!("gold"), &json!(false))
    );
    let user = devpocket::access::Authenticator::authenticate(&*world.authenticator, &ann.access);
    assert_eq!(user.await.unwrap().tier.as_deref(), Some("gold"));
    assert_eq!(set(None).await.body["subscription_plan"], "none");
    assert!(world.trail().await.contains(&"set-tier account ann admin".to_owned()));
}

#[tokio::test]
async fn suspending_keeps_somebody_out_until_they_are_let_in_again() {
    let world = World::with(|settings| settings.mail = true).await;
    let ann = world.person("ann").await;
    let admin = async |path: &str, body| {
        world.post_as(ADMIN_TOKEN, &format!("/admin/accounts/{path}"), body).await
    };
    let verified = admin("ann@example.com/verify", json!({})).await;
    assert_eq!((verified.code, &verified.body["is_verified"]), (200, &json!(true)));
    assert_eq!(admin("ann/suspend", json!({"suspended": true})).await.body["is_active"], false);
    assert!(!world.accepts(&ann.access).await);
    assert_eq!(world.refresh(&ann.refresh).await.code, 401);
    assert_eq!(world.login("ann", PASSWORD).await.code, 401);
    assert_eq!(admin("ann/suspend", json!({"suspended": false})).await.code, 200);
    world.login("ann", PASSWORD).await.signed();
    assert_eq!(admin("nobody/suspend", json!({"suspended": true})).await.code, 404);
}

#[tokio::test]
async fn nobody_else_does_any_of_it() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    for (method, path) in [
        (Method::GET, "/admin/accounts"),
        (Method::GET, "/admin/accounts/ann"),
        (Method::POST, "/admin/accounts/ann/verify"),
        (Method::POST, "/admin/accounts/ann/reset-link"),
    ] {
        let refused = world.send(method.clone(), path, Some(&ann.access), Some(json!({}))).await;
        assert_eq!(refused.code, 403, "{path}");
        refused.detail();
        assert_eq!(world.send(method, path, None, Some(json!({}))).await.code, 401, "{path}");
    }
    for (path, body) in [
        ("/admin/accounts/ann/tier", json!({"tier": null})),
        ("/admin/accounts/ann/suspend", json!({"suspended": true})),
        ("/admin/accounts", json!({"username": "bob", "email": "bob@example.com"})),
    ] {
        assert_eq!(world.post_as(&ann.access, path, body).await.code, 403, "{path}");
    }
}
