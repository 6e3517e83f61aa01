//! Signing in with Google: an issuer of its own on loopback, with real keys.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use devpocket::accounts::{GoogleSettings, Registration};
use devpocket_controllers::clock::Clock as _;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::world::{Answer, PASSWORD, World};

const APP: &str = "app.apps.googleusercontent.example";
const ISSUER: &str = "https://accounts.example.com";

/// Serves its keys, counts who asks, and signs.
struct Issuer {
    url: String,
    keys: Arc<Mutex<JwkSet>>,
    asked: Arc<AtomicUsize>,
}

fn new_key() -> EncodingKey {
    let made = Command::new("openssl").args(["genrsa", "-traditional", "2048"]).output();
    let made = made.expect("the program openssl is needed to make keys for these tests");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let pem = String::from_utf8(made.stdout).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    EncodingKey::from_rsa_der(&STANDARD.decode(body).unwrap())
}

fn public(kid: &str, key: &EncodingKey) -> Jwk {
    let mut jwk = Jwk::from_encoding_key(key, Algorithm::RS256).unwrap();
    jwk.common.key_id = Some(kid.to_owned());
    jwk
}

impl Issuer {
    async fn start() -> Issuer {
        let keys = Arc::new(Mutex::new(JwkSet::default()));
        let asked = Arc::new(AtomicUsize::new(0));
        let (served, counted) = (keys.clone(), asked.clone());
        let answer = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let set = serde_json::to_string(&*served.lock().unwrap()).unwrap();
            async move { set }
        };
        let router = Router::new().route("/certs", get(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/certs", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Issuer { url, keys, asked }
    }

    fn publish(&self, kid: &str, key: &EncodingKey) {
        self.keys.lock().unwrap().keys.push(public(kid, key));
    }

    async fn world(&self, registration: Registration) -> World {
        World::with(|settings| {
            settings.registration = registration;
            settings.mail = true;
            settings.google = Some(GoogleSettings {
                client_ids: vec![APP.into()],
                issuers: vec![ISSUER.into()],
                jwks_url: self.url.clone(),
            });
        })
        .await
    }
}

fn claims(world: &World) -> Value {
    let now = world.clock.now().as_second();
    json!({
        "iss": ISSUER, "aud": APP, "azp": APP, "sub": "10769150350006150715113082367",
        "email": "ann.lee@example.com", "email_verified": true, "name": "Ann Lee",
        "picture": "https://example.com/ann.png", "iat": now, "exp": now + 3_600,
    })
}

fn sign(kid: &str, key: &EncodingKey, claims: &Value) -> String {
    let header = Header { kid: Some(kid.into()), ..Header::new(Algorithm::RS256) };
    encode(&header, claims, key).unwrap()
}

async fn send(world: &World, token: &str) -> Answer {
    world.post("/auth/google", json!({"token": token})).await
}

#[tokio::test]
async fn somebody_new_gets_an_account_and_comes_back_to_it() {
    let issuer = Issuer::start().await;
    let key = new_key();
    issuer.publish("one", &key);
    let world = issuer.world(Registration::Open).await;
    let token = sign("one", &key, &claims(&world));
    let first = send(&world, &token).await;
    assert_eq!(first.body["user"]["username"], "ann-lee", "{first:?}");
    assert_eq!(first.body["user"]["is_verified"], true);
    assert_eq!(first.body["user"]["full_name"], "Ann Lee");
    assert!(world.accepts(&first.signed().access).await);
    // The address at Google may change; who it is does not.
    let mut moved = claims(&world);
    moved["email"] = "other@example.com".into();
    let second = send(&world, &sign("one", &key, &moved)).await;
    assert_eq!(second.body["user"]["id"], first.body["user"]["id"]);
    assert_eq!(world.login("ann-lee", "").await.code, 401, "there is no password");
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1, "the keys are kept");
    let closed = issuer.world(Registration::Invite).await;
    assert_eq!(send(&closed, &sign("one", &key, &claims(&closed))).await.code, 403);
}

#[tokio::test]
async fn a_verified_account_is_linked_and_one_that_anybody_registered_is_taken_over() {
    let issuer = Issuer::start().await;
    let key = new_key();
    issuer.publish("one", &key);
    let world = issuer.world(Registration::Open).await;
    let form =
        |name: &str, email: &str| json!({"username": name, "email": email, "password": PASSWORD});
    world.post("/auth/register", form("squatter", "ann.lee@example.com")).await;
    let squatter = world.login("squatter", PASSWORD).await.signed();
    let linked = send(&world, &sign("one", &key, &claims(&world))).await;
    assert_eq!(linked.body["user"]["username"], "squatter");
    assert!(world.accepts(&linked.signed().access).await);
    assert!(!world.accepts(&squatter.access).await, "whoever registered it is out");
    assert_eq!(world.login("squatter", PASSWORD).await.code, 401);

    world.post("/auth/register", form("bob", "bob@example.com")).await;
    world.sql("UPDATE accounts SET verified_at = now() WHERE username = 'bob'").await;
    let mut bob = claims(&world);
    (bob["sub"], bob["email"]) = ("2".into(), "Bob@example.com".into());
    assert_eq!(send(&world, &sign("one", &key, &bob)).await.body["user"]["username"], "bob");
    world.login("bob", PASSWORD).await.signed();
    // Another identity with the same address does not get in, nor one that is not verified.
    bob["sub"] = "3".into();
    assert_eq!(send(&world, &sign("one", &key, &bob)).await.code, 403);
    (bob["sub"], bob["email"], bob["email_verified"]) =
        ("4".into(), "carol@example.com".into(), false.into());
    assert_eq!(send(&world, &sign("one", &key, &bob)).await.code, 403);
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let issuer = Issuer::start().await;
    let (key, foreign) = (new_key(), new_key());
    issuer.publish("one", &key);
    let world = issuer.world(Registration::Open).await;
    let now = world.clock.now().as_second();
    for (field, value) in [
        ("iss", json!("https://evil.example")),
        ("iss", json!(null)),
        ("aud", json!("another-app")),
        ("aud", json!(null)),
        ("azp", json!("another-app")),
        ("exp", json!(now - 200)),
        ("exp", json!(null)),
        ("iat", json!(now + 600)),
        ("nbf", json!(now + 600)),
        ("sub", json!("")),
        ("sub", json!(null)),
    ] {
        let mut wrong = claims(&world);
        match value.is_null() {
            true => drop(wrong.as_object_mut().unwrap().remove(field)),
            false => wrong[field] = value.clone(),
        }
        let refused = send(&world, &sign("one", &key, &wrong)).await;
        assert_eq!(refused.code, 401, "{field} {value}: {refused:?}");
    }
    let good = claims(&world);
    let by_foreign = sign("one", &foreign, &good);
    let without_kid = encode(&Header::new(Algorithm::RS256), &good, &key).unwrap();
    // The public key as the secret of an HMAC, which a careless check takes for a signature.
    let modulus = serde_json::to_value(public("one", &key)).unwrap()["n"].to_string();
    let header = Header { kid: Some("one".into()), ..Header::new(Algorithm::HS256) };
    let confused = encode(&header, &good, &EncodingKey::from_secret(modulus.as_bytes())).unwrap();
    let signed = sign("one", &key, &good);
    let unsigned = signed.rsplit_once('.').unwrap().0.to_owned() + ".";
    let long = "x".repeat(20_000);
    for wrong in [&by_foreign, &without_kid, &confused, &unsigned, &String::new(), &long] {
        assert_eq!(send(&world, wrong).await.code, 401);
    }
    let with = async |nonce: &str, said: Value| {
        let mut claims = claims(&world);
        claims["nonce"] = said;
        let token = sign("one", &key, &claims);
        world.post("/auth/google", json!({"token": token, "nonce": nonce})).await.code
    };
    assert_eq!(with("n-1", json!("n-1")).await, 200);
    assert_eq!(with("n-1", json!("n-2")).await, 401);
    assert_eq!(with("n-1", json!(null)).await, 401);
}

#[tokio::test]
async fn keys_are_rotated_and_made_up_names_send_nobody_to_the_issuer() {
    let issuer = Issuer::start().await;
    let (old, new) = (new_key(), new_key());
    issuer.publish("old", &old);
    let world = issuer.world(Registration::Open).await;
    send(&world, &sign("old", &old, &claims(&world))).await.signed();
    issuer.publish("new", &new);
    for name in ["new", "../../etc/passwd", "' OR 1=1 --"] {
        assert_eq!(send(&world, &sign(name, &new, &claims(&world))).await.code, 401, "{name}");
    }
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1, "not again within a minute");
    world.clock.advance(Duration::from_secs(61));
    send(&world, &sign("new", &new, &claims(&world))).await.signed();
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 2);
    // The issuer has taken the old one out.
    issuer.keys.lock().unwrap().keys.retain(|key| key.common.key_id.as_deref() == Some("new"));
    world.clock.advance(Duration::from_secs(3_601));
    assert_eq!(send(&world, &sign("old", &old, &claims(&world))).await.code, 401);
}

#[tokio::test]
async fn where_it_is_not_configured_or_has_no_keys_that_is_said() {
    let world = World::new().await;
    let refused = send(&world, "x").await;
    assert_eq!(refused.code, 503);
    assert!(refused.detail().contains("GOOGLE_CLIENT_ID"), "{refused:?}");
    let mut issuer = Issuer::start().await;
    let key = new_key();
    issuer.url = "http://127.0.0.1:9/certs".into();
    let world = issuer.world(Registration::Open).await;
    let refused = send(&world, &sign("one", &key, &claims(&world))).await;
    assert_eq!(refused.code, 503);
    assert!(refused.detail().contains("keys"), "{refused:?}");
}
