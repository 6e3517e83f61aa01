//! Who changed what.

use devpocket::store::AuditFilter;
use devpocket_controllers::store::{Store, StoreError};
use devpocket_specs::kind::Kind;
use serde_json::json;

use crate::objects::*;
use crate::worlds::Postgres;

/// Breaks without it: "who stopped my machine?" has no answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_says_who_made_it_and_what_it_changed() {
    let world = Postgres::new().await;
    let store = &world.store;
    let a = create_template(&**store, "a").await;
    let mut write = describing(&a, "1");
    write.actor.user = "alice".into();
    write.actor.address = Some("192.0.2.7".into());
    let a1 = store.write(write).await.unwrap();
    delete(&**store, &a1).await;
    create_template(&**store, "b").await;

    let filter = AuditFilter { name: Some("a".into()), ..AuditFilter::default() };
    let rows = store.audit(&filter).await.unwrap();
    let verbs: Vec<_> = rows.iter().map(|row| row.verb.as_str()).collect();
    assert_eq!(verbs, ["delete", "update", "create"]);
    let update = &rows[1];
    assert_eq!(update.actor.user, "alice");
    assert_eq!(update.actor.address.as_deref(), Some("192.0.2.7"));
    assert_eq!(update.actor.request_id, "test");
    assert_eq!((update.revision, update.uid), (a1.revision(), a.uid()));
    let spec = |side: &Option<serde_json::Value>| side.as_ref().unwrap()["spec"].clone();
    assert_eq!(spec(&update.before), json!({"description": "0"}));
    assert_eq!(spec(&update.after), json!({"description": "1"}));
    assert!(rows[2].before.is_none() && rows[0].after.is_none());

    let by_alice = AuditFilter { actor: Some("alice".into()), ..AuditFilter::default() };
    assert_eq!(store.audit(&by_alice).await.unwrap().len(), 1);
    let older = AuditFilter { below: Some(a1.revision()), ..AuditFilter::default() };
    assert_eq!(store.audit(&older).await.unwrap().len(), 1);
}

/// Breaks without it: an audit of what did not happen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_write_is_not_in_the_audit() {
    let world = Postgres::new().await;
    create_template(&*world.store, "a").await;
    let again = world.store.write(creating(template("a"))).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists(_))));
    assert_eq!(world.store.audit(&AuditFilter::default()).await.unwrap().len(), 1);
}

/// Breaks without it: the audit outlives a secret, and everybody who may read the one has the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_names_a_secrets_keys_and_not_its_values() {
    let world = Postgres::new().await;
    let sealed = "sealed:v1:cGxhbnRlZC1zZWNyZXQ=";
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "n", "name": "s"},
        "data": {"password": sealed},
    });
    let created = create(&*world.store, secret).await;
    let changed = patching(&created, json!({"data": {"password": "sealed:v1:b3RoZXI="}}));
    let changed = world.store.write(changed).await.unwrap();
    delete(&*world.store, &changed).await;

    let filter = AuditFilter { kind: Some(Kind::Secret), ..AuditFilter::default() };
    let rows = world.store.audit(&filter).await.unwrap();
    assert_eq!(rows.len(), 3);
    for row in &rows {
        for side in [&row.before, &row.after].into_iter().flatten() {
            assert_eq!(side["data"], json!({"password": "(redacted)"}));
        }
    }
    let text = format!("{rows:?}");
    assert!(!text.contains("cGxhbnRlZC1") && !text.contains("b3RoZXI"), "{text}");
}

/// Breaks without it: what was done a year ago is gone, or everything ever done is kept for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_are_kept_for_400_days_and_of_people_too() {
    let world = Postgres::new().await;
    create_template(&*world.store, "old").await;
    create_template(&*world.store, "kept").await;
    let pool = world.database.pool().await;
    for sql in [
        "UPDATE audit SET at = now() - interval '401 days' WHERE name = 'old'",
        "UPDATE audit SET at = now() - interval '399 days' WHERE name = 'kept'",
        "INSERT INTO access_audit (id, at, actor, request_id, verb, subject, name, namespace) \
         SELECT gen_random_uuid(), now() - days * interval '1 day', 'ann', '', 'login', 'session', \
         days::text, '' FROM unnest(ARRAY[399, 401]) days",
    ] {
        sqlx::query(sql).execute(&pool).await.unwrap();
    }
    world.store.maintain().await.unwrap();
    let left = world.store.audit(&AuditFilter::default()).await.unwrap();
    let names: Vec<&str> = left.iter().map(|row| row.key.name.as_str()).collect();
    assert_eq!(names, ["kept"]);
    let sql = "SELECT name FROM access_audit";
    let left: Vec<(String,)> = sqlx::query_as(sql).fetch_all(&pool).await.unwrap();
    assert_eq!(left, [("399".to_owned(),)]);
}
