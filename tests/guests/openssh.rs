//! Our client and scripts against OpenSSH's own server: what a real machine runs.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use devpocket::bridge::{Bridge, Dialer};
use devpocket_controllers::guest::{Guest as _, GuestError, Question, Target, Wanted};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::contact::authority;
use super::support::postgres::TestDatabase;
use super::world::{has, output};

const LIMIT: Duration = Duration::from_secs(30);

struct Port(u16);

#[async_trait]
impl Dialer for Port {
    async fn dial(&self, _: &str) -> std::io::Result<TcpStream> {
        TcpStream::connect(("127.0.0.1", self.0)).await
    }
}

fn write(root: &Path, path: &str, text: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// sshd as an ordinary user in a sandbox of its own, with an `/etc` of its own.
async fn sshd(root: &Path, bridge: &Bridge, port: u16) -> Child {
    let first = bridge.first_key("m-1", 1).await.unwrap();
    write(root, "etc/ssh/ssh_host_ed25519_key", &first.private, 0o600);
    write(root, "etc/ssh/ssh_host_ed25519_key.pub", &first.public, 0o644);
    let authority = bridge.authority().user_line().unwrap();
    write(root, "etc/ssh/devpocket_user_ca.pub", &format!("{authority}\n"), 0o644);
    let config = format!(
        "Include /etc/ssh/sshd_config.d/*.conf\nPort {port}\nListenAddress 127.0.0.1\n\
         PidFile /tmp/sshd.pid\nTrustedUserCAKeys /etc/ssh/devpocket_user_ca.pub\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nStrictModes no\nUsePAM no\n"
    );
    write(root, "etc/ssh/sshd_config", &config, 0o644);
    std::fs::create_dir_all(root.join("etc/ssh/sshd_config.d")).unwrap();
    write(
        root,
        "etc/passwd",
        "root:x:0:0::/root:/bin/sh\ndev:x:1000:1000::/home/dev:/bin/sh\n",
        0o644,
    );
    write(root, "etc/group", "root:x:0:\ndev:x:1000:\n", 0o644);
    write(root, "usr/local/bin/sudo", "#!/bin/sh\nshift\nexec \"$@\"\n", 0o755);
    let reload = "#!/bin/sh\nkill -HUP \"$(cat /tmp/sshd.pid)\"\n";
    write(root, "usr/local/bin/systemctl", reload, 0o755);
    let status = "#!/bin/sh\necho '{\"status\":\"done\"}'\nexit 2\n";
    write(root, "usr/local/bin/cloud-init", status, 0o755);
    let progress = "{\"version\":1,\"state\":\"running\",\"step\":\"docker\",\"percent\":5}\n";
    write(root, "var/lib/devpocket/progress.json", progress, 0o644);
    for folder in ["home/dev", "var/log"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    let mut command = Command::new("bwrap");
    let flags = "--die-with-parent --unshare-user --unshare-pid --uid 1000 --gid 1000 \
                 --ro-bind /usr /usr --proc /proc --dev /dev --tmpfs /tmp --tmpfs /run";
    command.args(flags.split_whitespace());
    for folder in ["/bin", "/sbin", "/lib", "/lib64"] {
        match std::fs::read_link(folder) {
            Ok(target) => command.arg("--symlink").arg(target).arg(folder),
            Err(_) => command.args(["--ro-bind-try", folder, folder]),
        };
    }
    for folder in ["etc", "home", "var", "usr/local"] {
        command.arg("--bind").arg(root.join(folder)).arg(format!("/{folder}"));
    }
    command.args(["--", "/usr/sbin/sshd", "-D", "-e"]);
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin");
    command.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
}

#[tokio::test]
async fn a_first_contact_with_openssh_its_logs_and_its_reload() {
    if !["bwrap", "sshd", "ssh-keygen", "ssh"].into_iter().all(has) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let database = TestDatabase::new().await;
    let (authority, _store) = authority(&database).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let bridge = Bridge::new(authority, Arc::new(Port(port)));
    let mut server = sshd(folder.path(), &bridge, port).await;
    let target = Target {
        machine: "m-1".into(),
        generation: 1,
        address: "127.0.0.1".into(),
        known: Vec::new(),
        first: true,
    };
    let asked = async {
        loop {
            match bridge.own_key(&target).await {
                Ok(key) => return key,
                Err(GuestError::NotYet(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    let Ok(key) = tokio::time::timeout(LIMIT, asked).await else {
        server.kill().await.unwrap();
        let said = server.wait_with_output().await.unwrap();
        panic!("sshd never answers: {}", String::from_utf8_lossy(&said.stderr));
    };
    bridge.certify(&target, &key).await.unwrap();
    let known = Target { known: vec![key.clone()], first: false, ..target.clone() };
    // The reload is a moment in which nobody listens, or the old process answers.
    let asked = async {
        loop {
            match bridge.look(&known, &Question::state()).await {
                Ok(look) => return look,
                Err(GuestError::NotYet(_) | GuestError::WrongIdentity { .. }) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    };
    let look = tokio::time::timeout(LIMIT, asked).await.expect("it takes its own key up");
    assert!(String::from_utf8(look.progress.unwrap()).unwrap().contains("docker"));
    assert_eq!(look.cloud_init.unwrap().0, 2, "what its program ended with");
    assert!(!folder.path().join("etc/ssh/ssh_host_ed25519_key").exists());

    // What an OpenSSH client makes of it: one line in known_hosts is enough.
    let line = format!("@cert-authority * {}\n", bridge.authority().host_line().unwrap());
    let hosts = folder.path().join("known_hosts");
    std::fs::write(&hosts, line).unwrap();
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", "none", "-p", &port.to_string(), "-o", "BatchMode=yes"]);
    ssh.args(["-o", &format!("UserKnownHostsFile={}", hosts.display())]);
    ssh.args(["-o", "StrictHostKeyChecking=yes", "-o", "HostKeyAlias=m-1"]);
    ssh.args(["dev@127.0.0.1", "true"]);
    let said = output(&mut ssh).await;
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("Permission denied"), "the host is trusted, the guest is not: {said}");

    // Counters as this kernel tells them, without root and whatever is in front of sudo.
    let before = bridge.sample(&known).await.unwrap();
    assert!(before.uptime_ms > 0 && before.cpu.unwrap().total > 0, "{before:?}");
    assert!(before.memory.is_some() && before.disk.is_some(), "{before:?}");
    let after = bridge.sample(&known).await.unwrap();
    assert!(
        after.uptime_ms >= before.uptime_ms
            && after.cpu.unwrap().total >= before.cpu.unwrap().total
    );

    // A file arrives whole and private, a log once.
    bridge.copy(&known, "/home/dev/x/file", 0o600, b"it's\n\0binary").await.unwrap();
    let file = folder.path().join("home/dev/x/file");
    assert_eq!(std::fs::read(&file).unwrap(), b"it's\n\0binary");
    std::fs::write(folder.path().join("var/log/a.log"), "one\ntwo\n").unwrap();
    let wanted = |from| vec![Wanted { path: "/var/log/a.log".into(), from: from - 1, seen: from }];
    let question = Question { logs: wanted(4), ..Question::default() };
    let look = bridge.look(&known, &question).await.unwrap();
    assert_eq!((look.logs[0].from, look.logs[0].bytes.as_slice()), (3, &b"\ntwo\n"[..]));
    assert_eq!(look.cloud_init, None, "it was not asked");

    // Asked to wait it answers when there is a line, and not before its time without one.
    let wait = Duration::from_secs(1);
    let question = Question { logs: wanted(8), wait, ..Question::state() };
    let began = tokio::time::Instant::now();
    let look = bridge.look(&known, &question).await.unwrap();
    assert!(began.elapsed() >= wait && !look.logs[0].is_news(&question.logs), "{look:?}");
    assert!(look.cloud_init.is_some());
    let question = Question { wait: LIMIT, ..question };
    let (look, ()) = tokio::time::timeout(LIMIT, async {
        let print = async {
            let log = folder.path().join("var/log/a.log");
            let log = std::fs::OpenOptions::new().append(true).open(log);
            log.unwrap().write_all(b"three\n").unwrap();
        };
        tokio::join!(bridge.look(&known, &question), print)
    })
    .await
    .expect("a line ends the wait");
    let look = look.unwrap();
    assert_eq!(look.logs[0].bytes, b"\nthree\n");
    assert_eq!(look.cloud_init, None, "what is new has come without it");
    server.kill().await.unwrap();
}
