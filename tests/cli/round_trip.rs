//! What is printed of an object can be applied again.

use serde_json::Value;

use crate::world::World;

const REST: &str = "apiVersion: v1
kind: Secret
metadata: {name: db, labels: {team: a}}
stringData: {password: hunter2}
---
apiVersion: devpocket.dev/v1alpha1
kind: Template
metadata: {name: tiny}
spec: {description: nothing much, packages: [git]}
";

/// Two environments of which the controllers have said something.
async fn two() -> World {
    let world = World::new().await;
    for name in ["db", "api"] {
        world.declare(name).await;
        world.stand(name, |status| status.message = "ordered".into()).await;
    }
    world
}

/// What `get` prints, in a file.
async fn printed(world: &World, arguments: &[&str]) -> String {
    let text = world.run(&[&["get"], arguments].concat()).await.done().out;
    world.file("printed", &text);
    text
}

/// No field of the file differs, and applying it changes none.
async fn is_same(world: &World) {
    let diff = world.run(&["diff", "-f", "printed", "--exit-code"]).await.done();
    assert_eq!((diff.out.as_str(), diff.err.as_str()), ("", "Nothing differs.\n"));
    let applied = world.run(&["apply", "-f", "printed", "--yes"]).await.done();
    // What is still to be done for it is shown, and is no change.
    assert!(!applied.out.contains("~ ") && !applied.out.contains("✓"), "{applied:?}");
}

#[tokio::test]
async fn what_get_prints_is_applied_again_without_a_difference() {
    let world = two().await;
    for arguments in [
        &["env/db", "-o", "yaml"] as &[&str],
        &["env/db", "-o", "json"],
        &["env", "-o", "yaml"],
        &["env/db", "-o", "yaml", "--show-managed-fields"],
    ] {
        let text = printed(&world, arguments).await;
        for there in ["resourceVersion", "uid", "creationTimestamp", "status"] {
            assert!(text.contains(there), "{there} is no more of it: {text}");
        }
        let managed = arguments.contains(&"--show-managed-fields");
        assert_eq!(text.contains("managedFields"), managed, "{arguments:?}: {text}");
        // The controllers write meanwhile.
        world.stand("db", |status| status.message.push('.')).await;
        let before = world.environment("db").await.unwrap();
        is_same(&world).await;
        // Whoever applies it declares it too, and nothing else.
        let after = world.environment("db").await.unwrap();
        assert_eq!(after.metadata.generation, before.metadata.generation, "{arguments:?}");
        assert_eq!((after.spec, after.status), (before.spec, before.status), "{arguments:?}");
    }
    world.file("rest.yaml", REST);
    world.run(&["apply", "-f", "rest.yaml", "--yes"]).await.done();
    for name in ["secret/db", "template/tiny"] {
        printed(&world, &[name, "-o", "yaml"]).await;
        is_same(&world).await;
    }
}

#[tokio::test]
async fn what_is_changed_in_it_is_changed_and_nothing_else() {
    let world = two().await;
    let text = printed(&world, &["env/db", "-o", "yaml"]).await;
    world.stand("db", |status| status.message.push('.')).await;
    let before = world.environment("db").await.unwrap();
    world.file("printed", &text.replace("power: Running", "power: Stopped"));
    let applied = world.run(&["apply", "-f", "printed", "--yes"]).await.done();
    assert!(applied.out.contains("~ env/db  power Running → Stopped"), "{}", applied.out);
    let after = world.environment("db").await.unwrap();
    assert_eq!((after.metadata.uid, &after.status), (before.metadata.uid, &before.status));
    // A backup of one that is gone makes a new one, and says so before.
    let key = world.key("db");
    world.client.delete(&key, Default::default()).await.unwrap();
    let planned = world.run(&["plan", "-f", "printed"]).await.done();
    assert!(planned.out.contains("+ env/db"), "{}", planned.out);
    world.run(&["apply", "-f", "printed", "--yes"]).await.done();
    let again = world.environment("db").await.unwrap();
    assert_ne!(again.metadata.uid, after.metadata.uid);
    assert_eq!(again.spec, after.spec);
}

#[tokio::test]
async fn a_revision_that_was_written_down_by_hand_is_a_condition() {
    let world = World::new().await;
    world.declare("web").await;
    let file = |revision: &str| {
        format!(
            "apiVersion: devpocket.dev/v1alpha1\nkind: Environment\n\
             metadata: {{name: web, resourceVersion: \"{revision}\", managedFields: [{{}}]}}\n\
             spec: {{size: vps-10-nvme, region: EU, power: Stopped}}\n"
        )
    };
    world.file("web.yaml", &file("1"));
    let refused = world.run(&["apply", "-f", "web.yaml", "--yes", "--force-conflicts"]).await;
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.err.contains("web.yaml:3:"), "{}", refused.err);
    let revision = world.environment("web").await.unwrap().metadata.resource_version.unwrap();
    world.file("web.yaml", &file(&revision.to_string()));
    world.run(&["apply", "-f", "web.yaml", "--yes", "--force-conflicts"]).await.done();
}

#[tokio::test]
async fn who_manages_which_field_is_shown_to_who_asks_for_it() {
    let world = two().await;
    let fields = |text: &str| {
        let value: Value = serde_json::from_str(text).unwrap();
        let list = value["items"].as_array().cloned().unwrap_or_else(|| vec![value]);
        list.iter().filter(|item| !item["metadata"]["managedFields"].is_null()).count()
    };
    for (arguments, objects) in [
        (&["get", "env", "-o", "json"] as &[&str], 2),
        (&["get", "env", "api", "-o", "json"], 1),
        (&["describe", "env/api", "-o", "json"], 1),
        (&["stop", "api", "-o", "json"], 1),
        (&["apply", "-f", "printed", "-o", "json", "--yes"], 1),
    ] {
        if arguments[0] == "apply" {
            printed(&world, &["env/api", "-o", "json"]).await;
        }
        let bare = world.run(arguments).await.done();
        assert_eq!(fields(&bare.out), 0, "{arguments:?}");
        let asked = world.run(&[arguments, &["--show-managed-fields"]].concat()).await.done();
        assert_eq!(fields(&asked.out), objects, "{arguments:?}");
    }
    let mut watched = world.start(&["get", "env/api", "-w", "-o", "json"]);
    let line = watched.answer().await.unwrap();
    assert!(line.contains("\"name\":\"api\"") && !line.contains("managedFields"), "{line}");
}
