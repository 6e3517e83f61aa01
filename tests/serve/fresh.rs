//! From nothing to the first environment, by the commands of the README: the secrets it makes, doctor,
//! serve, login, plan, apply. Only Docker is left out; its files have tests of their own.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::{Process, Variables};
use crate::support::postgres::TestDatabase;
use crate::world::World;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// What World has for the processes and `.env` says here.
const FROM_THE_FILE: [&str; 7] = [
    "CONTABO_CLIENT_ID",
    "CONTABO_CLIENT_SECRET",
    "CONTABO_USERNAME",
    "CONTABO_PASSWORD",
    "DEVPOCKET_ADMIN_TOKEN",
    "DEVPOCKET_SEAL_KEY",
    "SECRET_KEY",
];

/// The block of the README that makes the secrets, as it stands there.
fn secrets_block() -> String {
    let readme = std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let from = readme.find("for name in DEVPOCKET_ADMIN_TOKEN").expect("the README makes secrets");
    let block = &readme[from..];
    block[..block.find("```").unwrap()].to_owned()
}

/// `.env` as somebody has it who followed the README.
fn filled_in(world: &World) {
    let file = world.path().join(".env");
    std::fs::copy(Path::new(ROOT).join("examples/deploy/env.example"), &file).unwrap();
    let made = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &secrets_block()])
        .current_dir(world.path())
        .status()
        .unwrap();
    assert!(made.success());
    let mut text = std::fs::read_to_string(&file).unwrap();
    for name in &FROM_THE_FILE[..4] {
        let line = format!("\n{name}=\n");
        assert!(text.contains(&line), "env.example has no {name}");
        text = text.replace(&line, &format!("\n{name}='{}'\n", world.variables[*name]));
    }
    text = text.replace("\nDEVPOCKET_MONTHLY_BUDGET=\n", "\nDEVPOCKET_MONTHLY_BUDGET='30 EUR'\n");
    std::fs::write(&file, text).unwrap();
}

fn from_env(world: &World, name: &str) -> String {
    let text = std::fs::read_to_string(world.path().join(".env")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
    line.expect("it is in .env").to_owned()
}

#[tokio::test]
async fn the_readmes_way_from_nothing_to_the_first_environment() {
    let (mut world, _database): (World, TestDatabase) = World::empty().await;
    filled_in(&world);
    for name in FROM_THE_FILE.iter().chain(&["DEVPOCKET_MONTHLY_BUDGET"]) {
        world.variables.remove(*name);
    }
    for name in &FROM_THE_FILE[4..] {
        assert_eq!(from_env(&world, name).len(), 64, "{name} was made");
    }
    let config = world.path().join("config.yaml").display().to_string();

    let looked = world.call(&["doctor"]).await;
    assert_eq!(looked.code, 0, "{}{}", looked.out, looked.err);
    assert_eq!(world.purchases().await, 0);

    let mut process = Process::start(world.path(), &world.variables, &["serve"]);
    let serving = process.entry("serving").await;
    let url = format!("http://{}", serving["address"].as_str().unwrap());
    let mut login = Command::new(env!("CARGO_BIN_EXE_devpocket"))
        .args(["login", &url, "--token-file", "-"])
        .env("DEVPOCKET_CONFIG", &config)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let token = from_env(&world, "DEVPOCKET_ADMIN_TOKEN");
    writeln!(login.stdin.take().unwrap(), "{token}").unwrap();
    assert!(login.wait().unwrap().success());

    let person: Variables = [("DEVPOCKET_CONFIG".to_owned(), config)].into();
    let first = Path::new(ROOT).join("examples/deploy/first.yaml").display().to_string();
    let run = async |arguments: &[&str]| {
        let ended = crate::process::call(world.path(), &person, arguments).await;
        assert_eq!(ended.code, 0, "{arguments:?}: {}{}", ended.out, ended.err);
        ended.out
    };
    crate::process::eventually("a first look at the account", async || {
        let status = crate::process::call(world.path(), &person, &["status"]).await;
        status.out.contains("Leader").then_some(())
    })
    .await;
    let plan = run(&["plan", "-f", &first]).await;
    assert!(plan.contains("buy 1 × vps-10-nvme in EU"), "{plan}");
    run(&["apply", "-f", &first, "--yes", "--wait", "--timeout", "110s"]).await;
    assert_eq!(world.purchases().await, 1);
    let told = run(&["explain", "env/web"]).await;
    assert!(told.starts_with("env/web is as declared: running"), "{told}");
    // What is printed of it is a file of it.
    let printed = run(&["get", "env/web", "-o", "yaml", "--show-managed-fields"]).await;
    assert!(
        printed.contains("managedFields:") && printed.contains("resourceVersion:"),
        "{printed}"
    );
    std::fs::write(world.path().join("printed.yaml"), printed).unwrap();
    let planned = run(&["plan", "-f", "printed.yaml", "--exit-code"]).await;
    assert!(planned.contains("= 1 unchanged"), "{planned}");
    run(&["apply", "-f", "printed.yaml"]).await;
    assert_eq!(process.terminate().await.code(), Some(0));
}
