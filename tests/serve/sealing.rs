//! Another sealing key, from the first step to the last, and one that is missing.

use reqwest::Method;
use serde_json::json;

use crate::process::eventually;
use crate::world::{SEAL_KEY, Serve, World};

const NEW_KEY: &str = "decade00decade01decade02decade03decade04decade05decade06decade07";
const SECRETS: &str = "/kube/api/v1/namespaces/main/secrets";

#[tokio::test]
async fn a_key_is_replaced_step_by_step_and_its_absence_is_said_before_anything_is_served() {
    let (mut world, _database) = World::empty().await;
    let mut serve = world.leading().await;
    let secret = json!({"metadata": {"name": "db"}, "stringData": {"pw": "hunter2"}});
    assert_eq!(serve.send(Method::POST, SECRETS, Some(&secret)).await.0, 201);
    serve.process.terminate().await;

    world.set("DEVPOCKET_SEAL_KEY", NEW_KEY);
    let refused = world.call(&["serve"]).await;
    assert_eq!(refused.code, 1, "{}", refused.err);
    for part in ["error[seal-key-missing]", "1 secret", "DEVPOCKET_LOST_SEAL_KEYS="] {
        assert!(refused.err.contains(part), "{part} is not in {}", refused.err);
    }
    assert!(!refused.err.contains(SEAL_KEY) && !refused.err.contains(NEW_KEY));

    world.set("DEVPOCKET_SEAL_KEY", format!("{NEW_KEY},{SEAL_KEY}"));
    let mut serve = world.serve().await;
    let before = serve.devpocket(&world, &["keys", "list"]).await;
    assert!(before.out.contains("seals") && before.out.contains("opens"), "{}", before.out);
    assert!(before.err.contains("keys rotate"), "{}", before.err);
    let dry = serve.devpocket(&world, &["keys", "rotate", "--dry-run"]).await;
    assert!(dry.out.contains("1 thing would be sealed again"), "{} {}", dry.out, dry.err);
    let rotated = serve.devpocket(&world, &["keys", "rotate"]).await;
    assert_eq!(rotated.code, 0, "{}", rotated.err);
    assert!(rotated.out.starts_with("1 thing sealed again"), "{}", rotated.out);
    let again = serve.devpocket(&world, &["keys", "rotate"]).await;
    assert!(again.out.starts_with("Everything is sealed with"), "{}", again.out);
    serve.process.terminate().await;

    world.set("DEVPOCKET_SEAL_KEY", NEW_KEY);
    let serve = world.serve().await;
    let (code, read) = serve.get(&format!("{SECRETS}/db")).await;
    assert_eq!((code, &read["data"]["pw"]), (200, &json!("aHVudGVyMg==")), "{read}");
}

/// Waits until a server has said that it goes on with so many keys beside the one that seals.
async fn taken(serve: &Serve, others: u64) {
    eventually("the keys of the file are taken", async || {
        let entries = serve.process.entries().into_iter();
        let mut taken = entries.filter(|entry| entry["others"].is_u64());
        taken.next_back().filter(|last| last["others"] == others)
    })
    .await;
}

#[tokio::test]
async fn keys_in_a_file_are_replaced_on_two_servers_without_a_restart() {
    let (mut world, _database) = World::empty().await;
    let file = world.path().join("seal-keys");
    std::fs::write(&file, SEAL_KEY).unwrap();
    world.variables.remove("DEVPOCKET_SEAL_KEY");
    world.set("DEVPOCKET_SEAL_KEY_FILE", file.display().to_string());
    let one = world.leading().await;
    let two = world.serve().await;
    let secret = json!({"metadata": {"name": "db"}, "stringData": {"pw": "hunter2"}});
    assert_eq!(one.send(Method::POST, SECRETS, Some(&secret)).await.0, 201);

    std::fs::write(&file, format!("{NEW_KEY}\n{SEAL_KEY}\n")).unwrap();
    // One is told to look, the other looks by itself.
    one.process.signal("-HUP");
    taken(&one, 1).await;
    taken(&two, 1).await;
    let rotated = one.devpocket(&world, &["keys", "rotate"]).await;
    assert_eq!(rotated.code, 0, "{}", rotated.err);
    std::fs::write(&file, NEW_KEY).unwrap();
    for serve in [&one, &two] {
        serve.process.signal("-HUP");
        taken(serve, 0).await;
        let (code, read) = serve.get(&format!("{SECRETS}/db")).await;
        assert_eq!((code, &read["data"]["pw"]), (200, &json!("aHVudGVyMg==")), "{read}");
    }
}

#[tokio::test]
async fn mail_without_a_sender_is_said_and_a_broken_certificate_stops_the_start() {
    let (mut world, _database) = World::empty().await;
    let mut serve = world.serve().await;
    serve.process.entry("no mail can be sent").await;
    drop(serve);
    let file = world.path().join("tls.pem");
    std::fs::write(&file, "not a certificate").unwrap();
    world.set("TLS_CERT", file.display().to_string());
    world.set("TLS_KEY", file.display().to_string());
    let refused = world.call(&["serve"]).await;
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("error[bad-certificate]"), "{}", refused.err);
    assert!(refused.err.contains("holds no certificate"), "{}", refused.err);
}
