//! `top`: how a machine is doing comes from the machine itself, over SSH and through the database, to who
//! asks.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::support::{Home, PATIENCE, PROGRAM, Up};

const PAUSE: Duration = Duration::from_millis(500);

fn demo(up: &Up) -> Value {
    let (done, text) = up.shell(&format!("'{PROGRAM}' top demo -o json"));
    assert!(done, "{text}");
    let document: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    document["items"][0].clone()
}

#[tokio::test]
async fn how_a_machine_is_doing_is_known_soon_after_its_first_contact() {
    let home = Home::new();
    let mut up = Up::start(&home);
    up.line_with("Ctrl-C stops everything");
    let deadline = Instant::now() + PATIENCE;
    let told = loop {
        let told = demo(&up);
        if told["cpu_usage"].is_number() {
            break told;
        }
        assert!(told["cpu_usage"].is_null() && Instant::now() < deadline, "{told}");
        sleep(PAUSE).await;
    };
    assert_eq!(told["memory_total"], 8u64 << 30, "the product's, not this computer's: {told}");
    assert_eq!(told["storage_total"], 75u64 << 30);
    assert!(told["network_rx"].is_number() && told["message"].is_null(), "{told}");
    assert!(told["memory_usage"].as_f64().is_some_and(|used| used > 0.0 && used < 100.0), "{told}");
    let (done, table) = up.shell(&format!("'{PROGRAM}' top demo --since 1h"));
    assert!(done && table.contains("CPU") && table.contains("GB"), "{table}");
    up.interrupt();
}
