//! Sealing keys: said at the start which are missing, and rotated while others write.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use devpocket::access::seal::{Place, Sealer, key_of, new_key};
use devpocket::cache::{CacheOptions, CachedStore};
use devpocket::clock::{RandomIds, SystemClock};
use devpocket::keys::{KeyState, Keys, KeysError, STEP_MAX};
use devpocket::kube::{resealed, sealed_texts};
use devpocket::mail::{Letter, Outbox};
use devpocket::store::{PgOptions, PgStore};
use devpocket_controllers::store::{Store, Write};
use devpocket_specs::admit::{Actor, Context, Request, admit};
use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use serde_json::json;
use uuid::Uuid;

use super::support::postgres::TestDatabase;

const NAMESPACE: &str = "team-a";

/// A replica, with keys of its own.
async fn replica(database: &TestDatabase, keys: &str) -> Keys {
    replica_with(database, Sealer::from_text(keys).unwrap()).await
}

async fn replica_with(database: &TestDatabase, sealer: Sealer) -> Keys {
    let postgres = Arc::new(PgStore::connect(PgOptions::new(database.options())).await.unwrap());
    let store = CachedStore::open(postgres.clone(), CacheOptions::default()).await.unwrap();
    Keys {
        sealer: Arc::new(sealer),
        store: Arc::new(store),
        postgres,
        clock: Arc::new(SystemClock::new()),
        ids: Arc::new(RandomIds),
        catalogue: Arc::new(Catalogue::builtin().clone()),
    }
}

fn actor() -> Actor {
    Actor {
        user: "admin".into(),
        account: None,
        manager: "kubectl".into(),
        address: None,
        request_id: String::new(),
    }
}

fn place(name: &str) -> Place<'_> {
    Place { namespace: NAMESPACE, name, key: "pw" }
}

async fn write(keys: &Keys, name: &str, request: Request) -> Result<(), String> {
    let key = Key::new(Kind::Secret, NAMESPACE, name);
    let old = keys.store.get(&key).await.unwrap();
    let actor = actor();
    let context = Context {
        actor: &actor,
        now: keys.clock.now(),
        uid: keys.ids.uid(),
        catalogue: &keys.catalogue,
    };
    let admitted = admit(old.as_deref().map(|old| &**old), request, &context).unwrap();
    let written = keys.store.write(Write::new(admitted, actor.clone())).await;
    written.map(drop).map_err(|error| error.to_string())
}

fn document(keys: &Keys, name: &str, value: &str) -> serde_json::Value {
    let sealed = keys.sealer.seal(place(name), value.as_bytes()).unwrap();
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "data": {"pw": sealed},
    })
}

async fn create(keys: &Keys, name: &str, value: &str) {
    write(keys, name, Request::Create { object: document(keys, name, value) }).await.unwrap();
}

async fn value(keys: &Keys, name: &str) -> String {
    let key = Key::new(Kind::Secret, NAMESPACE, name);
    let stored = keys.postgres.get(&key).await.unwrap().unwrap();
    let sealed = stored.field("data")["pw"].as_str().unwrap().to_owned();
    String::from_utf8(keys.sealer.open(place(name), &sealed).unwrap()).unwrap()
}

/// What is sealed beside Secrets: an authority and a letter that waits.
async fn other_things(before: &Keys) {
    let sealed = before.sealer.seal(Place::system("ca"), b"an authority").unwrap();
    before.postgres.put_system_secret("ca", &sealed, 0).await.unwrap();
    let outbox = Outbox::new(before.sealer.clone());
    let mut connection = before.postgres.pool().acquire().await.unwrap();
    let letter = Letter::PasswordChanged { name: "ann".into() };
    let (id, now) = (Uuid::new_v4(), before.clock.now());
    outbox.post(&mut connection, id, "ann@example.com", &letter, now).await.unwrap();
}

#[tokio::test]
async fn everything_moves_to_the_new_key_while_two_replicas_write() {
    const SECRETS: usize = 60;
    let database = TestDatabase::new().await;
    let (old, new) = (new_key().unwrap(), new_key().unwrap());
    let before = replica(&database, &old).await;
    before.check(&[]).await.unwrap();
    for number in 0..SECRETS {
        create(&before, &format!("s{number}"), &format!("value {number}")).await;
    }
    other_things(&before).await;

    // The second step of a rotation: the new key seals, and one replica still has them the other way.
    let one = replica(&database, &format!("{new},{old}")).await;
    let two = replica(&database, &format!("{old},{new}")).await;
    one.check(&[]).await.unwrap();
    let writer = async {
        for number in 0..SECRETS {
            let name = format!("s{number}");
            loop {
                let object = document(&two, &name, &format!("new value {number}"));
                let subresource = Default::default();
                let request = Request::Update { object, subresource };
                match write(&two, &name, request).await {
                    Ok(()) => break,
                    Err(error) => assert!(error.contains("was changed"), "{error}"),
                }
            }
        }
    };
    let mover = async {
        let mut moved = 0;
        for _ in 0..10_000 {
            // Small steps, as if each were the last before the process was killed.
            let step = one.step(&actor(), 7, false).await.unwrap();
            assert!(step.unreadable.is_empty(), "{step:?}");
            moved += step.resealed;
            tokio::task::yield_now().await;
        }
        moved
    };
    // The mover goes on for as long as somebody writes, and then to the end.
    tokio::select! {
        () = writer => {}
        moved = mover => panic!("the writer did not end; {moved} were moved"),
    }
    let after = replica(&database, &format!("{new},{old}")).await;
    loop {
        let step = after.step(&actor(), 25, false).await.unwrap();
        if step.remaining == 0 {
            break;
        }
    }

    let only_new = replica(&database, &new).await;
    only_new.check(&[]).await.unwrap();
    for number in 0..SECRETS {
        assert_eq!(value(&only_new, &format!("s{number}")).await, format!("new value {number}"));
    }
    let ca = only_new.postgres.system_secret("ca").await.unwrap().unwrap();
    assert_eq!(only_new.sealer.open(Place::system("ca"), &ca.sealed).unwrap(), b"an authority");
    let inventory = only_new.inventory(true).await.unwrap();
    let uses: Vec<_> = inventory.iter().map(|k| (k.state, k.secrets, k.letters)).collect();
    assert_eq!(uses, [(KeyState::Seals, SECRETS as u64, 1)], "{inventory:?}");
    assert_eq!(inventory[0].system, ["ca"]);
    let left = after.inventory(true).await.unwrap();
    assert!(left[1].history.unwrap() > 0, "the log still holds former states: {left:?}");
}

#[tokio::test]
async fn a_missing_key_is_said_at_the_start_with_what_it_sealed() {
    let database = TestDatabase::new().await;
    let (old, new) = (new_key().unwrap(), new_key().unwrap());
    let before = replica(&database, &old).await;
    before.check(&[]).await.unwrap();
    let other = replica(&database, &new).await;
    other.check(&[]).await.unwrap();
    create(&before, "db", "hunter2").await;
    create(&before, "mail", "hunter3").await;
    let sealed = before.sealer.seal(Place::system("ca"), b"x").unwrap();
    before.postgres.put_system_secret("ca", &sealed, 0).await.unwrap();

    let other = replica(&database, &new).await;
    let error = other.check(&[]).await.unwrap_err();
    let KeysError::Missing(missing) = &error else { panic!("{error}") };
    assert_eq!(missing.len(), 1);
    let id = before.sealer.current();
    for part in [id.as_str(), "2 secrets", "the system secret ca"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    // Given up by name: it starts, and what can be moved is moved.
    other.check(std::slice::from_ref(&id)).await.unwrap();
    create(&other, "fresh", "hunter4").await;
    let step = other.step(&actor(), 100, false).await.unwrap();
    assert_eq!((step.resealed, step.remaining, step.unreadable_count), (0, 0, 3), "{step:?}");
    assert!(step.unreadable.iter().any(|line| line.contains("ca") && line.contains(&id)));
    assert_eq!(value(&other, "fresh").await, "hunter4");
    // With the key back nothing was lost.
    let both = replica(&database, &format!("{new},{old}")).await;
    both.check(&[]).await.unwrap();
    let dry = both.step(&actor(), 100, true).await.unwrap();
    assert_eq!((dry.resealed, dry.remaining), (3, 0));
    assert_eq!(both.inventory(false).await.unwrap()[1].secrets, 2, "a dry run moves nothing");
    let step = both.step(&actor(), 2, false).await.unwrap();
    assert_eq!((step.resealed, step.remaining), (2, 1));
    both.step(&actor(), 2, false).await.unwrap();
    assert_eq!(value(&both, "db").await, "hunter2");
}

#[tokio::test]
async fn a_rotation_takes_no_fields_from_their_managers() {
    let database = TestDatabase::new().await;
    let (old, new) = (new_key().unwrap(), new_key().unwrap());
    let before = replica(&database, &old).await;
    create(&before, "db", "hunter2").await;
    let key = Key::new(Kind::Secret, NAMESPACE, "db");
    let was = before.store.get(&key).await.unwrap().unwrap();
    let both = replica(&database, &format!("{new},{old}")).await;
    let mut admin = actor();
    admin.manager = "devpocket".into();
    both.step(&admin, 10, false).await.unwrap();
    let is = both.postgres.get(&key).await.unwrap().unwrap();
    assert_eq!(is.metadata.managed_fields, was.metadata.managed_fields);
    assert_ne!(is.metadata.resource_version, was.metadata.resource_version);
    assert!(sealed_texts(&is).all(|text| key_of(text) == Some(both.sealer.current().as_str())));
    assert!(resealed(&before.sealer, &is).is_err(), "the old key alone opens it no more");
}

/// A replica whose keys are in a file of its own, and the file.
async fn filed(database: &TestDatabase, folder: &Path, name: &str, keys: &str) -> (Keys, PathBuf) {
    let file = folder.join(name);
    std::fs::write(&file, keys).unwrap();
    let sealer = Sealer::from_text(keys).unwrap().kept_in(file.clone());
    (replica_with(database, sealer).await, file)
}

#[tokio::test]
async fn keys_are_rotated_over_two_replicas_and_none_is_restarted() {
    let database = TestDatabase::new().await;
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (new_key().unwrap(), new_key().unwrap());
    let (one, first) = filed(&database, folder.path(), "one", &old).await;
    let (two, second) = filed(&database, folder.path(), "two", &old).await;
    one.check(&[]).await.unwrap();
    two.check(&[]).await.unwrap();
    create(&one, "before", "hunter1").await;
    other_things(&one).await;
    assert!(!one.look(&[]).await.unwrap(), "nothing is new");

    // The second replica has looked into its file a moment too early.
    std::fs::write(&first, format!("{new},{old}")).unwrap();
    assert!(one.look(&[]).await.unwrap());
    create(&one, "meanwhile", "hunter2").await;
    std::fs::write(&second, format!("{new}\n{old}\n")).unwrap();
    assert_eq!(value(&two, "meanwhile").await, "hunter2", "it looks once more before it gives up");
    create(&two, "late", "hunter3").await;
    assert_ne!(two.sealer.current(), one.sealer.current(), "which one seals is decided by a look");

    // As long as something is sealed with the old key it does not go, whoever takes it away.
    std::fs::write(&first, &new).unwrap();
    let refused = one.look(&[]).await.unwrap_err();
    assert!(matches!(&refused, KeysError::Missing(keys) if keys.len() == 1), "{refused}");
    assert!(refused.to_string().contains("2 secrets"), "{refused}");
    assert_eq!(value(&one, "before").await, "hunter1");
    std::fs::write(&first, "half a k").unwrap();
    assert!(one.look(&[]).await.is_err());
    assert_eq!(value(&one, "late").await, "hunter3", "the keys in use stay");

    assert!(two.look(&[]).await.unwrap());
    assert_eq!(two.sealer.current(), one.sealer.current());
    let step = one.step(&actor(), STEP_MAX, false).await.unwrap();
    assert_eq!((step.remaining, step.unreadable_count), (0, 0), "{step:?}");
    for (replica, file) in [(&one, &first), (&two, &second)] {
        std::fs::write(file, &new).unwrap();
        assert!(replica.look(&[]).await.unwrap());
        assert_eq!(replica.sealer.ids().len(), 1);
        for (name, expected) in
            [("before", "hunter1"), ("meanwhile", "hunter2"), ("late", "hunter3")]
        {
            assert_eq!(value(replica, name).await, expected);
        }
    }
}
