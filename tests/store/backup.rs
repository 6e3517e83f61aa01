//! Backup and restore with Postgres' own tools.

use std::process::Stdio;

use devpocket::store::{AuditFilter, SchemaStatus, schema_status};
use devpocket_controllers::store::Store;
use devpocket_specs::kind::Kind;

use crate::objects::*;
use crate::support::postgres::TestDatabase;
use crate::worlds::{Postgres, open, options};

fn dump_into(from: &TestDatabase, to: &TestDatabase) {
    let mut dump = from
        .program("pg_dump")
        .args(["--no-owner", "--format=plain"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("pg_dump is part of Postgres");
    let text = dump.stdout.take().expect("it was asked for");
    let restored = to
        .program("psql")
        .args(["--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null"])
        .stdin(text)
        .status()
        .expect("psql is part of Postgres");
    assert!(restored.success() && dump.wait().expect("pg_dump ends").success());
}

/// Breaks without it: the only backup anybody makes cannot be restored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_restores_into_an_empty_database() {
    let world = Postgres::new().await;
    let mut object = create_template(&*world.store, "a").await;
    for n in 1..250 {
        object = describe(&*world.store, &object, &n.to_string()).await;
    }
    let secret = serde_json::json!({"version": 1});
    world.store.put_system_secret("ca", &secret.to_string(), 0).await.unwrap();
    let before = world.store.snapshot().await.unwrap();
    let audit = world.store.audit(&AuditFilter::default()).await.unwrap();

    let empty = TestDatabase::empty().await;
    dump_into(&world.database, &empty);

    let pool = empty.pool().await;
    assert_eq!(schema_status(&pool).await.unwrap(), SchemaStatus::Current);
    let restored = open(&options(&empty)).await;
    let after = restored.snapshot().await.unwrap();
    assert_eq!(after.revision, before.revision);
    assert_eq!(after.items[0].object, before.items[0].object);
    assert_eq!(restored.audit(&AuditFilter::default()).await.unwrap(), audit);
    let kept = restored.system_secret("ca").await.unwrap().unwrap();
    assert_eq!(kept.sealed, secret.to_string());

    // It goes on where the backup ended: history, order and partitions included.
    let mut watch = restored.watch(Kind::Template, object.revision() - 1).await.unwrap();
    describe(&*restored, &object, "restored").await;
    let events = events(&mut watch, 2).await;
    assert_eq!(told(&events), ["modified a=249", "modified a=restored"]);
}
