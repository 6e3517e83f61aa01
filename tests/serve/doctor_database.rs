//! What the doctor reads from a database, and that it writes nothing there.

use devpocket::store::{self, PgOptions, SchemaStatus};
use serde_json::{Value, json};

use crate::doctor::codes;
use crate::process::eventually;
use crate::world::World;

/// The revision a database is at, and who is noted to have used it.
async fn untouched(world: &World) -> (i64, Option<String>) {
    let options = PgOptions::from_url(&world.variables["DATABASE_URL"]).unwrap();
    let pool = store::pool(&options.connect, 1).await.unwrap();
    let revision: i64 =
        sqlx::query_scalar("SELECT revision FROM store_revision").fetch_one(&pool).await.unwrap();
    let used = store::used_by(&pool).await.map(|used| used.at.to_string());
    pool.close().await;
    (revision, used)
}

#[tokio::test]
async fn an_empty_database_stays_empty() {
    let (world, _database) = World::empty().await;
    let told = world.doctor(&[]).await;
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
    assert!(told.out.contains("It makes its schema in"), "{}", told.out);
    let options = PgOptions::from_url(&world.variables["DATABASE_URL"]).unwrap();
    let pool = store::pool(&options.connect, 1).await.unwrap();
    assert_eq!(store::schema_status(&pool).await.unwrap(), SchemaStatus::Empty);
    pool.close().await;
}

#[tokio::test]
async fn a_database_in_use_knows_its_machines_and_is_held_against_the_account() {
    let (mut world, _database) = World::empty().await;
    let mut serve = world.leading().await;
    serve.create("web").await;
    serve.ready("web").await;
    // Beside a `serve` that works, which may call Contabo meanwhile.
    let beside = world.call(&["doctor", "-o", "json"]).await;
    let document: Value = serde_json::from_str(&beside.out).unwrap();
    assert_eq!((beside.code, codes(&document, "to-do")), (0, vec![]), "{document}");
    assert_eq!(document["machines"][0]["whose"], "ours");
    assert_eq!(document["database"]["installation"], "7e57ab1e");
    let goes_on = document["firstStart"].to_string();
    assert!(goes_on.contains("goes on driving 1 machine"), "{goes_on}");
    eventually("the mark is in the account", async || {
        world.control.state().await.unwrap()["tags"].as_object().filter(|t| !t.is_empty()).map(drop)
    })
    .await;
    assert!(serve.process.terminate().await.success());

    let before = untouched(&world).await;
    let mut state = world.control.state().await.unwrap();
    for tag in state["tags"].as_object_mut().unwrap().values_mut() {
        tag["name"] = json!("devpocket:7e57ab1e:99:1764000000");
    }
    world.control.load(&state).await.unwrap();
    let (code, document) = world.doctor_document().await;
    assert_eq!((code, codes(&document, "to-do")), (1, vec!["database-behind".to_owned()]));
    assert!(document["firstStart"][0].as_str().unwrap().contains("changes nothing"));

    let account = json!({"account": {
        "tenantId": "INT", "customerId": "54321", "userId": "u", "username": "other@example.com",
    }});
    world.control.change_settings(&account).await.unwrap();
    let (code, document) = world.doctor_document().await;
    assert_eq!((code, codes(&document, "to-do")), (1, vec!["account-mismatch".to_owned()]));
    let told = world.doctor(&[]).await;
    assert!(told.out.contains("REAL MONEY, account INT-54321"), "{}", told.out);
    assert_eq!(untouched(&world).await, before, "the doctor leaves no trace");

    world.set("DATABASE_URL", "postgresql://nobody:x@127.0.0.1:1/none");
    let (code, document) = world.doctor_document().await;
    assert_eq!(code, 1);
    assert!(codes(&document, "to-do").contains(&"database-unreachable".to_owned()));
    assert_eq!(document["firstStart"].as_array().map(Vec::len), Some(1));
    let none: Vec<&Value> = document["machines"].as_array().unwrap().iter().collect();
    assert_eq!(none[0]["whose"], "other-installation", "without its database it is nobody's");
}
