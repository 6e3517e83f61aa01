//! What a real server decided is on record, and is decided again from the log of its database.

use devpocket::kube::EnvironmentDecisions;
use devpocket_controllers::environment::replay;
use devpocket_controllers::sim::contabo::PanelAction;
use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::object::{Key, Object};
use sqlx::Row;
use std::collections::BTreeMap;

use crate::process::eventually;
use crate::world::{ENVIRONMENTS, Serve, World};

/// Every object as it was written, by revision.
async fn log(pool: &sqlx::PgPool) -> BTreeMap<u64, Object> {
    let rows = sqlx::query("SELECT revision, kind, body::text AS body FROM changes")
        .fetch_all(pool)
        .await
        .unwrap();
    let read = |row: &sqlx::postgres::PgRow| {
        let kind = devpocket_specs::kind::Kind::from_number(row.get("kind")).unwrap();
        let body: String = row.get("body");
        let object = Object::from_value(kind, serde_json::from_str(&body).unwrap()).unwrap();
        (u64::try_from(row.get::<i64, _>("revision")).unwrap(), object)
    };
    rows.iter().map(read).collect()
}

async fn decisions(serve: &Serve, name: &str) -> EnvironmentDecisions {
    let path = format!("{ENVIRONMENTS}/{name}/decisions");
    serve.find(&path).await.expect("there are decisions")
}

#[tokio::test]
async fn every_decision_of_a_day_is_decided_again_from_the_log() {
    let (world, database) = World::empty().await;
    let serve = world.leading().await;
    serve.create("demo").await;
    serve.ready("demo").await;
    world.control.panel("demo", PanelAction::Stop).await.unwrap();
    eventually("the stop is healed", async || {
        (serve.metric("devpocket_drift_healed_total", "").await >= 1.0).then_some(())
    })
    .await;
    serve.ready("demo").await;
    let kept = decisions(&serve, "demo").await;
    let bytes = serde_json::to_vec(&kept).unwrap().len() / kept.items.len();
    assert!(bytes < 3_000, "{bytes} bytes a record");
    let did: Vec<&String> = kept.items.iter().flat_map(|record| &record.did).collect();
    assert!(did.iter().any(|did| did.starts_with("orders ")), "{did:?}");
    assert!(did.iter().any(|did| did.contains("stopped outside DevPocket")), "{did:?}");

    let pool = database.pool().await;
    let log = log(&pool).await;
    pool.close().await;
    for record in &kept.items {
        let find = |key: &Key, revision: u64| {
            log.get(&revision).filter(|object| object.key() == *key).cloned()
        };
        let again = replay(record, Catalogue::builtin(), find);
        assert!(again.is_ok(), "{:?}: {record:#?}", again.err());
    }

    let told = serve.devpocket(&world, &["explain", "env/demo"]).await;
    let text = told.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("Started again (request "), "{text}");
    assert!(text.contains("running at "), "{text}");
}
