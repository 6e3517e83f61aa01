//! Tokens: how long they are good, how they are renewed, and how they end.

use std::time::Duration;

use devpocket::accounts::keys::SigningKeys;
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::world::{PASSWORD, World};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn an_access_token_is_good_for_half_an_hour_and_a_refresh_token_for_a_week() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    assert!(world.accepts(&ann.access).await);
    world.clock.advance(33 * MINUTE);
    let expired = world.get(&ann.access, "/auth/me").await;
    assert_eq!((expired.code, expired.detail()), (401, "the token has expired"));
    world.clock.advance(6 * DAY);
    let next = world.refresh(&ann.refresh).await.signed();
    assert!(world.accepts(&next.access).await);
    world.clock.advance(6 * DAY);
    let next = world.refresh(&next.refresh).await.signed();
    world.clock.advance(7 * DAY + MINUTE);
    assert_eq!(world.refresh(&next.refresh).await.code, 401);
}

#[tokio::test]
async fn a_lost_reply_signs_nobody_out_however_long_the_tunnel_is() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    // The reply got lost, and the phone asks again: at once, and half an hour later.
    let lost = world.refresh(&ann.refresh).await.signed();
    let again = world.refresh(&ann.refresh).await.signed();
    world.clock.advance(30 * MINUTE);
    let later = world.refresh(&ann.refresh).await.signed();
    assert_eq!(lost.refresh, again.refresh, "the same each time");
    assert_eq!(lost.refresh, later.refresh);
    assert!(world.accepts(&later.access).await);
    // Now it is known to have arrived.
    assert_eq!(world.refresh(&ann.refresh).await.code, 401);
}

#[tokio::test]
async fn refreshes_at_once_are_no_theft() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let answers = join_all((0..10).map(|_| world.refresh(&ann.refresh))).await;
    let tokens: Vec<_> = answers.iter().map(|answer| answer.signed().refresh).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    world.refresh(&tokens[0]).await.signed();
}

#[tokio::test]
async fn a_copied_refresh_token_ends_the_family() {
    for used in ["access", "refresh"] {
        let world = World::new().await;
        let ann = world.person("ann").await;
        let other = world.login("ann", PASSWORD).await.signed();
        let next = world.refresh(&ann.refresh).await.signed();
        // Its owner goes on with what they got ...
        let last = match used {
            "access" => {
                assert!(world.accepts(&next.access).await);
                next
            }
            _ => world.refresh(&next.refresh).await.signed(),
        };
        // ... so whoever comes with the old one has copied it.
        assert_eq!(world.refresh(&ann.refresh).await.code, 401, "{used}");
        assert!(!world.accepts(&last.access).await, "{used}: the session has ended");
        assert_eq!(world.refresh(&last.refresh).await.code, 401, "{used}");
        assert!(world.accepts(&other.access).await, "another sign-in goes on");
        let trail = world.trail().await;
        assert!(
            trail.iter().any(|line| line.starts_with("refresh-reused session ann")),
            "{trail:?}"
        );
    }
}

#[tokio::test]
async fn made_up_refresh_tokens_end_nothing() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let mut forged = ann.refresh.clone();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'B' } else { 'A' });
    for wrong in ["", "dpr_", "dpr_AAAA", ann.access.as_str(), forged.as_str(), &"x".repeat(5_000)]
    {
        let refused = world.refresh(wrong).await;
        assert_eq!((refused.code, refused.detail()), (401, "the refresh token is not valid"));
    }
    assert!(world.accepts(&ann.access).await);
    assert!(!world.accepts(&ann.refresh).await, "it signs no request in");
}

#[tokio::test]
async fn signing_out_counts_at_once_and_elsewhere_within_seconds() {
    let world = World::new().await;
    let replica = world.replica(Duration::ZERO).await;
    let ann = world.person("ann").await;
    assert!(world.accepts(&ann.access).await && replica.accepts(&ann.access).await);
    let out = world.post_as(&ann.access, "/auth/logout", json!({})).await;
    assert_eq!((out.code, &out.body["message"]), (200, &json!("Successfully logged out")));
    assert!(!world.accepts(&ann.access).await);
    assert_eq!(world.refresh(&ann.refresh).await.code, 401);
    // What the other one knew is too old by then.
    replica.clock.advance(devpocket::access::STALE_MAX + Duration::from_millis(1));
    assert!(!replica.accepts(&ann.access).await);
}

#[tokio::test]
async fn a_lost_phone_is_signed_out_from_another_one() {
    let world = World::new().await;
    let phone = world.person("ann").await;
    let laptop = world.login("ann", PASSWORD).await.signed();
    let bob = world.person("bob").await;
    let list = world.get(&laptop.access, "/users/me/sessions").await;
    let sessions = list.body.as_array().unwrap();
    assert_eq!(sessions.len(), 2, "{list:?}");
    let lost = sessions.iter().find(|session| session["current"] == false).unwrap();
    let path = format!("/users/me/sessions/{}", lost["id"].as_str().unwrap());
    let foreign = world.send(Method::DELETE, &path, Some(&bob.access), None).await;
    assert_eq!(foreign.code, 404, "somebody else's");
    let ended = world.send(Method::DELETE, &path, Some(&laptop.access), None).await;
    assert_eq!(ended.code, 200, "{ended:?}");
    assert!(!world.accepts(&phone.access).await);
    assert!(world.accepts(&laptop.access).await);
    let again = world.send(Method::DELETE, &path, Some(&laptop.access), None).await;
    assert_eq!(again.code, 404);
    let nonsense = "/users/me/sessions/..%2F..%2Fx";
    assert_eq!(world.send(Method::DELETE, nonsense, Some(&laptop.access), None).await.code, 404);
}

#[tokio::test]
async fn replicas_whose_clocks_differ_by_two_minutes_accept_each_others_tokens() {
    let world = World::new().await;
    let ahead = world.replica(2 * MINUTE).await;
    world.register("ann").await;
    let there = ahead.login("ann", PASSWORD).await.signed();
    let here = world.login("ann", PASSWORD).await.signed();
    for token in [&there, &here] {
        assert!(world.accepts(&token.access).await && ahead.accepts(&token.access).await);
    }
    let next = world.refresh(&there.refresh).await.signed();
    ahead.refresh(&next.refresh).await.signed();
    let far = world.replica(10 * MINUTE).await;
    let early = far.login("ann", PASSWORD).await.signed();
    assert!(!world.accepts(&early.access).await, "not yet valid");
}

#[tokio::test]
async fn keys_are_rotated_without_signing_anybody_out() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let keys = |text: &str| SigningKeys::from_text(text, false).unwrap();
    let both = "the next key, a signing key of these tests";
    let rotated = world.restarted(|settings| settings.keys = keys(both)).await;
    assert!(rotated.accepts(&ann.access).await);
    let next = rotated.refresh(&ann.refresh).await.signed();
    let done = world.restarted(|settings| settings.keys = keys("the next key")).await;
    assert!(done.accepts(&next.access).await);
    assert!(!done.accepts(&ann.access).await, "of the key that is gone");
    done.refresh(&next.refresh).await.signed();
}

#[tokio::test]
async fn nothing_that_could_be_presented_is_in_the_database() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let sql = "SELECT string_agg(s::text, ' ') FROM sessions s";
    let (rows,): (String,) = sqlx::query_as(sql).fetch_one(&world.pool).await.unwrap();
    assert!(!rows.contains(&ann.refresh) && !rows.contains(&ann.refresh[4..20]), "{rows}");
}

#[tokio::test]
async fn what_is_over_is_deleted_and_nothing_else() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let out = world.login("ann", PASSWORD).await.signed();
    world.post_as(&out.access, "/auth/logout", json!({})).await;
    world.post_as(&ann.access, "/users/me/tokens", json!({"name": "ci"})).await;
    world.post_as(&ann.access, "/ws-tickets", json!({})).await;
    assert_eq!(world.accounts.tidy().await.unwrap(), 0, "nothing is that old");
    world.sql("UPDATE ws_tickets SET expires_at = now() - interval '1 second'").await;
    world.clock.advance(6 * DAY);
    let next = world.refresh(&ann.refresh).await.signed();
    world
        .sql("UPDATE sessions SET ended_at = now() - interval '60 days' WHERE ended_at IS NOT NULL")
        .await;
    assert_eq!(world.accounts.tidy().await.unwrap(), 2, "a ticket and a session");
    assert!(world.accepts(&next.access).await);
    assert_eq!(world.get(&next.access, "/users/me/tokens").await.body[0]["name"], "ci");
}
