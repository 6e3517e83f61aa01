//! The app's contract, endpoint by endpoint: paths, fields, texts and codes.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::world::{Answer, PASSWORD, Signed, World};

const USER: [&str; 12] = [
    "id",
    "username",
    "email",
    "full_name",
    "is_active",
    "is_verified",
    "is_admin",
    "avatar_url",
    "subscription_plan",
    "namespace",
    "created_at",
    "last_login",
];
const TOKENS: [&str; 4] = ["access_token", "refresh_token", "token_type", "expires_in"];

fn fields(value: &Value) -> BTreeSet<&str> {
    let members = value.as_object().unwrap_or_else(|| panic!("no document: {value}"));
    members.keys().map(String::as_str).collect()
}

fn has(answer: &Answer, code: u16, expected: &[&str]) {
    assert_eq!(answer.code, code, "{answer:?}");
    assert_eq!(fields(&answer.body), expected.iter().copied().collect(), "{answer:?}");
}

fn says(answer: &Answer, text: &str) {
    has(answer, 200, &["message"]);
    assert_eq!(answer.body["message"], text, "{answer:?}");
}

async fn ann(world: &World) -> Signed {
    let form = json!({
        "username": "ann", "email": "ann@example.com", "password": PASSWORD, "full_name": "Ann A.",
    });
    let made = world.post("/auth/register", form).await;
    has(&made, 201, &USER);
    assert_eq!(
        (&made.body["full_name"], &made.body["is_active"]),
        (&json!("Ann A."), &json!(true))
    );
    assert_eq!(made.body["subscription_plan"], "none", "a role is no plan, and no plan is none");
    world.login("ann", PASSWORD).await.signed()
}

#[tokio::test]
async fn signing_up_in_on_and_out() {
    let world = World::new().await;
    let ann = ann(&world).await;
    for (name, email, text) in [
        ("ann", "other@example.com", "Username already taken"),
        ("other", "ann@example.com", "Email already registered"),
    ] {
        let form = json!({"username": name, "email": email, "password": PASSWORD});
        let taken = world.post("/auth/register", form).await;
        assert_eq!((taken.code, taken.detail()), (400, text));
    }
    let weak = world.post("/auth/register", json!({"username": "x"})).await;
    assert_eq!(weak.faults(), ["email required"], "{weak:?}");
    for field in ["username_or_email", "usernameOrEmail"] {
        let signed = world.post("/auth/login", json!({field: "ann", "password": PASSWORD})).await;
        let mut all = TOKENS.to_vec();
        all.push("user");
        has(&signed, 200, &all);
        assert_eq!(signed.body["expires_in"], 1_800);
        assert_eq!(fields(&signed.body["user"]), USER.into_iter().collect());
    }
    let wrong = world.login("ann", "Wrong1xx").await;
    assert_eq!((wrong.code, wrong.detail()), (401, "Incorrect username/email or password"));
    let refreshed = world.refresh(&ann.refresh).await;
    has(&refreshed, 200, &TOKENS);
    has(&world.get(&ann.access, "/auth/me").await, 200, &USER);
    says(&world.post_as(&ann.access, "/auth/logout", json!({})).await, "Successfully logged out");
    let out = world.get(&ann.access, "/auth/me").await;
    assert_eq!(out.code, 401);
    assert_eq!(fields(&out.body), ["detail", "errors", "path", "timestamp"].into());
}

#[tokio::test]
async fn what_people_do_with_their_account() {
    let world = World::new().await;
    let ann = ann(&world).await;
    has(&world.get(&ann.access, "/users/me").await, 200, &USER);
    let change =
        json!({"full_name": "Ann B.", "username": "annb", "avatar_url": "https://a.example/p.png"});
    let changed = world.send(Method::PUT, "/users/me", Some(&ann.access), Some(change)).await;
    has(&changed, 200, &USER);
    assert_eq!(changed.body["username"], "annb");
    let stats = world.get(&ann.access, "/users/me/stats").await;
    let all = ["total_environments", "active_tokens", "environments_by_status", "recent_activity"];
    has(&stats, 200, &all);
    let recent = [
        "environments_created_last_7_days",
        "environments_created_last_30_days",
        "environments_active_last_week",
    ];
    assert_eq!(fields(&stats.body["recent_activity"]), recent.into());
    let form = json!({"currentPassword": PASSWORD, "newPassword": "Correct2"});
    let password = world.post_as(&ann.access, "/users/change-password", form).await;
    let mut expected = TOKENS.to_vec();
    expected.push("message");
    has(&password, 200, &expected);
    assert_eq!(password.body["message"], "Password changed successfully");
    assert_eq!(world.refresh(&ann.refresh).await.code, 401, "every token before is revoked");
    let ann = password.signed();
    let form = json!({"password": "Correct2"});
    let gone = world.send(Method::DELETE, "/users/me", Some(&ann.access), Some(form)).await;
    says(&gone, "The account has been deleted");
    assert_eq!(world.login("annb", "Correct2").await.code, 401);
}

#[tokio::test]
async fn letters_are_asked_for_with_and_without_a_body() {
    let world = World::with(|settings| settings.mail = true).await;
    let ann = ann(&world).await;
    let letters = async || {
        let sql = "SELECT count(*) FROM one_time_codes WHERE purpose = 'verify-email'";
        let (count,): (i64,) = sqlx::query_as(sql).fetch_one(&world.pool).await.unwrap();
        count
    };
    assert_eq!(letters().await, 1, "the one of the registration");
    world.sql("UPDATE one_time_codes SET created_at = created_at - interval '2 minutes'").await;
    // Whoever is signed in says nothing more.
    let path = "/auth/resend-verification";
    let resent = world.send(Method::POST, path, Some(&ann.access), None).await;
    says(&resent, "A letter is on its way");
    assert_eq!(letters().await, 2);
    let bad = world.send(Method::POST, path, Some("eyJ.made.up"), None).await;
    assert_eq!(bad.code, 401, "{bad:?}");
    let nobody = world.send(Method::POST, path, None, None).await;
    assert_eq!(nobody.code, 415, "{nobody:?}");
    let by_address = world.post(path, json!({"email": "ann@example.com"})).await;
    says(
        &by_address,
        "If this address has an account that is not verified, a letter is on its way",
    );
    let refused = world.post_as(&ann.access, "/teams", json!({"name": "Platform"})).await;
    assert_eq!((refused.code, refused.detail()), (403, "Please verify your email address"));
    world.sql("UPDATE accounts SET verified_at = now()").await;
    let done = crate::world::eventually("that it is verified is known", async || {
        let answer = world.send(Method::POST, path, Some(&ann.access), None).await;
        (answer.body["message"] == "The address is verified already").then_some(())
    });
    done.await;
}
