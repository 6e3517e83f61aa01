//! Passwords that are changed, forgotten and set anew.

use std::time::Duration;

use devpocket::accounts::codes::Purpose;
use devpocket::accounts::{Account, By};
use reqwest::Method;
use serde_json::json;

use super::world::{ADMIN_TOKEN, PASSWORD, World, eventually};

const NEW: &str = "Another2";

/// A code as the letter would hold it.
async fn code(world: &World, name: &str, purpose: Purpose) -> String {
    let mut connection = world.pool.acquire().await.unwrap();
    let account = Account::find(&mut connection, By::Username(name)).await.unwrap().unwrap();
    let link = world.accounts.make_link(&mut connection, &account, purpose).await.unwrap();
    link.split('#').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn changing_a_password_ends_every_sign_in_but_the_one_it_answers() {
    let world = World::new().await;
    let phone = world.person("ann").await;
    let laptop = world.login("ann", PASSWORD).await.signed();
    let form = json!({"currentPassword": "Wrong1xx", "newPassword": NEW});
    let wrong = world.post_as(&phone.access, "/users/change-password", form).await;
    assert_eq!((wrong.code, wrong.detail()), (400, "Current password is incorrect"));
    let weak = json!({"currentPassword": PASSWORD, "newPassword": "weak"});
    let weak = world.post_as(&phone.access, "/users/change-password", weak).await;
    assert!(weak.faults().contains(&"newPassword min_length".to_owned()), "{weak:?}");
    let form = json!({"currentPassword": PASSWORD, "newPassword": NEW});
    let changed = world.post_as(&phone.access, "/users/change-password", form).await;
    let next = changed.signed();
    for old in [&phone, &laptop] {
        assert!(!world.accepts(&old.access).await);
        assert_eq!(world.refresh(&old.refresh).await.code, 401);
    }
    assert!(world.accepts(&next.access).await);
    assert_eq!(world.login("ann", PASSWORD).await.code, 401);
    world.login("ann", NEW).await.signed();
}

#[tokio::test]
async fn whoever_holds_a_phone_cannot_try_all_passwords_on_it() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let change = async |current: &str| {
        let form = json!({"currentPassword": current, "newPassword": NEW});
        world.post_as(&ann.access, "/users/change-password", form).await.code
    };
    for _ in 0..5 {
        assert_eq!(change("Wrong1xx").await, 400);
    }
    assert_eq!(change(PASSWORD).await, 400, "locked, though right");
}

#[tokio::test]
async fn a_link_sets_a_password_once_and_lifts_the_lock() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    for _ in 0..5 {
        world.login("ann", "Wrong1xx").await;
    }
    let (first, second) = (
        code(&world, "ann", Purpose::ResetPassword).await,
        code(&world, "ann", Purpose::ResetPassword).await,
    );
    let reset = async |code: &str, password: &str| {
        let form = json!({"token": code, "new_password": password});
        world.post("/auth/reset-password", form).await
    };
    assert_eq!(reset(&first, "weak").await.code, 422, "and the link is still good");
    assert_eq!(reset(&first, NEW).await.code, 200);
    assert!(!world.accepts(&ann.access).await, "every sign-in has ended");
    world.login("ann", NEW).await.signed();
    for used in [first.as_str(), second.as_str(), "", "dpc_x", &first[1..]] {
        assert_eq!(reset(used, "Third3xx").await.code, 400, "{used:?}");
    }
    let verify = code(&world, "ann", Purpose::VerifyEmail).await;
    assert_eq!(reset(&verify, "Third3xx").await.code, 400, "a code of another purpose");
    let late = code(&world, "ann", Purpose::ResetPassword).await;
    world.clock.advance(Duration::from_secs(61 * 60));
    assert_eq!(reset(&late, "Third3xx").await.code, 400, "too old");
}

#[tokio::test]
async fn a_letter_verifies_an_address_once() {
    let world = World::with(|settings| settings.mail = true).await;
    let ann = world.person("ann").await;
    let verified = async || world.get(&ann.access, "/auth/me").await.body["is_verified"].clone();
    assert_eq!(verified().await, false);
    let code = code(&world, "ann", Purpose::VerifyEmail).await;
    let send = async || world.post("/auth/verify-email", json!({"token": code})).await.code;
    assert_eq!((send().await, send().await), (200, 400));
    assert_eq!(verified().await, true);
    assert!(world.trail().await.contains(&"verify-email account ann ann".to_owned()));
}

#[tokio::test]
async fn who_asks_for_a_letter_hears_the_same_about_every_address() {
    let world = World::with(|settings| settings.mail = true).await;
    world.register("ann").await;
    world.sql("DELETE FROM one_time_codes").await;
    for (path, purpose) in
        [("/auth/forgot-password", "reset-password"), ("/auth/resend-verification", "verify-email")]
    {
        let known = world.post(path, json!({"email": " Ann@Example.com"})).await;
        let unknown = world.post(path, json!({"email": "nobody@example.com"})).await;
        assert_eq!((known.code, &known.body), (200, &unknown.body));
        let count = async || {
            let sql = "SELECT count(*) FROM one_time_codes WHERE purpose = $1";
            let row: (i64,) =
                sqlx::query_as(sql).bind(purpose).fetch_one(&world.pool).await.unwrap();
            row.0
        };
        eventually("a code", async || (count().await == 1).then_some(())).await;
        // Asked again at once, no second letter goes out.
        world.post(path, json!({"email": "ann@example.com"})).await;
        world.clock.advance(Duration::from_secs(61));
        world.post(path, json!({"email": "ann@example.com"})).await;
        eventually("another one a minute later", async || (count().await >= 2).then_some(())).await;
        assert_eq!(count().await, 2);
    }
    let unset = World::new().await;
    let refused = unset.post("/auth/forgot-password", json!({"email": "ann@example.com"})).await;
    assert_eq!(refused.code, 501);
    assert!(refused.detail().contains("devpocket admin reset-link"), "{refused:?}");
}

#[tokio::test]
async fn people_change_what_they_are_called() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    world.register("bob").await;
    let put =
        async |change| world.send(Method::PUT, "/users/me", Some(&ann.access), Some(change)).await;
    let changed = put(json!({"username": "Ann-Lee", "full_name": " Ann Lee ", "avatar_url": "https://example.com/a.png"})).await;
    assert_eq!(changed.code, 200, "{changed:?}");
    assert_eq!(
        (&changed.body["username"], &changed.body["full_name"]),
        (&json!("Ann-Lee"), &json!("Ann Lee"))
    );
    assert_eq!(world.get(&ann.access, "/users/me").await.body, changed.body);
    assert_eq!(put(json!({"username": "B0B"})).await.detail(), "Username already taken");
    assert_eq!(put(json!({"username": "root"})).await.faults(), ["username reserved"]);
    assert_eq!(
        put(json!({"avatar_url": "javascript:alert(1)"})).await.faults(),
        ["avatar_url invalid_format"]
    );
    assert_eq!(
        put(json!({"full_name": "Ann \u{202e}nimda"})).await.faults(),
        ["full_name invalid_format"]
    );
    assert_eq!(put(json!({})).await.body, changed.body, "nothing asked, nothing changed");
    let configured = world.get(ADMIN_TOKEN, "/users/me").await;
    assert_eq!(configured.code, 403, "a token of the configuration is nobody's account");
    world.login("ann-lee", PASSWORD).await.signed();
}
