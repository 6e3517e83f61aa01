//! Tickets for WebSockets.

use std::time::Duration;

use devpocket::access::Authenticator as _;
use futures::future::join_all;
use serde_json::json;

use super::world::{ADMIN_TOKEN, World};

async fn ticket(world: &World, token: &str) -> String {
    let made = world.post_as(token, "/ws-tickets", json!({})).await;
    assert_eq!((made.code, &made.body["expires_in"]), (201, &json!(30)), "{made:?}");
    made.body["ticket"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_ticket_is_good_once_on_whichever_replica() {
    let world = World::new().await;
    let other = world.replica(Duration::from_secs(120)).await;
    let ann = world.person("ann").await;
    let first = ticket(&world, &ann.access).await;
    let redeemed = other.authenticator.redeem(&first).await.unwrap();
    assert_eq!(redeemed.name, "ann");
    assert!(world.authenticator.redeem(&first).await.is_err(), "replayed");
    assert!(!world.accepts(&ticket(&world, &ann.access).await).await, "no bearer token");
    let raced = ticket(&world, &ann.access).await;
    let takers = (0..20).map(|n| match n % 2 {
        0 => world.authenticator.redeem(&raced),
        _ => other.authenticator.redeem(&raced),
    });
    let won = join_all(takers).await.into_iter().filter(Result::is_ok).count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_ticket_is_worth_what_it_was_made_with() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let form = json!({"name": "ci", "verbs": ["get"]});
    let made = world.post_as(&ann.access, "/users/me/tokens", form).await;
    let token = made.body["token"].as_str().unwrap();
    let by_token = world.authenticator.redeem(&ticket(&world, token).await).await.unwrap();
    assert_eq!(by_token.scope.unwrap().verbs, ["get"]);
    let admin = world.authenticator.redeem(&ticket(&world, ADMIN_TOKEN).await).await.unwrap();
    assert!(admin.is_admin());
    let after = ticket(&world, &ann.access).await;
    world.post_as(&ann.access, "/auth/logout", json!({})).await;
    assert!(world.authenticator.redeem(&after).await.is_err(), "signed out meanwhile");
}

#[tokio::test]
async fn old_tickets_and_made_up_ones_are_refused() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let old = ticket(&world, &ann.access).await;
    world.sql("UPDATE ws_tickets SET expires_at = now()").await;
    for wrong in [old.as_str(), "", "dpt_", ann.access.as_str(), &"x".repeat(10_000)] {
        assert!(world.authenticator.redeem(wrong).await.is_err(), "{wrong}");
    }
    assert_eq!(world.post("/ws-tickets", json!({})).await.code, 401);
}
