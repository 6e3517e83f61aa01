//! A machine that boots for real, from its purchase to its tools: our user-data in Debian's own
//! systemd, cloud-init and sshd, first contact and all, with the power cut in the middle.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use devpocket::simulator::control::PanelAction;
use devpocket_specs::condition;
use devpocket_specs::environment::conditions;
use devpocket_specs::install::InstallState;
use tokio::time::Instant;

use crate::support::{Home, PROGRAM, Up};

/// Booting twice and installing takes a while where others compile.
const LIMIT: Duration = Duration::from_secs(240);

/// An account with nothing in it, so that nothing is declared beside ours.
const EMPTY: &str = "kind: ContaboAccount\nversion: 1\ntaken: 2026-03-10T12:00:00Z\nmachines: []\n";

const DECLARED: &str = r#"
apiVersion: devpocket.dev/v1alpha1
kind: Template
metadata: {name: small}
spec:
  displayName: Small
  description: What the image has
  image: ubuntu-24.04
  packages: [curl, git, tmux]
  steps:
  - name: slow
    script: |
      echo here >>/var/lib/begun
      sync
      [ "$(wc -l </var/lib/begun)" -ge 2 ] || sleep 600
  checks:
  - {tool: git, run: [git, --version]}
---
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData: {password: "it's $HOME", token: "a `b` $c 'd'"}
---
apiVersion: devpocket.dev/v1alpha1
kind: Environment
metadata: {name: real}
spec:
  size: vps-10-nvme
  region: EU
  template: small
  user:
    directSsh: true
    keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGdvb2Rnb29kZ29vZGdvb2Rnb29kZ29vZGdvb2Rnb29k ann]
    passwordSecret: {name: login, key: password}
  env:
  - {name: TOKEN, valueFrom: {secretKeyRef: {name: login, key: token}}}
"#;

/// The same environment with another shell and variable, and without the key and the password.
const CHANGED: &str = r#"
apiVersion: devpocket.dev/v1alpha1
kind: Environment
metadata: {name: real}
spec:
  size: vps-10-nvme
  region: EU
  template: small
  user: {shell: /bin/dash}
  env:
  - {name: OTHER, value: plain}
"#;

/// What the machine has of user and variables, each on a line.
const SEEN: &str = r#"getent passwd dev | cut -d: -f7
sudo grep ^dev: /etc/shadow | cut -d: -f2 | cut -c1-3
grep -c "devpocket$" ~/.ssh/authorized_keys
stat -c "%U %a" /etc/devpocket/variables
bash -lc "echo \"\$TOKEN|\$OTHER\""
"#;

/// The root file system, if machines can boot from it here. A program that is missing is a fault
/// under CI; what the host forbids is none.
fn image() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let folder = target.join("debian13");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs/machines/debian13.sh");
    let made = Command::new(&script).arg(&folder).output().expect("the script runs");
    let nspawn = Command::new("systemd-nspawn").arg("--version").output();
    if !made.status.success() || nspawn.is_err() {
        let said = String::from_utf8_lossy(&made.stderr);
        let text = format!("no machine boots: {nspawn:?} {said}");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
        eprintln!("{text}");
        return None;
    }
    let allowed = Command::new("unshare")
        .args([
            "--mount",
            "--",
            "sh",
            "-c",
            "mount --make-rprivate / && mount -t cgroup2 none /mnt",
        ])
        .output()
        .expect("unshare runs");
    if !allowed.status.success() {
        eprintln!("no machine boots: {}", String::from_utf8_lossy(&allowed.stderr));
    }
    allowed.status.success().then_some(folder)
}

#[tokio::test]
async fn a_real_machine_is_bought_installs_itself_through_a_power_cut_and_is_used() {
    let Some(image) = image() else { return };
    let home = Home::new();
    let at = |name: &str| home.path().join(name).display().to_string();
    std::fs::write(at("account.yaml"), EMPTY).unwrap();
    std::fs::write(at("declared.yaml"), DECLARED).unwrap();
    let image = image.display().to_string();
    let (data, twin) = (home.data().display().to_string(), at("account.yaml"));
    let flags = ["--data", &data, "--twin", &twin, "--machine-image", &image];
    let mut up = Up::start_with(&home, &flags, &[]);
    up.line_with("In another terminal");
    let (done, said) = up.shell(&format!("{PROGRAM} apply -f {} --yes", at("declared.yaml")));
    assert!(done, "{said}");

    until(&up, "it is in the step", |up| {
        Box::pin(async {
            let install = up.environment("real").await.status.install;
            install.is_some_and(|install| install.step == "slow")
        })
    })
    .await;
    up.control().panel("real", PanelAction::Stop).await.unwrap();
    until(&up, "it is ready", |up| {
        Box::pin(async {
            let conditions = up.environment("real").await.status.conditions;
            condition::is_true(&conditions, conditions::READY)
        })
    })
    .await;
    let install = up.environment("real").await.status.install.expect("it was installed");
    assert_eq!((install.state, install.percent), (InstallState::Succeeded, 100), "{install:?}");
    assert!(install.installed_tools["git"].starts_with("2."), "{install:?}");

    let command = ". /etc/os-release; echo $ID $VERSION_ID; systemctl is-system-running; id -un; \
                   wc -l </var/lib/begun";
    let (done, said) = up.shell(&format!("{PROGRAM} exec real -- sh -c '{command}'"));
    assert!(done && said.starts_with("debian 13\nrunning\ndev\n2\n"), "{said}");
    let seen = || up.shell(&format!("{PROGRAM} exec real -- sh -c '{SEEN}'")).1;
    assert_eq!(seen(), "/bin/bash\n$6$\n1\ndev 600\na `b` $c 'd'|\n");
    std::fs::write(at("changed.yaml"), CHANGED).unwrap();
    let (done, said) = up.shell(&format!("{PROGRAM} apply -f {} --yes", at("changed.yaml")));
    assert!(done, "{said}");
    until(&up, "it is as declared again", |up| {
        Box::pin(async {
            let environment = up.environment("real").await;
            let current = environment.status.observed_generation == environment.metadata.generation;
            current && condition::is_true(&environment.status.conditions, conditions::READY)
        })
    })
    .await;
    assert_eq!(seen(), "/bin/dash\n!\n0\ndev 600\n|plain\n");
    let bought = up.control().ledger().await.unwrap().entries;
    assert_eq!(bought.len(), 1, "{bought:?}");
    up.interrupt();
}

type Asked<'a> = std::pin::Pin<Box<dyn Future<Output = bool> + 'a>>;

async fn until(up: &Up, what: &str, so: impl for<'a> Fn(&'a Up) -> Asked<'a>) {
    let deadline = Instant::now() + LIMIT;
    while !so(up).await {
        let seen = up.environment("real").await;
        assert!(Instant::now() < deadline, "never: {what}: {seen:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
