//! What of an earlier server still runs on a data folder.
//!
//! `kill -9` of `devpocket` leaves a whole server, which is taken over. `kill -9` of the server's
//! first process leaves its children: they notice and end, but as long as one of them holds the
//! shared memory no new server can start.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Children without a parent end within a second; one in the middle of a flush takes longer.
const ORPHANS_PATIENCE: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What runs on a data folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Running {
    Nothing,
    /// A server.
    Server,
    /// What is left of one.
    Orphans(Vec<u32>),
}

/// Looks at the processes whose working folder this is; a server and its children never leave it.
/// The pid in `postmaster.pid` alone says nothing: it may be somebody else's by now, also that of
/// another Postgres.
pub fn running(data: &Path) -> Running {
    let Ok(data) = fs::canonicalize(data) else { return Running::Nothing };
    // Without /proc `pg_ctl` finds out: it refuses a second server by itself.
    let entries = fs::read_dir("/proc").into_iter().flatten();
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let inside: Vec<u32> = pids.filter(|pid| is_in(*pid, &data)).collect();
    match first(&data) {
        Some(first) if inside.contains(&first) => Running::Server,
        _ if inside.is_empty() => Running::Nothing,
        _ => Running::Orphans(inside),
    }
}

/// Waits until what is left of a server has ended; answers who has not.
pub async fn orphans_gone(data: &Path) -> Vec<u32> {
    let deadline = Instant::now() + ORPHANS_PATIENCE;
    loop {
        match running(data) {
            Running::Orphans(pids) if Instant::now() >= deadline => return pids,
            Running::Orphans(_) => sleep(LOOK_AGAIN).await,
            Running::Nothing | Running::Server => return Vec::new(),
        }
    }
}

/// Removes what a server that is gone left to say that it runs. Postgres would believe it as long
/// as any process of its user has that pid, which in a container without an init process is for
/// ever: nobody reaps the dead one.
pub fn forget(data: &Path, socket_lock: &Path) {
    if fs::exists("/proc/self").unwrap_or(false) && running(data) == Running::Nothing {
        let _ = fs::remove_file(data.join("postmaster.pid"));
        let _ = fs::remove_file(socket_lock);
    }
}

fn is_in(pid: u32, data: &Path) -> bool {
    // A dead one that was not reaped yet has no working folder any more.
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder == data)
}

fn first(data: &Path) -> Option<u32> {
    let file = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    file.lines().next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn sleeper(folder: &Path) -> Child {
        Command::new("sleep").arg("600").current_dir(folder).spawn().expect("sleep is everywhere")
    }

    #[test]
    fn a_pid_that_belongs_to_somebody_else_is_no_server() {
        let (data, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut stranger = sleeper(elsewhere.path());
        fs::write(data.path().join("postmaster.pid"), stranger.id().to_string()).unwrap();
        assert_eq!(running(data.path()), Running::Nothing);
        forget(data.path(), &data.path().join("lock"));
        assert!(!data.path().join("postmaster.pid").exists());
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }

    #[tokio::test]
    async fn children_without_their_parent_are_waited_for() {
        let data = tempfile::tempdir().unwrap();
        let mut child = sleeper(data.path());
        fs::write(data.path().join("postmaster.pid"), u32::MAX.to_string()).unwrap();
        assert_eq!(running(data.path()), Running::Orphans(vec![child.id()]));
        let waiting = tokio::spawn({
            let data = data.path().to_owned();
            async move { orphans_gone(&data).await }
        });
        tokio::task::yield_now().await;
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(waiting.await.unwrap(), Vec::<u32>::new());
    }

    #[test]
    fn a_server_is_known_by_its_first_process() {
        let data = tempfile::tempdir().unwrap();
        let mut first = sleeper(data.path());
        fs::write(data.path().join("postmaster.pid"), format!("{}\nrest\n", first.id())).unwrap();
        assert_eq!(running(data.path()), Running::Server);
        forget(data.path(), &data.path().join("lock"));
        assert!(data.path().join("postmaster.pid").exists());
        first.kill().unwrap();
        first.wait().unwrap();
    }
}
