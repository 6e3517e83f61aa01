//! `devpocket doctor` as a process: what it tells of an account, and that it changes none.

use devpocket::clock::SystemClock;
use devpocket_controllers::clock::Clock as _;
use devpocket_controllers::sim::contabo::{Contabo, Existing, Settings, Status};
use serde_json::Value;

use crate::process::Ended;
use crate::world::World;

fn now() -> jiff::Timestamp {
    SystemClock::new().now()
}

/// A machine that was there before.
pub fn machine(product: &str, status: Status, name: &str) -> Existing {
    Existing {
        product_id: product.into(),
        region: "EU".into(),
        status,
        image: Some("ubuntu-24.04".into()),
        created: "2026-01-17T09:30:00Z".parse().unwrap(),
        months: 1,
        monthly_cents: None,
        cancel_date: None,
        display_name: name.into(),
        snapshots: Vec::new(),
    }
}

/// An account with these machines, as it is now.
pub fn account(machines: &[Existing]) -> Contabo {
    let mut account = Contabo::new(7, Settings::prompt());
    account.advance(now());
    for machine in machines {
        account.put(machine);
    }
    account
}

/// A world with this account and without a database.
pub async fn world(account: &Contabo) -> World {
    let mut world = World::new("").await;
    world.variables.remove("DATABASE_URL");
    world.control.load(&serde_json::to_value(account).unwrap()).await.unwrap();
    world
}

impl World {
    /// Runs the doctor, who changes nothing whatever happens.
    pub async fn doctor(&self, flags: &[&str]) -> Ended {
        let before = self.changes().await;
        let ended = self.call(&[&["doctor"], flags].concat()).await;
        assert_eq!(self.changes().await, before, "only GETs: {}{}", ended.out, ended.err);
        ended
    }

    /// Its document and how it ended.
    pub async fn doctor_document(&self) -> (i32, Value) {
        let ended = self.doctor(&["-o", "json"]).await;
        let document = serde_json::from_str(&ended.out);
        (ended.code, document.unwrap_or_else(|_| panic!("{}{}", ended.out, ended.err)))
    }

    /// Calls that could have changed the account, refused ones too.
    pub async fn changes(&self) -> u64 {
        self.simulator.inspect(Contabo::mutating_calls).await.unwrap()
    }
}

/// Codes of what was found, by level.
pub fn codes(document: &Value, level: &str) -> Vec<String> {
    let findings = document["findings"].as_array().unwrap().iter();
    let of_level = findings.filter(|finding| finding["level"] == level);
    of_level.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_fine_account_is_told_and_needs_nobody() {
    let mut ends = machine("V94", Status::Stopped, "old one");
    ends.cancel_date = Some("2099-01-17".parse().unwrap());
    let made = now() - jiff::SignedDuration::from_hours(48);
    let mut kept = machine("V91", Status::Running, "shop");
    kept.snapshots = vec![(made, None)];
    let world = world(&account(&[kept, ends])).await;
    let told = world.doctor(&[]).await;
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
    for part in [
        "and changed nothing",
        "all four values are accepted: simulated account INT-90000001",
        "2: 2 not ours",
        "all 12 of the catalogue",
        "1, the next one expires",
        "not looked at: DATABASE_URL is not set",
        "2099-01-17",
        "vps-10-nvme",
        "5.50 EUR",
        "records the 2 machines that are not its own and leaves them as they are",
        "at most 300.00 EUR in a calendar month",
    ] {
        assert!(told.out.contains(part), "{part} is not in:\n{}", told.out);
    }
    assert!(!told.out.contains("To do:"), "{}", told.out);
    assert_eq!(told.err, "");

    let (code, document) = world.doctor_document().await;
    assert_eq!((code, &document["needsSomebody"]), (0, &Value::Bool(false)));
    assert_eq!(document["signIn"]["account"]["customer"], "90000001");
    assert_eq!(document["machines"][0]["whose"], "not-ours");
    assert_eq!(document["account"]["snapshots"]["count"], 1);
}

#[tokio::test]
async fn nothing_is_bought_without_a_budget_and_a_bare_env_file_is_enough() {
    let mut world = world(&account(&[])).await;
    let env: String = world
        .variables
        .iter()
        .filter(|(name, _)| name.starts_with("CONTABO_"))
        .map(|(name, value)| format!("{name}={value}\n"))
        .collect();
    std::fs::write(world.path().join("of-mine.env"), env).unwrap();
    world.variables.clear();
    let told = world.doctor(&["--env-file", "of-mine.env"]).await;
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
    for part in [
        "It buys nothing, since no monthly budget is set",
        "serve also needs DATABASE_URL, DEVPOCKET_ADMIN_TOKEN, DEVPOCKET_SEAL_KEY, SECRET_KEY",
        "The account has no machine; none is touched.",
    ] {
        let words = told.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(part), "{part} is not in:\n{}", told.out);
    }
}

#[tokio::test]
async fn which_of_the_four_values_is_accepted_is_told_and_none_is_shown() {
    let verdicts = |document: &Value| {
        let values = document["signIn"]["values"].as_array().unwrap().iter();
        values.map(|v| v["verdict"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (accepted, refused, unseen) = ("accepted", "refused", "not-judged");
    for (name, value, expected) in [
        ("CONTABO_PASSWORD", "the-panel-passw0rd", [accepted, accepted, refused, refused]),
        ("CONTABO_USERNAME", "nobody-i-know", [accepted, accepted, refused, refused]),
        ("CONTABO_CLIENT_SECRET", "0ther-s3cret", [refused, refused, unseen, unseen]),
        ("CONTABO_CLIENT_ID", "INT-1", [refused, refused, unseen, unseen]),
    ] {
        let mut world = world(&account(&[])).await;
        world.set(name, value);
        let (code, document) = world.doctor_document().await;
        assert_eq!(
            (code, verdicts(&document)),
            (1, expected.map(str::to_owned).to_vec()),
            "{name}"
        );
        assert_eq!(codes(&document, "to-do"), ["contabo-sign-in"], "{name}");
        let told = world.doctor(&[]).await;
        assert_eq!(told.code, 1);
        assert!(told.out.contains("Sign-in     ✗ refused"), "{}", told.out);
        assert!(told.out.contains("change nothing until it can"), "{}", told.out);
        for secret in ["passw0rd", "0ther-s3cret", "nobody-i-know"] {
            assert!(!format!("{document}{}{}", told.out, told.err).contains(secret), "{name}");
        }
        let asked = world.control.calls(0).await.unwrap().counts;
        let grants: u64 = asked.values().sum();
        assert_eq!(grants, 2, "each run asked once, and only to sign in");
    }
}

#[tokio::test]
async fn whose_a_machine_is_and_whether_it_is_this_computer_is_told() {
    let ours = machine("V91", Status::Running, "web dp-0a1b2c3d-m-1");
    let mut account = account(&[ours, machine("V91", Status::Running, "mine")]);
    account.put_tag("devpocket:0a1b2c3d:12:1764000000");
    account.put_tag("keep");
    let mut state = serde_json::to_value(&account).unwrap();
    for instance in state["instances"].as_object_mut().unwrap().values_mut() {
        if instance["facts"]["displayName"] == "mine" {
            instance["facts"]["hardware"]["v4"] = "127.0.0.1".into();
            instance["published"][0]["facts"] = instance["facts"].clone();
        }
    }
    let world = world(&account).await;
    world.control.load(&state).await.unwrap();
    let (code, document) = world.doctor_document().await;
    assert_eq!((code, codes(&document, "to-do")), (1, vec!["other-installation".to_owned()]));
    assert!(codes(&document, "note").contains(&"this-machine".to_owned()), "{document}");
    let machines = document["machines"].as_array().unwrap();
    let of = |name: &str| machines.iter().find(|m| m["displayName"] == name).unwrap();
    assert_eq!(of("mine")["here"], true);
    assert_eq!(of("web dp-0a1b2c3d-m-1")["installation"], "0a1b2c3d");
    let told = world.doctor(&[]).await;
    for part in
        ["of installation 0a1b2c3d", "this computer", "marks 12 calls", "2, 1 mark of DevPocket"]
    {
        assert!(told.out.contains(part), "{part} is not in:\n{}", told.out);
    }
}

#[tokio::test]
async fn what_has_no_price_is_named_once() {
    let legacy = || machine("V45", Status::Running, "legacy");
    let world = world(&account(&[legacy(), legacy(), machine("V91", Status::Running, "a")])).await;
    let (code, document) = world.doctor_document().await;
    assert_eq!((code, codes(&document, "note")), (0, vec!["unpriced".into(), "bad-config".into()]));
    let message = document["findings"][0]["message"].as_str().unwrap();
    assert!(message.contains("2 × V45 in EU"), "{message}");
}

#[tokio::test]
async fn a_mistake_in_the_configuration_is_named_before_anybody_is_asked() {
    let mut world = world(&account(&[])).await;
    world.variables.remove("CONTABO_PASSWORD");
    world.set("DATABASE_URL", "mysql://u:hunter2@h/d");
    let told = world.doctor(&[]).await;
    assert_eq!((told.code, told.out.as_str()), (2, ""));
    for part in ["CONTABO_PASSWORD is not set", "another kind of database", "2 faults"] {
        assert!(told.err.contains(part), "{part} is not in:\n{}", told.err);
    }
    assert!(!told.err.contains("hunter2"));
    assert!(world.control.calls(0).await.unwrap().counts.is_empty());
}
