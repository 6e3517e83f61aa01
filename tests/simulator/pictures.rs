//! `doctor --save` and the twin it makes: nothing of the account's owner is in the file, and the twin
//! is what the account was.

use std::collections::BTreeSet;
use std::path::Path;

use devpocket::clock::SystemClock;
use devpocket::config::DoctorConfig;
use devpocket::contabo::{ContaboConfig, Credentials, READ_TIMEOUT, Sensitive};
use devpocket::doctor::{self, Examination};
use devpocket::picture::{self, Picture};
use devpocket::simulator;
use devpocket_controllers::clock::Clock as _;
use devpocket_controllers::sim::contabo::{Contabo, Existing, SecretKind, Status};
use devpocket_specs::catalogue::Catalogue;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};

use super::*;

/// Accounts that are pictured.
const ACCOUNTS: usize = 24;

fn now() -> Timestamp {
    SystemClock::new().now()
}

/// Serves an account, and lets the doctor look at it.
async fn examined(account: Contabo) -> Examination {
    let clock = SystemClock::new();
    let config = SimulatorConfig {
        account: Some(Box::new(account)),
        ..SimulatorConfig::in_memory(Settings::prompt(), clock.into())
    };
    let simulator = Simulator::start(config).await.unwrap();
    let config = DoctorConfig {
        contabo: ContaboConfig {
            api_url: simulator.api_url(),
            auth_url: simulator.auth_url(),
            credentials: Credentials {
                client_id: CLIENT_ID.to_owned(),
                client_secret: Sensitive::new(CLIENT_SECRET),
                username: API_USER.to_owned(),
                password: Sensitive::new(API_PASSWORD),
            },
            simulated: true,
            patience: READ_TIMEOUT,
        },
        places: Default::default(),
        catalogue: Catalogue::builtin().clone(),
        monthly_budget: None,
        database: None,
        not_served: Vec::new(),
    };
    let examination = doctor::examine(&config).await.unwrap();
    let changes = simulator.inspect(Contabo::mutating_calls).await.unwrap();
    assert_eq!(changes, 0, "only GETs");
    simulator.shutdown().await;
    examination
}

/// The picture as a person gets it: through a file.
fn saved(examination: &Examination, folder: &Path) -> (Picture, String) {
    let file = folder.join(format!("{}.yaml", Uuid::new_v4()));
    picture::write(&doctor::picture(examination).unwrap(), &file).unwrap();
    (picture::read(&file).unwrap(), std::fs::read_to_string(&file).unwrap())
}

/// Words that name somebody, and could stand anywhere Contabo lets people write.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{6,12}-[a-z]{4,8}",
        "[A-Z][a-z]{5,9} [A-Z][a-z]{5,9}",
        "[a-z]{5,9}@[a-z]{5,9}\\.example",
        "203\\.0\\.113\\.[1-9][0-9]",
        "2001:db8:[1-9a-f]{4}::[1-9a-f]{3}",
        "ssh-ed25519 AAAA[A-Za-z0-9]{20}",
        "[\u{e4}\u{f6}\u{fc}\u{3b1}\u{4e2d}]{5,9}",
    ]
}

fn existing() -> impl Strategy<Value = Existing> {
    let product = prop_oneof![
        Just("V91".to_owned()),
        Just("V94".to_owned()),
        Just("V160".to_owned()),
        Just("V45".to_owned()),
        word(),
    ];
    let region = prop_oneof![Just("EU".to_owned()), Just("JPN".to_owned()), word()];
    let status = prop_oneof![
        Just("running".to_owned()),
        Just("stopped".to_owned()),
        Just("error".to_owned()),
        Just("pending_payment".to_owned()),
        word(),
    ];
    let image = prop_oneof![
        Just(Some("debian-12".to_owned())),
        Just(Some("rockylinux-9-cpanel".to_owned())),
        word().prop_map(Some),
    ];
    let name = prop_oneof![
        Just(String::new()),
        word(),
        (word(), "[0-9a-f]{8}", "[a-z]{6,9}").prop_map(|(w, i, m)| format!("{w} dp-{i}-{m}")),
    ];
    let age = 1_000..50_000_000i64;
    (product, region, status, image, name, age, any::<bool>()).prop_map(
        |(product_id, region, status, image, display_name, age, ends)| {
            let now = now();
            let made = now - SignedDuration::from_secs(age.min(2_000_000));
            Existing {
                product_id,
                region,
                status: Status::from(status),
                image,
                created: now - SignedDuration::from_secs(age),
                months: 1,
                monthly_cents: None,
                cancel_date: ends.then(|| "2099-02-03".parse().unwrap()),
                display_name,
                snapshots: vec![(made, Some(now + SignedDuration::from_hours(9)))],
            }
        },
    )
}

/// An account full of words, and the words.
fn account() -> impl Strategy<Value = (Contabo, BTreeSet<String>)> {
    let machines = proptest::collection::vec(existing(), 0..6);
    let words = proptest::collection::vec(word(), 8);
    let mark = ("[0-9a-f]{8}", 0u64..500);
    (machines, words, mark, "[1-9][0-9]{7}").prop_map(|(machines, words, mark, customer)| {
        let mut settings = Settings::prompt();
        settings.account.customer_id = customer;
        settings.account.username = words[0].clone();
        let mut account = Contabo::new(3, settings);
        account.advance(now());
        for machine in &machines {
            account.put(machine);
        }
        account.put_tag(&words[1]);
        account.put_tag(&format!("devpocket:{}:{}:1764000000", mark.0, mark.1));
        account.put_secret(SecretKind::Password);
        account.put_secret(SecretKind::Ssh);
        let mut state = serde_json::to_value(&account).unwrap();
        for secret in state["secrets"].as_object_mut().unwrap().values_mut() {
            secret["name"] = json!(words[2]);
            secret["value"] = json!(format!("ssh-rsa {}", words[3]));
        }
        for snapshot in state["snapshots"].as_object_mut().unwrap().values_mut() {
            snapshot["name"] = json!(words[4]);
            snapshot["description"] = json!(words[5]);
        }
        for instance in state["instances"].as_object_mut().unwrap().values_mut() {
            if instance["facts"]["errorMessage"].is_string() {
                instance["facts"]["errorMessage"] = json!(words[6]);
            }
            instance["published"][0]["facts"] = instance["facts"].clone();
        }
        let account: Contabo = serde_json::from_value(state.clone()).unwrap();
        (account, identifying(&state, &mark.0))
    })
}

/// Everything in the account by which its owner, or anything of it, could be told.
fn identifying(state: &Value, installation: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::from([installation.to_owned()]);
    let mut add = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        // Words that Contabo uses of itself tell nothing.
        let known = ["", "null", "INT", "admin", "V91", "V94", "V160", "V45", "EU", "JPN"];
        let image = Catalogue::builtin().images().iter().any(|image| image.name == text);
        let state = picture::STATUSES.contains(&text.as_str());
        if !known.contains(&text.as_str()) && !image && !state {
            found.insert(text);
        }
    };
    for field in ["customerId", "userId", "username"] {
        add(&state["settings"]["account"][field]);
    }
    for instance in state["instances"].as_object().unwrap().values() {
        for field in ["instanceId", "name", "productId", "region"] {
            add(&instance[field]);
        }
        for field in ["displayName", "status", "imageId", "errorMessage"] {
            add(&instance["facts"][field]);
        }
        for field in ["v4", "v4Gateway", "v6", "mac", "hostNumber"] {
            add(&instance["facts"]["hardware"][field]);
        }
        let name = instance["facts"]["displayName"].as_str().unwrap();
        name.split(&[' ', '-', '@'][..]).filter(|part| part.len() > 4).for_each(|p| add(&json!(p)));
    }
    for tag in state["tags"].as_object().unwrap().values() {
        add(&tag["name"]);
    }
    for secret in state["secrets"].as_object().unwrap().values() {
        add(&secret["name"]);
        add(&secret["value"]);
    }
    for snapshot in state["snapshots"].as_object().unwrap().values() {
        for field in ["snapshotId", "name", "description"] {
            add(&snapshot[field]);
        }
    }
    found
}

#[tokio::test]
async fn nothing_that_identifies_an_account_is_in_its_picture() {
    let folder = tempfile::tempdir().unwrap();
    let mut runner = TestRunner::new(Config::default());
    let mut words = 0;
    for _ in 0..ACCOUNTS {
        let (account, identifying) = account().new_tree(&mut runner).unwrap().current();
        let machines = account.instances().count();
        let (picture, text) = saved(&examined(account).await, folder.path());
        assert_eq!(picture.machines.len(), machines);
        for word in &identifying {
            assert!(!text.contains(word.as_str()), "{word:?} is in\n{text}");
        }
        words += identifying.len();
    }
    assert!(words > 10 * ACCOUNTS, "there was something to find: {words}");
}

#[tokio::test]
async fn a_twin_is_what_the_account_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut runner = TestRunner::new(Config::default());
    for _ in 0..ACCOUNTS / 4 {
        let (account, _) = account().new_tree(&mut runner).unwrap().current();
        let (first, _) = saved(&examined(account).await, folder.path());
        let twin = simulator::twin(&first, Settings::prompt());
        assert_eq!(twin.ledger().entries.len(), 0, "what was paid before is not known");
        let (second, _) = saved(&examined(twin).await, folder.path());
        let mut again = Picture { taken: first.taken, ..second };
        for (machine, was) in again.machines.iter_mut().zip(&first.machines) {
            // A region nobody knows has no price, and is another one in the picture.
            if was.monthly.is_none() {
                machine.monthly = None;
            }
        }
        assert_eq!(again, first);
    }
}

#[tokio::test]
async fn next_month_is_rehearsed_on_the_twin_to_the_cent() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("twin.yaml");
    let text = "kind: ContaboAccount\nversion: 1\ntaken: 2026-03-10T12:00:00Z\nmachines:\n\
        - {product: V91, region: EU, status: running, created: 2025-11-20T08:00:00Z, \
        monthly: 4.40 EUR, name: machine-1}\n\
        - {product: V94, region: EU, status: stopped, created: 2025-12-25T08:00:00Z, \
        monthly: 7.50 EUR, cancelDate: 2026-03-25}\n\
        - {product: V97, region: EU, status: running, created: 2026-02-01T08:00:00Z, months: 12, \
        monthly: 11.20 EUR}\n";
    std::fs::write(&file, text).unwrap();
    let twin = simulator::twin(&picture::read(&file).unwrap(), Settings::prompt());
    let clock = TestClock::new();
    let config = SimulatorConfig {
        account: Some(Box::new(twin)),
        ..SimulatorConfig::in_memory(Settings::prompt(), clock.handle())
    };
    let simulator = Simulator::start(config).await.unwrap();
    let control = ControlClient::new(&simulator.control_url()).unwrap();
    control.advance("30d").await.unwrap();
    let ledger = control.ledger().await.unwrap();
    let charged: Vec<(String, i64)> =
        ledger.entries.iter().map(|e| (e.at.strftime("%F").to_string(), e.cents)).collect();
    assert_eq!(charged, [("2026-03-20".to_owned(), 440)], "one renews, one ends, one is paid");
    let there = control.instances().await.unwrap().iter().filter(|i| i.gone.is_none()).count();
    assert_eq!(there, 2);
}
