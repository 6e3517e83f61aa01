//! A plan that no longer fits is refused with the fact that moved.

use devpocket_specs::environment::{Drift, Power};
use devpocket_specs::installation::{self, Installation};
use devpocket_specs::kind::Kind;
use devpocket_specs::machine::{Claim, Machine, MachineSpec, MachineState, MachineStatus, Seen};
use devpocket_specs::metadata::ObjectMeta;
use devpocket_specs::object::{Key, Resource as _};
use jiff::Timestamp;
use serde_json::Value;

use crate::world::World;

/// `web` as its file declares it.
const FILE: &str = "apiVersion: devpocket.dev/v1alpha1\nkind: Environment\n\
                    metadata: {name: web}\nspec: {size: vps-10-nvme, region: EU}\n";

/// Binds a machine that runs to `web`, as the controllers would.
async fn bound(world: &World) -> Machine {
    let environment = world.environment("web").await.unwrap();
    let claim = Claim {
        uid: environment.uid(),
        namespace: "main".into(),
        name: "web".into(),
        at: world.client.now(),
    };
    let spec = MachineSpec { managed: true, claim: Some(claim), ..MachineSpec::default() };
    let metadata = ObjectMeta::named("", "m-1");
    let machine = Machine { metadata, spec, status: MachineStatus::default() };
    let mut machine = world.client.create(&machine).await.unwrap();
    machine.status = MachineStatus {
        state: MachineState::Running,
        instance_id: Some(2_561_007),
        instance_name: Some("vmi2561007".into()),
        seen: Some(seen(world, Power::Running)),
        ..MachineStatus::default()
    };
    world.client.update_status(&machine).await.unwrap()
}

fn seen(world: &World, power: Power) -> Seen {
    Seen {
        provider_status: if power == Power::Running { "running" } else { "stopped" }.into(),
        power: Some(power),
        display_name: "web".into(),
        product_id: "V91".into(),
        region: "EU".into(),
        image_id: None,
        address: None,
        address_v6: None,
        cancel_date: None,
        created: None,
        error_message: None,
        since: world.client.now(),
    }
}

async fn stopped_outside(world: &World, since: Timestamp) {
    let key = Key::cluster(Kind::Machine, "m-1");
    let stopped = seen(world, Power::Stopped);
    let edited = world.client.edit_status(&key, |machine: &mut Machine| {
        machine.status.seen = Some(stopped.clone());
        machine.status.outside = vec![Drift {
            what: "power".into(),
            message: "vmi2561007 was seen Stopped".into(),
            since,
            by: "ops@example.com".into(),
            healed: None,
        }];
    });
    edited.await.unwrap();
    // The list that showed it is the newest there is.
    let now = world.client.now();
    let key = Key::cluster(Kind::Installation, installation::NAME);
    let swept = world.client.edit_status(&key, |installation: &mut Installation| {
        if let Some(sweep) = installation.status.sweep.as_mut() {
            sweep.as_of = now;
        }
    });
    swept.await.unwrap();
}

async fn planned(world: &World, call: &[&str]) -> String {
    let text = world.run(call).await.done().out;
    text.lines().next().unwrap().split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn the_machine_that_moved_is_named_with_since_when_and_by_whom() {
    let world = World::new().await;
    world.file("envs/web.yaml", FILE);
    world.file("envs/api.yaml", &FILE.replace("name: web", "name: api"));
    world.run(&["apply", "-f", "envs/web.yaml", "--yes"]).await.done();
    bound(&world).await;
    let hash = planned(&world, &["plan", "-f", "envs"]).await;
    let since: Timestamp = "2026-01-01T14:02:00Z".parse().unwrap();
    stopped_outside(&world, since).await;

    let ended = world.run(&["apply", "-f", "envs", "--plan", &hash]).await;
    assert_eq!(ended.code, 4, "{}", ended.err);
    let text = ended.err.split_whitespace().collect::<Vec<_>>().join(" ");
    let first = format!("error[plan-stale]: plan {hash} no longer fits the world (made ");
    assert!(text.starts_with(&first), "{text}");
    assert!(
        text.contains(
            "because vmi2561007 of env/web was Running and is Stopped since 2026-01-01 14:02 \
             (Contabo audit: ops@example.com). 1 other is as it was"
        ),
        "{text}"
    );
    assert!(text.contains("so far nothing was changed, nothing was bought"), "{text}");
    assert!(
        text.contains("try devpocket plan -f envs the new plan has 1 step more: start vmi2561007"),
        "{text}"
    );
    assert!(world.environment("api").await.is_none(), "nothing was written");
}

#[tokio::test]
async fn what_somebody_else_declared_meanwhile_is_named() {
    let world = World::new().await;
    world.file("web.yaml", FILE);
    let hash = planned(&world, &["plan", "-f", "web.yaml"]).await;
    world.declare("web").await;
    let ended = world.run(&["apply", "-f", "web.yaml", "--plan", &hash]).await;
    assert_eq!(ended.code, 4, "{}", ended.err);
    assert!(ended.err.contains("env/web is declared since"), "{}", ended.err);
}

#[tokio::test]
async fn a_file_that_was_changed_since_is_named_as_that() {
    let world = World::new().await;
    world.file("web.yaml", FILE);
    let hash = planned(&world, &["plan", "-f", "web.yaml"]).await;
    world.file("web.yaml", &FILE.replace("vps-10-nvme", "vps-20-nvme"));
    let ended = world.run(&["apply", "-f", "web.yaml", "--plan", &hash]).await;
    assert_eq!(ended.code, 4, "{}", ended.err);
    let text = ended.err.split_whitespace().collect::<Vec<_>>().join(" ");
    let moved = "env/web is declared otherwise than then: size vps-10-nvme → vps-20-nvme";
    assert!(text.contains(moved), "{text}");
    assert!(world.environment("web").await.is_none());
}

#[tokio::test]
async fn a_plan_of_a_deletion_is_held_to_as_well() {
    let world = World::new().await;
    world.declare("web").await;
    bound(&world).await;
    let dry = world.run(&["delete", "web", "--dry-run", "-o", "json"]).await.done();
    let plan: Value = serde_json::from_str(&dry.out).unwrap();
    assert_eq!(plan["items"][0]["plan"]["steps"][0]["summary"], "release vmi2561007");
    let hash = plan["hash"].as_str().unwrap();
    let wrong = world.run(&["delete", "web", "--plan", "7c41e9"]).await;
    wrong.refused(4, "error[plan-stale]: plan 7c41e9 no longer fits the world");
    assert!(world.environment("web").await.is_some());

    // Another machine is bound meanwhile: what was agreed to is not what would happen.
    let key = Key::cluster(Kind::Machine, "m-1");
    let freed = world.client.edit(&key, |machine: &mut Machine| machine.spec.claim = None);
    freed.await.unwrap();
    let stale = world.run(&["delete", "web", "--plan", hash]).await;
    assert_eq!(stale.code, 4, "{}", stale.err);
    assert!(world.environment("web").await.is_some());
    let now = world.run(&["delete", "web", "--dry-run", "-o", "json"]).await.done();
    let now: Value = serde_json::from_str(&now.out).unwrap();
    world.run(&["delete", "web", "--plan", now["hash"].as_str().unwrap()]).await.done();
    let left = world.environment("web").await;
    assert!(left.is_none_or(|environment| environment.metadata.is_deleting()));
}

#[tokio::test]
async fn a_disk_that_cannot_come_back_is_not_given_up_by_yes() {
    let world = World::new().await;
    world.declare("web").await;
    bound(&world).await;
    world
        .stand("web", |status| {
            status.machine = Some(devpocket_specs::environment::BoundMachine {
                name: "m-1".into(),
                ..Default::default()
            });
        })
        .await;
    let key = Key::cluster(Kind::Installation, installation::NAME);
    let at_once = world.client.edit(&key, |installation: &mut Installation| {
        installation.spec.reclaim_after_seconds = 0;
    });
    at_once.await.unwrap();
    let ended = world.run(&["delete", "web", "--yes"]).await;
    assert_eq!(ended.code, 4, "{}", ended.err);
    assert!(
        ended.err.contains("error[approval]: This loses the data of env/web."),
        "{}",
        ended.err
    );
    let command = ended.err.lines().find_map(|line| line.split("  try      ").nth(1)).unwrap();
    assert!(command.starts_with("devpocket delete env/web --plan "), "{command}");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    world.run(&words).await.done();
    let left = world.environment("web").await;
    assert!(left.is_none_or(|environment| environment.metadata.is_deleting()));
}
