//! A session with stock `kubectl` against `devpocket up`: what it prints, and how it ends.
//!
//! One session, in order, as a person would have it. `kubectl` itself is part of what is tested, so
//! where there is none the test says so, and in CI it fails.

#[allow(dead_code, reason = "the tests of `up` use more of it")]
mod up_support;

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;
use up_support::{Home, Up};

/// Longest wait for a line that must come.
const PATIENCE: Duration = Duration::from_secs(120);
/// The same for kubectl.
const TIMEOUT: &str = "--timeout=120s";

const WEB: &str = "\
apiVersion: devpocket.dev/v1alpha1
kind: Environment
metadata: {name: web, labels: {tier: front}}
spec: {size: vps-10-nvme, region: EU, power: POWER}
";

/// Whether there is a kubectl to test with.
fn kubectl_is_there() -> bool {
    if Command::new("kubectl").args(["version", "--client"]).output().is_ok() {
        return true;
    }
    let missing =
        "kubectl is missing, so its session was not tested; .ci/run says where it comes from";
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    eprintln!("{missing}");
    false
}

/// Somebody with a kubeconfig.
struct Person {
    folder: TempDir,
    settings: PathBuf,
}

/// What a command printed and how it ended.
#[derive(Debug)]
struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Person {
    fn new(home: &Home) -> Person {
        let folder = tempfile::tempdir().unwrap();
        let person = Person { folder, settings: home.config() };
        let told = person.devpocket(&["kubeconfig", "--write"]);
        assert!(told.out.contains("devpocket-local"), "{told:?}");
        let mode = std::fs::metadata(person.kubeconfig()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "it holds a token");
        person
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("DEVPOCKET_CONFIG", &self.settings)
            .env("KUBECONFIG", self.kubeconfig())
            // Its cache of what a server offers, and nothing of the machine's owner.
            .env("HOME", self.folder.path())
            .env("KUBECACHEDIR", self.folder.path().join("cache"))
            .stdin(Stdio::null());
        command
    }

    fn devpocket(&self, args: &[&str]) -> Told {
        told(self.command(env!("CARGO_BIN_EXE_devpocket")).args(args).output().unwrap())
    }

    fn kubectl(&self, args: &[&str]) -> Told {
        told(self.command("kubectl").args(args).output().unwrap())
    }

    /// The same, which must succeed; its output.
    fn ok(&self, args: &[&str]) -> String {
        let told = self.kubectl(args);
        assert_eq!(told.code, Some(0), "kubectl {args:?}: {told:?}");
        told.out
    }

    /// The same, which must be refused; what it said.
    fn refused(&self, args: &[&str]) -> String {
        let told = self.kubectl(args);
        assert_eq!(told.code, Some(1), "kubectl {args:?}: {told:?}");
        told.err
    }

    /// A file with the manifest of `web`.
    fn web(&self, power: &str) -> String {
        self.file("web.yaml", &WEB.replace("POWER", power))
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

fn told(output: Output) -> Told {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Told { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[track_caller]
fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// `kubectl get -w` under way.
struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    fn start(person: &Person, args: &[&str]) -> Watching {
        let mut child =
            person.command("kubectl").args(args).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Watching { child, lines }
    }

    /// Reads up to the first line with all of these words, and answers what came.
    fn until(&self, wanted: &[&str]) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen: Vec<String> = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no line with {wanted:?} came; it printed:\n{}", seen.join("\n"));
            };
            let found = wanted.iter().all(|word| words(&line).contains(word));
            seen.push(line);
            if found {
                return seen;
            }
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_session_with_kubectl() {
    if !kubectl_is_there() {
        return;
    }
    let home = Home::new();
    let mut up = Up::start(&home);
    up.line_with("ready");
    let person = Person::new(&home);
    who_and_what(&person);
    looks_like_our_own(&person);
    let watching = Watching::start(&person, &["get", "env", "-w"]);
    watching.until(&["demo"]);
    applies(&person);
    let seen = watching.until(&["web", "True", "running"]);
    assert_eq!(seen.iter().filter(|line| line.starts_with("NAME")).count(), 0, "{seen:?}");
    drop(watching);
    differs(&person);
    conflicts(&person);
    edits(&person);
    refuses(&person);
    tells(&person);
    keeps_secrets(&person);
    deletes(&person);
    up.interrupt();
}

fn who_and_what(person: &Person) {
    holds(&person.ok(&["version"]), &["Server Version: v1.", "devpocket"]);
    holds(&person.ok(&["auth", "whoami"]), &["admin", "system:masters"]);
    assert_eq!(person.ok(&["auth", "can-i", "create", "environments"]), "yes\n");
    holds(&person.ok(&["auth", "can-i", "--list"]), &["*.*"]);
    let resources = person.ok(&["api-resources", "--api-group=devpocket.dev"]);
    holds(&resources, &["environments", "env,envs", "machines", "vps", "Environment"]);
    let power = person.ok(&["explain", "environment.spec.power"]);
    holds(&power, &["FIELD: power <string>", "ENUM:", "Running", "Stopped", "saves no money"]);
    let fields = person.ok(&["explain", "env.spec", "--recursive"]);
    holds(&fields, &["size\t<string> -required-", "env\t<[]Object>", "secretKeyRef\t<Object>"]);
    holds(&person.refused(&["explain", "env.spec.pwoer"]), &["pwoer"]);
}

/// A table is the same whichever of the two prints it.
fn looks_like_our_own(person: &Person) {
    for wide in [&[][..], &["-o", "wide"][..]] {
        let args = [&["get", "env"], wide].concat();
        let (theirs, ours) = (person.ok(&args), person.devpocket(&args).out);
        let heads = |text: &str| words(text.lines().next().unwrap()).join(" ");
        assert_eq!(heads(&theirs), heads(&ours));
        let row = |text: &str| -> String {
            let line = text.lines().find(|line| line.starts_with("demo")).unwrap();
            // Up to the age, which goes on between the two.
            line.split(" EUR").next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(row(&theirs), row(&ours));
    }
    holds(&person.ok(&["get", "ns,env,machines,operations"]), &["PAID-UNTIL", "purchase", "demo"]);
    holds(&person.ok(&["get", "all"]), &["environment.devpocket.dev/demo"]);
}

fn applies(person: &Person) {
    let web = person.web("Running");
    let dry = person.ok(&["apply", "-f", &web, "--dry-run=server"]);
    assert_eq!(dry, "environment.devpocket.dev/web created (server dry run)\n");
    holds(&person.refused(&["get", "env", "web"]), &["NotFound", "\"web\" not found"]);
    assert_eq!(person.ok(&["apply", "-f", &web]), "environment.devpocket.dev/web created\n");
    assert_eq!(person.ok(&["apply", "-f", &web]), "environment.devpocket.dev/web unchanged\n");
    let met = person.ok(&["wait", "--for=condition=Ready", "env/web", TIMEOUT]);
    assert_eq!(met, "environment.devpocket.dev/web condition met\n");
    // In pages, as for a list of thousands.
    let names = person.ok(&["get", "env", "--chunk-size=1", "-o", "name"]);
    assert_eq!(names, "environment.devpocket.dev/demo\nenvironment.devpocket.dev/web\n");
    assert_eq!(person.ok(&["get", "env", "-l", "tier=front", "-o", "name"]).lines().count(), 1);
}

fn differs(person: &Person) {
    let stopped = person.web("Stopped");
    let told = person.kubectl(&["diff", "-f", &stopped]);
    assert_eq!(told.code, Some(1), "there is a difference: {told:?}");
    holds(&told.out, &["-  power: Running", "+  power: Stopped"]);
    holds(&person.ok(&["apply", "-f", &stopped]), &["web configured"]);
    assert_eq!(person.kubectl(&["diff", "-f", &stopped]).code, Some(0));
}

fn conflicts(person: &Person) {
    let running = person.web("Running");
    let apply = ["apply", "-f", &running, "--server-side", "--field-manager=ci"];
    let refused = person.refused(&apply);
    holds(&refused, &["conflict", "\"kubectl-client-side-apply\"", ".spec.power"]);
    let forced = person.ok(&[&apply[..], &["--force-conflicts"]].concat());
    assert_eq!(forced, "environment.devpocket.dev/web serverside-applied\n");
    let managers = person.ok(&["get", "env", "web", "-o", "wide"]);
    holds(&managers, &["ci"]);
}

fn edits(person: &Person) {
    holds(&person.ok(&["label", "env", "web", "team=a"]), &["web labeled"]);
    holds(&person.ok(&["annotate", "env", "web", "note=hello"]), &["web annotated"]);
    let merge = r#"{"spec":{"displayName":"The web"}}"#;
    holds(&person.ok(&["patch", "env", "web", "--type=merge", "-p", merge]), &["web patched"]);
    let json = r#"[{"op":"test","path":"/spec/displayName","value":"The web"},
                   {"op":"replace","path":"/spec/displayName","value":"Web two"}]"#;
    holds(&person.ok(&["patch", "env", "web", "--type=json", "-p", json]), &["web patched"]);
    let editor = person.file("editor", "#!/bin/sh\nexec sed -i 's/Web two/Web three/' \"$1\"\n");
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(Path::new(&editor), open).unwrap();
    let edited =
        person.command("kubectl").args(["edit", "env", "web"]).env("EDITOR", &editor).output();
    let edited = told(edited.unwrap());
    assert_eq!(
        (edited.code, edited.out.as_str()),
        (Some(0), "environment.devpocket.dev/web edited\n")
    );
    let name = person.ok(&["get", "env", "web", "-o", "jsonpath={.spec.displayName}"]);
    assert_eq!(name, "Web three");
}

fn refuses(person: &Person) {
    let size = r#"{"spec":{"size":"vps-20-nvme"}}"#;
    let refused = person.refused(&["patch", "env", "web", "--type=merge", "-p", size]);
    holds(&refused, &["is invalid", "spec.size", "cannot be changed"]);
    let failed = r#"[{"op":"test","path":"/spec/power","value":"On"}]"#;
    let refused = person.refused(&["patch", "env", "web", "--type=json", "-p", failed]);
    holds(&refused, &["test failed", "/spec/power"]);
    let text = WEB.replace("web", "bad").replace("power", "pwoer").replace("POWER", "Running");
    let unknown = person.file("bad.yaml", &text);
    holds(&person.refused(&["apply", "-f", &unknown]), &["spec.pwoer", "power"]);
    let text = WEB.replace("web", "bad").replace("EU", "Mars").replace("POWER", "On");
    let wrong = person.file("bad.yaml", &text);
    let refused = person.refused(&["apply", "-f", &wrong]);
    holds(&refused, &["spec.region", "Mars", "spec.power", "Running or Stopped"]);
    holds(&person.refused(&["get", "env", "bad"]), &["NotFound"]);
}

fn tells(person: &Person) {
    person.ok(&["wait", "--for=condition=Ready", "env/web", TIMEOUT]);
    let described = person.ok(&["describe", "env", "web"]);
    holds(&described, &["Kind:         Environment", "Events:", "Ordered", "5.50 EUR"]);
    let events = person.ok(&["events", "--for", "env/web"]);
    holds(&events, &["Ordered", "buy 1 × vps-10-nvme in EU"]);
    holds(&person.ok(&["get", "events"]), &["LAST", "REASON", "env/web", "Ordered"]);
}

fn keeps_secrets(person: &Person) {
    assert_eq!(person.ok(&["create", "namespace", "team-b"]), "namespace/team-b created\n");
    let literal = ["create", "secret", "generic", "db", "--from-literal=pw=hunter2"];
    assert_eq!(person.ok(&literal), "secret/db created\n");
    let table = person.ok(&["get", "secret", "db"]);
    holds(&table, &["KEYS", "Opaque"]);
    assert!(!table.contains("aHVudGVyMg=="));
    let value = person.ok(&["get", "secret", "db", "-o", "jsonpath={.data.pw}"]);
    assert_eq!(value, "aHVudGVyMg==");
    let patch = r#"{"stringData":{"pw":"changed"}}"#;
    holds(&person.ok(&["patch", "secret", "db", "-p", patch]), &["db patched"]);
    holds(&person.ok(&["delete", "namespace", "team-b"]), &["deleted"]);
}

fn deletes(person: &Person) {
    let hold = r#"[{"op":"add","path":"/metadata/finalizers/-","value":"me.example/hold"}]"#;
    person.ok(&["patch", "env", "web", "--type=json", "-p", hold]);
    holds(&person.ok(&["delete", "env", "web", "--wait=false"]), &["\"web\" deleted"]);
    person.ok(&["wait", "--for=jsonpath={.status.phase}=terminated", "env/web", TIMEOUT]);
    let left = person.ok(&["get", "env", "web", "-o", "jsonpath={.metadata.finalizers}"]);
    assert_eq!(left, r#"["me.example/hold"]"#, "only the person's is left, and it holds");
    let free = r#"[{"op":"remove","path":"/metadata/finalizers/0"}]"#;
    person.ok(&["patch", "env", "web", "--type=json", "-p", free]);
    person.ok(&["wait", "--for=delete", "env/web", TIMEOUT]);
    // Without --wait=false it returns once the object is gone.
    holds(&person.ok(&["delete", "env", "--all", TIMEOUT]), &["\"demo\" deleted"]);
    let none = person.kubectl(&["get", "env"]);
    assert_eq!(none.out, "");
    holds(&none.err, &["No resources found in main namespace."]);
}
