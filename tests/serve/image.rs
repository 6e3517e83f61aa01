//! The image: built from the Dockerfile as it is, on bases made here, and run.
//!
//! No registry is asked: both bases are a minimal Debian made by debootstrap. The build stage gets
//! this machine's Rust, its registry and this build's target folder mounted, the latter two under
//! an overlay that is thrown away; so it compiles what a release build here would compile, and what
//! these tests were built from is not compiled a second time.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::eventually;
use crate::support::postgres::TestDatabase;
use crate::world::World;

const SUITE: &str = "bookworm";
const BASE: &str = "localhost/base";
const BUILD_BASE: &str = "localhost/base-with-rust";
const IMAGE: &str = "localhost/devpocket";
/// Where the build stage finds Rust.
const RUST: &str = "/opt/rust";
/// Lines of a failed build that are shown.
const SHOWN: usize = 60;

/// Says what is missing, if anything is. Under `CI=true` that is a failure.
fn can_build() -> bool {
    let has = |name: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
    };
    let mut missing: Vec<&str> =
        ["buildah", "debootstrap", "tar"].into_iter().filter(|name| !has(name)).collect();
    let id = Command::new("id").arg("-u").output().expect("id runs");
    if id.stdout.trim_ascii() != b"0" {
        missing.push("root");
    }
    if missing.is_empty() {
        return true;
    }
    let text = format!("the image is not built and not tested: {} missing", missing.join(", "));
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
    eprintln!("{text}");
    false
}

/// The root file system of a minimal Debian, made once for each target folder.
fn base_system() -> PathBuf {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("image-base-{SUITE}.tar"));
    if !kept.is_file() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        ran(Command::new("debootstrap").args(["--variant=minbase", SUITE]).arg(&root));
        let draft = kept.with_extension("new");
        ran(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&draft).arg("."));
        std::fs::rename(draft, &kept).unwrap();
    }
    kept
}

/// Runs to the end, which must be good.
fn ran(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let Output { status, stdout, stderr } =
        output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    let text = format!("{out}{err}");
    let lines: Vec<&str> = text.lines().collect();
    let end = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
    assert!(status.success(), "{command:?} ended with {status}:\n{end}");
    out.trim().to_owned()
}

/// An image store of this test's own.
struct Builder {
    folder: TempDir,
}

impl Builder {
    fn new() -> Builder {
        Builder { folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() }
    }

    fn buildah(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("buildah");
        command
            .arg("--root")
            .arg(self.folder.path().join("images"))
            .arg("--runroot")
            .arg(self.folder.path().join("run"))
            .args(arguments)
            .env("BUILDAH_ISOLATION", "chroot")
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("STORAGE_DRIVER").is_none() {
            command.env("STORAGE_DRIVER", "overlay");
        }
        command
    }

    fn bases(&self) {
        let tar = base_system();
        let base = ran(&mut self.buildah(&["from", "scratch"]));
        ran(&mut self.buildah(&["add", "--quiet", &base, tar.to_str().unwrap(), "/"]));
        ran(&mut self.buildah(&["commit", "--quiet", &base, BASE]));
        let path = format!("PATH={RUST}/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        let home = format!("CARGO_HOME={}", cargo_home().display());
        ran(&mut self.buildah(&["config", "--env", &path, "--env", &home, &base]));
        ran(&mut self.buildah(&["commit", "--quiet", "--rm", &base, BUILD_BASE]));
    }

    fn build(&self) {
        let policy = self.folder.path().join("policy.json");
        std::fs::write(&policy, r#"{"default": [{"type": "insecureAcceptAnything"}]}"#).unwrap();
        let rust = ran(Command::new("rustc").args(["--print", "sysroot"]));
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().display();
        let registry = cargo_home().join("registry").display().to_string();
        ran(self
            .buildah(&["build", "--format", "docker", "--layers=false", "--pull-never"])
            .arg("--signature-policy")
            .arg(policy)
            .args(["--build-arg", &format!("BUILD_IMAGE={BUILD_BASE}")])
            .args(["--build-arg", &format!("RUN_IMAGE={BASE}")])
            .args(["--volume", &format!("{rust}:{RUST}:ro")])
            .args(["--volume", &format!("{registry}:{registry}:O")])
            .args(["--volume", &format!("{target}:/src/target:O")])
            .args(["--tag", IMAGE, "."]));
    }

    /// Runs a program of the image in a container, as the user the image names.
    fn run(&self, container: &str, flags: &[&str], program: &[&str]) -> Command {
        self.buildah(&[&["run"], flags, &[container, "--"], program].concat())
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        for cleaning in [&["rm", "--all"][..], &["rmi", "--all", "--force"]] {
            let _ = self.buildah(cleaning).output();
        }
    }
}

fn cargo_home() -> PathBuf {
    let set = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    set.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cargo"))
}

fn words(value: &Value) -> Vec<String> {
    let words = value.as_array().unwrap_or_else(|| panic!("no list: {value}")).iter();
    words.map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// A `serve` in a container; it is ended by its own number, since the tool around it would not
/// hand a signal on.
struct Served {
    child: Child,
    number: PathBuf,
}

impl Served {
    fn terminate(&mut self) -> std::process::ExitStatus {
        let number = std::fs::read_to_string(&self.number).unwrap();
        assert!(Command::new("kill").arg(number.trim()).status().unwrap().success());
        self.child.wait().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.terminate();
        }
    }
}

#[tokio::test]
async fn the_image_is_built_and_serves_as_a_user_without_rights() {
    if !can_build() {
        return;
    }
    let builder = Builder::new();
    builder.bases();
    builder.build();

    let inspected = ran(&mut builder.buildah(&["inspect", "--type", "image", IMAGE]));
    let image: Value = serde_json::from_str(&inspected).unwrap();
    let config = &image["Docker"]["config"];
    let entry = words(&config["Entrypoint"]);
    assert_eq!(entry, ["/usr/local/bin/devpocket"]);
    let mut command = words(&config["Cmd"]);
    assert_eq!(command, ["serve", "--behind-proxy", "--host", "0.0.0.0"]);
    assert_eq!(config["User"], "10001:10001");
    let health = words(&config["Healthcheck"]["Test"]);
    assert_eq!(health[0], "CMD");
    let health: Vec<&str> = health[1..].iter().map(String::as_str).collect();

    let container = ran(&mut builder.buildah(&["from", "--pull-never", IMAGE]));
    let inside = |program: &[&str]| ran(&mut builder.run(&container, &[], program));
    assert_eq!(inside(&["id", "-u"]), "10001");
    assert!(inside(&[entry[0].as_str(), "version"]).contains(env!("CARGO_PKG_VERSION")));
    let owned = builder.run(&container, &[], &["touch", "/usr/local/bin/devpocket"]).output();
    assert!(!owned.unwrap().status.success(), "the program can be replaced by who runs it");

    // Not on every address of this machine: a container here has its network.
    *command.last_mut().unwrap() = "127.0.0.1".to_owned();
    serves(&builder, &container, &[&entry[..], &command[..]].concat(), &health).await;
}

async fn serves(builder: &Builder, container: &str, command: &[String], health: &[&str]) {
    let database = TestDatabase::empty().await;
    let url = database.url();
    let (_, rest) = url.split_once("@").unwrap();
    let (socket, rest) = rest.split_once(':').unwrap();
    let socket = socket.replace("%2F", "/");
    let mut world = World::new(&format!("postgres://devpocket@%2Fpostgres:{rest}")).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("PORT={}", free.local_addr().unwrap().port());
    drop(free);
    world.variables.remove("PORT");
    let mut flags = vec!["--volume".to_owned(), format!("{socket}:/postgres")];
    for (name, value) in &world.variables {
        flags.extend(["--env".to_owned(), format!("{name}={value}")]);
    }
    flags.extend(["--env".to_owned(), port.clone()]);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let healthy = || {
        let check = builder.run(container, &["--env", &port], health).output().unwrap();
        check.status.success()
    };
    assert!(!healthy(), "healthy before anything runs");

    let noting = ["sh", "-c", "echo $$ >/tmp/number; exec \"$@\"", "sh"];
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let program = [&noting[..], &command].concat();
    let log = tempfile::NamedTempFile::new().unwrap();
    let child = builder
        .run(container, &flags, &program)
        .stdin(Stdio::null())
        .stdout(log.reopen().unwrap())
        .stderr(log.reopen().unwrap())
        .spawn()
        .unwrap();
    let root = PathBuf::from(ran(&mut builder.buildah(&["mount", container])));
    let mut served = Served { child, number: root.join("tmp/number") };
    eventually("the container is healthy", async || {
        let ended = served.child.try_wait().unwrap();
        let said = std::fs::read_to_string(log.path()).unwrap();
        assert!(ended.is_none(), "it ended with {ended:?}:\n{said}");
        healthy().then_some(())
    })
    .await;
    let status = served.terminate();
    let said = std::fs::read_to_string(log.path()).unwrap();
    assert!(status.success(), "it ended with {status}:\n{said}");
    assert!(said.contains("\"message\":\"stopped\""), "{said}");
    assert!(!healthy(), "healthy after the end");
}
