//! Templates: what an edit of one does to machines (nothing), which version a machine gets, and
//! how those that come with DevPocket are brought.

use devpocket_controllers::manager::templates::ensure;
use devpocket_controllers::sim::contabo::{OperationName, PanelAction};
use devpocket_controllers::sim::world::{Options, World};
use devpocket_specs::admit::Preconditions;
use devpocket_specs::environment::{Phase, conditions};
use devpocket_specs::installation::Installation;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use devpocket_specs::template::{SHIPPED, Template, is_untouched, shipped, shipped_template};

use crate::outside::condition_is;
use crate::{HOUR, MINUTE};

const SYSTEM: &str = "system:devpocket";

fn key(name: &str) -> Key {
    Key::cluster(Kind::Template, name)
}

async fn python(world: &World) {
    let template = shipped_template(shipped("python").unwrap()).unwrap();
    world.client("admin").create(&template).await.unwrap();
}

/// Another package, and so another version.
async fn edit(world: &World, package: &str) {
    let add = |template: &mut Template| template.spec.packages.push(package.to_owned());
    world.client("admin").edit(&key("python"), add).await.unwrap();
}

/// A world with so many environments of the template, all ready.
async fn with_environments(count: usize) -> World {
    let mut world = World::started(Options::default());
    python(&world).await;
    for n in 0..count {
        world.declare(&format!("web-{n}"), |spec| spec.template = Some("python".into())).await;
    }
    for n in 0..count {
        assert!(world.ready(&format!("web-{n}"), 2 * HOUR).await, "{n}");
    }
    world.pass(30 * MINUTE).await;
    world
}

#[tokio::test(start_paused = true)]
async fn editing_a_template_under_forty_environments_makes_no_call() {
    let mut world = with_environments(40).await;
    let (mutations, gets) = (world.mutating_calls(), world.calls(OperationName::GetInstance));
    for package in ["cowsay", "figlet", "sl"] {
        edit(&world, package).await;
        world.pass(10 * MINUTE).await;
    }
    world.pass(HOUR).await;
    assert_eq!(world.mutating_calls(), mutations);
    assert_eq!(world.calls(OperationName::GetInstance), gets);
    for n in 0..40 {
        let environment = world.environment(&format!("web-{n}")).unwrap();
        let installed = environment.status.template.unwrap();
        assert_eq!((installed.generation, installed.newer), (1, Some(4)), "{n}");
        assert_eq!((environment.status.phase, environment.status.plan), (Phase::Running, None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_somebody_replaced_gets_back_the_version_it_had() {
    let mut world = with_environments(1).await;
    edit(&world, "cowsay").await;
    let id = world.instance_of("web-0").unwrap();
    world.panel(id, &PanelAction::Reinstall { image_id: None });
    world.pass(20 * MINUTE).await;
    assert!(condition_is(&world, "web-0", conditions::DISK_REPLACED));
    let plan = world.environment("web-0").unwrap().status.plan.unwrap();
    assert_eq!(plan.steps[0].summary, "install python@1");
    world.declare("new", |spec| spec.template = Some("python".into())).await;
    assert!(world.ready("new", HOUR).await);
    let installed = world.environment("new").unwrap().status.template.unwrap();
    assert_eq!((installed.generation, installed.newer), (2, None), "a new one takes the current");
}

fn all() -> Vec<&'static str> {
    SHIPPED.map(|(_, yaml)| yaml).to_vec()
}

#[tokio::test(start_paused = true)]
async fn shipped_templates_are_brought_once_and_what_was_changed_or_deleted_stays_so() {
    let mut world = World::started(Options::default());
    world.pass(MINUTE).await;
    let system = world.client(SYSTEM);
    ensure(&system, &all()).await.unwrap();
    assert_eq!(world.all::<Template>().len(), SHIPPED.len());
    assert_eq!(world.all::<Installation>()["devpocket"].status.shipped_templates.len(), 7);

    edit(&world, "cowsay").await;
    world.client("admin").delete(&key("rust"), Preconditions::default()).await.unwrap();
    // As an older version of DevPocket brought it.
    let older = shipped("go").unwrap().replace("packages: [curl, ", "packages: [");
    let older = shipped_template(&older).unwrap();
    let put = |template: &mut Template| {
        template.spec.clone_from(&older.spec);
        template.metadata.annotations.extend(older.metadata.annotations.clone());
    };
    world.client("admin").edit(&key("go"), put).await.unwrap();
    let writes = world.writes();
    ensure(&system, &all()).await.unwrap();
    assert_eq!(world.writes() - writes, 1, "only go is renewed");
    let templates = world.all::<Template>();
    assert!(!templates.contains_key("rust"), "deleted is deleted");
    assert!(templates["python"].spec.packages.contains(&"cowsay".to_owned()));
    assert!(!is_untouched(&templates["python"]) && is_untouched(&templates["go"]));
    let current = shipped_template(shipped("go").unwrap()).unwrap();
    assert_eq!(templates["go"].spec, current.spec);
    assert_eq!(templates["go"].metadata.generation, 3);
    ensure(&system, &all()).await.unwrap();
    assert_eq!(world.writes() - writes, 1, "and then nothing more");
}
