//! What browsers are told: who may read, and what not to do with an answer.

use reqwest::Method;

use super::world::{ADMIN, Answer, NAMESPACES, Setup, World, answer};

const APP: &str = "https://app.example.com";

async fn preflight(world: &World, origin: &str) -> Answer {
    let request = world.request(Method::OPTIONS, "/api/v1/environments").header("origin", origin);
    let request = request
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization, content-type");
    answer(request).await
}

#[tokio::test]
async fn a_page_of_a_named_origin_may_ask_and_read() {
    let world = World::start(Setup { origins: vec![APP], ..Setup::default() }).await;
    let allowed = preflight(&world, APP).await;
    assert_eq!(allowed.code, 204);
    assert_eq!(allowed.header("access-control-allow-origin"), APP);
    assert_eq!(allowed.header("access-control-allow-credentials"), "true");
    assert_eq!(allowed.header("access-control-allow-headers"), "authorization, content-type");
    assert!(allowed.header("access-control-allow-methods").contains("PATCH"));
    assert!(allowed.header("vary").contains("Origin"));
    let request = world.request(Method::GET, NAMESPACES).bearer_auth(ADMIN);
    let read = answer(request.header("origin", APP)).await;
    assert_eq!((read.code, read.header("access-control-allow-origin")), (200, APP));
    assert!(read.header("access-control-expose-headers").contains("retry-after"));
    // Refusals can be read too, or the app could not say what is wrong.
    let refused = answer(world.request(Method::GET, NAMESPACES).header("origin", APP)).await;
    assert_eq!((refused.code, refused.header("access-control-allow-origin")), (401, APP));

    let stranger = preflight(&world, "https://evil.example").await;
    assert_eq!(stranger.code, 403);
    assert!(!stranger.headers.contains_key("access-control-allow-origin"));
    world.stop().await;
}

#[tokio::test]
async fn everybody_may_read_without_credentials_where_that_was_chosen() {
    let world = World::start(Setup { origins: vec!["*"], ..Setup::default() }).await;
    let allowed = preflight(&world, "https://anything.example").await;
    assert_eq!((allowed.code, allowed.header("access-control-allow-origin")), (204, "*"));
    assert!(!allowed.headers.contains_key("access-control-allow-credentials"));
    world.stop().await;
}

#[tokio::test]
async fn every_answer_says_what_browsers_must_not_do_with_it() {
    for https in [false, true] {
        let world = World::start(Setup { https, ..Setup::default() }).await;
        for answer in [
            world.list(ADMIN).await,
            world.get(NAMESPACES).await,
            world.get("/api/v1/nothing").await,
            world.get("/nothing").await,
            world.get("/health/live").await,
            preflight(&world, "https://evil.example").await,
        ] {
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
            assert_eq!(answer.header("x-frame-options"), "DENY");
            assert_eq!(answer.header("x-xss-protection"), "1; mode=block");
            assert_eq!(answer.header("referrer-policy"), "no-referrer");
            assert!(answer.header("content-security-policy").contains("default-src 'none'"));
            assert!(answer.header("x-process-time").parse::<f64>().unwrap() >= 0.0);
            let hsts = answer.headers.get("strict-transport-security");
            assert_eq!(hsts.is_some(), https);
            if let Some(hsts) = hsts {
                assert_eq!(hsts, "max-age=31536000; includeSubDomains");
            }
        }
        world.stop().await;
    }
}
