//! The same over the real store: Postgres behind its cache.

use std::pin::pin;
use std::sync::Arc;

use devpocket::cache::{CacheOptions, CachedStore};
use devpocket::store::{PgOptions, PgStore};
use devpocket_controllers::store::Store;
use futures::TryStreamExt as _;
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use kube::runtime::watcher::{self, watcher};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::secrets::{Log, assert_clean, plant};
use super::support::postgres::TestDatabase;
use super::world::{ENVIRONMENTS, PATIENCE, World};

async fn world(database: &TestDatabase) -> World {
    let source = PgStore::connect(PgOptions::new(database.options())).await.unwrap();
    let store = CachedStore::open(Arc::new(source), CacheOptions::default()).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    World::over(store).await
}

#[tokio::test]
async fn the_real_client_works_over_postgres() {
    let database = TestDatabase::new().await;
    let world = world(&database).await;
    let api = world.environments();
    let mut events = pin!(watcher(api.clone(), watcher::Config::default().streaming_lists()));
    let made = world.environment("web").await;
    assert_eq!(api.get("web").await.unwrap(), made, "one reads what one wrote");
    let patch = Patch::Merge(json!({"spec": {"power": "Stopped"}}));
    let params = PatchParams::default();
    let (first, second) =
        tokio::join!(api.patch("web", &params, &patch), api.patch("web", &params, &patch));
    assert_eq!(first.unwrap().data["spec"]["power"], "Stopped");
    second.unwrap();
    world.send(Method::DELETE, &format!("{ENVIRONMENTS}/web"), &Value::Null).await;
    world.environment("api").await;
    let told = async {
        loop {
            let event = events.try_next().await.unwrap().unwrap();
            if let watcher::Event::Apply(o) | watcher::Event::InitApply(o) = event
                && o.name_any() == "api"
            {
                return;
            }
        }
    };
    timeout(PATIENCE, told).await.expect("the watcher does not see the new one");
    let list = world.get(ENVIRONMENTS).await;
    assert_eq!(list.names(), ["api"]);
    let old =
        world.get(&format!("{ENVIRONMENTS}?watch=true&resourceVersion=1&timeoutSeconds=1")).await;
    assert!(old.code == 200 || old.code == 410, "{old:?}");
}

#[tokio::test]
async fn a_planted_secret_is_in_no_table_no_dump_and_no_log() {
    let (log, _guard) = Log::capture();
    let database = TestDatabase::new().await;
    let world = world(&database).await;
    plant(&world).await;
    let dump = database.program("pg_dump").output().expect("pg_dump is part of Postgres");
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let dump = String::from_utf8_lossy(&dump.stdout).into_owned();
    assert!(dump.contains("team-a"), "the dump holds the records");
    assert_clean("the dump", &dump);
    // JSON may be kept in a binary form, which a dump shows in hexadecimal.
    for planted in super::secrets::PLANTED {
        let hex = devpocket_specs::plan::hex(planted.as_bytes());
        assert!(!dump.contains(&hex), "the dump holds {planted} in hexadecimal");
    }
    let logged = log.text();
    assert!(logged.contains("sqlx"), "the queries were logged");
    assert!(logged.contains("answered"), "the requests were logged");
    assert_clean("the log", &logged);
}
