//! Machines that boot: Debian 13 with its own systemd, cloud-init and sshd, each in a container of
//! systemd-nspawn over a root file system that `specs/machines/debian13.sh` made.
//!
//! # Guarantees
//! - What happens to user-data on such a machine is what cloud-init and the installer do with it.
//! - Switching off is a power cut; the disk is what the machine wrote over the image, which stays as
//!   it is. When the simulator ends, also by kill -9, the machine ends.
//!
//! # Caveats
//! - It takes root, Linux with cgroup 2, `unshare` and `systemd-nspawn`. Who is root on the machine is
//!   root in a container without user namespaces: for tests of our own, not for strangers.
//! - It has no network beside its own loopback: what a template downloads has to be there already.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::super::machine::Isolation;
use super::user_data::UserData;

/// Boots one; see there.
const SCRIPT: &str = include_str!("../../../specs/machines/boot-machine.sh");
/// Its sshd's socket in the runtime folder: systemd names it, and finds nothing else beside it.
pub(super) const SOCKET: &str = "sockets/ssh";
/// Where cloud-init looks for user-data on a disk.
const SEED: &str = "disk/var/lib/cloud/seed/nocloud";
/// The longest name of a host.
const HOST_NAME: usize = 60;
/// A trial that takes longer than this hangs.
const TRIAL_LIMIT: Duration = Duration::from_secs(10);

/// Whether machines can boot from this image here.
pub(super) async fn isolation(image: &Path) -> io::Result<Isolation> {
    let impossible =
        |why: String| io::Error::other(format!("no machine boots from {}: {why}", image.display()));
    if !image.join("usr/lib/systemd/systemd").exists() {
        return Err(impossible("it is no root file system with systemd".into()));
    }
    let probe = "systemd-nspawn --version >/dev/null && mount --make-rprivate / && \
        mount -t tmpfs none /mnt && mkdir /mnt/groups && mount -t cgroup2 none /mnt/groups";
    let mut trial = Command::new("unshare");
    trial.args(["--mount", "--", "sh", "-c", probe]).stdin(Stdio::null()).kill_on_drop(true);
    let tried = tokio::time::timeout(TRIAL_LIMIT, trial.output()).await;
    let output = tried.map_err(|_| impossible("unshare does not answer".into()))?;
    let output = output.map_err(|error| impossible(format!("unshare: {error}")))?;
    if output.status.success() {
        return Ok(Isolation::Container);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or("it gave no reason");
    Err(impossible(format!("systemd-nspawn does not work here: {said}")))
}

/// An empty disk with user-data on it, as a purchase or a reinstallation leaves it.
pub(super) fn make(place: &Path, name: &str, data: &UserData) -> io::Result<()> {
    let draft = place.with_extension("new");
    if draft.exists() {
        fs::remove_dir_all(&draft)?;
    }
    let seed = draft.join(SEED);
    fs::create_dir_all(&seed)?;
    fs::write(seed.join("user-data"), &data.text)?;
    // Another id than that of the installation before: cloud-init does everything anew.
    let generation = place.file_name().unwrap_or_default().to_string_lossy();
    let host = data.hostname.as_deref().unwrap_or(name);
    let about = format!("instance-id: {name}-{generation}\nlocal-hostname: {host}\n");
    fs::write(seed.join("meta-data"), about)?;
    // There may be secrets in it.
    fs::set_permissions(&seed, fs::Permissions::from_mode(0o700))?;
    fs::rename(draft, place)
}

/// Switches it on. It ends when its input does.
pub(super) fn start(image: &Path, disk: &Path, runtime: &Path, name: &str) -> io::Result<Child> {
    let script = disk.join("boot-machine.sh");
    fs::write(&script, SCRIPT)?;
    // Simulators beside this one have machines of the same name.
    let name = format!("{name}-{}", std::process::id());
    let sockets = runtime.join(SOCKET).with_file_name("");
    fs::create_dir_all(&sockets)?;
    let mut command = Command::new("sh");
    command.arg(script).arg(image).arg(disk).arg(sockets).arg(&name[..name.len().min(HOST_NAME)]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::inherit());
    command.kill_on_drop(true).spawn()
}
