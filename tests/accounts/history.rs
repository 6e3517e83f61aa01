//! How machines were doing: kept small for a month, by every keeper alike, and told to whoever may
//! know.

use std::collections::BTreeMap;
use std::time::Duration;

use devpocket_controllers::clock::Clock as _;
use devpocket_controllers::history::History;
use devpocket_controllers::sim::history::SimHistory;
use devpocket_specs::condition::{self, Condition, ConditionStatus};
use devpocket_specs::environment::{BoundMachine, conditions};
use devpocket_specs::object::Resource as _;
use devpocket_specs::sample::{KEPT_DAYS, MEAN_SECONDS, Sample, Throughput, Usage, thinned};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::install_logs::{installing, system};
use super::world::{ADMIN_TOKEN, Answer, World};

fn sample(at: Timestamp, cpu: u16) -> Sample {
    Sample {
        at,
        cpu: Some(cpu),
        memory: Usage::new(2 << 30, 8 << 30),
        disk: Usage::new(15 << 30, 75 << 30),
        network: Some(Throughput { received: 1_000, sent: 50 }),
        uptime: 777,
    }
    .kept()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + second).unwrap()
}

/// What the port promises.
async fn holds(history: &dyn History) {
    let (one, two, nobody) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
    history.keep(&[]).await.unwrap();
    assert_eq!(history.since(&[one], at(-99_999)).await.unwrap(), BTreeMap::new());
    // Over the ends of hours and days, several of one environment in a call, and out of order.
    let seconds = [0, 60, 3_600, 90_000];
    for second in seconds {
        let both = [(one, sample(at(second), 1)), (two, sample(at(second), 2))];
        history.keep(&both).await.unwrap();
    }
    let late = [(one, sample(at(120), 3)), (one, sample(at(180), 3)), (one, sample(at(4_000), 3))];
    history.keep(&late).await.unwrap();
    history.keep(&late).await.unwrap();
    let found = history.since(&[one, two, nobody], at(0)).await.unwrap();
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [one, two]);
    let times = |found: &BTreeMap<Uuid, Vec<Sample>>, of: Uuid| -> Vec<i64> {
        found[&of].iter().map(|sample| sample.at.as_second() - at(0).as_second()).collect()
    };
    assert_eq!(times(&found, one), [0, 60, 120, 180, 3_600, 4_000, 90_000], "each once, in order");
    assert_eq!(times(&found, two), seconds);
    assert_eq!(found[&one][2], sample(at(120), 3), "as it was taken");
    let since = history.since(&[one], at(61)).await.unwrap();
    assert_eq!(times(&since, one), [120, 180, 3_600, 4_000, 90_000]);
    assert!(history.since(&[one, nobody], at(90_001)).await.unwrap().is_empty());
}

#[tokio::test]
async fn every_keeper_keeps_alike() {
    holds(&SimHistory::default()).await;
    let world = World::new().await;
    holds(&world.history).await;
}

#[tokio::test]
async fn days_become_means_once_whoever_tidies_and_after_a_month_they_are_gone() {
    let world = World::new().await;
    let other = world.replica(Duration::ZERO).await;
    let uid = Uuid::from_u128(7);
    let day = Timestamp::from_second(at(0).as_second() / 86_400 * 86_400).unwrap();
    let minutes: Vec<Sample> = (0..4 * 1_440)
        .map(|minute| sample(day + SignedDuration::from_mins(minute), (minute % 100) as u16 * 100))
        .collect();
    for hour in minutes.chunks(60) {
        let hour: Vec<(Uuid, Sample)> = hour.iter().map(|sample| (uid, *sample)).collect();
        world.history.keep(&hour).await.unwrap();
    }
    let now = day + SignedDuration::from_hours(4 * 24);
    let (mine, theirs) = tokio::join!(world.history.tidy(now), other.history.tidy(now));
    assert_eq!(mine.unwrap() + theirs.unwrap(), 2, "two days are older than 48 hours, once each");
    let kept = world.history.since(&[uid], day).await.unwrap().remove(&uid).unwrap();
    let mut expected = thinned(&minutes[..2 * 1_440], MEAN_SECONDS);
    expected.extend_from_slice(&minutes[2 * 1_440..]);
    assert_eq!(kept.len(), expected.len());
    assert!(kept == expected, "means of the first two days, then as they were taken");
    assert_eq!(world.history.tidy(now).await.unwrap(), 0);
    assert_eq!(world.history.since(&[uid], day).await.unwrap()[&uid], expected);

    world.history.tidy(day + SignedDuration::from_hours(24 * KEPT_DAYS)).await.unwrap();
    let kept = world.history.since(&[uid], day).await.unwrap().remove(&uid).unwrap();
    assert_eq!(kept[0].at, day, "30 days are kept");
    world.history.tidy(day + SignedDuration::from_hours(24 * (KEPT_DAYS + 1))).await.unwrap();
    let kept = world.history.since(&[uid], day).await.unwrap().remove(&uid).unwrap();
    assert_eq!(kept[0].at, day + SignedDuration::from_hours(24));
    world.history.tidy(day + SignedDuration::from_hours(24 * 60)).await.unwrap();
    let rows = "SELECT (SELECT count(*) FROM sample_hours) + (SELECT count(*) FROM sample_days)";
    let (left,): (i64,) = sqlx::query_as(rows).fetch_one(&world.pool).await.unwrap();
    assert_eq!(left, 0);
}

/// What a month of one environment takes in the database, indexes and all.
#[tokio::test]
async fn a_month_of_minutes_is_small() {
    let world = World::new().await;
    let uid = Uuid::from_u128(7);
    let begin = Timestamp::from_second(at(0).as_second() / 86_400 * 86_400).unwrap();
    let mut spread = 1u32;
    for hour in 0..24 * 33 {
        let samples = (0..60).map(|minute| {
            spread = spread.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let used = u64::from(spread) << 1;
            let at = begin + SignedDuration::from_mins(hour * 60 + minute);
            let network = Throughput { received: used >> 8, sent: used >> 12 };
            let cpu = (spread >> 8) as u16 % 10_000;
            let memory = Usage::new(used, 9 << 30);
            (uid, Sample { memory, network: Some(network), ..sample(at, cpu) })
        });
        world.history.keep(&samples.collect::<Vec<_>>()).await.unwrap();
    }
    world.history.tidy(begin + SignedDuration::from_hours(24 * 33)).await.unwrap();
    let bytes = "SELECT coalesce(sum(octet_length(packed)), 0)::bigint FROM \
                 (SELECT packed FROM sample_hours UNION ALL SELECT packed FROM sample_days) rows";
    let (bytes,): (i64,) = sqlx::query_as(bytes).fetch_one(&world.pool).await.unwrap();
    assert!((20_000..300 * 1_024).contains(&bytes), "{bytes}");
}

fn number(answer: &Answer, name: &str) -> f64 {
    answer.body[name].as_f64().unwrap_or_else(|| panic!("{name}: {answer:?}"))
}

#[tokio::test]
async fn the_app_reads_how_a_machine_is_and_was_doing() {
    let world = World::new().await;
    let (ann, environment) = installing(&world).await;
    let (uid, now) = (environment.uid(), world.clock.now());
    let path = format!("/environments/{uid}/metrics");
    let none = world.get(&ann.access, &path).await;
    assert_eq!(none.code, 200, "{none:?}");
    for name in ["cpu_usage", "memory_usage", "storage_usage", "network_rx", "uptime"] {
        assert_eq!(none.body[name], Value::Null, "what nobody knows is no zero: {none:?}");
    }
    assert_eq!(none.body["last_updated"], Value::Null);
    assert_eq!(none.body["metrics"], json!([]));
    assert_eq!(none.body["message"], "there is no machine yet");

    let ago = |minutes: i64| now - SignedDuration::from_mins(minutes);
    // An hour without an answer in between.
    let minutes = (1..=30).chain(90..=120).chain([26 * 60, 20 * 24 * 60]);
    let samples: Vec<(Uuid, Sample)> =
        minutes.map(|minute| (uid, sample(ago(minute), 1_250))).collect();
    world.history.keep(&samples).await.unwrap();
    let day = world.get(&ann.access, &path).await;
    assert_eq!(number(&day, "cpu_usage"), 12.5);
    assert_eq!(number(&day, "memory_usage"), 25.0);
    assert_eq!(number(&day, "storage_usage"), 20.0);
    assert_eq!((number(&day, "network_rx"), number(&day, "network_tx")), (1_000.0, 50.0));
    assert_eq!((number(&day, "uptime"), &day.body["message"]), (777.0, &Value::Null));
    assert_eq!(day.body["environment_id"], uid.to_string());
    let metrics = day.body["metrics"].as_array().unwrap();
    assert_eq!((metrics.len(), number(&day, "interval_seconds")), (61, 60.0), "gaps are gaps");
    let last = metrics.last().unwrap();
    assert_eq!(last["timestamp"], day.body["last_updated"]);
    assert_eq!(last["memory_total"], 8u64 << 30);
    for (hours, found, step) in [(1, 30, 60), (48, 14, 300), (168, 14, 300), (720, 5, 1_800)] {
        let answer = world.get(&ann.access, &format!("{path}?hours={hours}")).await;
        let found_now = answer.body["metrics"].as_array().unwrap().len();
        // Where the minutes fall into their means is as the clock stands.
        assert!(found_now.abs_diff(found) <= 2, "{hours}: {found_now}");
        assert_eq!(number(&answer, "interval_seconds"), f64::from(step), "{hours}");
    }
}

#[tokio::test]
async fn what_is_asked_wrongly_and_who_may_not_know() {
    let world = World::new().await;
    let (ann, environment) = installing(&world).await;
    let eve = world.person("eve").await;
    let path = format!("/environments/{}/metrics", environment.uid());
    for wrong in ["0", "721", "-1", "x", "1.5", "99999999999999999999", ""] {
        let answer = world.get(&ann.access, &format!("{path}?hours={wrong}")).await;
        assert_eq!(answer.faults(), ["hours out_of_range"], "{wrong}");
    }
    let foreign = world.get(&eve.access, &path).await;
    assert_eq!((foreign.code, foreign.detail()), (404, "Environment not found"));
    for id in ["no-uid", &Uuid::nil().to_string()] {
        let answer = world.get(&ann.access, &format!("/environments/{id}/metrics")).await;
        assert_eq!((answer.code, answer.detail()), (404, "Environment not found"));
    }
    assert_eq!(world.get("wrong", &path).await.code, 401);
    let namespace = &environment.metadata.namespace;
    let theirs = format!("/environments/metrics?namespace={namespace}");
    assert_eq!(world.get(&eve.access, &theirs).await.code, 404);
    let own = world.get(&eve.access, "/environments/metrics").await;
    assert_eq!((own.code, &own.body["items"]), (200, &json!([])));
}

#[tokio::test]
async fn all_environments_are_told_at_once_with_why_there_is_nothing_of_now() {
    let world = World::new().await;
    let (ann, environment) = installing(&world).await;
    let (uid, now) = (environment.uid(), world.clock.now());
    let sampled =
        [7, 8].map(|minutes| (uid, sample(now - SignedDuration::from_mins(minutes), 5_000)));
    world.history.keep(&sampled).await.unwrap();
    let silent = |environment: &mut devpocket_specs::environment::Environment| {
        environment.status.machine =
            Some(BoundMachine { name: "m-1".into(), ..BoundMachine::default() });
        let silent = Condition {
            r#type: conditions::GUEST_READY.into(),
            status: ConditionStatus::False,
            reason: "GuestUnreachable".into(),
            message: "SSH does not answer: timed out".into(),
            last_transition_time: now,
            observed_generation: None,
        };
        condition::set(&mut environment.status.conditions, silent);
    };
    system(&world).edit_status(&environment.key(), silent).await.unwrap();
    let namespace = &environment.metadata.namespace;
    for (token, query) in [
        (&*ann.access, String::new()),
        (&*ann.access, format!("?namespace={namespace}")),
        (ADMIN_TOKEN, String::new()),
    ] {
        let answer = world.get(token, &format!("/environments/metrics{query}")).await;
        let items = answer.body["items"].as_array().unwrap();
        assert_eq!(items.len(), 1, "{answer:?}");
        let item = &items[0];
        assert_eq!((&item["environment_name"], &item["cpu_usage"]), (&json!("web"), &json!(50.0)));
        assert_eq!(item["message"], "SSH does not answer: timed out");
        let recent = item["cpu_recent"].as_array().unwrap();
        assert_eq!(recent.len(), 12);
        let known: Vec<&Value> = recent.iter().filter(|cell| !cell.is_null()).collect();
        assert!(known.iter().all(|cell| **cell == 50.0) && !known.is_empty(), "{recent:?}");
        assert_eq!(recent[11], Value::Null, "nothing was heard in these minutes");
    }
}
