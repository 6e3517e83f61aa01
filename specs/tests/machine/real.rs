//! User-data in the real thing: Debian 13 with its own systemd, cloud-init and sshd, booted by
//! `boot-machine.sh`, wherever the host allows that.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use devpocket_specs::install::{
    CHECK_COMMAND, CloudInitState, PROGRESS_PATH, Progress, ProgressState, read_checks,
    read_cloud_init, read_progress,
};
use devpocket_specs::render::{HostKey, RenderInput, render};
use devpocket_specs::template::{TemplateStep, ToolCheck};

use super::cloud_init::debian13;
use super::inputs::{self, script};

/// A condition that does not come by then is a failure.
const DEADLINE: Duration = Duration::from_secs(180);

/// A machine with a disk of its own.
struct Real {
    folder: tempfile::TempDir,
    base: PathBuf,
    name: String,
    running: Option<Child>,
}

/// What a machine is installed with, and what signs for those who may enter.
struct Keys {
    folder: tempfile::TempDir,
}

impl Keys {
    fn new() -> Keys {
        let keys = Keys { folder: tempfile::tempdir().expect("a temporary folder") };
        for name in ["authority", "host", "person", "stranger"] {
            keys.generate(&["-q", "-t", "ed25519", "-N", "", "-f", &keys.path(name)]);
        }
        keys.generate(
            &["-q", "-s", &keys.path("authority"), "-I", "ann", "-n", "dev"]
                .into_iter()
                .chain(["-V", "-5m:+10m", &keys.path("person.pub")])
                .collect::<Vec<_>>(),
        );
        keys
    }

    fn generate(&self, arguments: &[&str]) {
        let made = Command::new("ssh-keygen").args(arguments).output().expect("ssh-keygen runs");
        assert!(made.status.success(), "{made:?}");
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a key")
    }
}

fn children(id: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    children.unwrap_or_default().split_whitespace().filter_map(|id| id.parse().ok()).collect()
}

/// Whether machines can be booted here; says why not. What is missing in the kernel or forbidden to
/// us is no fault of the machine that runs the tests; a program that is missing is.
fn base() -> Option<PathBuf> {
    let base = debian13()?;
    let probe = "mount --make-rprivate / && mkdir -p \"$0\" && mount -t cgroup2 none \"$0\"";
    let folder = tempfile::tempdir().expect("a temporary folder");
    let probed = Command::new("unshare")
        .args(["--mount", "--", "sh", "-c", probe])
        .arg(folder.path())
        .output()
        .expect("unshare runs");
    if !probed.status.success() {
        eprintln!("no real machine is booted: {}", String::from_utf8_lossy(&probed.stderr));
        return None;
    }
    if Command::new("systemd-nspawn").arg("--version").output().is_err() {
        let text = "no real machine is booted: systemd-nspawn is missing (systemd-container)";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
        eprintln!("{text}");
        return None;
    }
    Some(base)
}

impl Real {
    fn new(base: PathBuf, name: &str) -> Real {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let folder = tempfile::tempdir_in(target).expect("a folder");
        fs::create_dir(folder.path().join("sockets")).expect("made");
        let name = format!("{name}-{}", std::process::id());
        Real { folder, base, name, running: None }
    }

    /// Gives it an empty disk with this user-data, as a purchase or a reinstallation does.
    fn install(&mut self, input: &RenderInput, instance: &str) {
        self.cut();
        for part in ["disk", "work"] {
            match fs::remove_dir_all(self.folder.path().join(part)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
                _ => {}
            }
        }
        let seed = self.disk("/var/lib/cloud/seed/nocloud");
        fs::create_dir_all(&seed).expect("made");
        let user_data = render(input).expect("valid input").user_data;
        fs::write(seed.join("user-data"), user_data).expect("written");
        fs::write(seed.join("meta-data"), format!("instance-id: {instance}\n")).expect("written");
    }

    /// What it wrote under this path.
    fn disk(&self, path: &str) -> PathBuf {
        self.folder.path().join("disk").join(path.trim_start_matches('/'))
    }

    fn start(&mut self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("machines/boot-machine.sh");
        let log = fs::File::create(self.folder.path().join("console")).expect("a file");
        let child = Command::new(script)
            .arg(&self.base)
            .args([self.folder.path(), &self.folder.path().join("sockets")])
            .arg(&self.name)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("the script runs");
        self.running = Some(child);
    }

    /// Its first process, as the host sees it.
    fn leader(&self) -> Option<u32> {
        let watcher = fs::read_to_string(self.folder.path().join("watcher")).ok()?;
        let is_init = |id: &u32| {
            let name = fs::read_to_string(format!("/proc/{id}/comm"));
            name.is_ok_and(|name| name.trim() == "systemd")
        };
        children(watcher.trim().parse().ok()?).into_iter().find(is_init)
    }

    /// Takes its power away.
    fn cut(&mut self) {
        let leader = self.leader();
        let Some(mut child) = self.running.take() else { return };
        drop(child.stdin.take());
        child.wait().expect("it ended");
        let is_there = |id: &u32| Path::new(&format!("/proc/{id}")).exists();
        self.wait("it is dark", || leader.as_ref().is_none_or(|leader| !is_there(leader)));
    }

    /// Runs a command on it, as root.
    fn run(&self, words: &[&str]) -> Output {
        let leader = self.leader().expect("it runs").to_string();
        let mut command = Command::new("nsenter");
        command.args(["-t", &leader, "-m", "-p", "-u", "-i", "-n", "-C", "--"]).args(words);
        command.stdin(Stdio::null()).output().expect("nsenter runs")
    }

    /// Connects as people do, with OpenSSH's own client.
    fn ssh(&self, keys: &Keys, identity: &str, user: &str, command: &str) -> Output {
        let known = self.folder.path().join("known");
        fs::write(&known, format!("machine {}", keys.read("host.pub"))).expect("written");
        let proxy = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machine/unix_proxy.py");
        let socket = self.folder.path().join("sockets/ssh");
        let options = [
            "BatchMode=yes".into(),
            "IdentitiesOnly=yes".into(),
            "IdentityAgent=none".into(),
            "StrictHostKeyChecking=yes".into(),
            "HostKeyAlias=machine".into(),
            format!("UserKnownHostsFile={}", known.display()),
            format!("IdentityFile={}", keys.path(identity)),
            format!("ProxyCommand=python3 {} {}", proxy.display(), socket.display()),
        ];
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none"]);
        for option in options {
            ssh.args(["-o", &option]);
        }
        ssh.arg(format!("{user}@machine")).arg(command).stdin(Stdio::null());
        ssh.output().expect("ssh runs")
    }

    fn progress(&self) -> Option<Progress> {
        let bytes = fs::read(self.disk(PROGRESS_PATH)).ok()?;
        Some(read_progress(&bytes).unwrap_or_else(|e| panic!("{e}: {bytes:?}")))
    }

    fn wait(&self, what: &str, mut is_there: impl FnMut() -> bool) {
        let began = Instant::now();
        while !is_there() {
            let console = || fs::read_to_string(self.folder.path().join("console"));
            let progress = || fs::read_to_string(self.disk(PROGRESS_PATH));
            assert!(began.elapsed() < DEADLINE, "{what}: {:?} {:?}", console(), progress());
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    fn wait_installed(&self) -> Progress {
        self.wait("the installation ends", || {
            self.progress().is_some_and(|p| p.state != ProgressState::Running)
        });
        let progress = self.progress().expect("it was there");
        assert_eq!(progress.state, ProgressState::Done, "{progress:?}");
        progress
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        self.cut();
    }
}

fn input(keys: &Keys, steps: Vec<TemplateStep>) -> RenderInput {
    let check = |tool: &str, run: &[&str]| ToolCheck {
        tool: tool.into(),
        run: run.iter().map(|word| (*word).to_owned()).collect(),
    };
    RenderInput {
        packages: ["curl", "git", "tmux"].map(str::to_owned).to_vec(),
        user_ca: Some(keys.read("authority.pub").trim().to_owned()),
        host_key: Some(HostKey {
            private: keys.read("host"),
            public: keys.read("host.pub").trim().to_owned(),
        }),
        steps: [vec![inputs::uses("terminal", &[])], steps].concat(),
        checks: vec![check("git", &["git", "--version"]), check("ghc", &["ghc", "--version"])],
        ..inputs::plain()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn a_machine_installs_itself_and_lets_in_who_its_authority_signed_for() {
    let Some(base) = base() else { return };
    let (keys, mut machine) = (Keys::new(), Real::new(base, "first"));
    machine.install(&input(&keys, vec![script("own", "echo here >/var/lib/own\n")]), "i-1");
    machine.start();
    let progress = machine.wait_installed();
    assert_eq!((progress.percent, progress.boots), (100, 1), "{progress:?}");
    assert!(progress.warnings.is_empty(), "{progress:?}");
    machine.wait("cloud-init ends", || {
        let said = machine.run(&["cloud-init", "status", "--format", "json"]);
        let exit = said.status.code().unwrap_or(-1);
        let answer = read_cloud_init(exit, &said.stdout);
        answer.is_ok_and(|answer| {
            assert!(answer.errors.is_empty(), "{answer:?}");
            answer.state == CloudInitState::Done
        })
    });

    let me = machine.ssh(&keys, "person", "dev", "id -un; sudo -n id -un; cat /var/lib/own");
    assert_eq!(text(&me), "dev\nroot\nhere\n");
    let checked = machine.ssh(&keys, "person", "dev", &CHECK_COMMAND.join(" "));
    let checked = read_checks(&checked.stdout).expect("the check answers");
    assert!(checked.installed()["git"].starts_with("2."), "{checked:?}");
    assert_eq!(checked.missing().map(|(tool, _)| tool).collect::<Vec<_>>(), ["ghc"]);

    for (identity, user) in [("stranger", "dev"), ("person", "root")] {
        let refused = machine.ssh(&keys, identity, user, "true");
        assert_eq!(refused.status.code(), Some(255), "{identity} as {user}: {}", text(&refused));
        // The one way in that is offered: nobody is asked for a password.
        assert!(text(&refused).contains("Permission denied (publickey)"), "{}", text(&refused));
    }
    let listening = machine.run(&["ss", "-Hltun"]);
    for line in text(&listening).lines() {
        let address = line.split_whitespace().nth(4).unwrap_or_default();
        let is_open = !address.starts_with("127.") && !address.starts_with("[::1]");
        assert!(!is_open || address.ends_with(":22"), "{line}");
    }
    let failed = machine.run(&["systemctl", "list-units", "--failed", "--plain", "--no-legend"]);
    assert_eq!(text(&failed), "");
    let rules = text(&machine.run(&["nft", "list", "ruleset"]));
    assert!(rules.contains("policy drop") && rules.contains("tcp dport 22 accept"), "{rules}");
}

#[test]
fn an_installation_goes_on_after_a_reboot_and_after_a_power_cut_in_the_middle() {
    let Some(base) = base() else { return };
    let (keys, mut machine) = (Keys::new(), Real::new(base, "cut"));
    let wait_twice = "echo here >>/var/lib/begun\nsync\n\
        [ \"$(wc -l </var/lib/begun)\" -ge 3 ] || sleep 600\n";
    machine.install(&input(&keys, vec![script("slow", wait_twice)]), "i-1");
    machine.start();
    let begun = |machine: &Real| {
        let lines = fs::read_to_string(machine.disk("/var/lib/begun")).unwrap_or_default();
        lines.lines().count()
    };
    machine.wait("the step begins", || begun(&machine) == 1);
    let rebooted = machine.run(&["systemctl", "reboot"]);
    assert!(rebooted.status.success() || rebooted.status.signal().is_some(), "{rebooted:?}");
    machine.wait("it begins again after the reboot", || begun(&machine) == 2);
    machine.cut();
    machine.start();
    let progress = machine.wait_installed();
    assert_eq!((begun(&machine), progress.boots), (3, 3), "{progress:?}");
    let done: Vec<&str> = progress.done.iter().map(|step| step.name.as_str()).collect();
    let once: std::collections::BTreeSet<&str> = done.iter().copied().collect();
    assert_eq!(done.len(), once.len(), "no step was done twice: {done:?}");
    assert_eq!(done.last(), Some(&"slow"));
    assert_eq!(text(&machine.ssh(&keys, "person", "dev", "id -un")), "dev\n");
}

#[test]
fn a_reinstallation_leaves_nothing_and_is_another_machine() {
    let Some(base) = base() else { return };
    let (keys, mut machine) = (Keys::new(), Real::new(base, "again"));
    machine.install(&input(&keys, vec![script("own", "echo one >/home/dev/work\n")]), "i-1");
    machine.start();
    machine.wait_installed();
    assert_eq!(text(&machine.ssh(&keys, "person", "dev", "cat work")), "one\n");
    let other = Keys::new();
    machine.install(&input(&other, vec![script("own", "echo two >/var/lib/own\n")]), "i-2");
    machine.start();
    machine.wait_installed();
    let gone = machine.ssh(&other, "person", "dev", "cat /var/lib/own; ls work");
    assert!(text(&gone).starts_with("two\n") && gone.status.code() == Some(2), "{gone:?}");
    // Whoever expects the machine from before sends nothing to this one.
    let before = machine.ssh(&keys, "person", "dev", "true");
    assert!(text(&before).contains("Host key verification failed"), "{}", text(&before));
}
