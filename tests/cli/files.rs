//! Folders, several documents, and who owns which field.

use crate::world::World;

const TWO: &str = "apiVersion: v1
kind: Namespace
metadata: {name: team-a}
---
apiVersion: devpocket.dev/v1alpha1
kind: Template
metadata: {name: tiny}
spec: {description: nothing much, packages: [git]}
---
apiVersion: devpocket.dev/v1alpha1
kind: Environment
metadata: {name: web, namespace: team-a}
spec: {size: vps-10-nvme, region: EU, template: tiny}
";

#[tokio::test]
async fn what_others_refer_to_is_made_first_whatever_the_order() {
    let world = World::new().await;
    let mut documents: Vec<&str> = TWO.split("---\n").collect();
    documents.reverse();
    world.file("all.yaml", &documents.join("---\n"));
    let planned = world.run(&["plan", "-f", "all.yaml"]).await.done();
    assert!(planned.out.contains("+ env/web"), "{}", planned.out);
    assert!(planned.out.contains("5.50 EUR due"), "the price is known: {}", planned.out);
    let applied = world.run(&["apply", "-f", "all.yaml", "--yes"]).await.done();
    assert!(applied.out.contains("env/web  declared"), "{}", applied.out);
    let again = world.run(&["plan", "-f", "all.yaml", "--exit-code"]).await;
    assert_ne!(again.code, 2, "{}", again.err);
    let listed = world.run(&["get", "env", "-n", "team-a", "-o", "name"]).await.done();
    assert_eq!(listed.out, "env/web\n");
}

#[tokio::test]
async fn stdin_is_read_only_when_it_is_asked_for() {
    let world = World::new().await;
    let path = world.home.path().join("all.yaml");
    world.file("all.yaml", TWO);
    let mut command = world.program(&["apply", "-f", "-", "--yes"]);
    command.stdin(std::fs::File::open(path).unwrap());
    let output = tokio::process::Command::from(command).kill_on_drop(true).output();
    let output = tokio::time::timeout(std::time::Duration::from_secs(60), output).await.unwrap();
    assert!(output.unwrap().status.success());
}

#[tokio::test]
async fn a_field_somebody_else_owns_is_not_taken_silently() {
    let world = World::new().await;
    let file = |power: &str| {
        format!(
            "apiVersion: devpocket.dev/v1alpha1\nkind: Environment\nmetadata: {{name: web}}\n\
             spec:\n  size: vps-10-nvme\n  region: EU\n  power: {power}\n"
        )
    };
    world.file("web.yaml", &file("Running"));
    world.run(&["apply", "-f", "web.yaml", "--yes"]).await.done();
    world.run(&["stop", "web"]).await.done();
    let ended = world.run(&["apply", "-f", "web.yaml", "--yes"]).await;
    ended
        .refused(4, "error[ownership]: spec.power of env/web belongs to devpocket-edit")
        .says(&["  at       web.yaml:7:10  env/web"])
        .says(&["           devpocket apply -f web.yaml --force-conflicts    takes them over"]);
    // Whose a field is hides nothing that is wrong with the file itself.
    let text = file("Running").replace("vps-10-nvme", "vps-10-nvmee");
    let wrong = format!("{text}  regio: EU\n");
    world.file("wrong.yaml", &wrong);
    let ended = world.run(&["apply", "-f", "wrong.yaml", "--yes"]).await;
    for code in ["error[not-supported]", "error[unknown-field]", "error[ownership]"] {
        assert!(ended.err.contains(code), "missing {code} in:\n{}", ended.err);
    }
    let forced = ["apply", "-f", "web.yaml", "--yes", "--force-conflicts"];
    world.run(&forced).await.done();
    let power = world.environment("web").await.unwrap().spec.power;
    assert_eq!(power, devpocket_specs::environment::Power::Running);
}

#[tokio::test]
async fn one_object_declared_twice_is_refused() {
    let world = World::new().await;
    world.file("envs/a.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n");
    world.file("envs/b.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n");
    let ended = world.run(&["plan", "-f", "envs"]).await;
    let first = "error[duplicate-object]: namespace/a is declared twice; first at envs/a.yaml:1:1";
    ended.refused(2, first);
}
