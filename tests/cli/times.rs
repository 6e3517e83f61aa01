//! Ages and ends are counted by the server's clock, which may be ahead of this computer's.

use std::time::Duration;

use crate::world::World;

#[tokio::test]
async fn after_a_month_at_the_server_things_are_a_month_old() {
    let world = World::new().await;
    world.declare("web").await;
    world.clock.advance(Duration::from_secs(30 * 86_400));
    let ended = world.run(&["get", "env"]).await.done();
    assert!(ended.out.trim_end().ends_with(" 30d"), "{}", ended.out);
    world.run(&["pause", "web", "--for", "2h"]).await.done();
    let pause = world.environment("web").await.unwrap().spec.paused.unwrap();
    let left = pause.until.duration_since(world.client.now());
    assert!(left.as_secs() > 7_100 && left.as_secs() <= 7_201, "{left}");
}
