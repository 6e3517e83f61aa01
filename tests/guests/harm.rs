//! What a shell on a simulated machine must not do to the computer it runs on.

use devpocket::simulator::machine::Isolation;

use super::world::{World, has};

#[tokio::test]
async fn nothing_done_on_a_machine_harms_its_host() {
    if !["ssh", "ssh-keygen", "bwrap"].into_iter().all(has) {
        return;
    }
    let world = World::new().await;
    // A file of the host's in the place where a careless sandbox would show it.
    let marker = world.folder.path().join("marker");
    std::fs::write(&marker, "host").unwrap();
    let shown = marker.display();

    // Its installer writes there too until it is done.
    let done = "grep -q '\"state\": *\"done\"' /var/lib/devpocket/progress.json";
    let emptied = format!(
        "until {done}; do sleep 0.1; done; touch ~/a ~/.b; rm -rf ~; \
         find ~ -mindepth 1 2>/dev/null || :"
    );
    let emptied = world.run(&emptied).await;
    assert_eq!(emptied, "", "its own home is empty");
    // With the home went the key that opened it; the rest is asked on a new disk.
    drop(world);

    let world = World::new().await;
    assert!(marker_is_hidden(&world, &shown.to_string()).await);
    let home = std::env::var("HOME").unwrap_or("/root".into());
    let seen = world.run(&format!("ls -A {home} 2>/dev/null | wc -l")).await;
    assert_eq!(seen, "0", "{home} of the host is seen");
    for command in [
        "sudo -n sh -c 'echo x >/usr/bin/devpocket-was-here'",
        "sudo -n mount -t tmpfs none /usr",
        "sudo -n cat /etc/shadow",
        "sudo -n chroot /proc/1/root /bin/true && cat /proc/1/root/etc/shadow",
        "sudo -n reboot",
    ] {
        let output = world.ssh(&[command]).await;
        assert!(!output.status.success(), "{command}: {output:?}");
    }
    assert!(!std::path::Path::new("/usr/bin/devpocket-was-here").exists());
    assert_eq!(world.run("sudo -n id -u").await, "0");
    // Nobody else's processes, network or files.
    assert_eq!(world.run("ls /sys/class/net 2>/dev/null | wc -l").await, "0");
    let processes: u32 = world.run("ls -d /proc/[0-9]* | wc -l").await.parse().unwrap();
    assert!(processes < 20, "{processes} processes are seen");
    // It may kill all it sees: the machine comes up again.
    world.ssh(&["kill -9 -1"]).await;
    world.answering().await;
}

async fn marker_is_hidden(world: &World, path: &str) -> bool {
    !world.ssh(&[&format!("cat {path}")]).await.status.success()
}

#[tokio::test]
async fn without_a_sandbox_nothing_is_run_and_it_says_so() {
    if !["ssh", "ssh-keygen"].into_iter().all(has) {
        return;
    }
    let world = World::in_sandbox("/nowhere/bwrap").await;
    let isolation = world.guest().await.unwrap().isolation;
    let why = "bubblewrap (bwrap) is not installed";
    assert_eq!(isolation, Isolation::BuiltIn(why.into()));
    assert_eq!(world.run("whoami").await, "dev");
    let marker = world.folder.path().join("marker");
    for command in [format!("touch {}", marker.display()), "sh -c true".into(), "ls; true".into()] {
        let output = world.ssh(&[&command]).await;
        assert_ne!(output.status.code(), Some(0), "{command}: {output:?}");
    }
    assert!(!marker.exists());
    assert!(!world.ssh(&["cat ../../../../../../etc/shadow"]).await.status.success());
    let mut shell = world.command("ssh").await;
    shell.args(["dev@127.0.0.1"]).stdin(std::process::Stdio::null());
    let shell = super::world::output(&mut shell).await;
    let said = String::from_utf8_lossy(&shell.stdout).into_owned();
    assert!(said.contains(why) && said.contains("built-in shell"), "{said}");
}
