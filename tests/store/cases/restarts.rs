use devpocket_specs::kind::Kind;

use crate::objects::*;
use crate::worlds::World;

/// Breaks without it: a restart forgets what people made.
pub async fn a_restart_keeps_every_acknowledged_write(world: &mut dyn World) {
    let mut expected = Vec::new();
    for n in 0..20 {
        expected.push(create_template(&*world.store(), &format!("t{n:02}")).await);
    }
    world.restart().await;
    let listing = world.store().list(Kind::Template, None).await.unwrap();
    assert_eq!(listing.items.len(), expected.len());
    for (is, was) in listing.items.iter().zip(&expected) {
        assert_eq!(is.object, was.object);
        assert_eq!(is.bytes, was.bytes);
    }
}

/// Breaks without it: revisions start over, and what clients remember means something else.
pub async fn revisions_go_on_after_a_restart(world: &mut dyn World) {
    let before = create_template(&*world.store(), "a").await.revision();
    world.restart().await;
    let store = world.store();
    assert!(store.revision().await.unwrap() >= before);
    let after = create_template(&*store, "b").await.revision();
    assert!(after > before);
}

/// Breaks without it: a client that watches on after a restart misses the first changes.
pub async fn a_watch_goes_on_from_a_list_made_before_a_restart(world: &mut dyn World) {
    create_template(&*world.store(), "a").await;
    let listing = world.store().list(Kind::Template, None).await.unwrap();
    world.restart().await;
    let store = world.store();
    let mut watch = store.watch(Kind::Template, listing.revision).await.unwrap();
    create_template(&*store, "b").await;
    assert_eq!(told(&[event(&mut watch).await]), ["added b=0"]);
}

/// Breaks without it: after a restart the first edit of everything conflicts.
pub async fn what_was_read_before_a_restart_can_be_edited_after(world: &mut dyn World) {
    let read = create_template(&*world.store(), "a").await;
    world.restart().await;
    let edited = describe(&*world.store(), &read, "1").await;
    assert!(edited.revision() > read.revision());
}
