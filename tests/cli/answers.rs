//! What the commands that only look print.

use devpocket_specs::condition::{Condition, ConditionStatus};
use devpocket_specs::environment::{BoundMachine, Cost, EnvironmentStatus, Phase};
use devpocket_specs::money::Money;
use serde_json::Value;

use crate::world::World;

pub fn condition(kind: &str, status: ConditionStatus, reason: &str, message: &str) -> Condition {
    Condition {
        r#type: kind.into(),
        status,
        reason: reason.into(),
        message: message.into(),
        last_transition_time: "2026-01-01T00:00:00Z".parse().unwrap(),
        observed_generation: None,
    }
}

pub fn running(status: &mut EnvironmentStatus) {
    status.phase = Phase::Running;
    status.machine = Some(BoundMachine {
        name: "m-0".into(),
        instance_name: Some("vmi2563150".into()),
        address: Some("203.0.113.7".into()),
        ..BoundMachine::default()
    });
    status.cost = Some(Cost {
        monthly: Money::eur(550),
        paid_until: Some("2026-12-15".parse().unwrap()),
        prices_of: None,
    });
    status.conditions = vec![
        condition("GuestReady", ConditionStatus::Unknown, "NotObserved", "not looked at"),
        condition("MachineBound", ConditionStatus::True, "Bound", "bound"),
        condition("Ready", ConditionStatus::True, "Running", "running"),
    ];
}

/// Two environments, one of them ready.
pub async fn two() -> World {
    let world = World::new().await;
    world.declare("db").await;
    world.declare("api").await;
    world.stand("db", running).await;
    world
        .stand("api", |status| {
            status.phase = Phase::Provisioning;
            status.message = "ordered, waits for Contabo to prepare it".into();
            status.conditions =
                vec![condition("Ready", ConditionStatus::False, "Ordered", "ordered")];
        })
        .await;
    world
}

#[tokio::test]
async fn the_table_has_its_columns_and_the_hints_are_beside_it() {
    let world = two().await;
    let ended = world.run(&["get", "env"]).await.done();
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(
        lines[0],
        "NAME  READY  PHASE         SIZE         REGION  POWER    ADDRESS          COST  AGE"
    );
    let api = "api   False  provisioning  vps-10-nvme  EU      Running  ";
    let db = "db    True   running       vps-10-nvme  EU      Running  203.0.113.7  5.50 EUR  ";
    assert!(lines[1].starts_with(api), "{}", ended.out);
    assert!(lines[2].starts_with(db), "{}", ended.out);
    assert_eq!(ended.err, "api: ordered, waits for Contabo to prepare it\n");
    let wide = world.run(&["get", "env", "db", "-o", "wide"]).await.done();
    let header = wide.out.lines().next().unwrap();
    assert!(
        header.ends_with("MACHINE     TEMPLATE  PAID-UNTIL  SNAPSHOTS  DRIFT  LAST-USED  OWNERS"),
        "{header}"
    );
    assert!(wide.out.contains("vmi2563150"), "{}", wide.out);
    assert!(wide.out.trim_end().ends_with("devpocket-cli"), "{}", wide.out);
}

#[tokio::test]
async fn documents_have_items_and_no_hints() {
    let world = two().await;
    let ended = world.run(&["get", "env", "-o", "json"]).await.done();
    assert_eq!(ended.err, "");
    let list: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    assert_eq!(list["items"][0]["kind"], "Environment");
    let ended = world.run(&["get", "env/db", "-o", "yaml"]).await.done();
    world.file("db.yaml", &ended.out);
    let ended = world.run(&["get", "env", "-o", "name"]).await.done();
    assert_eq!(ended.out, "env/api\nenv/db\n");
}

#[tokio::test]
async fn an_empty_list_says_how_to_fill_it() {
    let world = World::new().await;
    let ended = world.run(&["get", "env"]).await.done();
    assert_eq!(ended.out, "");
    assert!(ended.err.contains("devpocket create web"), "{}", ended.err);
}

#[tokio::test]
async fn what_is_missing_is_named_and_takes_nothing_with_it() {
    let world = two().await;
    let ended = world.run(&["get", "env", "nope", "db"]).await;
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(ended.out.lines().any(|line| line.starts_with("db  ")), "{}", ended.out);
    assert!(ended.err.contains("error[not-found]: there is no env/nope in main"), "{}", ended.err);
    let ended = world.run(&["get", "env", "-n", "typo"]).await.done();
    assert!(ended.err.starts_with("No environments: there is no namespace typo."), "{}", ended.err);
    let ended = world.run(&["get", "env", "-l", "team=x"]).await.done();
    assert!(ended.err.starts_with("No environments in main with team=x."), "{}", ended.err);
    let ended = world.run(&["exec", "nope", "--", "true"]).await;
    assert_eq!(ended.code, 255, "{}", ended.err);
    assert!(ended.err.contains("error[not-found]: there is no env/nope in main"), "{}", ended.err);
    world.declare("new").await;
    let ended = world.run(&["describe", "new"]).await.done();
    assert!(ended.out.contains("Guest       there is no machine yet"), "{}", ended.out);
}

#[tokio::test]
async fn describe_shows_one_in_full_and_what_it_cannot_see() {
    let world = two().await;
    let ended = world.run(&["describe", "db"]).await.done();
    let text = ended.out;
    assert!(text.starts_with("env/db      ready and as declared"), "{text}");
    assert!(
        text.contains("Machine     vmi2563150  203.0.113.7  vps-10-nvme: 4 vCPU, 8 GB, 75 GB"),
        "{text}"
    );
    assert!(
        text.contains(
            "Paid        until 2026-12-15, 5.50 EUR a month; renews unless released by 2026-12-14"
        ),
        "{text}"
    );
    assert!(text.contains("Guest       not observed yet"), "{text}");
    assert!(text.contains("devpocket-cli"), "{text}");
    assert!(text.contains("✓ no drift"), "{text}");
}

#[tokio::test]
async fn explain_tells_why_and_what_a_field_means() {
    let world = two().await;
    let ended = world.run(&["explain", "env/api"]).await.done();
    assert!(ended.out.starts_with("env/api has not been ready for "), "{}", ended.out);
    assert!(ended.out.contains(": ordered, waits for Contabo to prepare it."), "{}", ended.out);
    let ended = world.run(&["explain", "env/db"]).await.done();
    assert!(ended.out.starts_with("env/db is as declared: running for "), "{}", ended.out);
    let ended = world.run(&["explain", "environment.spec.power"]).await.done();
    assert!(ended.out.contains("Allowed     Running, Stopped"), "{}", ended.out);
    let ended = world.run(&["explain", "environment.spec.pwoer"]).await;
    ended
        .refused(2, "error[unknown-field]: \"pwoer\" is not a field of environment.spec")
        .says(&["  try      devpocket explain environment.spec.power"]);
}

#[tokio::test]
async fn the_drift_of_a_night_is_told_with_who_and_when() {
    let world = two().await;
    world
        .stand("db", |status| {
            running(status);
            status.phase = Phase::Stopped;
            status.message = "vmi2563150 is stopped, declared is Running".into();
            status.conditions[2] =
                condition("Ready", ConditionStatus::False, "NotRunning", "stopped");
            status.drift = vec![devpocket_specs::environment::Drift {
                what: "power".into(),
                message: "vmi2563150 was seen stopped".into(),
                since: "2026-01-01T03:12:40Z".parse().unwrap(),
                by: "unknown".into(),
                healed: None,
            }];
        })
        .await;
    let ended = world.run(&["explain", "env/db"]).await.done();
    let text = ended.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains("vmi2563150 was seen stopped. Contabo's audits show no such call"),
        "{text}"
    );
    assert!(
        text.contains("You can: devpocket stop db (accept it) · devpocket pause db --for 2h"),
        "{text}"
    );
}

#[tokio::test]
async fn sizes_and_regions_have_prices_with_their_day() {
    let world = World::new().await;
    let ended = world.run(&["sizes"]).await.done();
    assert!(
        ended.out.lines().any(|line| line.starts_with("vps-10-nvme ") && line.contains("5.50 EUR")),
        "{}",
        ended.out
    );
    assert!(ended.err.starts_with("Prices of 2"), "{}", ended.err);
    let ended = world.run(&["regions"]).await.done();
    assert!(ended.out.lines().any(|line| line.starts_with("EU ")), "{}", ended.out);
    let ended = world.run(&["sizes", "--region", "Mars"]).await;
    assert_eq!(ended.code, 2);
}

#[tokio::test]
async fn status_is_one_screen() {
    let world = two().await;
    let ended = world.run(&["status"]).await.done();
    let text = ended.out;
    assert!(text.starts_with(&format!("Server      http://{}", world.address)), "{text}");
    assert!(text.contains("Leader      none"), "{text}");
    assert!(text.contains("Contabo     simulated; nothing costs money"), "{text}");
    assert!(text.contains("of 300.00 EUR this month"), "{text}");
    assert!(text.contains("2 environments, 1 as declared"), "{text}");
    assert!(text.lines().count() < 24, "{text}");
}

#[tokio::test]
async fn version_names_all_three_and_needs_no_server() {
    let world = World::new().await;
    let own = env!("CARGO_PKG_VERSION");
    let ended = world.run(&["version"]).await.done();
    assert!(
        ended.out.starts_with(&format!("client  {own}\nserver  {own}  http://")),
        "{}",
        ended.out
    );
    let schema = devpocket::store::newest_schema();
    assert!(ended.out.ends_with(&format!("\nschema  {schema}\n")), "{}", ended.out);
    let ended = world.run(&["version", "--server", "http://127.0.0.1:1"]).await.done();
    assert!(ended.out.contains("no answer from"), "{}", ended.out);
}
