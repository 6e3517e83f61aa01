//! The server around the API.

use std::net::SocketAddr;
use std::sync::Arc;

use devpocket::server::{Exposure, Server, ServerError};
use devpocket_controllers::sim::store::MemoryStore;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::world::{ADMIN_TOKEN, ENVIRONMENTS, PATIENCE, World, answer};

#[tokio::test]
async fn health_needs_no_token_and_readiness_follows_the_store() {
    let store = MemoryStore::default();
    let world = World::over(Arc::new(store.clone())).await;
    let get = async |path: &str| {
        let answer = answer(world.request(Method::GET, path)).await;
        (answer.code, answer.body)
    };
    assert_eq!(get("/health/live").await.0, 200);
    assert_eq!(
        get("/health/ready").await,
        (200, json!({"status": "ok", "checks": {"store": "ok"}}))
    );
    assert!(get("/health").await.1["version"].is_string());
    store.set_outage(Some("gone fishing"));
    let (code, body) = get("/health/ready").await;
    assert_eq!(code, 503);
    assert!(body["checks"]["store"].as_str().unwrap().contains("gone fishing"), "{body}");
    assert_eq!(get("/health/live").await.0, 200, "restarting would not mend it");
    let refused = world.get(ENVIRONMENTS).await;
    assert_eq!((refused.code, refused.reason()), (503, "ServiceUnavailable"));
    store.set_outage(None);
    assert_eq!(get("/health/ready").await.0, 200);
}

#[tokio::test]
async fn metrics_need_a_token_also_from_this_machine() {
    let world = World::new().await;
    let refused = answer(world.request(Method::GET, "/metrics")).await;
    assert_eq!(refused.code, 401);
    let asked = world.request(Method::GET, "/metrics").bearer_auth(ADMIN_TOKEN);
    let answer = answer(asked).await;
    assert_eq!((answer.code, answer.body.as_str().unwrap()), (200, "devpocket_up 1\n"));
}

#[tokio::test]
async fn a_request_id_is_kept_or_made_and_never_trusted_blindly() {
    let world = World::new().await;
    let with = async |id: &str| {
        let request = world.request(Method::GET, ENVIRONMENTS).bearer_auth(ADMIN_TOKEN);
        let answer = answer(request.header("x-request-id", id)).await;
        answer.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(with("trace-1.a_B").await, "trace-1.a_B");
    for bad in ["", "a b", "a\"b", &"x".repeat(200)] {
        let made = with(bad).await;
        assert!(made != bad && made.len() == 36, "{made}");
    }
    // The refusals of the gate carry one as well.
    let refused = world.request(Method::GET, "/health").header("host", "evil.example");
    assert!(answer(refused).await.headers.contains_key("x-request-id"));
}

#[tokio::test]
async fn writes_carry_who_and_from_where() {
    let store = MemoryStore::default();
    let world = World::over(Arc::new(store.clone())).await;
    let object =
        json!({"metadata": {"name": "web"}, "spec": {"size": "vps-10-nvme", "region": "EU"}});
    let request = world.request(Method::POST, ENVIRONMENTS).bearer_auth(ADMIN_TOKEN).json(&object);
    let request =
        request.header("x-request-id", "r-1").header("user-agent", "kubectl/v1.33 (linux)");
    assert_eq!(answer(request).await.code, 201);
    let journal = store.journal();
    let actor = &journal.last().unwrap().actor;
    assert_eq!((actor.user.as_str(), actor.manager.as_str()), ("admin", "kubectl"));
    assert_eq!(actor.request_id, "r-1");
    assert_eq!(actor.address.as_deref(), Some("127.0.0.1"));
}

#[tokio::test]
async fn a_taken_address_and_an_open_one_are_refused() {
    let first =
        Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), Exposure::Loopback).await.unwrap();
    let taken = Server::bind(first.address(), Exposure::Loopback).await.unwrap_err();
    assert!(matches!(taken, ServerError::Taken(address) if address == first.address()));
    assert!(taken.to_string().contains(&first.address().to_string()));
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let open = Server::bind(everywhere, Exposure::Loopback).await.unwrap_err();
    assert!(matches!(open, ServerError::NotLoopback(_)));
    Server::bind(everywhere, Exposure::BehindProxy).await.unwrap();
}

/// What the server says to these bytes before it closes the connection.
async fn raw(world: &World, request: &str) -> String {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    // A reset after the reply is how a server stops an upload.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut reply)).await.expect("it closes");
    String::from_utf8_lossy(&reply).into_owned()
}

#[tokio::test]
async fn headers_are_bounded_and_nonsense_is_refused() {
    let world = World::new().await;
    let many: String = (0..100).map(|n| format!("x-{n}: 1\r\n")).collect();
    let request = format!("GET /health HTTP/1.1\r\nhost: localhost\r\n{many}\r\n");
    assert!(raw(&world, &request).await.starts_with("HTTP/1.1 431"), "too many headers");
    let long = "x".repeat(100_000);
    let request = format!("GET /health HTTP/1.1\r\nhost: localhost\r\na: {long}\r\n\r\n");
    let reply = raw(&world, &request).await;
    assert!(reply.starts_with("HTTP/1.1 431"), "headers too long: {reply}");
    let none = "GET /health HTTP/1.1\r\nconnection: close\r\n\r\n";
    assert!(raw(&world, none).await.starts_with("HTTP/1.1 400"), "no host");
    assert!(raw(&world, "hello\r\n\r\n").await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn tls_and_plain_http_share_a_port() {
    let world = World::new().await;
    let trusting = |authority: &str| {
        let certificate = reqwest::Certificate::from_pem(authority.as_bytes()).unwrap();
        reqwest::Client::builder().tls_certs_only([certificate]).build().unwrap()
    };
    let port = world.address.port();
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{port}{ENVIRONMENTS}");
        let request = trusting(&world.authority).get(&url).timeout(PATIENCE);
        assert_eq!(answer(request.bearer_auth(ADMIN_TOKEN)).await.code, 200, "{host}");
        let request = trusting(&world.authority).get(&url).timeout(PATIENCE);
        assert_eq!(answer(request).await.reason(), "Unauthorized", "TLS is no sign-in");
    }
    assert_eq!(world.get(ENVIRONMENTS).await.code, 200, "plain HTTP goes on");
    // The authority of another installation is not trusted, however it calls itself.
    let other = tempfile::tempdir().unwrap();
    let other = devpocket::server::LocalTls::open(other.path()).unwrap();
    let url = format!("https://127.0.0.1:{port}/health");
    assert!(trusting(other.authority()).get(&url).timeout(PATIENCE).send().await.is_err());
}

#[tokio::test]
async fn stopping_waits_for_the_requests_under_way() {
    let world = World::new().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let body =
        json!({"metadata": {"name": "web"}, "spec": {"size": "vps-10-nvme", "region": "EU"}})
            .to_string();
    let head = format!(
        "POST {ENVIRONMENTS} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {ADMIN_TOKEN}\r\n\
         expect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 25];
    stream.read_exact(&mut first).await.unwrap();
    assert!(first.starts_with(b"HTTP/1.1 100"), "the request is under way");
    world.shutdown.cancel();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut reply)).await.unwrap().unwrap();
    assert!(reply.starts_with(b"HTTP/1.1 201"), "{}", String::from_utf8_lossy(&reply));
    timeout(PATIENCE, world.served).await.unwrap().unwrap();
    assert!(TcpStream::connect(world.address).await.is_err(), "nobody listens any more");
}
