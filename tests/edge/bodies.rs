//! Bodies that are too long or too deep, in both APIs.

use reqwest::Method;

use super::world::{ADMIN, NAMESPACES, Setup, World, answer};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn deep_documents_are_refused_with_a_sentence() {
    let world = World::start(Setup::default()).await;
    for levels in [101, 5_000, 200_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let body = format!("{}1{}", open.repeat(levels), close.repeat(levels));
            let request = world.request(Method::POST, NAMESPACES).bearer_auth(ADMIN);
            let request = request.header("content-type", "application/json");
            let refused = answer(request.body(body[..body.len().min(MIB)].to_owned())).await;
            assert_eq!((refused.code, &refused.body["reason"]), (400, &"BadRequest".into()));
            let message = refused.body["message"].as_str().unwrap();
            assert!(message.contains("deeper than 100 levels"), "{message}");
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn long_bodies_are_refused_without_being_read() {
    let world = World::start(Setup::default()).await;
    let body = vec![b' '; MIB + 1];
    for path in [NAMESPACES, "/api/v1/auth/login"] {
        let request = world.request(Method::POST, path).bearer_auth(ADMIN);
        let request = request.header("content-type", "application/json").body(body.clone());
        // It may hear the answer, or only that nobody reads on.
        match request.send().await {
            Ok(response) => assert_eq!(response.status().as_u16(), 413, "{path}"),
            Err(error) => assert!(error.is_request() || error.is_body(), "{path}: {error}"),
        }
    }
    assert_eq!(world.list(ADMIN).await.code, 200);
    world.stop().await;
}
