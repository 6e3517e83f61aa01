//! Visits machines and writes down what was found. Nothing is ever done to a machine's disk from
//! here: a guest that cannot be reached is a fact with evidence, for people and for
//! [`crate::environment`] to judge.

use std::sync::Arc;
use std::time::Duration;

use super::configuration;
use super::configure;
use super::contact::{self, Errand, Visit};
use super::judge::{self, Patience};
use super::logs::{Logs, Reading, Taken};
use super::{GuestError, LogPart, Question, Target};
use crate::client::ClientError;
use crate::install::record;
use crate::manager::term::Term;
use crate::runtime::{Involved, Outcome, Reconciler, Severity};
use devpocket_specs::guest::{Contact, GuestStatus};
use devpocket_specs::install::{InstallState, Mask};
use devpocket_specs::machine::Machine;
use devpocket_specs::object::SharedKey;
use devpocket_specs::operation::Operation;
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

/// Wait before a write that met a newer record is made again.
const CONFLICT_WAIT: Duration = Duration::from_millis(50);
/// Visits under way at once: nearly all of one is waiting for the machine, and one that installs
/// itself is visited all the while.
pub(crate) const VISITS: usize = 1024;
/// How long a look waits for the installer to print something.
pub const FOLLOW: Duration = Duration::from_secs(10);
/// A look that took this long has waited.
const FOLLOW_LEAST: SignedDuration = SignedDuration::from_secs(2);
/// Between two looks at an installer that prints: what comes together is taken together, and a line
/// is still with its reader in 300 ms.
pub const FOLLOW_PAUSE: Duration = Duration::from_millis(120);
/// Stands for what a machine says of a failure, while a value of it may be in there unseen.
const WITHHELD: &str =
    "the machine's own words are kept back until the values it was given can be masked in them";
/// Visits in a row that write something down and go on; the first contact has two of them.
const STEPS_MAX: usize = 4;

/// Keeps what is known of guests true.
pub struct GuestReconciler {
    term: Term,
    /// A visit may be broken off at any time: everything it does may be repeated.
    stop: CancellationToken,
    logs: Logs,
}

/// What a visit brought.
struct Seen {
    guest: GuestStatus,
    /// What of the logs, where they were read.
    logs: Option<(Reading, Vec<LogPart>)>,
}

/// How a visit, or a part of one, ended.
enum Step {
    /// Nothing is to be written down; the next one after this long.
    Same(Duration),
    /// This has to be written down before it goes on.
    First(GuestStatus),
    /// This is known now; the next one after this long.
    Last(GuestStatus, Duration),
}

impl Reconciler for GuestReconciler {
    type Key = SharedKey;

    async fn reconcile(&self, key: &SharedKey) -> Outcome {
        match self.pass(key).await {
            Ok(outcome) => outcome,
            Err(error) if error.is_fenced() => Outcome::Terminal("the term is over".into()),
            Err(error) if error.is_conflict() => Outcome::After(CONFLICT_WAIT),
            Err(error) if error.is_not_found() => Outcome::Done,
            Err(error) => Outcome::retry(error),
        }
    }
}

impl GuestReconciler {
    pub fn new(term: Term, stop: CancellationToken) -> GuestReconciler {
        let logs = Logs::new(term.lines.clone());
        GuestReconciler { term, stop, logs }
    }

    async fn pass(&self, key: &SharedKey) -> Result<Outcome, ClientError> {
        let Some(mut machine) = self.term.mirrors.machines.get_shared(key) else {
            return Ok(Outcome::Done);
        };
        for _ in 0..STEPS_MAX {
            let operations = self.term.mirrors.operations_on(&machine.metadata.name);
            let operations: Vec<&Operation> = operations.iter().map(|o| &**o).collect();
            let Some(target) = judge::target(&machine, &operations) else {
                return Ok(Outcome::Done);
            };
            let step = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(Outcome::Done),
                step = self.step(&machine, &target) => step,
            };
            let (after, wait) = match step {
                Step::Same(wait) => return Ok(Outcome::After(wait)),
                Step::First(after) => (after, None),
                Step::Last(after, wait) => (after, Some(wait)),
            };
            if machine.status.guest.as_ref() != Some(&after) {
                machine = Arc::new(self.write(Machine::clone(&machine), after).await?);
            }
            if let Some(wait) = wait {
                return Ok(Outcome::After(wait));
            }
        }
        Ok(Outcome::After(CONFLICT_WAIT))
    }

    /// A visit, up to what has to be written down.
    async fn step(&self, machine: &Machine, target: &Target) -> Step {
        let patience = Patience(self.term.settings.install_timeout);
        let before = contact::known(machine, self.term.now());
        let mut reading = self.logs.begin(machine, &before).await;
        let question = question(&before, reading.as_mut());
        let wanted = question.logs.clone();
        let errand = Errand { resume: machine.spec.resume.as_deref(), question };
        let began = self.term.now();
        let now = || self.term.now();
        let port = &*self.term.guest;
        let visited = contact::visit(port, target, &before, &errand, patience, now).await;
        let (guest, parts) = match visited {
            Ok(Visit::First(guest)) => return Step::First(guest),
            Ok(Visit::Same) => {
                if reading.is_none() && self.is_configured(machine, &before).await {
                    return Step::Same(self.wait(&before));
                }
                (before.into_owned(), Some(Vec::new()))
            }
            Ok(Visit::Known(guest, parts)) => (guest, parts),
            Err(error) => {
                let after = self.missed(before.into_owned(), &error, patience);
                let wait = self.wait(&after);
                return Step::Last(after, wait);
            }
        };
        // A machine that answers at once and has nothing new is not asked at once again.
        let waited = self.term.now().duration_since(began) >= FOLLOW_LEAST;
        let mut all = parts.iter().flatten();
        let has_news = waited || all.any(|part| part.is_news(&wanted));
        let seen = Seen { guest, logs: reading.zip(parts) };
        let (known, taken) = self.known(machine, target, seen).await;
        let after = known.unwrap_or_else(|(guest, error)| self.missed(guest, &error, patience));
        // What could not be taken is as new the next time, and the time after that.
        let is_followed = has_news && matches!(taken, Some(Taken::Part | Taken::All));
        let wait = match is_followed && (is_installing(&after) || after.unread) {
            true => FOLLOW_PAUSE,
            false => self.wait(&after),
        };
        Step::Last(after, wait)
    }

    /// Whether nothing is to be done about what is declared for it.
    async fn is_configured(&self, machine: &Machine, guest: &GuestStatus) -> bool {
        let declared = configure::declared(&self.term, machine, guest).await;
        declared.is_none_or(|declared| declared.is_done(guest))
    }

    /// Keeps what was seen, and makes the guest be as declared; says how many of the lines are kept
    /// too, if any were asked for. Lines are kept without the values the guest is given: where those
    /// cannot be told, the lines are read again with the next visit.
    async fn known(
        &self,
        machine: &Machine,
        target: &Target,
        Seen { mut guest, logs }: Seen,
    ) -> (Result<GuestStatus, (GuestStatus, GuestError)>, Option<Taken>) {
        let was_installed = judge::current(machine).is_some_and(is_installed);
        let declared = configure::declared(&self.term, machine, &guest).await;
        let mask = match &declared {
            Some(declared) => declared.mask(&self.term).await,
            None => Ok(Mask::default()),
        };
        match (&mask, &mut guest.install) {
            (Ok(mask), Some(install)) => install.mask(mask),
            // What was said before is masked.
            (Err(_), Some(install)) if !was_installed => install.withhold(WITHHELD),
            _ => {}
        }
        let (install, now) = (guest.install.as_ref(), self.term.now());
        let taken = match (logs, &mask) {
            (Some((reading, parts)), Ok(mask)) => {
                Some(self.logs.end(reading, &parts, install, mask, now).await)
            }
            (Some(_), Err(_)) => Some(Taken::Nothing),
            (None, _) => None,
        };
        let unread = taken.map_or(guest.unread || !was_installed, |taken| taken != Taken::All);
        guest.unread = is_installed(&guest) && unread;
        let known = match (declared, mask) {
            (Some(declared), Err(error)) => {
                declared.shut(&self.term, &mut guest, &error);
                Ok(guest)
            }
            (Some(declared), Ok(_)) => {
                let before = guest.clone();
                let applied = declared.apply(&self.term, target, guest).await;
                applied.map_err(|error| (before, error))
            }
            (None, _) => Ok(guest),
        };
        (known, taken)
    }

    /// A machine that does not answer may also be too late with its installation.
    fn missed(&self, guest: GuestStatus, error: &GuestError, patience: Patience) -> GuestStatus {
        if let GuestError::Own(why) = error {
            tracing::warn!("a guest cannot be looked at: {why}");
        }
        let now = self.term.now();
        let mut guest = judge::failed(guest, error, now);
        let install = judge::install(&guest, None, patience, now);
        guest.install = Some(install);
        guest
    }

    async fn write(
        &self,
        mut machine: Machine,
        guest: GuestStatus,
    ) -> Result<Machine, ClientError> {
        let news = news(machine.status.guest.as_ref(), &guest);
        let installed = has_just_installed(machine.status.guest.as_ref(), &guest);
        machine.status.guest = Some(guest);
        let machine = self.term.client.update_status(&machine).await?;
        let install = machine.status.guest.as_ref().and_then(|guest| guest.install.as_ref());
        if let Some(install) = install.filter(|_| installed)
            && let Err(error) = record(&self.term.client, &machine, install).await
        {
            tracing::debug!("a run is not remembered: {error}");
        }
        if let Some((severity, reason, message)) = news {
            let involved = Involved::of(&machine);
            self.term.recorder.event(&involved, severity, reason, &message).await;
        }
        Ok(machine)
    }

    /// Until the next visit: soon while something is under way, seldom at rest.
    fn wait(&self, guest: &GuestStatus) -> Duration {
        let settings = &self.term.settings;
        let installing = is_installing(guest);
        match guest.contact {
            Contact::Waiting => settings.guest_period,
            Contact::Answering if installing => settings.guest_period,
            Contact::Answering => settings.guest_rest_period,
            Contact::Silent | Contact::Refused | Contact::Broken => settings.guest_period * 3,
            // Somebody has to look at it.
            Contact::WrongIdentity => settings.guest_rest_period,
        }
    }
}

fn is_installed(guest: &GuestStatus) -> bool {
    guest.install.as_ref().is_some_and(|install| install.state == InstallState::Succeeded)
}

/// Whether nothing was heard of an end of its installation yet.
fn is_installing(guest: &GuestStatus) -> bool {
    guest.install.as_ref().is_none_or(|install| {
        matches!(install.state, InstallState::Waiting | InstallState::Running)
    })
}

/// What a look is to answer: what the installer prints as it prints it, and no more than is open.
fn question(guest: &GuestStatus, reading: Option<&mut Reading>) -> Question {
    let installed = is_installed(guest);
    let wait = match reading.is_some() && is_installing(guest) {
        true => FOLLOW,
        false => Duration::ZERO,
    };
    let logs = reading.map(Reading::wanted).unwrap_or_default();
    Question { logs, wait, progress: !installed, cloud_init: !installed }
}

/// Whether the installation has succeeded with this look.
fn has_just_installed(old: Option<&GuestStatus>, new: &GuestStatus) -> bool {
    let before = old.filter(|old| old.generation == new.generation);
    is_installed(new) && !before.is_some_and(is_installed)
}

/// What of it is worth an event.
fn news(old: Option<&GuestStatus>, new: &GuestStatus) -> Option<(Severity, &'static str, String)> {
    let before = old.filter(|old| old.generation == new.generation);
    let contact = before.map_or(Contact::Waiting, |old| old.contact);
    if contact != new.contact {
        return match new.contact {
            Contact::Waiting => None,
            Contact::Answering if contact == Contact::Waiting => None,
            Contact::Answering => Some((
                Severity::Normal,
                "GuestReachable",
                "SSH answers again, and the machine proved who it is".into(),
            )),
            Contact::Silent => Some((Severity::Warning, "GuestUnreachable", new.message.clone())),
            Contact::Refused => Some((Severity::Warning, "GuestRefused", new.message.clone())),
            Contact::Broken => Some((Severity::Warning, "GuestBroken", new.message.clone())),
            Contact::WrongIdentity => {
                Some((Severity::Warning, "MachineIdentity", identity(&new.message)))
            }
        };
    }
    if before.is_some_and(|old| old.host_key.is_none()) && new.host_key.is_some() {
        let text = "the machine has a host key of its own, certified; the first one is deleted";
        return Some((Severity::Normal, "GuestIdentified", text.into()));
    }
    let ended = |guest: &GuestStatus| guest.install.as_ref().map(|i| i.state);
    let failed = ended(new) == Some(InstallState::Failed);
    if failed && before.and_then(ended) != Some(InstallState::Failed) {
        let error = new.install.as_ref().and_then(|i| i.error.as_ref());
        let message = error.map_or_else(String::new, |error| error.message.clone());
        return Some((Severity::Warning, "InstallFailed", message));
    }
    let configured = before.and_then(|before| before.configured.as_ref());
    configuration::news(configured, new.configured.as_ref())
}

/// The sentence about a machine that is another one.
pub(crate) fn identity(evidence: &str) -> String {
    format!(
        "the machine is not the one installed: {evidence}. No key, password or keystroke was sent \
         to it. `recover` installs it anew, which wipes its disk and waits for an approval"
    )
}

impl std::fmt::Debug for GuestReconciler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuestReconciler").finish_non_exhaustive()
    }
}
