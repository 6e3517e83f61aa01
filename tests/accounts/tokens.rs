//! API tokens.

use std::time::Duration;

use devpocket::access::{Authenticator as _, Credential, Scope};
use reqwest::Method;
use serde_json::json;

use super::world::{PASSWORD, World};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn a_token_is_shown_once_narrowed_and_ends() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let form = json!({
        "name": "ci", "verbs": ["get", "list"], "kinds": ["environments"], "namespace": "team-a",
        "expires_in_days": 30,
    });
    let made = world.post_as(&ann.access, "/users/me/tokens", form).await;
    assert_eq!(made.code, 201, "{made:?}");
    let token = made.body["token"].as_str().unwrap();
    assert!(token.starts_with("dpk_"), "{token}");
    let user = world.authenticator.authenticate(token).await.unwrap();
    let scope = Scope {
        verbs: vec!["get".into(), "list".into()],
        kinds: vec!["environments".into()],
        namespace: Some("team-a".into()),
    };
    assert_eq!((user.name.as_str(), user.scope.as_deref()), ("ann", Some(&scope)));
    assert!(matches!(user.credential, Credential::ApiToken(_)));
    let list = world.get(&ann.access, "/users/me/tokens").await;
    assert_eq!(list.body[0]["name"], "ci");
    assert!(!list.body.to_string().contains(token), "shown once");
    assert!(list.body[0]["last_used_at"].is_string(), "{list:?}");
    let (row,): (String,) =
        sqlx::query_as("SELECT t::text FROM api_tokens t").fetch_one(&world.pool).await.unwrap();
    assert!(!row.contains(&token[20..]), "{row}");
    world.clock.advance(31 * DAY);
    assert!(world.authenticator.authenticate(token).await.is_err(), "expired");
}

#[tokio::test]
async fn revoking_counts_at_once_and_elsewhere_within_seconds() {
    let world = World::new().await;
    let replica = world.replica(Duration::ZERO).await;
    let ann = world.person("ann").await;
    let bob = world.person("bob").await;
    let made = world.post_as(&ann.access, "/users/me/tokens", json!({"name": "ci"})).await;
    let (token, id) = (made.body["token"].as_str().unwrap(), made.body["id"].as_str().unwrap());
    let user = world.authenticator.authenticate(token).await.unwrap();
    assert_eq!(user.scope, None, "as much as its owner");
    replica.authenticator.authenticate(token).await.unwrap();
    let path = format!("/users/me/tokens/{id}");
    assert_eq!(world.send(Method::DELETE, &path, Some(&bob.access), None).await.code, 404);
    assert_eq!(world.send(Method::DELETE, &path, Some(&ann.access), None).await.code, 200);
    assert!(world.authenticator.authenticate(token).await.is_err());
    assert!(world.authenticator.renew(&user).await.is_err(), "open streams end");
    replica.clock.advance(devpocket::access::STALE_MAX + Duration::from_millis(1));
    assert!(replica.authenticator.authenticate(token).await.is_err());
    assert!(world.trail().await.contains(&"revoke token ci ann".to_owned()));
}

#[tokio::test]
async fn a_token_does_nothing_that_is_a_persons() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let made = world.post_as(&ann.access, "/users/me/tokens", json!({"name": "ci"})).await;
    let token = made.body["token"].as_str().unwrap();
    let form = json!({"currentPassword": PASSWORD, "newPassword": "Another2"});
    for (method, path, body) in [
        (Method::POST, "/users/change-password", form),
        (Method::DELETE, "/users/me", json!({"password": PASSWORD})),
        (Method::POST, "/users/me/tokens", json!({"name": "more"})),
        (Method::PUT, "/users/me", json!({"full_name": "x"})),
        (Method::POST, "/auth/device/answer", json!({"user_code": "BCDF-GHJK", "allow": true})),
        (Method::GET, "/admin/accounts", json!({})),
    ] {
        let refused = world.send(method, path, Some(token), Some(body)).await;
        assert_eq!(refused.code, 403, "{path}: {refused:?}");
    }
    assert_eq!(world.get(token, "/users/me").await.code, 200);
    let own = format!("/users/me/tokens/{}", made.body["id"].as_str().unwrap());
    assert_eq!(world.send(Method::DELETE, &own, Some(token), None).await.code, 200, "itself");
    assert_eq!(world.get(token, "/users/me").await.code, 401);
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_named_and_what_is_made_up_is_refused() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    for (form, fault) in [
        (json!({}), "name required"),
        (json!({"name": " "}), "name required"),
        (json!({"name": "x".repeat(61)}), "name max_length"),
        (json!({"name": "ci", "verbs": ["conquer"]}), "verbs invalid_choice"),
        (json!({"name": "ci", "kinds": ["pods"]}), "kinds invalid_choice"),
        (json!({"name": "ci", "expires_in_days": 0}), "expires_in_days invalid_range"),
        (json!({"name": "ci", "scope": "all"}), "scope unknown_field"),
    ] {
        let refused = world.post_as(&ann.access, "/users/me/tokens", form).await;
        assert_eq!(refused.faults(), [fault]);
    }
    let made = world.post_as(&ann.access, "/users/me/tokens", json!({"name": "ci"})).await;
    let token = made.body["token"].as_str().unwrap();
    let mut forged = token.to_owned();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'Q' } else { 'A' });
    for wrong in ["dpk_", "dpk_AAAA", &token[..token.len() - 1], forged.as_str()] {
        assert!(world.authenticator.authenticate(wrong).await.is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_suspended_owner_suspends_the_token() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let made = world.post_as(&ann.access, "/users/me/tokens", json!({"name": "ci"})).await;
    let token = made.body["token"].as_str().unwrap();
    assert_eq!(world.get(token, "/users/me").await.code, 200);
    let admin = super::world::ADMIN_TOKEN;
    let suspend = async |suspended: bool| {
        let form = json!({"suspended": suspended});
        world.post_as(admin, "/admin/accounts/ann/suspend", form).await.code
    };
    assert_eq!(suspend(true).await, 200);
    assert_eq!(world.get(token, "/users/me").await.code, 401);
    assert!(!world.accepts(&ann.access).await);
    assert_eq!(suspend(false).await, 200);
    assert_eq!(world.get(token, "/users/me").await.code, 200);
    assert!(!world.accepts(&ann.access).await, "sessions had ended");
}
