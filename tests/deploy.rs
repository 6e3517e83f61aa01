//! The files an operator copies (`examples/deploy`) keep what they promise: they are what their
//! programs read, name only what DevPocket has, and hand secrets over as files only.
//!
//! That the dump can be restored and the proxy lets a watch through is tried with the real programs
//! in tests/serve.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use devpocket::telemetry::metrics::{FAMILIES, Shape};
use regex::Regex;
use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Most that `systemd-analyze security` may find, of 100.
const EXPOSURE: &str = "15";

fn folder() -> PathBuf {
    Path::new(ROOT).join("examples/deploy")
}

fn text(name: &str) -> String {
    let path = folder().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(name: &str) -> Value {
    serde_yaml::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A program of this machine, or of the folder where CI installs what Debian lacks. Says if it is
/// missing; under `CI=true` that is a failure.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = Path::new(ROOT).join("target/deploy/bin");
    let mut places = std::env::split_paths(&path).chain([own]);
    let found = places.find_map(|place| Some(place.join(name)).filter(|file| file.is_file()));
    if found.is_none() {
        let text = format!("{name} is missing: what it would say of examples/deploy is not known");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
        eprintln!("{text}");
    }
    found
}

fn ran(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?} says:\n{out}{err}");
    out.into_owned()
}

#[test]
fn the_compose_files_fit_the_published_schema() {
    let Some(checker) = program("check-jsonschema") else { return };
    for name in ["compose.yaml", "compose.prod.yaml"] {
        let schema = ["--builtin-schema", "vendor.compose-spec"];
        ran(Command::new(&checker).args(schema).arg(folder().join(name)));
    }
}

/// Both files as compose reads them together, with a filled-in `.env`.
fn composed() -> Option<Value> {
    let compose = program("podman-compose")?;
    let place = tempfile::tempdir().unwrap();
    for name in ["compose.yaml", "compose.prod.yaml"] {
        fs::copy(folder().join(name), place.path().join(name)).unwrap();
    }
    let filled: String = text("env.example")
        .lines()
        .map(|line| match line.split_once('=') {
            Some((name, "")) if !name.starts_with('#') => format!("{name}=value-of-{name}\n"),
            Some((name, value)) if name.starts_with("#") && !name.contains(' ') => {
                format!("{}={value}\n", &name[1..])
            }
            _ => format!("{line}\n"),
        })
        .collect();
    fs::write(place.path().join(".env"), filled).unwrap();
    // It asks for the engine's version before it reads a file, and nothing else.
    let engine = place.path().join("podman");
    fs::write(&engine, "#!/bin/sh\necho podman version 5.0.0\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&engine, mode).unwrap();
    let shown = ran(Command::new(compose)
        .current_dir(place.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .arg("--podman-path")
        .arg(&engine)
        .args(["-f", "compose.yaml", "-f", "compose.prod.yaml", "config"]));
    Some(serde_yaml::from_str(&shown).expect("the configuration is YAML"))
}

#[test]
fn every_service_is_watched_restarted_and_confined() {
    let Some(composed) = composed() else { return };
    let services = composed["services"].as_object().unwrap();
    let names: Vec<&str> = services.keys().map(String::as_str).collect();
    assert_eq!(names, ["caddy", "devpocket", "dump", "postgres"]);
    let image = fs::read_to_string(Path::new(ROOT).join("Dockerfile")).unwrap();
    for (name, service) in services {
        let health = !service["healthcheck"]["test"].is_null()
            || (name == "devpocket" && image.contains("\nHEALTHCHECK "));
        assert!(health, "{name} has no health check");
        assert_eq!(service["restart"], "unless-stopped", "{name}");
        assert_eq!(service["logging"]["options"]["max-size"], "20m", "{name}'s log is bounded");
        assert!(service["privileged"].is_null(), "{name}");
        if name != "postgres" {
            assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
            let options = service["security_opt"].to_string();
            assert!(options.contains("no-new-privileges:true"), "{name}: {options}");
        }
    }
    let database = composed["networks"]["database"]["internal"].as_bool();
    assert_eq!(database, Some(true), "the database reaches nothing outside");
    assert_eq!(services["postgres"]["networks"], serde_json::json!(["database"]));
    assert!(services["postgres"]["ports"].is_null(), "nobody outside reaches the database");
    let ports = services["devpocket"]["ports"].to_string();
    assert_eq!(ports, r#"["127.0.0.1:8000:8000"]"#, "without TLS it is on loopback only");
    let proxy = &services["caddy"]["networks"]["outside"]["ipv4_address"];
    assert!(proxy.is_string(), "Caddy's address is known");
    let trusted = &services["devpocket"]["environment"]["TRUSTED_PROXIES"];
    assert_eq!(
        trusted, proxy,
        "who comes through Caddy counts as who it is, and nobody else may say"
    );
    assert_eq!(
        services["devpocket"]["environment"]["ALLOWED_HOSTS"], "devpocket,dev.example.com",
        "the names that Prometheus and Caddy ask for are allowed"
    );
}

#[test]
fn secrets_reach_the_containers_as_files_and_no_other_way() {
    let Some(composed) = composed() else { return };
    let declared = composed["secrets"].as_object().unwrap();
    let help = ran(Command::new(env!("CARGO_BIN_EXE_devpocket")).args(["serve", "--help"]));
    let secret_values: Vec<String> = declared
        .values()
        .map(|secret| format!("value-of-{}", secret["environment"].as_str().unwrap()))
        .collect();
    for (name, service) in composed["services"].as_object().unwrap() {
        let granted = service["secrets"].as_array().cloned().unwrap_or_default();
        for (variable, value) in service["environment"].as_object().unwrap() {
            let value = value.as_str().unwrap_or_default();
            let leaks = secret_values.iter().any(|secret| value.contains(secret.as_str()));
            assert!(!leaks, "{name}: {variable} holds a secret");
            if let Some(file) = value.strip_prefix("/run/secrets/") {
                assert!(declared.contains_key(file), "{name}: {variable} names {file}");
                assert!(granted.contains(&file.into()), "{name} is not given {file}");
            }
            if name == "devpocket" {
                let flag = format!("--{} ", variable.to_ascii_lowercase().replace('_', "-"));
                assert!(help.contains(&flag), "serve does not know {variable}");
            }
        }
        assert!(!service["environment"].to_string().contains("PASSWORD\":"), "{name}");
    }
}

#[test]
fn the_example_of_an_env_file_has_what_the_compose_files_ask_for_and_nothing_else() {
    let both = format!("{}{}", text("compose.yaml"), text("compose.prod.yaml"));
    let asked = Regex::new(r"\$\{([A-Z_]+)(:[?-])?").unwrap();
    let required: BTreeSet<String> = asked
        .captures_iter(&both)
        .filter(|found| found.get(2).is_none_or(|how| how.as_str() == ":?"))
        .map(|found| found[1].to_owned())
        .collect();
    let secret = Regex::new(r"environment: ([A-Z_]+) \}").unwrap();
    let secrets: BTreeSet<String> =
        secret.captures_iter(&both).map(|found| found[1].to_owned()).collect();
    assert!(secrets.len() >= 6 && required.len() >= 4, "{secrets:?} {required:?}");
    let line = Regex::new(r"(?m)^#?([A-Z_]+)=").unwrap();
    let example = text("env.example");
    let given: BTreeSet<String> =
        line.captures_iter(&example).map(|found| found[1].to_owned()).collect();
    let missing: Vec<_> = required.union(&secrets).filter(|name| !given.contains(*name)).collect();
    assert!(missing.is_empty(), "env.example lacks {missing:?}");
    let used = |name: &&String| both.contains(name.as_str()) || name.starts_with("COMPOSE_");
    let unused: Vec<_> = given.iter().filter(|name| !used(name)).collect();
    assert!(unused.is_empty(), "nothing reads {unused:?}");
}

/// Settings a compose file has no place for, and why.
const ELSEWHERE: [(&str, &str); 16] = [
    ("BEHIND_PROXY", "the image's command"),
    ("HOST", "the image's command"),
    ("PORT", "the image"),
    ("LOG_FORMAT", "the image"),
    ("TLS_CERT", "Caddy has the certificate"),
    ("TLS_KEY", "Caddy has the certificate"),
    ("DEVPOCKET_PRICES", "a file, mounted by who has one"),
    ("SMTP_HOST", "SMTP_URL"),
    ("SMTP_PORT", "SMTP_URL"),
    ("SMTP_USERNAME", "SMTP_URL"),
    ("SMTP_PASSWORD", "SMTP_URL"),
    ("RESEND_API_KEY", "SMTP_URL"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "a secret, of collectors elsewhere"),
    ("CONTABO_SSH_KEY_ID", "does nothing"),
    ("ENV", "no setting: which file has them"),
    ("HELP", "no setting"),
];

/// Breaks without it: what somebody writes into `.env` is silently left alone.
#[test]
fn every_setting_reaches_the_container() {
    let help = ran(Command::new(env!("CARGO_BIN_EXE_devpocket")).args(["serve", "--help"]));
    let (own, _) = help.split_once("\nFlags of every command").expect("those of all come last");
    let flag = Regex::new(r"(?m)^ +(?:-., )?--([a-z0-9-]+)").unwrap();
    let names: Vec<String> =
        flag.captures_iter(own).map(|f| f[1].to_uppercase().replace('-', "_")).collect();
    assert!(names.len() > 40, "{names:?}");
    let compose = text("compose.yaml");
    let passed = |name: &str| compose.contains(&format!("\n      {name}: "));
    for name in names.iter().map(|name| name.strip_suffix("_FILE").unwrap_or(name)) {
        let elsewhere = ELSEWHERE.iter().any(|(other, _)| *other == name);
        let reaches = passed(name) || passed(&format!("{name}_FILE"));
        assert!(reaches != elsewhere, "{name}: {reaches}");
    }
}

#[test]
fn the_unit_is_what_systemd_reads_and_is_hardened() {
    let Some(analyze) = program("systemd-analyze") else { return };
    let place = tempfile::tempdir().unwrap();
    let unit = place.path().join("devpocket.service");
    // The program is where it will be installed; here it is where it was built.
    let built = text("devpocket.service")
        .replace("/usr/local/bin/devpocket", env!("CARGO_BIN_EXE_devpocket"));
    fs::write(&unit, &built).unwrap();
    let verified = ran(Command::new(&analyze).arg("verify").arg(&unit));
    assert_eq!(verified.trim(), "");
    ran(Command::new(&analyze)
        .args(["security", "--offline=true", "--no-pager"])
        .arg(format!("--threshold={EXPOSURE}"))
        .arg(&unit));
    let help = ran(Command::new(env!("CARGO_BIN_EXE_devpocket")).args(["serve", "--help"]));
    let variables = Regex::new(r"(?m)^Environment=([A-Z_]+)=%d/(\S+)$").unwrap();
    let mut count = 0;
    for found in variables.captures_iter(&built) {
        let flag = format!("--{} ", found[1].to_ascii_lowercase().replace('_', "-"));
        assert!(help.contains(&flag), "serve does not know {}", &found[1]);
        assert!(built.contains(&format!("\nLoadCredential={}:", &found[2])), "{}", &found[2]);
        count += 1;
    }
    assert_eq!(count, 6, "every secret is a credential");
}

/// Name and expression of every rule and of every query of the dashboard.
fn expressions() -> Vec<(String, String)> {
    let alerts = yaml("prometheus/alerts.yaml");
    let rules = alerts["groups"].as_array().unwrap().iter();
    let rules = rules.flat_map(|group| group["rules"].as_array().unwrap().clone());
    let string = |value: &Value| value.as_str().expect("it is text").to_owned();
    let mut all: Vec<(String, String)> =
        rules.map(|rule| (string(&rule["alert"]), string(&rule["expr"]))).collect();
    let dashboard: Value = serde_json::from_str(&text("grafana/devpocket.json")).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = string(&target["expr"]).replace("$__rate_interval", "5m");
            all.push((string(&panel["title"]), expression));
        }
    }
    all
}

/// Labels of each metric, as docs/metrics.md has them.
fn labels() -> BTreeMap<String, BTreeSet<String>> {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/metrics.md")).unwrap();
    let row = Regex::new(r"(?m)^\| `(devpocket_\w+)` \|([^|]*)\|").unwrap();
    let word = Regex::new(r"`(\w+)`").unwrap();
    let of = |text: &str| word.captures_iter(text).map(|found| found[1].to_owned()).collect();
    row.captures_iter(&page).map(|found| (found[1].to_owned(), of(&found[2]))).collect()
}

#[test]
fn alerts_and_dashboard_ask_for_what_there_is() {
    let known: BTreeMap<&str, Shape> = FAMILIES.iter().map(|(n, shape, _)| (*n, *shape)).collect();
    let explained = labels();
    let metric = Regex::new(r"\bdevpocket_\w+").unwrap();
    let matcher = Regex::new(r"\{([^}]*)\}").unwrap();
    let grouped = Regex::new(r"\b(?:by|on) \(([^)]*)\)").unwrap();
    let mut asked = BTreeSet::new();
    for (title, expression) in expressions() {
        let mut allowed: BTreeSet<String> = ["le", "instance", "job"].map(str::to_owned).into();
        for found in metric.find_iter(&expression) {
            let name = found.as_str();
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end))
                .filter(|family| known.contains_key(family));
            let is_part = family.is_some();
            let family = family.unwrap_or(name);
            let shape = known.get(family);
            let shape = shape.unwrap_or_else(|| panic!("{title}: there is no {name}"));
            let histogram = matches!(shape, Shape::Seconds | Shape::Sizes);
            assert_eq!(is_part, histogram, "{title}: {name} is no series");
            allowed.extend(explained[family].iter().cloned());
            asked.insert(family.to_owned());
        }
        let inside = matcher.captures_iter(&expression).chain(grouped.captures_iter(&expression));
        for labels in inside.map(|found| found[1].to_owned()) {
            for label in labels.split(',').map(|part| part.split('=').next().unwrap().trim()) {
                assert!(allowed.contains(label), "{title}: no label {label} in {expression}");
            }
        }
    }
    let everything: BTreeSet<String> = known.keys().map(|name| (*name).to_owned()).collect();
    let unasked: Vec<_> = everything.difference(&asked).collect();
    assert!(unasked.is_empty(), "neither dashboard nor alert shows {unasked:?}");
}

#[test]
fn prometheus_reads_the_rules_and_they_fire_when_they_should() {
    let Some(promtool) = program("promtool") else { return };
    let place = folder().join("prometheus");
    let check = |arguments: &[&str]| {
        ran(Command::new(&promtool).current_dir(&place).args(arguments));
    };
    check(&["check", "rules", "alerts.yaml"]);
    check(&["check", "config", "--syntax-only", "prometheus.yaml"]);
    check(&["test", "rules", "alerts.test.yaml"]);
}

#[test]
fn the_dashboard_is_one_that_grafana_shows() {
    let dashboard: Value = serde_json::from_str(&text("grafana/devpocket.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    let mut taken: BTreeMap<(u64, u64), String> = BTreeMap::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap().to_owned();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title} has the id of another");
        let number = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(number("x") + number("w") <= 24, "{title} is wider than the page");
        for x in number("x")..number("x") + number("w") {
            for y in number("y")..number("y") + number("h") {
                let other = taken.insert((x, y), title.clone());
                assert!(other.is_none(), "{title} lies on {other:?}");
            }
        }
    }
    let Some(promtool) = program("promtool") else { return };
    // Every query is a rule that promtool can read.
    let rules: Vec<Value> = expressions()
        .into_iter()
        .enumerate()
        .map(|(n, (_, expr))| serde_json::json!({"record": format!("panel:{n}"), "expr": expr}))
        .collect();
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    let groups = serde_json::json!({"groups": [{"name": "panels", "rules": rules}]});
    fs::write(file.path(), groups.to_string()).unwrap();
    ran(Command::new(promtool).args(["check", "rules"]).arg(file.path()));
}

#[test]
fn the_readmes_commands_name_what_there_is() {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let services = ["compose.yaml", "compose.prod.yaml"].map(|name| yaml(name)["services"].clone());
    let named =
        Regex::new(r"docker compose (?:run --rm|exec(?: -T)?|cp|stop|up -d --wait) ([a-z]+)\b")
            .unwrap();
    let mut count = 0;
    for found in named.captures_iter(&readme) {
        let known = services.iter().any(|services| !services[&found[1]].is_null());
        assert!(known, "{}", &found[0]);
        count += 1;
    }
    assert!(count >= 5, "the README's way lost its commands");
    // The way that tests/serve/restore.rs tries.
    let restore = readme.lines().find(|line| line.contains("pg_restore -U")).unwrap();
    for flag in ["--no-owner", "--exit-on-error", "--single-transaction"] {
        assert!(restore.contains(flag), "{restore}");
    }
    for file in ["env.example", "first.yaml", "devpocket.service", "dump.sh", "Caddyfile"] {
        assert!(readme.contains(file) && folder().join(file).is_file(), "{file}");
    }
}

#[test]
fn the_scripts_are_what_bash_reads() {
    let engine = Path::new(ROOT).join("tests/deploy/engine.sh");
    for script in [folder().join("dump.sh"), engine] {
        ran(Command::new("bash").arg("-n").arg(script));
    }
    let refused = Command::new("bash").arg(folder().join("dump.sh")).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
}
