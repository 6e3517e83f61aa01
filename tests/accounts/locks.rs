//! Signing in with a password, and guessing one.

use std::collections::BTreeMap;
use std::time::Duration;

use devpocket::accounts::password::{self, Cost};
use futures::future::join_all;
use serde_json::json;

use super::world::{CHEAP, PASSWORD, World};

const INCORRECT: &str = "Incorrect username/email or password";
const LOCKED: Duration = Duration::from_secs(15 * 60);

#[tokio::test]
async fn both_spellings_of_the_field_and_both_names_sign_in() {
    let world = World::new().await;
    world.register("Ann").await;
    for form in [
        json!({"username_or_email": "Ann", "password": PASSWORD}),
        json!({"usernameOrEmail": "ann", "password": PASSWORD}),
        json!({"username_or_email": " ANN@example.COM ", "password": PASSWORD}),
    ] {
        let answer = world.post("/auth/login", form).await;
        let signed = answer.signed();
        assert_eq!(answer.body["expires_in"], 1_800);
        assert_eq!(answer.body["user"]["username"], "Ann");
        let me = world.get(&signed.access, "/auth/me").await;
        assert_eq!((me.code, &me.body["email"]), (200, &json!("Ann@example.com")));
    }
    // A name that only looks like theirs is nobody's.
    world.register("alice").await;
    assert_eq!(world.login("aIice", PASSWORD).await.code, 401);
}

#[tokio::test]
async fn every_failure_reads_the_same() {
    let world = World::new().await;
    for name in ["wrong", "locked", "without", "suspended"] {
        world.register(name).await;
    }
    world.sql("UPDATE accounts SET password_hash = NULL WHERE username = 'without'").await;
    world.sql("UPDATE accounts SET suspended_at = now() WHERE username = 'suspended'").await;
    for _ in 0..5 {
        world.login("locked", "Wrong1xx").await;
    }
    let long = "x".repeat(10_000);
    for (name, password) in [
        ("wrong", "Wrong1xx"),
        ("wrong", ""),
        ("wrong", long.as_str()),
        ("locked", PASSWORD),
        ("without", PASSWORD),
        ("suspended", PASSWORD),
        ("nobody", PASSWORD),
        ("nobody@example.com", PASSWORD),
        ("", ""),
        ("' OR 1=1 --", PASSWORD),
        ("\u{0}", PASSWORD),
    ] {
        let refused = world.login(name, password).await;
        assert_eq!((refused.code, refused.detail()), (401, INCORRECT), "{name:?}");
        assert_eq!(refused.headers["www-authenticate"], "Bearer");
    }
    let trail = world.trail().await;
    assert!(trail.iter().any(|line| line == "login-locked account locked anonymous"), "{trail:?}");
    assert!(!trail.iter().any(|line| line.contains("OR 1=1")), "what strangers typed: {trail:?}");
}

#[tokio::test]
async fn five_failures_lock_for_a_quarter_of_an_hour_and_a_success_forgives() {
    let world = World::new().await;
    world.register("ann").await;
    for _ in 0..4 {
        world.login("ann", "Wrong1xx").await;
    }
    world.login("ann", PASSWORD).await.signed();
    for _ in 0..4 {
        world.login("ann", "Wrong1xx").await;
    }
    world.login("ann", PASSWORD).await.signed();
    for _ in 0..5 {
        world.login("ann", "Wrong1xx").await;
    }
    assert_eq!(world.login("ann", PASSWORD).await.code, 401, "locked");
    world.clock.advance(LOCKED - Duration::from_secs(30));
    assert_eq!(world.login("ann", PASSWORD).await.code, 401, "still");
    // What was tried meanwhile did not make it longer.
    world.clock.advance(Duration::from_secs(31));
    world.login("ann", PASSWORD).await.signed();
    // Failures far apart do not add up.
    for _ in 0..4 {
        world.login("ann", "Wrong1xx").await;
    }
    world.clock.advance(LOCKED + Duration::from_secs(1));
    for _ in 0..4 {
        world.login("ann", "Wrong1xx").await;
    }
    world.login("ann", PASSWORD).await.signed();
}

#[tokio::test]
async fn guesses_sent_at_once_count_as_guesses() {
    let world = World::new().await;
    world.register("ann").await;
    // Forty wrong ones in front of the right one: were they judged before any is counted, the last
    // would be let in.
    let wrong = (0..40).map(|n| world.login("ann", ["Wrong1xx", "Wrong2xx"][n % 2]));
    for refused in join_all(wrong).await {
        assert!(matches!(refused.code, 401 | 503), "{refused:?}");
    }
    assert_eq!(world.login("ann", PASSWORD).await.code, 401, "locked by then");
}

/// More at once than wait at most: each is answered, and with the truth.
#[tokio::test]
async fn a_thousand_sign_ins_at_once_hang_nothing() {
    let world = World::with(|settings| settings.cost = Cost { memory: 1_024, ..CHEAP }).await;
    world.register("ann").await;
    let answers = join_all((0..1_000).map(|_| world.login("ann", PASSWORD))).await;
    let mut codes = BTreeMap::<u16, usize>::new();
    for answer in &answers {
        *codes.entry(answer.code).or_default() += 1;
        match answer.code {
            200 => drop(answer.signed()),
            503 => {
                answer.detail();
                assert_eq!(answer.headers["retry-after"], "5", "{answer:?}");
            }
            _ => panic!("{answer:?}"),
        }
    }
    assert!(codes[&200] >= 100, "{codes:?}");
    world.login("ann", PASSWORD).await.signed();
}

#[tokio::test]
async fn older_hashes_sign_in_and_are_replaced() {
    let world = World::new().await;
    world.register("ann").await;
    let today = "$argon2id$v=19$m=16,t=1,p=1$";
    let bcrypt = bcrypt::hash(PASSWORD, 4).unwrap();
    let dearer = password::hash(Cost { memory: 32, ..CHEAP }, PASSWORD).unwrap();
    for old in [bcrypt.replacen("$2b$", "$2y$", 1), bcrypt, dearer] {
        sqlx::query("UPDATE accounts SET password_hash = $1")
            .bind(&old)
            .execute(&world.pool)
            .await
            .unwrap();
        assert_eq!(world.login("ann", "Wrong1xx").await.code, 401);
        assert_eq!(hash(&world).await, old, "a wrong password replaces nothing");
        world.login("ann", PASSWORD).await.signed();
        let new = hash(&world).await;
        assert!(new.starts_with(today), "{old} is now {new}");
        world.login("ann", PASSWORD).await.signed();
        assert_eq!(hash(&world).await, new, "and is kept");
    }
}

async fn hash(world: &World) -> String {
    let sql = "SELECT password_hash FROM accounts";
    sqlx::query_as::<_, (String,)>(sql).fetch_one(&world.pool).await.unwrap().0
}
