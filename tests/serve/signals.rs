//! What a server tells about itself: metrics and logs. And what it must not tell.

use devpocket::simulator::{API_PASSWORD, CLIENT_SECRET};
use devpocket::telemetry::metrics::{FAMILIES, Shape};
use devpocket_controllers::sim::contabo::PanelAction;
use devpocket_specs::money::Money;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::process::eventually;
use crate::world::{SEAL_KEY, Serve, TOKEN, World};

/// Families that appear with the first trouble of their kind, and not on a day like the one below.
const ONLY_IN_TROUBLE: [&str; 15] = [
    "devpocket_rate_limited_total",
    "devpocket_rate_limit_alone_total",
    "devpocket_tls_reload_failures_total",
    "devpocket_mail_letters_total",
    "devpocket_password_queue_full_total",
    "devpocket_refresh_reused_total",
    "devpocket_sign_ins_total",
    "devpocket_reconcile_panics_total",
    "devpocket_operations_resolved_total",
    "devpocket_reflector_relists_total",
    "devpocket_reflector_unreadable_total",
    "devpocket_events_dropped_total",
    // Only where DevPocket itself serves TLS.
    "devpocket_tls_certificate_end_seconds",
    // Only with a collector; the tests of traces and metrics have one.
    "devpocket_trace_spans_total",
    "devpocket_metric_exports_total",
];

/// A machine is bought and stopped in the panel, which is healed; a second one is over the budget.
async fn a_day(world: &World) -> Serve {
    let serve = world.leading().await;
    serve.create("demo").await;
    serve.ready("demo").await;
    world.control.panel("demo", PanelAction::Stop).await.unwrap();
    eventually("the stop is healed", async || {
        let started = serve.metric("devpocket_operations_total", "start").await;
        let healed = serve.metric("devpocket_drift_healed_total", "").await;
        (started >= 1.0 && healed >= 1.0).then_some(())
    })
    .await;
    serve.ready("demo").await;
    serve.create("dear").await;
    eventually("the budget holds the second one", async || {
        let environment = serve.environment("dear").await?;
        serde_json::to_string(&environment.status).unwrap().contains("budget").then_some(())
    })
    .await;
    serve
}

#[tokio::test]
async fn metrics_are_all_there_and_move() {
    let (mut world, _database) = World::empty().await;
    world.budget = Money::eur(600);
    let (bare, _other_database) = World::empty().await;
    let fresh = bare.serve().await;
    for (name, shape, _) in FAMILIES {
        if shape == Shape::CounterFromZero {
            let text = fresh.metrics().await;
            assert!(text.contains(&format!("\n{name} 0\n")), "{name} is not there from the start");
        }
    }
    drop(fresh);
    let serve = a_day(&world).await;
    let text = serve.metrics().await;
    for (name, shape, help) in FAMILIES {
        if ONLY_IN_TROUBLE.contains(&name) {
            continue;
        }
        assert!(text.contains(&format!("# HELP {name} {help}")), "{name} has no HELP:\n{text}");
        let kind = match shape {
            Shape::Counter | Shape::CounterFromZero => "counter",
            Shape::Gauge => "gauge",
            Shape::Seconds | Shape::Sizes => "histogram",
        };
        assert!(text.contains(&format!("# TYPE {name} {kind}")), "{name} is no {kind}:\n{text}");
    }
    let moved = [
        ("devpocket_reconciles_total", "environment"),
        ("devpocket_reconcile_seconds_count", "operation"),
        ("devpocket_cloud_calls_total", "ok"),
        ("devpocket_cloud_sign_ins_total", "ok"),
        ("devpocket_sweeps_total", "ok"),
        ("devpocket_operations_total", "succeeded"),
        ("devpocket_drift_total", "power"),
        ("devpocket_drift_healed_total", ""),
        ("devpocket_brakes_total", "budget"),
        ("devpocket_store_commit_seconds_count", ""),
        ("devpocket_store_batch_size_count", ""),
        ("devpocket_watch_lag_seconds_count", ""),
        ("devpocket_cache_objects", ""),
        ("devpocket_cache_revision", ""),
        ("devpocket_http_request_seconds_count", "GET"),
        ("devpocket_leader", ""),
        ("devpocket_contabo_reachable", ""),
    ];
    for (name, labels) in moved {
        assert!(serve.metric(name, labels).await >= 1.0, "{name} {labels} did not move:\n{text}");
    }
    assert_eq!(serve.metric("devpocket_purchases_total", "").await, 1.0);
    assert_eq!(serve.metric("devpocket_instances", "").await, 1.0);
    let bare = reqwest::Client::builder().no_proxy().build().unwrap();
    let unsigned = bare.get(format!("{}/metrics", serve.url)).send().await.unwrap();
    assert_eq!(unsigned.status().as_u16(), 401, "metrics tell what is bought: a token is needed");
}

#[tokio::test]
async fn health_tells_liveness_from_readiness_and_needs_no_token() {
    let (world, _database) = World::empty().await;
    let serve = world.serve().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |path: &str| {
        let reply = http.get(format!("{}{path}", serve.url)).send().await.unwrap();
        (reply.status().as_u16(), reply.json::<Value>().await.unwrap())
    };
    assert_eq!(get("/health/live").await, (200, json!({"status": "ok"})));
    let ready = json!({"status": "ok", "checks": {"store": "ok"}});
    assert_eq!(get("/health/ready").await, (200, ready.clone()));
    let (code, health) = get("/health").await;
    assert_eq!((code, &health["checks"]), (200, &ready["checks"]), "{health}");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
}

/// The entry with this message start and verb.
fn entry<'a>(log: &'a [Value], message: &str, verb: &str) -> &'a Value {
    let found = log.iter().find(|entry| {
        entry["verb"] == verb && entry["message"].as_str().is_some_and(|m| m.starts_with(message))
    });
    found.unwrap_or_else(|| panic!("no {message:?} with {verb} in {log:#?}"))
}

#[tokio::test]
async fn the_log_lines_of_an_effect_carry_what_it_takes_to_follow_it() {
    let (mut world, _database) = World::empty().await;
    world.budget = Money::eur(600);
    let serve = a_day(&world).await;
    let machine = serve.environment("demo").await.unwrap().status.machine.unwrap();
    let id = machine.instance_id.unwrap();
    let log = serve.process.entries();
    let audits = serde_json::to_string(&world.control.audits().await.unwrap()).unwrap();
    for (verb, answer) in [("purchase", "ordered instance"), ("start", "start")] {
        let (sending, answered) = (entry(&log, "sending: ", verb), entry(&log, answer, verb));
        for line in [sending, answered] {
            assert_eq!(line["environment"], "main/demo", "{line}");
            assert_eq!(line["machine"], machine.name, "{line}");
            assert_eq!(line["operation"], sending["operation"], "{line}");
            assert_eq!(line["request_id"], sending["request_id"], "{line}");
            assert_eq!(line["level"], "INFO", "{line}");
            assert!(line["timestamp"].is_string(), "{line}");
        }
        assert_eq!(answered["instance_id"], id, "{answered}");
        let request = sending["request_id"].as_str().unwrap();
        assert!(request.parse::<Uuid>().is_ok(), "{sending}");
        assert!(audits.contains(request), "Contabo's audits do not know {request}");
    }
    let all = serve.process.log();
    assert!(all.iter().all(|line| line.starts_with('{')), "a line is not JSON: {all:?}");
}

#[tokio::test]
async fn pretty_logs_carry_the_same_for_people() {
    let (mut world, _database) = World::empty().await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = port.local_addr().unwrap().port().to_string();
    drop(port);
    world.set("PORT", taken.clone());
    world.set("LOG_FORMAT", "pretty");
    let arguments = ["serve"];
    let mut process = crate::process::Process::start(world.path(), &world.variables, &arguments);
    let line = eventually("it serves", async || {
        process.log().into_iter().find(|line| line.contains("serving"))
    })
    .await;
    assert!(line.contains(&format!("address=127.0.0.1:{taken}")), "{line}");
    assert!(line.contains("INFO") && !line.contains('\u{1b}'), "{line:?}");
    assert_eq!(process.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn no_secret_reaches_a_table_a_dump_or_a_trace_log() {
    let (mut world, database) = World::empty().await;
    world.set("LOG_LEVEL", "trace");
    let mut serve = world.leading().await;
    let planted = "planted-s3cret-value";
    let encoded = "cGxhbnRlZC1zM2NyZXQtdmFsdWU=";
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"},
        "stringData": {"password": planted},
    });
    let path = "/kube/api/v1/namespaces/main/secrets";
    let (code, reply) = serve.send(Method::POST, path, Some(&secret)).await;
    assert_eq!(code, 201, "{reply}");
    let (code, read) = serve.get(&format!("{path}/db")).await;
    assert_eq!((code, &read["data"]["password"]), (200, &encoded.into()), "{read}");
    let patch = json!({"stringData": {"token": format!("{planted}-2")}});
    let (code, reply) = serve.send(Method::PATCH, &format!("{path}/db"), Some(&patch)).await;
    assert_eq!(code, 200, "{reply}");
    serve.create("demo").await;
    serve.ready("demo").await;
    assert_eq!(serve.process.terminate().await.code(), Some(0));

    let dump = database.program("pg_dump").output().unwrap();
    assert!(dump.status.success());
    let dump = String::from_utf8_lossy(&dump.stdout).into_owned();
    assert!(dump.contains("sealed:v1:"), "the secret is not in the dump at all");
    let log = serve.process.log().join("\n");
    assert!(log.contains("\"level\":\"TRACE\""), "the log was not at TRACE");
    // Contabo's tokens are JWTs: their header begins like this.
    let secrets =
        [planted, &encoded[..24], API_PASSWORD, CLIENT_SECRET, TOKEN, SEAL_KEY, "eyJhbGci"];
    for secret in secrets {
        assert!(!dump.contains(secret), "{secret} is in the dump");
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret} is in the log: {line:?}");
    }
}
