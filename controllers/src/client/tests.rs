use std::sync::atomic::{AtomicU32, Ordering};

use devpocket_specs::kind::Kind;
use devpocket_specs::lease::Lease;
use devpocket_specs::machine::{Machine, MachineSpec, MachineStatus};
use devpocket_specs::metadata::ObjectMeta;
use futures::future::join_all;

use super::*;
use crate::runtime::rig::{lease, lease_key, rig};

fn count(lease: &mut Lease) {
    *lease.spec.lease_transitions.get_or_insert(0) += 1;
}

#[tokio::test(start_paused = true)]
async fn edits_made_at_once_are_all_kept() {
    let rig = rig();
    rig.client.create(&lease("team-a", "a", "x")).await.unwrap();
    let key = lease_key("team-a", "a");
    let edits = (0..5).map(|_| rig.client.edit(&key, count));
    join_all(edits).await.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    let lease: Lease = rig.client.get(&key).await.unwrap().unwrap();
    assert_eq!(lease.spec.lease_transitions, Some(5));
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_never_wins_ends_with_the_conflict() {
    let rig = rig();
    rig.client.create(&lease("team-a", "a", "x")).await.unwrap();
    let key = lease_key("team-a", "a");
    let attempts = AtomicU32::new(0);
    let rival = rig.client.clone();
    let edit = rig.client.edit(&key, |lease: &mut Lease| {
        attempts.fetch_add(1, Ordering::Relaxed);
        count(lease);
    });
    let (mut edit, mut rivals) = (Box::pin(edit), 0);
    // The rival writes between each read and the write that follows it.
    let result = loop {
        match futures::poll!(&mut edit) {
            std::task::Poll::Ready(result) => break result,
            std::task::Poll::Pending => {
                rivals += 1;
                rival.edit(&key, count).await.unwrap();
            }
        }
    };
    assert!(result.unwrap_err().is_conflict());
    assert_eq!(attempts.load(Ordering::Relaxed), EDIT_ATTEMPTS);
    let lease: Lease = rig.client.get(&key).await.unwrap().unwrap();
    assert_eq!(lease.spec.lease_transitions, Some(rivals));
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_finds_something_else_writes_nothing() {
    let rig = rig();
    rig.client.create(&lease("team-a", "a", "x")).await.unwrap();
    let key = lease_key("team-a", "a");
    let before = rig.store.revision().await.unwrap();
    let refusal = |lease: &mut Lease| {
        count(lease);
        Err(Status::new(Reason::Conflict, "taken"))
    };
    assert!(rig.client.try_edit(&key, refusal).await.unwrap_err().is_conflict());
    let same = |_: &mut Lease| {};
    rig.client.edit(&key, same).await.unwrap();
    assert_eq!(rig.store.revision().await.unwrap(), before);
}

#[tokio::test(start_paused = true)]
async fn each_refusal_can_be_told_from_the_others() {
    let rig = rig();
    let client = &rig.client;
    let stale = client.create(&lease("team-a", "a", "x")).await.unwrap();
    assert!(client.create(&stale).await.unwrap_err().is_already_exists());
    client.edit(&stale.key(), count).await.unwrap();
    let mut other = stale.clone();
    other.spec.holder_identity = Some("y".into());
    assert!(client.update(&other).await.unwrap_err().is_conflict());
    assert!(client.delete(&stale.key(), unchanged(&stale)).await.unwrap_err().is_conflict());
    client.delete(&stale.key(), same(&stale)).await.unwrap();
    assert!(client.edit(&stale.key(), count).await.unwrap_err().is_not_found());
    assert!(client.delete(&stale.key(), same(&stale)).await.unwrap_err().is_not_found());
    rig.store.set_outage(Some("away"));
    assert!(client.get::<Lease>(&stale.key()).await.unwrap_err().is_transient());
}

#[tokio::test(start_paused = true)]
async fn guards_hold_for_every_write_of_a_guarded_client() {
    let rig = rig();
    let guard = Guard::CountBelow {
        kind: Kind::Lease,
        namespace: Some("team-a".into()),
        labels: Default::default(),
        limit: 1,
        message: "one is enough".into(),
        code: "quota".into(),
    };
    let guarded = rig.client.guarded(vec![guard]);
    guarded.create(&lease("team-a", "a", "x")).await.unwrap();
    let refused = guarded.create(&lease("team-a", "b", "x")).await.unwrap_err();
    assert_eq!(refused.guard_code(), Some("quota"));
    rig.client.create(&lease("team-a", "b", "x")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_status_edit_leaves_the_rest_and_an_edit_leaves_the_status() {
    let rig = rig();
    let machine = Machine {
        metadata: ObjectMeta::named("", "m-1"),
        spec: MachineSpec::default(),
        status: MachineStatus::default(),
    };
    let key = rig.client.create(&machine).await.unwrap().key();
    let both = |machine: &mut Machine| {
        machine.status.instance_id = Some(7);
        machine.spec.display_name = "renamed".into();
    };
    let edited = rig.client.edit(&key, both).await.unwrap();
    assert_eq!((edited.status.instance_id, &*edited.spec.display_name), (None, "renamed"));
    let other = |machine: &mut Machine| {
        machine.status.instance_id = Some(7);
        machine.spec.display_name = "again".into();
    };
    let edited = rig.client.edit_status(&key, other).await.unwrap();
    assert_eq!((edited.status.instance_id, &*edited.spec.display_name), (Some(7), "renamed"));
}
