//! Back from a dump, as the README has it: the script that dumps, `pg_restore` into an empty database,
//! the hold that the account's mark brings about, and `resume --all`.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use devpocket_specs::environment::Environment;
use devpocket_specs::machine::Machine;
use reqwest::Method;
use serde_json::json;

use crate::process::eventually;
use crate::support::postgres::TestDatabase;
use crate::world::{ENVIRONMENTS, Serve, World};

const MACHINES: &str = "/kube/apis/devpocket.dev/v1alpha1/machines";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/deploy/dump.sh");

/// The script for this database and folder, with Postgres' own programs first in the path.
fn script(database: &TestDatabase, folder: &Path, what: &str) -> Command {
    let pg_dump = database.program("pg_dump");
    let programs = Path::new(pg_dump.get_program()).parent().unwrap().to_owned();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("bash");
    command
        .args([SCRIPT, what])
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("DUMP_FOLDER", folder)
        .envs(pg_dump.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

fn dumps(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn dump(database: &TestDatabase, folder: &Path) -> PathBuf {
    let output = script(database, folder, "once").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    dumps(folder).pop().expect("there is a dump")
}

fn restore(dump: &Path, into: &TestDatabase) {
    let restored = into
        .program("pg_restore")
        .args(["--no-owner", "--exit-on-error", "--single-transaction"])
        .arg(format!("--dbname={}", into.url()))
        .arg(dump)
        .output()
        .unwrap();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
}

async fn machines(serve: &Serve) -> BTreeMap<i64, Machine> {
    let (code, list) = serve.get(MACHINES).await;
    assert_eq!(code, 200, "{list}");
    let items = list["items"].as_array().unwrap().iter();
    let machines = items.map(|item| serde_json::from_value::<Machine>(item.clone()).unwrap());
    machines.filter_map(|machine| Some((machine.status.instance_id?, machine))).collect()
}

/// Calls so far of what changes something at Contabo.
async fn changes(world: &World) -> Vec<(String, u64)> {
    let counts = world.control.calls(0).await.unwrap().counts;
    let named = counts.into_iter().map(|(name, count)| (format!("{name:?}"), count));
    let reads = |name: &str| ["List", "Get", "Grant"].iter().any(|verb| name.starts_with(verb));
    named.filter(|(name, _)| !reads(name)).collect()
}

#[tokio::test]
async fn a_restored_database_changes_nothing_until_a_person_has_seen_what_differs() {
    let (mut world, database) = World::empty().await;
    let mut serve = world.leading().await;
    serve.create("early").await;
    serve.ready("early").await;
    // Declared before the dump and bought after it, and declared after it.
    let late = json!({
        "apiVersion": "devpocket.dev/v1alpha1", "kind": "Environment",
        "metadata": {"name": "late"},
        "spec": {
            "size": "vps-10-nvme", "region": "EU", "paused": {"until": "2100-01-01T00:00:00Z"},
        },
    });
    assert_eq!(serve.send(Method::POST, ENVIRONMENTS, Some(&late)).await.0, 201);
    let folder = tempfile::tempdir().unwrap();
    let file = dump(&database, folder.path());
    go_on(&serve, "late").await;
    let late = instance(&serve.ready("late").await);
    serve.create("lost").await;
    let lost = instance(&serve.ready("lost").await);
    assert_eq!(serve.process.terminate().await.code(), Some(0));
    let changes = changes(&world).await;

    let fresh = TestDatabase::empty().await;
    restore(&file, &fresh);
    world.set("DATABASE_URL", fresh.url());
    let serve = world.serve().await;
    eventually("the mark holds everything", async || {
        let holds = serve.installation().await.status.holds;
        holds.iter().any(|hold| hold.code == "database-behind").then_some(())
    })
    .await;
    let status = serve.devpocket(&world, &["status"]).await;
    let said = format!("{}{}", status.out, status.err);
    assert!(said.contains("behind") && said.contains("devpocket resume --all"), "{said}");
    // Somebody who cannot be asked is told the command, and nothing happens.
    let refused = serve.devpocket(&world, &["resume", "--all"]).await;
    assert_eq!(refused.code, 4, "{}", refused.err);
    assert_eq!(self::changes(&world).await, changes, "it only reads");

    let resumed = serve.devpocket(&world, &["resume", "--all", "--yes"]).await;
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    serve.ready("early").await;
    go_on(&serve, "late").await;
    assert_eq!(instance(&serve.ready("late").await), late, "what was bought for it is found");
    assert_eq!(world.purchases().await, 3, "nothing is bought twice");
    let stranger = eventually("the machine nobody declared is recorded", async || {
        machines(&serve).await.remove(&lost)
    })
    .await;
    assert!(!stranger.spec.managed, "and left alone, with its data");
}

fn instance(environment: &Environment) -> i64 {
    environment.status.machine.as_ref().and_then(|machine| machine.instance_id).unwrap()
}

async fn go_on(serve: &Serve, name: &str) {
    let path = format!("{ENVIRONMENTS}/{name}");
    let change = json!({"spec": {"paused": null}});
    let (code, reply) = serve.send(Method::PATCH, &path, Some(&change)).await;
    assert_eq!(code, 200, "{reply}");
}

#[tokio::test]
async fn the_latest_dumps_are_kept_and_a_failed_one_replaces_none() {
    let database = TestDatabase::new().await;
    let folder = tempfile::tempdir().unwrap();
    let healthy = || script(&database, folder.path(), "healthy").status().unwrap().success();
    assert!(!healthy(), "there is none yet");
    for day in 1..=5 {
        std::fs::write(folder.path().join(format!("devpocket-2026-01-0{day}T031700Z.dump")), "old")
            .unwrap();
    }
    std::fs::write(folder.path().join("notes.txt"), "somebody's own").unwrap();
    let once = script(&database, folder.path(), "once").env("DUMP_KEEP", "3").status().unwrap();
    assert!(once.success() && healthy());
    let names = |files: Vec<PathBuf>| -> Vec<String> {
        files.iter().map(|f| f.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let kept = names(dumps(folder.path()));
    assert_eq!(kept.len(), 4, "{kept:?}");
    assert_eq!(
        kept[..2],
        ["devpocket-2026-01-04T031700Z.dump", "devpocket-2026-01-05T031700Z.dump"]
    );
    assert!(kept.contains(&"notes.txt".to_owned()), "{kept:?}");

    let failed = script(&database, folder.path(), "once")
        .env("PGDATABASE", "no_such_database")
        .env("DUMP_KEEP", "1")
        .output()
        .unwrap();
    assert!(!failed.status.success());
    let after = names(dumps(folder.path()));
    let finished: Vec<_> = after.iter().filter(|name| !name.starts_with('.')).collect();
    assert_eq!(finished, kept.iter().collect::<Vec<_>>(), "a failure takes nothing away");
}

#[tokio::test]
async fn every_night_begins_with_one_dump_where_there_is_none_and_ends_when_it_is_asked_to() {
    let database = TestDatabase::new().await;
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let mut nightly = script(&database, folder.path(), "nightly");
        let mut nightly = nightly.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(nightly.stdout.take().unwrap()).lines();
        let waits = said.any(|line| line.unwrap().starts_with("next dump at 03:17, in "));
        assert!(waits, "it ended before the night");
        let pid = nightly.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let ended = eventually("it ends", async || nightly.try_wait().unwrap()).await;
        assert!(ended.success(), "{ended}");
    }
    assert_eq!(dumps(folder.path()).len(), 1, "a restart does not push out other nights");
}
