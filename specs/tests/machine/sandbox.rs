//! A machine for the installer: folders of its own for all it writes, everything else read-only.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use devpocket_specs::install::{
    CHECK_COMMAND, Checked, INSTALL_LOG_PATH, PROGRESS_PATH, Progress, read_checks, read_progress,
};
use devpocket_specs::render::{RenderInput, render};
use serde_json::Value;

use super::mirror::Mirror;

/// Folders that are the sandbox's own, by where they appear in it.
const OWN: [&str; 6] = ["/etc", "/var", "/home", "/root", "/opt", "/usr/local"];

/// What stands in for the machine's programs, and is asked before them.
const STUBS: [&str; 6] = ["apt-get", "dpkg", "systemctl", "timedatectl", "sleep", "psql"];

/// What the installer may do as root; not among them: to change the network.
const CAPABILITIES: [&str; 8] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_AUDIT_WRITE",
];

/// Whether the sandbox can be made here. It needs root, because the installer becomes other users.
pub fn is_possible() -> bool {
    let has = |name: &str| {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&folders).any(|folder| folder.join(name).is_file())
    };
    let mut missing: Vec<&str> = ["bwrap", "python3", "curl", "git", "tar", "runuser"]
        .into_iter()
        .filter(|name| !has(name))
        .collect();
    let is_root = fs::metadata("/proc/self").is_ok_and(|me| {
        use std::os::unix::fs::MetadataExt;
        me.uid() == 0
    });
    if !is_root {
        missing.push("root");
    }
    if missing.is_empty() {
        return true;
    }
    let text = format!("the installer is not run: {} missing", missing.join(", "));
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
    eprintln!("{text}");
    false
}

pub struct Sandbox {
    root: tempfile::TempDir,
}

impl Sandbox {
    /// A machine after cloud-init wrote its files, about to run the installer.
    pub fn new(mirror: &Mirror, input: &RenderInput) -> Sandbox {
        // In memory where that is possible: the installer waits for the disk after each word.
        let memory = Path::new("/dev/shm");
        let root = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        let sandbox = Sandbox { root: root.expect("a temporary folder") };
        sandbox.system(mirror);
        sandbox.stubs();
        sandbox.write_files(input);
        sandbox
    }

    /// A path in the sandbox as the test sees it.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    pub fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, content).expect("written");
    }

    pub fn text(&self, path: &str) -> String {
        let bytes = fs::read(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The program fails so often in that step, saying this.
    pub fn sabotage(&self, program: &str, step: &str, times: u32, says: &str) {
        self.put(&format!("/var/lib/sabotage/{program}"), format!("{step}\n{times}\n{says}\n"));
        let everybody = fs::Permissions::from_mode(0o666);
        fs::set_permissions(self.path(&format!("/var/lib/sabotage/{program}")), everybody).unwrap();
        let link = self.path(&format!("/usr/local/sbin/{program}"));
        if !link.exists() {
            fs::copy(stub("sabotage"), link).expect("copied");
        }
    }

    /// Runs the installer to its end: whether it succeeded, and what it said.
    pub fn install(&self) -> (bool, String) {
        let output = self.run(&["/usr/bin/python3", "/usr/local/lib/devpocket/install"]);
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let log = fs::read_to_string(self.path(INSTALL_LOG_PATH)).unwrap_or_default();
        (output.status.success(), format!("{said}\n--- {INSTALL_LOG_PATH}\n{log}"))
    }

    pub fn progress(&self) -> Progress {
        let bytes = fs::read(self.path(PROGRESS_PATH)).expect("a progress file");
        read_progress(&bytes).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&bytes)))
    }

    /// The template's own check, as `dev`.
    pub fn check(&self) -> Checked {
        let command = CHECK_COMMAND.join(" ");
        let output = self.run(&["runuser", "-l", "dev", "-c", &command]);
        read_checks(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    pub fn run(&self, words: &[&str]) -> Output {
        self.command(&[], words).output().expect("bwrap runs")
    }

    /// A command in the sandbox; `more` are further arguments of bubblewrap.
    pub fn command(&self, more: &[&str], words: &[&str]) -> Command {
        let mut command = Command::new("bwrap");
        command.args(["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"]);
        command.args(["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev"]);
        command.args(["--tmpfs", "/tmp", "--tmpfs", "/run", "--chdir", "/", "--clearenv"]);
        for folder in ["bin", "sbin", "lib", "lib64"] {
            command.args(["--symlink", &format!("usr/{folder}"), &format!("/{folder}")]);
        }
        for folder in OWN {
            command.arg("--bind").arg(self.path(folder)).arg(folder);
        }
        command.args(["--ro-bind-try", "/etc/alternatives", "/etc/alternatives"]);
        for capability in CAPABILITIES {
            command.args(["--cap-add", capability]);
        }
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        command.args(["--setenv", "PATH", path, "--setenv", "DEVPOCKET_RETRY_SECONDS", "0.01"]);
        command.args(more).arg("--").args(words).stdin(Stdio::null());
        command
    }

    /// The files an installed system has, as far as the programs in here look at them.
    fn system(&self, mirror: &Mirror) {
        for folder in OWN.iter().chain(&["/home/dev", "/var/log", "/var/tmp", "/var/lib"]) {
            fs::create_dir_all(self.path(folder)).expect("made");
        }
        for folder in ["sbin", "bin", "lib", "stubs"] {
            fs::create_dir_all(self.path(&format!("/usr/local/{folder}"))).expect("made");
        }
        for folder in ["apt/apt.conf.d", "apt/sources.list.d", "systemd/system", "zsh"] {
            fs::create_dir_all(self.path(&format!("/etc/{folder}"))).expect("made");
        }
        self.put(
            "/etc/passwd",
            "root:x:0:0::/root:/bin/bash\ndev:x:1000:1000::/home/dev:/bin/bash\n",
        );
        self.put("/etc/group", "root:x:0:\ndev:x:1000:\n");
        self.put("/etc/shadow", "root:*:20000::::::\ndev:!:20000::::::\n");
        self.put("/etc/gshadow", "root:*::\ndev:!::\n");
        self.put("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n");
        self.put("/etc/hosts", "127.0.0.1 localhost\n");
        self.put("/etc/os-release", "ID=debian\nVERSION_CODENAME=bookworm\n");
        self.put("/etc/apt/stand-in-mirror", mirror.url("apt"));
        for name in ["profile", "login.defs", "pam.d", "security", "ld.so.cache"] {
            let from = Path::new("/etc").join(name);
            let copied = Command::new("cp").arg("-a").arg(from).arg(self.path("/etc")).status();
            assert!(copied.expect("cp").success(), "{name}");
        }
        let given = Command::new("chown").arg("1000:1000").arg(self.path("/home/dev")).status();
        assert!(given.expect("chown").success());
    }

    fn stubs(&self) {
        for name in STUBS {
            fs::copy(stub(name), self.path(&format!("/usr/local/stubs/{name}"))).expect("copied");
            fs::copy(stub("sabotage"), self.path(&format!("/usr/local/sbin/{name}")))
                .expect("copied");
        }
        symlink("/usr/bin/true", self.path("/usr/local/stubs/nft")).expect("linked");
        fs::copy(stub("sabotage"), self.path("/usr/local/sbin/nft")).expect("copied");
        fs::remove_file(self.path("/usr/local/sbin/psql")).expect("it comes with its package");
    }

    /// What cloud-init does with `write_files`.
    fn write_files(&self, input: &RenderInput) {
        let user_data = render(input).expect("valid input").user_data;
        let document: Value = serde_yaml::from_str(&user_data).expect("YAML");
        for file in document["write_files"].as_array().expect("files") {
            let content = file["content"].as_str().expect("text");
            let decode = || STANDARD.decode(content).expect("base64");
            let bytes = match file["encoding"].as_str() {
                None => content.as_bytes().to_vec(),
                Some("b64") => decode(),
                Some("gz+b64") => {
                    let mut bytes = Vec::new();
                    flate2::read::GzDecoder::new(&decode()[..])
                        .read_to_end(&mut bytes)
                        .expect("gzip");
                    bytes
                }
                Some(other) => panic!("{other} is no encoding of cloud-init"),
            };
            let path = file["path"].as_str().expect("a path");
            self.put(path, bytes);
            let mode = u32::from_str_radix(file["permissions"].as_str().expect("octal"), 8);
            let mode = fs::Permissions::from_mode(mode.expect("octal"));
            fs::set_permissions(self.path(path), mode).expect("set");
        }
    }
}

fn stub(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machine/stubs").join(name)
}
