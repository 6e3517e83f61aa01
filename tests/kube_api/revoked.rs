//! Streams of somebody who was shown the door.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use devpocket::access::{AuthError, Authenticator, Credential, Role, User};
use devpocket_controllers::sim::store::MemoryStore;
use futures::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::world::{ADMIN_TOKEN, ENVIRONMENTS, PATIENCE, World};

/// Longest that somebody may go on seeing what they may not.
const PROMISE: Duration = Duration::from_secs(5);

/// People whose rights change while they are signed in.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<BTreeMap<String, Result<User, AuthError>>>>);

impl Book {
    fn set(&self, token: &str, answer: Result<User, AuthError>) {
        self.0.lock().unwrap().insert(token.to_owned(), answer);
    }
}

#[async_trait]
impl Authenticator for Book {
    async fn authenticate(&self, bearer: &str) -> Result<User, AuthError> {
        let known = self.0.lock().unwrap().get(bearer).cloned();
        known.unwrap_or_else(|| Err(AuthError::invalid()))
    }

    async fn renew(&self, user: &User) -> Result<User, AuthError> {
        self.authenticate(&user.name).await
    }
}

fn member(role: Option<Role>) -> User {
    let roles = role.map(|role| ("team-a".to_owned(), role)).into_iter().collect();
    let credential = Credential::Session(Uuid::from_u128(1));
    User { roles: Arc::new(roles), credential, ..User::configured("ann", &[]) }
}

async fn world() -> (World, Book) {
    let book = Book::default();
    book.set(ADMIN_TOKEN, Ok(User::admin("admin")));
    book.set("ann", Ok(member(Some(Role::Owner))));
    let world = World::known(Arc::new(MemoryStore::default()), Arc::new(book.clone())).await;
    let namespace = json!({"metadata": {"name": "team-a"}});
    world.send(Method::POST, "/kube/api/v1/namespaces", &namespace).await;
    (world, book)
}

/// Opens a watch, lets something happen, and answers the rest of the stream, with its end.
async fn watched(world: &World, path: &str, happens: impl FnOnce()) -> Vec<Value> {
    let request = world.request(Method::GET, &format!("{path}?watch=true"));
    let response = request.timeout(2 * PATIENCE).bearer_auth("ann").send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    happens();
    let at = Instant::now();
    let mut text = Vec::new();
    let mut stream = response.bytes_stream();
    let read = async {
        while let Some(chunk) = stream.next().await {
            text.extend_from_slice(&chunk.unwrap());
        }
    };
    timeout(PATIENCE, read).await.expect("the watch ends");
    assert!(at.elapsed() < PROMISE, "it took {:?}", at.elapsed());
    String::from_utf8(text).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[tokio::test]
async fn a_watch_of_somebody_removed_ends_and_says_so() {
    let (world, book) = world().await;
    world.environment("web").await;
    let all = "/kube/apis/devpocket.dev/v1alpha1/environments";
    for path in [ENVIRONMENTS, all] {
        book.set("ann", Ok(member(Some(Role::Owner))));
        let lines = watched(&world, path, || book.set("ann", Ok(member(None)))).await;
        let last = lines.last().unwrap();
        assert_eq!(
            (&last["type"], &last["object"]["code"]),
            (&json!("ERROR"), &json!(410)),
            "{path}"
        );
    }
    let list = world.request(Method::GET, ENVIRONMENTS).bearer_auth("ann").send().await.unwrap();
    assert_eq!(list.status().as_u16(), 404);
}

#[tokio::test]
async fn a_watch_with_a_revoked_token_ends_with_401() {
    let (world, book) = world().await;
    let lines = watched(&world, ENVIRONMENTS, || book.set("ann", Err(AuthError::invalid()))).await;
    let last = lines.last().unwrap();
    assert_eq!((&last["type"], &last["object"]["code"]), (&json!("ERROR"), &json!(401)));
}

#[tokio::test]
async fn a_watch_of_secrets_ends_when_they_may_not_be_revealed_any_more() {
    let (world, book) = world().await;
    let secrets = "/kube/api/v1/namespaces/team-a/secrets";
    let lines = watched(&world, secrets, || book.set("ann", Ok(member(Some(Role::Editor))))).await;
    assert_eq!(lines.last().unwrap()["object"]["code"], 410);
    // Of environments the same person sees the same as before.
    book.set("ann", Ok(member(Some(Role::Owner))));
    let path = format!("{ENVIRONMENTS}?watch=true&timeoutSeconds=4");
    let request = world.request(Method::GET, &path).bearer_auth("ann").send().await.unwrap();
    book.set("ann", Ok(member(Some(Role::Editor))));
    let text = request.text().await.unwrap();
    assert!(!text.contains("ERROR"), "{text}");
}

#[tokio::test]
async fn while_it_cannot_be_found_out_nothing_more_is_told() {
    let (world, book) = world().await;
    let path = format!("{ENVIRONMENTS}?watch=true&timeoutSeconds=15");
    let response = world.request(Method::GET, &path).bearer_auth("ann").send().await.unwrap();
    book.set("ann", Err(AuthError::Unavailable("no database".into())));
    let mut stream = response.bytes_stream();
    // Longer than what was known may be relied on.
    let silent = timeout(PROMISE, stream.next()).await;
    assert!(silent.is_err(), "{silent:?}");
    world.environment("web").await;
    let silent = timeout(Duration::from_secs(1), stream.next()).await;
    assert!(silent.is_err(), "told while nobody knew whether it may be: {silent:?}");
    book.set("ann", Ok(member(Some(Role::Owner))));
    let line = timeout(PATIENCE, stream.next()).await.expect("it goes on").unwrap().unwrap();
    assert!(String::from_utf8_lossy(&line).contains("\"web\""));
}
