//! Who may ask how often, and how they are told.

use std::time::Duration;

use devpocket::server::limiter::{Rules, WINDOW};
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::support::postgres::TestDatabase;
use super::world::{ADMIN, Answer, BOB, NAMESPACES, Setup, World, answer, eventually};

fn limited(sign_in: u32, rest: u32, kube: u32) -> Setup {
    Setup { rules: Some(Rules::new(WINDOW, sign_in, rest, kube)), ..Setup::default() }
}

/// Whether it was refused for its number, checked against everything clients of `/api/v1` are promised about it.
fn is_refused(answer: &Answer, limit: u32) -> bool {
    if answer.code != 429 {
        return false;
    }
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{answer:?}");
    assert_eq!(answer.header("x-ratelimit-limit"), limit.to_string());
    assert_eq!(answer.header("x-ratelimit-remaining"), "0");
    let now = jiff::Timestamp::from_second(0).unwrap();
    let reset: i64 = answer.header("x-ratelimit-reset").parse().unwrap();
    let date = jiff::fmt::rfc2822::parse(answer.header("date")).unwrap().timestamp();
    let ahead = reset - date.duration_since(now).as_secs();
    assert!((0..=61).contains(&ahead), "{ahead}");
    true
}

#[tokio::test]
async fn attempts_to_sign_in_are_counted_by_address_and_refused_in_the_seeds_words() {
    let world = World::start(limited(5, 100, 100)).await;
    let attempt =
        async || answer(world.request(Method::POST, "/api/v1/auth/login").json(&json!({}))).await;
    for left in (0..5).rev() {
        let answer = attempt().await;
        assert_ne!(answer.code, 429);
        assert_eq!(answer.header("x-ratelimit-remaining"), left.to_string());
    }
    let refused = attempt().await;
    assert!(is_refused(&refused, 5), "{refused:?}");
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    let body = &refused.body;
    assert_eq!(body["detail"], "Rate limit exceeded. Try again later.");
    assert_eq!((&body["errors"], &body["retry_after"]), (&json!([]), &json!(seconds)));
    assert!(body["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{body}");
    // Another way to try a password or a code has no budget of its own.
    let reset = world.request(Method::POST, "/api/v1/auth/reset-password").json(&json!({}));
    assert_eq!(answer(reset).await.code, 429);
    assert_eq!(world.list(ADMIN).await.code, 200, "who is signed in goes on");
    assert_eq!(world.get("/health/live").await.code, 200, "probes are never refused");
    world.stop().await;
}

#[tokio::test]
async fn an_address_without_a_token_is_refused_before_anybody_looks_at_tokens() {
    let world = World::start(limited(5, 3, 100)).await;
    for _ in 0..50 {
        assert_eq!(world.list(ADMIN).await.code, 200, "accepted tokens are not counted here");
    }
    for _ in 0..3 {
        let guess = world.request(Method::GET, NAMESPACES).bearer_auth("guess-0123456789");
        assert_eq!(answer(guess).await.code, 401);
    }
    let refused = world.get(NAMESPACES).await;
    assert!(is_refused(&refused, 3), "{refused:?}");
    assert_eq!((&refused.body["kind"], &refused.body["code"]), (&json!("Status"), &json!(429)));
    assert_eq!(refused.body["reason"], "TooManyRequests");
    assert!(world.get("/api/v1/nothing").await.body["detail"].is_string());
    assert_eq!(world.list(ADMIN).await.code, 429, "whatever it carries");
    world.stop().await;
}

#[tokio::test]
async fn each_user_has_a_budget_of_the_kubernetes_style_api() {
    let world = World::start(limited(5, 100, 10)).await;
    let answers = join_all((0..25).map(|_| world.list(ADMIN))).await;
    let refused: Vec<&Answer> = answers.iter().filter(|answer| is_refused(answer, 10)).collect();
    assert_eq!(refused.len(), 15);
    let details = &refused[0].body["details"];
    assert_eq!(details["retryAfterSeconds"].to_string(), refused[0].header("retry-after"));
    assert_eq!(details["code"], "too-many-requests");
    let other = world.list(BOB).await;
    assert_eq!((other.code, other.header("x-ratelimit-remaining")), (200, "9"));
    world.stop().await;
}

#[tokio::test]
async fn replicas_on_one_database_grant_a_limit_together_and_no_more() {
    const LIMIT: u32 = 60;
    let database = TestDatabase::new().await;
    let mut replicas = Vec::new();
    for _ in 0..2 {
        let pool = Some(database.pool().await);
        replicas.push(World::start(Setup { pool, ..limited(5, 100, LIMIT) }).await);
    }
    let asked = (0..100).map(|n| replicas[n % 2].list(ADMIN));
    let answers = join_all(asked).await;
    let granted = answers.iter().filter(|answer| answer.code == 200).count();
    assert_eq!(granted, LIMIT as usize, "by both together");
    for replica in &replicas {
        assert!(is_refused(&replica.list(ADMIN).await, LIMIT));
        assert_eq!(replica.list(BOB).await.code, 200);
    }
    // Few statements for many requests: the parts that are leased are larger than one.
    let pool = database.pool().await;
    let taken: Vec<(String, i32)> =
        sqlx::query_as("SELECT bucket, taken FROM rate_limits ORDER BY bucket")
            .fetch_all(&pool)
            .await
            .unwrap();
    let names: Vec<&str> = taken.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["kube name admin", "kube name bob"]);
    assert_eq!(taken[0].1, LIMIT as i32);
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test]
async fn a_window_ends_on_all_replicas_by_the_databases_clock() {
    let database = TestDatabase::new().await;
    let rules = Some(Rules::new(Duration::from_secs(3), 5, 100, 2));
    let one = Setup { rules, pool: Some(database.pool().await), ..Setup::default() };
    let two = Setup { rules, pool: Some(database.pool().await), ..Setup::default() };
    let (one, two) = (World::start(one).await, World::start(two).await);
    eventually("both refuse", async || {
        let codes = (one.list(ADMIN).await.code, two.list(ADMIN).await.code);
        (codes == (429, 429)).then_some(())
    })
    .await;
    eventually("both grant again", async || {
        let codes = (one.list(ADMIN).await.code, two.list(ADMIN).await.code);
        (codes == (200, 200)).then_some(())
    })
    .await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn without_the_database_each_replica_counts_by_itself() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    pool.close().await;
    let world = World::start(Setup { pool: Some(pool), ..limited(5, 100, 4) }).await;
    let answers = join_all((0..10).map(|_| world.list(ADMIN))).await;
    assert_eq!(answers.iter().filter(|answer| answer.code == 200).count(), 4);
    world.stop().await;
}
