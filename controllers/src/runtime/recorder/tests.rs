use std::time::Duration;

use super::*;
use crate::runtime::rig::{Rig, rig};
use devpocket_specs::kind::Kind;

const HOUR: Duration = Duration::from_secs(3600);

fn about(namespace: &str, name: &str) -> Involved {
    let kind = if namespace.is_empty() { Kind::Namespace } else { Kind::Secret };
    Involved { key: Key::new(kind, namespace, name), uid: Uuid::from_u128(name.len() as u128) }
}

async fn events(rig: &Rig) -> Vec<Event> {
    rig.client.list(None).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_same_thing_said_again_is_counted() {
    let rig = rig();
    let recorder = Recorder::new(rig.client.clone(), "test");
    let web = about("team-a", "web");
    for _ in 0..3 {
        recorder.event(&web, Severity::Normal, "Started", "It runs.").await;
        rig.clock.sleep(HOUR).await;
    }
    recorder.event(&web, Severity::Normal, "Stopped", "It stands.").await;
    let mut found = events(&rig).await;
    found.sort_by_key(|event| event.count);
    let [stopped, started] = &found[..] else { panic!("{found:?}") };
    assert_eq!((started.count, started.reason.as_str()), (3, "Started"));
    assert_eq!((stopped.count, stopped.message.as_str()), (1, "It stands."));
    let times = (started.first_timestamp.unwrap(), started.last_timestamp.unwrap());
    assert_eq!(times.1.duration_since(times.0).as_hours(), 2);
    assert_eq!(started.metadata.namespace, "team-a");
    assert_eq!(started.involved_object.name.as_deref(), Some("web"));
}

#[tokio::test(start_paused = true)]
async fn what_is_repeated_after_a_day_is_another_story() {
    let rig = rig();
    let recorder = Recorder::new(rig.client.clone(), "test");
    let web = about("team-a", "web");
    recorder.event(&web, Severity::Warning, "Late", "It is late.").await;
    rig.clock.sleep(HOUR * 25).await;
    recorder.event(&web, Severity::Warning, "Late", "It is late.").await;
    let found = events(&rig).await;
    assert_eq!((found.len(), found[0].count), (1, 1));
    assert_eq!(found[0].first_timestamp, Some(rig.client.now()));
}

#[tokio::test(start_paused = true)]
async fn events_on_cluster_scoped_objects_are_in_the_system_namespace_and_long_ones_are_cut() {
    let rig = rig();
    let recorder = Recorder::new(rig.client.clone(), "test");
    recorder.event(&about("", "team-a"), Severity::Normal, "Long", &"ä".repeat(5000)).await;
    let found = events(&rig).await;
    assert_eq!(found[0].metadata.namespace, SYSTEM_NAMESPACE);
    assert_eq!(found[0].message.chars().count(), LONGEST_MESSAGE);
}

#[tokio::test(start_paused = true)]
async fn one_object_cannot_flood_the_store_nor_a_broken_store_the_caller() {
    let rig = rig();
    let recorder = Recorder::new(rig.client.clone(), "test");
    for n in 0..200 {
        let message = format!("Message {n}.");
        recorder.event(&about("team-a", "loud"), Severity::Normal, "Loud", &message).await;
    }
    recorder.event(&about("team-a", "quiet"), Severity::Normal, "Quiet", "Once.").await;
    assert!(events(&rig).await.len() <= limiter::BURST as usize + 1);
    rig.store.set_outage(Some("away"));
    recorder.event(&about("team-a", "q"), Severity::Normal, "Quiet", "Unheard.").await;
}

#[tokio::test(start_paused = true)]
async fn events_go_after_a_day_unless_they_were_repeated() {
    let rig = rig();
    let recorder = Recorder::new(rig.client.clone(), "test");
    let web = about("team-a", "web");
    for reason in ["Once", "Often"] {
        recorder.event(&web, Severity::Normal, reason, "Something.").await;
    }
    rig.clock.sleep(HOUR * 20).await;
    recorder.event(&web, Severity::Normal, "Often", "Something.").await;
    assert_eq!(collect_garbage(&rig.client).await.unwrap(), 0);
    rig.clock.sleep(HOUR * 5).await;
    assert_eq!(collect_garbage(&rig.client).await.unwrap(), 1);
    assert_eq!(events(&rig).await[0].reason, "Often");
}
