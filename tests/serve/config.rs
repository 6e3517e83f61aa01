//! What `serve` is told, and by whom.

use std::fs;

use crate::process::{Variables, call};
use crate::world::{SEAL_KEY, Serve, TOKEN, World};

const REQUIRED: [&str; 8] = [
    "DATABASE_URL",
    "CONTABO_CLIENT_ID",
    "CONTABO_CLIENT_SECRET",
    "CONTABO_USERNAME",
    "CONTABO_PASSWORD",
    "DEVPOCKET_ADMIN_TOKEN",
    "DEVPOCKET_SEAL_KEY",
    "SECRET_KEY",
];

fn flag(name: &str) -> String {
    format!("--{}", name.to_ascii_lowercase().replace('_', "-"))
}

#[tokio::test]
async fn everything_missing_is_named_at_once_and_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    let ended = call(folder.path(), &Variables::new(), &["serve"]).await;
    assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{}", ended.err);
    for name in REQUIRED {
        let error = format!("error[bad-config]: {name} is not set");
        assert!(ended.err.contains(&error), "{name}:\n{}", ended.err);
        assert!(ended.err.contains(&flag(name)), "{name} has no way out:\n{}", ended.err);
    }
    for name in ["DATABASE_URL_FILE", "CONTABO_PASSWORD_FILE", "DEVPOCKET_SEAL_KEY_FILE"] {
        assert!(ended.err.contains(name), "{name}:\n{}", ended.err);
    }
    assert!(ended.err.contains("8 faults in the configuration; nothing was started."));

    let ended = call(folder.path(), &Variables::new(), &["serve", "-o", "json"]).await;
    let document: serde_json::Value = serde_json::from_str(&ended.err).unwrap();
    assert_eq!(document["errors"].as_array().map(Vec::len), Some(8), "{document}");
    assert_eq!(document["error"]["code"], "bad-config");
}

#[tokio::test]
async fn wrong_values_are_named_with_their_places_and_no_secret_is_repeated() {
    let (mut world, _database) = World::empty().await;
    let dotenv = "# settings\nPORT=eighty\n\nDEVPOCKET_MONTHLY_BUDGET=lots\n\
                  CONTABO_DEFAULT_REGION=Mars\nexport DEVPOCKET_SEAL_KEY=n0t-a-key\n";
    fs::write(world.path().join(".env"), dotenv).unwrap();
    for name in ["PORT", "DEVPOCKET_MONTHLY_BUDGET", "DEVPOCKET_SEAL_KEY"] {
        world.variables.remove(name);
    }
    world.set("DATABASE_URL", "mysql://u:hunter2@db/devpocket");
    world.set("DEVPOCKET_ADMIN_TOKEN", "sh0rt");
    world.set("LOG_LEVEL", "devpocket=loud");
    world.set("HOST", "0.0.0.0");
    world.set("CONTABO_AUTH_URL", "ftp://example.com/token");
    // Which is short enough depends on whose addresses they are.
    world.variables.remove("DEVPOCKET_SWEEP_SECONDS");
    let ended = world.call(&["serve", "--log-format", "prose"]).await;
    assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{}", ended.err);
    let place = |name: &str, at: &str| {
        let error = ended.err.find(&format!("error[bad-config]: {name} "));
        let rest = &ended.err[error.unwrap_or_else(|| panic!("{name}:\n{}", ended.err))..];
        let own = rest[8..].split("error[").next().unwrap();
        assert!(own.contains(&format!("at       {at}")), "{name}:\n{own}");
    };
    place("PORT", ".env:2");
    place("DEVPOCKET_MONTHLY_BUDGET", ".env:4");
    place("CONTABO_DEFAULT_REGION", ".env:5");
    place("DEVPOCKET_SEAL_KEY", ".env:6");
    place("LOG_FORMAT", "--log-format");
    for name in ["DATABASE_URL", "DEVPOCKET_ADMIN_TOKEN", "LOG_LEVEL", "HOST", "CONTABO_AUTH_URL"] {
        place(name, "environment");
    }
    assert!(ended.err.contains("10 faults"), "{}", ended.err);
    for secret in ["hunter2", "sh0rt", "n0t-a-key"] {
        assert!(!ended.err.contains(secret), "{secret} is shown:\n{}", ended.err);
    }
}

#[tokio::test]
async fn a_flag_beats_the_environment_and_that_beats_dotenv() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".env"), "PORT=from-dotenv\n").unwrap();
    let environment = Variables::from([("PORT".to_owned(), "from-environment".to_owned())]);
    let flag = ["serve", "--port", "from-flag"];
    let said = async |variables: &Variables, arguments: &[&str]| {
        call(folder.path(), variables, arguments).await.err
    };
    let none = Variables::new();
    assert!(said(&environment, &flag).await.contains("PORT is \"from-flag\""));
    assert!(said(&environment, &["serve"]).await.contains("PORT is \"from-environment\""));
    assert!(said(&none, &["serve"]).await.contains("PORT is \"from-dotenv\""));
    // A file named elsewhere takes the place of ./.env.
    fs::write(folder.path().join("other.env"), "PORT=from-other\n").unwrap();
    let other = said(&none, &["serve", "--env-file", "other.env"]).await;
    assert!(other.contains("PORT is \"from-other\"") && other.contains("other.env:1"), "{other}");
    let gone = call(folder.path(), &none, &["serve", "--env-file", "gone.env"]).await;
    assert_eq!(gone.code, 2);
    assert!(gone.err.contains("gone.env: cannot be read"), "{}", gone.err);
}

#[tokio::test]
async fn a_secret_named_twice_is_not_guessed_and_a_stronger_place_wins() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "fr0m-the-file\n").unwrap();
    let path = file.display().to_string();
    let both = Variables::from([
        ("DEVPOCKET_ADMIN_TOKEN".to_owned(), TOKEN.to_owned()),
        ("DEVPOCKET_ADMIN_TOKEN_FILE".to_owned(), path.clone()),
    ]);
    let said = call(folder.path(), &both, &["serve"]).await.err;
    assert!(said.contains("is set, and so is DEVPOCKET_ADMIN_TOKEN_FILE"), "{said}");
    // The flag names a file whose content is too short: it is that file which is complained about.
    let value = Variables::from([("DEVPOCKET_ADMIN_TOKEN".to_owned(), TOKEN.to_owned())]);
    let flags = ["serve", "--devpocket-admin-token-file", &path];
    let said = call(folder.path(), &value, &flags).await.err;
    assert!(said.contains("DEVPOCKET_ADMIN_TOKEN_FILE is too short"), "{said}");
    assert!(said.contains(&path) && !said.contains("fr0m-the-file"), "{said}");
}

#[tokio::test]
async fn every_value_is_a_flag_and_every_secret_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let help = call(folder.path(), &Variables::new(), &["serve", "--help"]).await.out;
    let readme = include_str!("../../README.md");
    let table = readme.split("## Production").nth(1).unwrap();
    let names = table.lines().filter(|line| line.starts_with("| `")).flat_map(|line| {
        let first = line.split('|').nth(1).unwrap();
        first.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    });
    let names: Vec<String> = names.filter(|n| n.chars().all(|c| c != ' ')).collect();
    let variables: Vec<&String> = names.iter().filter(|n| **n == n.to_ascii_uppercase()).collect();
    assert!(variables.len() > 20, "the table was not found: {names:?}");
    for name in variables {
        // With a value behind it, or a switch.
        let is_flag = [" ", "\n"].iter().any(|end| help.contains(&format!("{}{end}", flag(name))));
        assert!(is_flag, "no flag for {name}:\n{help}");
    }
    for secret in REQUIRED.iter().filter(|n| !n.ends_with("_ID") && !n.ends_with("USERNAME")) {
        assert!(help.contains(&format!("{}-file ", flag(secret))), "no file for {secret}");
    }
}

#[tokio::test]
async fn it_starts_from_dotenv_with_every_secret_in_a_file() {
    let (mut world, database) = World::empty().await;
    let url = database.url().replace("postgres://", "postgresql+asyncpg://");
    world.set("DATABASE_URL", url);
    let mut dotenv = String::new();
    for (name, value) in std::mem::take(&mut world.variables) {
        let secret = REQUIRED.contains(&name.as_str())
            && !matches!(name.as_str(), "CONTABO_CLIENT_ID" | "CONTABO_USERNAME");
        if secret {
            let file = world.path().join(name.to_ascii_lowercase());
            // Editors and mounts add a newline.
            fs::write(&file, format!("{value}\n")).unwrap();
            dotenv += &format!("{name}_FILE={}\n", file.display());
        } else {
            dotenv += &format!("{name}=\"{value}\"\n");
        }
    }
    fs::write(world.path().join(".env"), dotenv).unwrap();
    let mut serve = Serve::start(&world, &["--contabo-default-region", "UK"]).await;
    let (code, health) = serve.get("/health").await;
    assert_eq!((code, &health["checks"]["store"]), (200, &"ok".into()), "{health}");
    assert!(serve.process.is_running());
    // The token came from its file, and a default that was chosen holds.
    let namespaces = "/kube/api/v1/namespaces";
    let namespace = serde_json::json!({"metadata": {"name": "main"}});
    let (code, reply) = serve.send(reqwest::Method::POST, namespaces, Some(&namespace)).await;
    assert_eq!(code, 201, "{reply}");
    let environment = serde_json::json!({
        "apiVersion": "devpocket.dev/v1alpha1", "kind": "Environment",
        "metadata": {"name": "somewhere"}, "spec": {"size": "vps-10-nvme"},
    });
    let path = format!("{}?dryRun=All", crate::world::ENVIRONMENTS);
    let (code, reply) = serve.send(reqwest::Method::POST, &path, Some(&environment)).await;
    assert_eq!((code, &reply["spec"]["region"]), (201, &"UK".into()), "{reply}");
    assert!(!serve.process.log().join("\n").contains(SEAL_KEY));
}
