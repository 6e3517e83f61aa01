//! What a session is: commands, codes, signals, terminals, files, forwards, certificates.

use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::world::{World, has, output};

fn ready() -> bool {
    ["ssh", "sftp", "ssh-keygen", "bwrap"].into_iter().all(has)
}

#[tokio::test]
async fn a_command_gives_its_output_its_code_and_its_signal() {
    if !ready() {
        return;
    }
    let world = World::new().await;
    assert_eq!(world.run("id -un; hostname; pwd").await, "dev\ndemo\n/home/dev");
    let failed = world.ssh(&["echo out; echo err >&2; exit 7"]).await;
    assert_eq!(failed.status.code(), Some(7));
    assert_eq!(
        (failed.stdout.as_slice(), failed.stderr.as_slice()),
        (&b"out\n"[..], &b"err\n"[..])
    );
    // OpenSSH says 255 and names the signal.
    let killed = world.ssh(&["kill -KILL $$"]).await;
    assert_eq!(killed.status.code(), Some(255), "{killed:?}");
    // Everything printed before the end arrives before it.
    for _ in 0..5 {
        let long = world.ssh(&["seq 1 50000; exit 3"]).await;
        assert_eq!(long.status.code(), Some(3));
        assert!(long.stdout.ends_with(b"49999\n50000\n"), "the end is missing");
    }
}

#[tokio::test]
async fn bytes_go_through_as_they_are_both_ways() {
    if !ready() {
        return;
    }
    let world = World::new().await;
    let bytes: Vec<u8> =
        (0..2_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut ssh = world.command("ssh").await;
    ssh.args(["dev@127.0.0.1", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = ssh.spawn().unwrap();
    let (mut to, mut from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut back = Vec::new();
    let sent = bytes.clone();
    let write = async move {
        to.write_all(&sent).await.unwrap();
    };
    let (_, read) = tokio::join!(write, from.read_to_end(&mut back));
    read.unwrap();
    assert!(child.wait().await.unwrap().success());
    assert!(back == bytes, "{} of {} bytes came back, or others", back.len(), bytes.len());
}

#[tokio::test]
async fn a_terminal_is_one() {
    if !ready() {
        return;
    }
    let world = World::new().await;
    let mut ssh = world.command("ssh").await;
    ssh.args(["-tt", "dev@127.0.0.1"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = ssh.spawn().unwrap();
    let mut to = child.stdin.take().unwrap();
    // ^C ends `sleep` and not the shell, which then ends with a code of its own. What is waited for is
    // put together there, and by the program that has the terminal: before, ^C would be the shell's.
    let line = "tty; echo TERM=$TERM; sh -c 'echo r\"\"eady; exec sleep 1000'\n";
    to.write_all(line.as_bytes()).await.unwrap();
    let mut from = child.stdout.take().unwrap();
    let mut seen = String::new();
    read_until(&mut from, &mut seen, "TERM=").await;
    read_until(&mut from, &mut seen, "/dev/pts/").await;
    read_until(&mut from, &mut seen, "ready").await;
    to.write_all(b"\x03").await.unwrap();
    read_until(&mut from, &mut seen, "^C").await;
    to.write_all(b"exit 9\n").await.unwrap();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(30), child.wait()).await;
    assert_eq!(ended.expect("the shell ends").unwrap().code(), Some(9), "{seen}");
    assert!(seen.contains("sandboxed"), "{seen}");
}

async fn read_until(from: &mut tokio::process::ChildStdout, seen: &mut String, what: &str) {
    let read = async {
        let mut buffer = [0; 4096];
        while !seen.contains(what) {
            let read = from.read(&mut buffer).await.unwrap();
            assert!(read > 0, "it ended before {what:?}: {seen}");
            seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    };
    let in_time = tokio::time::timeout(std::time::Duration::from_secs(30), read).await;
    assert!(in_time.is_ok(), "never {what:?}: {seen}");
}

#[tokio::test]
async fn files_are_copied_by_sftp() {
    if !ready() {
        return;
    }
    let world = World::new().await;
    let local = world.folder.path().join("file");
    let bytes: Vec<u8> = (0..300_000u32).map(|n| n.wrapping_mul(n) as u8).collect();
    std::fs::write(&local, &bytes).unwrap();
    let batch = world.folder.path().join("batch");
    let back = world.folder.path().join("back");
    let lines = format!(
        "mkdir d\nput {} d/file\nchmod 600 d/file\nrename d/file d/other\nls -l d\nget d/other {}\n\
         symlink other d/link\nrm d/link\n",
        local.display(),
        back.display()
    );
    std::fs::write(&batch, lines).unwrap();
    let mut sftp = world.command("sftp").await;
    sftp.arg("-b").arg(&batch).arg("dev@127.0.0.1");
    let done = output(&mut sftp).await;
    assert!(done.status.success(), "{done:?}");
    assert!(std::fs::read(&back).unwrap() == bytes);
    assert_eq!(world.run("stat -c '%a %s' d/other; ls d").await, "600 300000\nother");
}

#[tokio::test]
async fn ports_are_forwarded_within_the_machine_only() {
    if !ready() || !has("python3") {
        return;
    }
    let world = World::new().await;
    world.run("echo inside >index.html; nohup python3 -m http.server 8080 >/dev/null 2>&1 &").await;
    // It listens when it listens.
    let asks = "import socket; socket.create_connection((\"127.0.0.1\", 8080))";
    world.run(&format!("until python3 -c '{asks}' 2>/dev/null; do sleep 0.1; done")).await;
    // A port of this computer's loopback, which the machine must not reach.
    let own = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own_port = own.local_addr().unwrap().port();
    let mut ssh = world.command("ssh").await;
    let refused = output(ssh.args(["-W", &format!("127.0.0.1:{own_port}"), "dev@127.0.0.1"])).await;
    assert_eq!(refused.status.code(), Some(255), "{refused:?}");

    let mut ssh = world.command("ssh").await;
    ssh.args(["-W", "127.0.0.1:8080", "dev@127.0.0.1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = ssh.spawn().unwrap();
    let mut to = child.stdin.take().unwrap();
    to.write_all(b"GET /index.html HTTP/1.0\r\n\r\n").await.unwrap();
    let mut seen = String::new();
    read_until(&mut child.stdout.take().unwrap(), &mut seen, "inside").await;
}

#[tokio::test]
async fn a_certificate_opens_it_if_the_authority_made_it_for_dev_and_for_now() {
    if !ready() {
        return;
    }
    let world = World::new().await;
    let at = |name: &str| world.folder.path().join(name);
    let sign = async |authority: &str, principal: &str, validity: &str| {
        let mut made = Command::new("ssh-keygen");
        made.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(at("person"));
        for name in ["person", "person.pub", "person-cert.pub"] {
            let _ = std::fs::remove_file(at(name));
        }
        assert!(output(&mut made).await.status.success());
        let mut signed = Command::new("ssh-keygen");
        signed.args(["-q", "-I", "somebody", "-n", principal, "-V", validity, "-s"]);
        signed.arg(at(authority)).arg(at("person.pub"));
        assert!(output(&mut signed).await.status.success());
        let mut ssh = Command::new("ssh");
        let options: Vec<String> = world.options().await;
        let key = at("key").display().to_string();
        let options = options
            .into_iter()
            .map(|o| if o == key { at("person").display().to_string() } else { o });
        ssh.args(options).args(["-o", "IdentitiesOnly=yes", "dev@127.0.0.1", "true"]);
        output(&mut ssh).await.status.success()
    };
    assert!(sign("ca", "dev", "-5m:+5m").await);
    assert!(!sign("ca", "root", "-5m:+5m").await, "it is for somebody else");
    assert!(!sign("ca", "dev", "-10m:-5m").await, "it is over");
    assert!(!sign("guest-host", "dev", "-5m:+5m").await, "nobody trusts that authority");
}
