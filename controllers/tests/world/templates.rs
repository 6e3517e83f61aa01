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
use devpocket_specs::operation::{Operation, Verb};
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

#[tokio::test(start_paused = true)]
async fn a_newer_version_is_taken_when_it_is_named_and_approved_and_by_nobody_else() {
    let mut world = with_environments(3).await;
    edit(&world, "cowsay").await;
    world.pass(10 * MINUTE).await;
    let mutations = world.mutating_calls();
    world.edit("web-1", |spec| spec.template = Some("python@2".into())).await;
    world.pass(30 * MINUTE).await;
    assert_eq!(world.mutating_calls(), mutations, "a wiped disk takes a person's word");
    let waiting = world.environment("web-1").unwrap();
    let step = &waiting.status.plan.as_ref().unwrap().steps[0];
    assert_eq!(step.summary, "wipe the disk and install python@2, it has python@1");
    assert_eq!((step.call.as_str(), step.approved), ("reinstall", false));
    assert_eq!(waiting.status.phase, Phase::Running, "it is used until then");
    assert!(condition_is(&world, "web-1", conditions::WAITING));

    // The version that is named is the one installed, whatever comes out meanwhile.
    edit(&world, "figlet").await;
    world.approve("web-1").await;
    assert!(world.until(HOUR, |w| version(w, "web-1") == (2, Some(3))).await);
    assert!(world.ready("web-1", HOUR).await);
    world.pass(HOUR).await;
    let of = |world: &World, name: &str| {
        let machine = world.machine_of(name).unwrap().metadata.name;
        let all = world.all::<Operation>().into_values().filter(|o| o.spec.machine == machine);
        let mut all: Vec<_> = all.map(|o| (o.metadata.creation_timestamp, o.spec.verb)).collect();
        all.sort();
        all.into_iter().map(|(_, verb)| verb).collect::<Vec<_>>()
    };
    let verbs = of(&world, "web-1");
    let once = verbs.iter().filter(|verb| !verb.is_repeatable());
    assert_eq!(once.collect::<Vec<_>>(), [&Verb::Purchase, &Verb::Reinstall], "{verbs:?}");
    assert_eq!(of(&world, "web-0"), of(&world, "web-2"), "the others are left alone");
    assert!(!of(&world, "web-0").contains(&Verb::Reinstall));
    assert_eq!(world.purchases(), 3);
    assert_eq!((version(&world, "web-0"), version(&world, "web-2")), ((1, Some(3)), (1, Some(3))));
    assert_eq!(world.environment("web-1").unwrap().status.plan, None);

    // Named without a version again, it keeps what it has; its way back is a version, too.
    world.edit("web-1", |spec| spec.template = Some("python".into())).await;
    world.pass(10 * MINUTE).await;
    assert_eq!(world.environment("web-1").unwrap().status.plan, None);
    world.edit("web-1", |spec| spec.template = Some("python@1".into())).await;
    world.pass(10 * MINUTE).await;
    let back = world.environment("web-1").unwrap().status.plan.unwrap();
    assert_eq!(back.steps[0].summary, "wipe the disk and install python@1, it has python@2");
}

#[tokio::test(start_paused = true)]
async fn what_takes_a_machine_back_knows_what_is_on_its_disk() {
    let mut world = with_environments(1).await;
    let old = world.environment("web-0").unwrap();
    edit(&world, "cowsay").await;
    world.delete("web-0").await;
    let gone = |w: &World| w.environment("web-0").is_none();
    assert!(world.until(HOUR, gone).await);
    world.undelete("web-0", &old).await;
    assert!(world.ready("web-0", HOUR).await);
    world.pass(HOUR).await;
    assert_eq!(version(&world, "web-0"), (1, Some(2)));
    assert_eq!(world.environment("web-0").unwrap().status.plan, None);
    assert!(world.operations(Verb::Reinstall).is_empty());
    assert_eq!(world.purchases(), 1);
}

fn version(world: &World, name: &str) -> (i64, Option<i64>) {
    let installed = world.environment(name).unwrap().status.template.unwrap();
    (installed.generation, installed.newer)
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
