//! One visit: the first contact if there was none, then a look.
//!
//! # First contact
//! 1. The machine makes a key of its own; it still proves itself by the first key.
//! 2. That key is **written down** before the machine takes it, so that a crash at any point leaves
//!    a record which knows the machine whichever of the two it presents.
//! 3. It is certified, and the machine serves it from then on.
//! 4. A new connection that accepts nothing else proves it. Only then does the record say so, and
//!    the first key is deleted here.

use std::borrow::Cow;

use devpocket_specs::guest::{Contact, GuestStatus};
use devpocket_specs::install::{CHECK_COMMAND, InstallState, RESUME_COMMAND, read_checks};
use devpocket_specs::machine::Machine;
use jiff::Timestamp;

use super::judge::{self, Patience};
use super::{Guest, GuestError, LogPart, Look, Question, Target};
use crate::install::resumed;

/// How a visit ended.
#[derive(Debug)]
pub(super) enum Visit {
    /// It answered, and nothing else was asked.
    Same,
    /// This is known now, and this is in the logs, if they were looked at.
    Known(GuestStatus, Option<Vec<LogPart>>),
    /// This has to be written down before the visit goes on.
    First(GuestStatus),
}

/// What a visit is for, besides looking.
#[derive(Debug, Default)]
pub(super) struct Errand<'a> {
    /// The request to go on with an installation that failed.
    pub resume: Option<&'a str>,
    /// What a look at it is to answer.
    pub question: Question,
}

/// Visits the machine; `guest` is what was known of it. What time it is counts when the machine has
/// answered: it may have been asked to wait.
pub(super) async fn visit(
    port: &dyn Guest,
    target: &Target,
    guest: &GuestStatus,
    errand: &Errand<'_>,
    patience: Patience,
    now: impl Fn() -> Timestamp,
) -> Result<Visit, GuestError> {
    let Some(known) = guest.host_key.clone() else {
        return identify(port, target, guest.clone(), now()).await;
    };
    let target = &Target { known: vec![known], first: false, ..target.clone() };
    let asked = errand.resume.filter(|id| guest.resumed.as_deref() != Some(id));
    if let Some(id) = asked {
        let guest = judge::answered(guest.clone(), now());
        return Ok(Visit::Known(resume(port, target, guest, id, now()).await?, None));
    }
    let look = port.look(target, &errand.question).await?;
    if is_at_rest(guest) && look == Look::default() {
        return Ok(Visit::Same);
    }
    let now = now();
    let mut guest = judge::answered(guest.clone(), now);
    let install = judge::install(&guest, Some(&look), patience, now);
    let installed = install.state == InstallState::Succeeded;
    guest.install = Some(install);
    if installed && guest.checked_at.is_none() {
        check(port, target, &mut guest, now).await?;
    }
    Ok(Visit::Known(guest, Some(look.logs)))
}

/// Starts the installer again where it stopped. May be repeated: steps that are done are not done
/// again. What the machine says of it is for the next look, since the installer has only just begun.
async fn resume(
    port: &dyn Guest,
    target: &Target,
    mut guest: GuestStatus,
    id: &str,
    now: Timestamp,
) -> Result<GuestStatus, GuestError> {
    let failed = guest.install.as_ref().filter(|install| install.state == InstallState::Failed);
    if let Some(install) = failed {
        let output = port.exec(target, &RESUME_COMMAND.join(" "), &[]).await?;
        if output.code != Some(0) {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = devpocket_specs::install::printable(said.lines().last().unwrap_or(""), 200);
            return Err(GuestError::Broken(format!("the installer does not start again: {said}")));
        }
        guest.install = Some(resumed(install, now));
    } else if !guest.missing_tools.is_empty() {
        // All is installed, and something does not answer: it is asked again.
        (guest.missing_tools, guest.checked_at) = (Vec::new(), None);
    }
    guest.resumed = Some(id.to_owned());
    Ok(guest)
}

async fn identify(
    port: &dyn Guest,
    target: &Target,
    mut guest: GuestStatus,
    now: Timestamp,
) -> Result<Visit, GuestError> {
    let key = port.own_key(target).await?;
    if guest.next_host_key.as_ref() != Some(&key) {
        guest.next_host_key = Some(key);
        return Ok(Visit::First(judge::answered(guest, now)));
    }
    port.certify(target, &key).await?;
    let proof = Target { known: vec![key.clone()], first: false, ..target.clone() };
    match port.look(&proof, &Question::default()).await {
        Ok(_) => {}
        // sshd has not taken it up yet: the next visit finds out.
        Err(GuestError::WrongIdentity { .. }) => {
            return Err(GuestError::NotYet("sshd has not taken up its own key yet".into()));
        }
        Err(error) => return Err(error),
    }
    port.forget_first_key(&target.machine, target.generation).await?;
    (guest.host_key, guest.next_host_key) = (Some(key), None);
    guest.certified_at = Some(now);
    Ok(Visit::First(judge::answered(guest, now)))
}

/// The template's own check, as `dev` with a login shell's variables: what a person would meet.
async fn check(
    port: &dyn Guest,
    target: &Target,
    guest: &mut GuestStatus,
    now: Timestamp,
) -> Result<(), GuestError> {
    let command = format!("bash -lc '{}'", CHECK_COMMAND.join(" "));
    let output = port.exec(target, &command, &[]).await?;
    let checked = read_checks(&output.stdout)
        .map_err(|fault| GuestError::Broken(format!("the check of its tools: {fault}")))?;
    guest.missing_tools = checked.missing().map(|(tool, why)| format!("{tool} ({why})")).collect();
    if let Some(install) = &mut guest.install {
        install.installed_tools = checked.installed();
    }
    guest.checked_at = Some(now);
    Ok(())
}

/// It is installed, its tools were asked, and it answered before.
fn is_at_rest(guest: &GuestStatus) -> bool {
    let install = guest.install.as_ref();
    guest.contact == Contact::Answering
        && guest.checked_at.is_some()
        && install.is_some_and(|install| install.state == InstallState::Succeeded)
}

/// What the record said, or a beginning.
pub(super) fn known(machine: &Machine, now: Timestamp) -> Cow<'_, GuestStatus> {
    let generation = machine.spec.install_generation;
    let fresh = || Cow::Owned(judge::fresh(generation, now));
    judge::current(machine).map_or_else(fresh, Cow::Borrowed)
}
