//! The life of an environment on a good day.

use std::time::Duration;

use devpocket_controllers::sim::world::{Options, World};

pub const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn a_declared_environment_becomes_a_running_machine_with_one_purchase() {
    let mut world = World::started(Options::default());
    world.declare("web", |_| {}).await;
    let ready = world.ready("web", HOUR).await;
    assert!(ready);
    assert_eq!(world.purchases(), 1);
}
