//! How a machine's program is started: in a sandbox of bubblewrap, or without one.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::super::machine::Isolation;
use super::GuestConfig;
use super::layout::{FOLDERS, USER_ID};

pub(super) const BWRAP: &str = "bwrap";
/// A trial that takes longer than this hangs.
const TRIAL_LIMIT: Duration = Duration::from_secs(10);
/// Folders of programs beside `/usr`; on most systems links into it.
const PROGRAMS: [&str; 6] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
/// What programs look for in `/etc` beside the machine's own.
const LENT: [&str; 3] = ["/etc/alternatives", "/etc/ssl", "/etc/ld.so.cache"];
/// Where a sandbox finds what only the simulator and the machine's program know of.
const INSIDE: &str = "/run/machine";
const PROGRAM_INSIDE: &str = "/run/machine-program";
/// Programs of the host without which the shell in a sandbox would be none.
const NEEDED: [&str; 3] = ["/bin/sh", "/usr/bin/setsid", "/usr/bin/ssh-keygen"];

/// Which isolation this computer allows.
pub(super) async fn isolation(config: &GuestConfig) -> Isolation {
    if config.unsafe_host_shell {
        return Isolation::HostShell;
    }
    if let Some(missing) = NEEDED.iter().find(|program| !Path::new(program).exists()) {
        return Isolation::BuiltIn(format!("{missing} is not installed"));
    }
    let mut trial = Command::new(&config.sandbox);
    trial.args(namespaces("trial")).args(["--ro-bind", "/", "/", "--proc", "/proc", "true"]);
    trial.stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(TRIAL_LIMIT, trial.output()).await {
        Err(_) => Isolation::BuiltIn("bubblewrap (bwrap) does not answer".to_owned()),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            Isolation::BuiltIn("bubblewrap (bwrap) is not installed".to_owned())
        }
        Ok(Err(error)) => {
            Isolation::BuiltIn(format!("bubblewrap (bwrap) cannot be started: {error}"))
        }
        Ok(Ok(output)) if output.status.success() => Isolation::Sandbox,
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().next().unwrap_or("it gave no reason");
            Isolation::BuiltIn(format!("bubblewrap (bwrap) does not work here: {said}"))
        }
    }
}

fn namespaces(hostname: &str) -> Vec<String> {
    let id = USER_ID.to_string();
    let words = [
        "--die-with-parent",
        "--unshare-user",
        "--unshare-ipc",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-uts",
        "--unshare-cgroup-try",
        "--hostname",
        hostname,
        "--uid",
        &id,
        "--gid",
        &id,
    ];
    words.map(str::to_owned).to_vec()
}

/// What a machine's program is started from.
pub(super) struct Start<'a> {
    pub program: &'a Path,
    pub sandbox: &'a Path,
    pub isolation: &'a Isolation,
    pub disk: &'a Path,
    /// Folder of the boot file and the socket.
    pub runtime: &'a Path,
    pub hostname: &'a str,
}

impl Start<'_> {
    /// Starts it. It ends when its input does, so also when this process is killed.
    pub fn spawn(&self) -> std::io::Result<Child> {
        let mut command = match self.isolation {
            Isolation::Sandbox => self.sandboxed(),
            _ => {
                let mut command = Command::new(self.program);
                command.args(guest_machine(self.runtime));
                command
            }
        };
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::inherit());
        command.kill_on_drop(true).spawn()
    }

    fn sandboxed(&self) -> Command {
        let mut command = Command::new(self.sandbox);
        command.args(namespaces(self.hostname)).args(["--ro-bind", "/usr", "/usr"]);
        for folder in PROGRAMS {
            match std::fs::read_link(folder) {
                Ok(target) => command.arg("--symlink").arg(target).arg(folder),
                Err(_) if Path::new(folder).is_dir() => command.args(["--ro-bind", folder, folder]),
                Err(_) => &mut command,
            };
        }
        for folder in FOLDERS {
            command.arg("--bind").arg(self.disk.join(folder)).arg(format!("/{folder}"));
        }
        for lent in LENT {
            command.args(["--ro-bind-try", lent, lent]);
        }
        command.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run"]);
        command.arg("--bind").arg(self.runtime).arg(INSIDE);
        command.arg("--ro-bind").arg(self.program).arg(PROGRAM_INSIDE);
        command.args(["--chdir", "/", "--", PROGRAM_INSIDE]);
        command.args(guest_machine(Path::new(INSIDE)));
        command
    }
}

fn guest_machine(runtime: &Path) -> Vec<std::ffi::OsString> {
    vec![
        "guest-machine".into(),
        "--boot".into(),
        runtime.join(super::BOOT).into(),
        "--socket".into(),
        runtime.join(super::SOCKET).into(),
    ]
}
