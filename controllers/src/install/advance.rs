//! One look further.

use jiff::{SignedDuration, Timestamp};

use devpocket_specs::install::{
    CloudInit, CloudInitState, InstallError, InstallState, InstallStatus, LAST_LINES, Progress,
    ProgressState, codes,
};

/// How long after cloud-init is done an installer may still be silent before that counts as not
/// having started: the service writes its first word within moments.
pub const SILENCE: SignedDuration = SignedDuration::from_secs(60);

/// Which installation it is about.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// `Machine.spec.installGeneration`.
    pub generation: i64,
    /// `python@3`, or the image's name.
    pub software: &'a str,
    /// When the machine was first expected to install: the order or reinstall succeeded.
    pub since: Timestamp,
    /// `INSTALL_TIMEOUT_MINUTES`.
    pub timeout: SignedDuration,
}

/// What was seen of the machine; nothing of it while it could not be reached.
#[derive(Clone, Debug, Default)]
pub struct Look<'a> {
    /// Its answer about cloud-init, if there was one that could be read.
    pub cloud_init: Option<&'a CloudInit>,
    pub progress: ProgressSeen<'a>,
}

/// What came of reading the progress file.
#[derive(Clone, Debug, Default)]
pub enum ProgressSeen<'a> {
    /// Nobody could read it, or what was read is no progress: nothing is known.
    #[default]
    Unknown,
    /// The machine answered, and there is no such file.
    Missing,
    Read(&'a Progress),
}

/// The record after one look at `now`.
#[must_use]
pub fn advance(
    before: Option<&InstallStatus>,
    subject: &Subject<'_>,
    look: &Look<'_>,
    now: Timestamp,
) -> InstallStatus {
    let mut next = begun(before, subject, now);
    if next.state == InstallState::Succeeded {
        // What is installed is installed; later trouble of the machine is no installation.
        return next;
    }
    let waited = now.duration_since(next.started_at.unwrap_or(now));
    let open = matches!(next.state, InstallState::Waiting | InstallState::Running);
    match judge(&mut next, subject, look, now) {
        Some(Said::Failed(error)) => fail(&mut next, error, now),
        Some(Said::Succeeded) => {
            next.state = InstallState::Succeeded;
            next.percent = 100;
            next.error = None;
            next.ended_at = Some(now);
        }
        Some(Said::Running) if waited < subject.timeout => {
            next.state = InstallState::Running;
            next.error = None;
            next.ended_at = None;
        }
        said if waited >= subject.timeout && (open || said.is_some()) => {
            let error = late(subject, &next.step, look);
            fail(&mut next, error, now);
        }
        _ => {}
    }
    next
}

enum Said {
    Running,
    Succeeded,
    Failed(InstallError),
}

/// The record of this generation, or a new one.
fn begun(before: Option<&InstallStatus>, subject: &Subject<'_>, now: Timestamp) -> InstallStatus {
    match before.filter(|before| before.generation == subject.generation) {
        Some(before) => before.clone(),
        None => InstallStatus {
            generation: subject.generation,
            software: subject.software.to_owned(),
            started_at: Some(subject.since.min(now)),
            ..InstallStatus::default()
        },
    }
}

/// What the look says, if anything; takes over step, percent and warnings.
fn judge(
    next: &mut InstallStatus,
    subject: &Subject<'_>,
    look: &Look<'_>,
    now: Timestamp,
) -> Option<Said> {
    if let ProgressSeen::Read(progress) = &look.progress {
        next.step.clone_from(&progress.step);
        // 100 is said once cloud-init is done too.
        next.percent = next.percent.max(progress.percent.min(99));
        next.warnings.clone_from(&progress.warnings);
    }
    let cloud_init = look.cloud_init;
    if let Some(failed) = cloud_init.filter(|c| c.state == CloudInitState::Failed) {
        return Some(Said::Failed(cloud_init_failed(failed, &next.step)));
    }
    if cloud_init.is_some_and(|c| c.state == CloudInitState::Disabled) {
        return Some(Said::Failed(not_started("cloud-init is switched off on this image")));
    }
    let done = cloud_init.filter(|c| c.state == CloudInitState::Done);
    match &look.progress {
        ProgressSeen::Read(progress) => match progress.state {
            ProgressState::Failed => Some(Said::Failed(step_failed(progress))),
            ProgressState::Done if done.is_some() => {
                let more = done.iter().flat_map(|c| c.warnings.iter().cloned());
                next.warnings.extend(more);
                next.warnings.truncate(LAST_LINES);
                Some(Said::Succeeded)
            }
            // `start` is written before the installer runs.
            ProgressState::Running if done.is_some() && progress.index == 0 => {
                silent(subject, next, now)
            }
            _ => Some(Said::Running),
        },
        ProgressSeen::Missing if done.is_some() => silent(subject, next, now),
        ProgressSeen::Missing | ProgressSeen::Unknown => {
            cloud_init.is_some_and(|c| c.state == CloudInitState::Running).then_some(Said::Running)
        }
    }
}

/// cloud-init is done, and the installer has not begun.
fn silent(subject: &Subject<'_>, next: &InstallStatus, now: Timestamp) -> Option<Said> {
    let since = next.started_at.unwrap_or(subject.since);
    if now.duration_since(since) < SILENCE {
        return Some(Said::Running);
    }
    Some(Said::Failed(not_started("cloud-init is done, and the installer never began")))
}

fn fail(next: &mut InstallStatus, error: InstallError, now: Timestamp) {
    // The same failure seen again is no new end.
    if next.state != InstallState::Failed {
        next.ended_at = Some(now);
    }
    next.state = InstallState::Failed;
    next.error = Some(error);
}

fn step_failed(progress: &Progress) -> InstallError {
    let error = progress.error.clone().unwrap_or_default();
    InstallError {
        code: error.code,
        step: error.step,
        message: error.message,
        lines: progress.lines.clone(),
    }
}

fn cloud_init_failed(cloud_init: &CloudInit, step: &str) -> InstallError {
    let first = cloud_init.errors.first().map(String::as_str).unwrap_or("it does not say why");
    InstallError {
        code: codes::CLOUD_INIT.to_owned(),
        step: step.to_owned(),
        message: format!("cloud-init ended with errors: {first}"),
        lines: cloud_init.errors.clone(),
    }
}

fn not_started(message: &str) -> InstallError {
    let code = codes::NOT_STARTED.to_owned();
    InstallError { code, message: message.to_owned(), ..InstallError::default() }
}

fn late(subject: &Subject<'_>, step: &str, look: &Look<'_>) -> InstallError {
    let lines = last_lines(look);
    let minutes = subject.timeout.as_mins();
    let reached = look.cloud_init.is_some() || !matches!(look.progress, ProgressSeen::Unknown);
    let message = match (step, reached) {
        ("", false) => format!("nothing was heard from the machine within {minutes} min"),
        ("", true) => format!("the installation did not begin within {minutes} min"),
        (step, true) => format!("not done within {minutes} min; it is in step {step}"),
        (step, false) => format!(
            "not done within {minutes} min; the machine cannot be reached, its last step was {step}"
        ),
    };
    InstallError { code: codes::TIMEOUT.to_owned(), step: step.to_owned(), message, lines }
}

fn last_lines(look: &Look<'_>) -> Vec<String> {
    match &look.progress {
        ProgressSeen::Read(progress) => progress.lines.clone(),
        _ => Vec::new(),
    }
}
