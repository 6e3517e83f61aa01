//! How long an installation usually takes, told from those before it.

use devpocket_specs::install::{InstallState, InstallStatus};
use devpocket_specs::kind::Kind;
use devpocket_specs::machine::Machine;
use devpocket_specs::object::Key;
use devpocket_specs::template::{InstallRun, RUNS_KEPT, Template};

use crate::client::{Client, ClientError};

/// How many runs of a kind are needed before the time left is told: a guess from fewer is worse
/// than none.
pub const RUNS_NEEDED: usize = 5;

/// How long an installation of this version on this size usually takes, in seconds: the median of
/// those before it. `None` while fewer than [`RUNS_NEEDED`] are known.
///
/// It goes into `status.install.usualSeconds`: a time left would move with the clock alone, and
/// every look would be a write.
#[must_use]
pub fn usual_seconds(runs: &[InstallRun], generation: i64, size: &str) -> Option<u32> {
    let alike = runs.iter().filter(|run| run.generation == generation && run.size == size);
    let mut seconds: Vec<u32> = alike.map(|run| run.seconds).collect();
    if seconds.len() < RUNS_NEEDED {
        return None;
    }
    seconds.sort_unstable();
    Some(seconds[seconds.len() / 2])
}

/// The run of an installation that succeeded at the first go; one that was taken up again says
/// nothing about how long it usually takes.
#[must_use]
pub fn run(generation: i64, size: &str, install: &InstallStatus) -> Option<InstallRun> {
    if install.state != InstallState::Succeeded || install.recoveries > 0 {
        return None;
    }
    let taken = install.ended_at?.duration_since(install.started_at?);
    let seconds = u32::try_from(taken.as_secs()).ok()?;
    Some(InstallRun { generation, size: size.to_owned(), seconds })
}

/// Adds a run and keeps the newest [`RUNS_KEPT`].
pub fn remember(runs: &mut Vec<InstallRun>, run: InstallRun) {
    runs.push(run);
    let surplus = runs.len().saturating_sub(RUNS_KEPT);
    runs.drain(..surplus);
}

/// Writes the run of a machine that has just been installed into its template's record. To be
/// called once, when the installation succeeds; a run that is lost to a crash is missed by nobody.
/// Whether there was one to remember.
pub async fn record(
    client: &Client,
    machine: &Machine,
    install: &InstallStatus,
) -> Result<bool, ClientError> {
    let Some(order) = &machine.spec.order else { return Ok(false) };
    let Some(template) = &order.template else { return Ok(false) };
    let Some(run) = run(template.generation, &order.size, install) else { return Ok(false) };
    let key = Key::cluster(Kind::Template, &template.name);
    let add = |template: &mut Template| remember(&mut template.status.runs, run.clone());
    match client.edit_status(&key, add).await {
        Err(error) if error.is_not_found() => Ok(false),
        other => other.map(|_| true),
    }
}
