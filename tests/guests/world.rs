//! A simulator with one machine of our own user-data, and OpenSSH's programs pointed at it.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use devpocket::clock::SystemClock;
use devpocket::simulator::control::{ControlClient, CreateInstance, GuestView, PanelAction};
use devpocket::simulator::guests::GuestConfig;
use devpocket::simulator::machine::Isolation;
use devpocket::simulator::{Simulator, SimulatorConfig};
use devpocket_controllers::sim::contabo::Settings;
use tempfile::TempDir;
use tokio::process::Command;

/// The longest anything here may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Fails under CI, and is told otherwise, when a program is not there.
pub fn has(program: &str) -> bool {
    let found = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).exists())
    }) || Path::new("/usr/sbin").join(program).exists();
    assert!(found || std::env::var("CI").as_deref() != Ok("true"), "{program} is not installed");
    if !found {
        eprintln!("not tested: {program} is not installed");
    }
    found
}

pub struct World {
    pub folder: TempDir,
    pub simulator: Simulator,
    pub control: ControlClient,
    pub id: i64,
}

impl World {
    /// A simulator with one machine that runs and answers.
    pub async fn new() -> World {
        let world = World::in_sandbox("bwrap").await;
        let isolation = world.guest().await.map(|guest| guest.isolation);
        assert_eq!(isolation, Some(Isolation::Sandbox), "bubblewrap is there and does not work");
        world
    }

    /// The same, with another program than bubblewrap.
    pub async fn in_sandbox(sandbox: &str) -> World {
        let folder = tempfile::tempdir().unwrap();
        keys(folder.path()).await;
        let data = user_data(folder.path());
        let world = World::of(folder, data, sandbox).await;
        world.answering().await;
        world
    }

    /// One machine of this user-data, which need not answer yet.
    pub async fn of(folder: TempDir, data: String, sandbox: &str) -> World {
        let simulator = start(folder.path(), sandbox).await;
        let control = ControlClient::new(&simulator.control_url()).unwrap();
        let order = CreateInstance {
            product_id: Some("V91".into()),
            region: Some("EU".into()),
            period: Some(1),
            display_name: Some("demo".into()),
            user_data: Some(data),
            ..CreateInstance::default()
        };
        let id = control.panel_purchase(&order).await.unwrap().instance_id;
        World { folder, simulator, control, id }
    }

    pub async fn panel(&self, action: PanelAction) {
        self.control.panel("demo", action).await.unwrap();
    }

    pub async fn guest(&self) -> Option<GuestView> {
        let all = self.control.guests().await.unwrap();
        all.into_iter().find(|guest| guest.instance_id == self.id)
    }

    /// Waits until a look at the machine says so.
    pub async fn until(&self, what: &str, so: impl Fn(&GuestView) -> bool) -> GuestView {
        let asked = async {
            loop {
                if let Some(guest) = self.guest().await.filter(&so) {
                    return guest;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LIMIT, asked).await.unwrap_or_else(|_| panic!("never: {what}"))
    }

    /// Waits until SSH answers, and returns the port.
    pub async fn answering(&self) -> u16 {
        let asked = async {
            loop {
                let port = self.guest().await.and_then(|guest| guest.port);
                if let Some(port) = port
                    && self.ssh(&["true"]).await.status.success()
                {
                    return port;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LIMIT, asked).await.expect("the machine never answers SSH")
    }

    pub async fn port(&self) -> u16 {
        self.until("a port", |guest| guest.port.is_some()).await.port.unwrap()
    }

    /// OpenSSH's options for this machine; the host key is written down on the first contact.
    pub async fn options(&self) -> Vec<String> {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        [
            "-F".into(),
            "none".into(),
            "-i".into(),
            at("key"),
            "-o".into(),
            format!("UserKnownHostsFile={}", at("known")),
            "-o".into(),
            "StrictHostKeyChecking=accept-new".into(),
            "-o".into(),
            "BatchMode=yes".into(),
            "-o".into(),
            "LogLevel=ERROR".into(),
            "-o".into(),
            format!("Port={}", self.port().await),
        ]
        .to_vec()
    }

    /// A run of `ssh`, to its end.
    pub async fn ssh(&self, command: &[&str]) -> Output {
        let mut ssh = self.command("ssh").await;
        ssh.arg("dev@127.0.0.1").args(command);
        output(&mut ssh).await
    }

    /// What a command printed; it must succeed.
    pub async fn run(&self, command: &str) -> String {
        let output = self.ssh(&[command]).await;
        assert!(output.status.success(), "{command}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    pub async fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(self.options().await).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Ends the simulator and starts it on the same data.
    pub async fn restarted(self) -> World {
        self.simulator.shutdown().await;
        let simulator = start(self.folder.path(), "bwrap").await;
        let control = ControlClient::new(&simulator.control_url()).unwrap();
        World { folder: self.folder, simulator, control, id: self.id }
    }
}

pub async fn output(command: &mut Command) -> Output {
    tokio::time::timeout(LIMIT, command.output()).await.expect("it ends").unwrap()
}

async fn start(folder: &Path, sandbox: &str) -> Simulator {
    let clock = SystemClock::new().into();
    let settings = Settings { speed: 600.0, ..Settings::prompt() };
    let config = SimulatorConfig {
        data: Some(folder.join("data")),
        guests: Some(GuestConfig {
            disks: Some(folder.join("disks")),
            sandbox: sandbox.into(),
            ..GuestConfig::new(env!("CARGO_BIN_EXE_devpocket").into())
        }),
        ..SimulatorConfig::in_memory(settings, clock)
    };
    Simulator::start(config).await.unwrap()
}

async fn keys(folder: &Path) {
    for name in ["key", "ca", "guest-host"] {
        let mut made = Command::new("ssh-keygen");
        made.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(folder.join(name));
        assert!(output(&mut made).await.status.success());
    }
}

/// User-data as a person could write it.
fn user_data(folder: &Path) -> String {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let document = serde_json::json!({
        "fqdn": "demo.test.internal",
        "users": [{"name": "dev", "shell": "/bin/bash", "lock_passwd": true,
                   "ssh_authorized_keys": [read("key.pub").trim()]}],
        "ssh_keys": {"ed25519_private": read("guest-host"), "ed25519_public": read("guest-host.pub")},
        "write_files": [
            {"path": "/etc/ssh/devpocket_user_ca.pub", "content": read("ca.pub")},
            {"path": "/etc/ssh/sshd_config.d/10-devpocket.conf",
             "content": "TrustedUserCAKeys /etc/ssh/devpocket_user_ca.pub\n"},
            {"path": "/etc/devpocket/plan.json",
             "content": "{\"steps\":[{\"name\":\"tools\",\"seconds\":60},{\"name\":\"docker\",\"seconds\":60}]}"},
        ],
    });
    format!("#cloud-config\n{}", serde_yaml::to_string(&document).unwrap())
}
