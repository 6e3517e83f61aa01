//! How long an installation still takes, told from those before it.

use jiff::Timestamp;

use devpocket_specs::install::{InstallState, InstallStatus};
use devpocket_specs::template::{InstallRun, RUNS_KEPT};

/// How many runs of a kind are needed before the time left is told: a guess from fewer is worse
/// than none.
pub const RUNS_NEEDED: usize = 5;

/// How long an installation that runs still takes, in seconds: the median of the runs of the same
/// version on the same size, less what has passed. `None` while fewer than [`RUNS_NEEDED`] are
/// known, and once it takes longer than usual.
#[must_use]
pub fn seconds_left(
    runs: &[InstallRun],
    generation: i64,
    size: &str,
    install: &InstallStatus,
    now: Timestamp,
) -> Option<u32> {
    if !matches!(install.state, InstallState::Waiting | InstallState::Running) {
        return None;
    }
    let alike = runs.iter().filter(|run| run.generation == generation && run.size == size);
    let mut seconds: Vec<u32> = alike.map(|run| run.seconds).collect();
    if seconds.len() < RUNS_NEEDED {
        return None;
    }
    seconds.sort_unstable();
    let usual = i64::from(seconds[seconds.len() / 2]);
    let passed = now.duration_since(install.started_at?).as_secs().max(0);
    u32::try_from(usual - passed).ok().filter(|left| *left > 0)
}

/// Adds a run that succeeded at the first go; one that was taken up again says nothing about how
/// long it usually takes. Whether anything was added.
pub fn remember(
    runs: &mut Vec<InstallRun>,
    generation: i64,
    size: &str,
    install: &InstallStatus,
) -> bool {
    let (Some(from), Some(to)) = (install.started_at, install.ended_at) else { return false };
    if install.state != InstallState::Succeeded || install.recoveries > 0 {
        return false;
    }
    let Ok(seconds) = u32::try_from(to.duration_since(from).as_secs()) else { return false };
    runs.push(InstallRun { generation, size: size.to_owned(), seconds });
    let surplus = runs.len().saturating_sub(RUNS_KEPT);
    runs.drain(..surplus);
    true
}
