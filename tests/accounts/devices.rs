//! Signing a device in from another one.

use devpocket::accounts::device;
use serde_json::{Value, json};

use super::world::{Answer, World};

async fn begin(world: &World) -> Value {
    let begun = world.post("/auth/device", json!({})).await;
    assert_eq!(begun.code, 200, "{begun:?}");
    begun.body
}

async fn ask(world: &World, begun: &Value) -> Answer {
    // The pause between questions is over.
    world.sql("UPDATE device_codes SET polled_at = NULL").await;
    world.post("/auth/device/token", json!({"device_code": begun["device_code"]})).await
}

#[tokio::test]
async fn a_device_is_signed_in_once_by_somebody_who_saw_what_asks() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let begun = begin(&world).await;
    let code = begun["user_code"].as_str().unwrap();
    assert!(begun["verification_uri_complete"].as_str().unwrap().ends_with(code));
    let waiting = ask(&world, &begun).await;
    assert_eq!((waiting.code, &waiting.body["error"]), (400, &json!("authorization_pending")));
    waiting.detail();
    let look = world.get(&ann.access, &format!("/auth/device?user_code={code}")).await;
    assert_eq!((look.code, &look.body["address"]), (200, &json!("127.0.0.1")), "{look:?}");
    let typed = json!({"user_code": code.to_lowercase().replace('-', " "), "allow": true});
    let allowed = world.post_as(&ann.access, "/auth/device/answer", typed.clone()).await;
    assert_eq!(allowed.code, 200, "{allowed:?}");
    let again = world.post_as(&ann.access, "/auth/device/answer", typed).await;
    assert_eq!(again.code, 404, "answered once");
    let device = ask(&world, &begun).await;
    assert_eq!(device.body["user"]["username"], "ann");
    assert!(world.accepts(&device.signed().access).await);
    assert_eq!(ask(&world, &begun).await.body["error"], "expired_token", "used");
}

#[tokio::test]
async fn a_device_hears_why_it_is_not_signed_in() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let refused = begin(&world).await;
    let answer = json!({"user_code": refused["user_code"], "allow": false});
    world.post_as(&ann.access, "/auth/device/answer", answer).await;
    assert_eq!(ask(&world, &refused).await.body["error"], "access_denied");
    let hasty = begin(&world).await;
    ask(&world, &hasty).await;
    let form = json!({"device_code": hasty["device_code"]});
    assert_eq!(world.post("/auth/device/token", form).await.body["error"], "slow_down");
    let old = begin(&world).await;
    world.sql("UPDATE device_codes SET expires_at = now()").await;
    assert_eq!(ask(&world, &old).await.body["error"], "expired_token");
    let answer = json!({"user_code": old["user_code"], "allow": true});
    assert_eq!(world.post_as(&ann.access, "/auth/device/answer", answer).await.code, 404);
    for wrong in ["", "dpd_x", "' OR 1=1 --"] {
        let asked = world.post("/auth/device/token", json!({"device_code": wrong})).await;
        assert_eq!((asked.code, &asked.body["error"]), (400, &json!("expired_token")));
    }
    assert_eq!(device::INTERVAL_SECONDS, 5);
}

#[tokio::test]
async fn the_form_of_the_standard_is_read_too() {
    let world = World::new().await;
    let begun = begin(&world).await;
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", begun["device_code"].as_str().unwrap()),
    ];
    let url = format!("{}/api/v1/auth/device/token", world.url);
    let answer = reqwest::Client::new().post(url).form(&form).send().await.unwrap();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"], "authorization_pending", "{body}");
}
