//! The guest's part in readiness: what runs is not ready before its operating system is.

use devpocket_specs::condition::ConditionStatus;
use devpocket_specs::environment::{Phase, Power, RenderedTemplate};
use devpocket_specs::guest::{Contact, GuestStatus};
use devpocket_specs::install::{InstallState, InstallStatus};
use devpocket_specs::operation::{Operation, Verb};
use jiff::{SignedDuration, Timestamp};

use super::bound::Bound;
use super::configuration::{self, Reach};
use super::draft::Draft;
use super::observed::{Observed, may_have_happened};
use super::report::Says;
use crate::guest::identity;
use crate::install::usual_seconds;

/// A machine has this long to answer over SSH after it was started.
const BOOT_GRACE: SignedDuration = SignedDuration::from_mins(3);

/// Says what is known of the guest, and takes back a readiness that rests on power alone.
pub(super) fn judge(draft: &mut Draft<'_, '_>, bound: &Bound<'_>) {
    // Without an authority nobody looks at operating systems here.
    if draft.world.installation.is_none_or(|i| i.status.user_ca.is_none()) {
        return;
    }
    let runs = matches!(bound.observed, Observed::Present(seen, _)
        if seen.power == Some(Power::Running));
    if !runs {
        let text = "the machine does not run; its operating system was not asked";
        draft.report.guest = Some(Says::new(ConditionStatus::Unknown, "NotRunning", text));
        return configuration::judge(draft, bound, Reach::No);
    }
    let generation = bound.machine.spec.install_generation;
    let guest = bound.machine.status.guest.as_ref();
    let Some(guest) = guest.filter(|guest| guest.generation == generation) else {
        // Or it would be ready for the moment until the first visit.
        let text = "the machine runs; its operating system was not asked yet";
        say(draft, Phase::Installing, Says::no("WaitingForSsh", text));
        return configuration::judge(draft, bound, Reach::No);
    };
    tell(draft, bound, guest.install.as_ref());
    let (phase, says) = match boots_until(draft, bound, guest) {
        Some(until) => {
            draft.wake_at(until);
            let text = "it was started or stopped just now; SSH does not answer yet";
            (Phase::Configuring, Says::no("Starting", text))
        }
        None => verdict(guest),
    };
    let reach = match says.status {
        ConditionStatus::True => Reach::Ready,
        _ if guest.contact == Contact::Answering => Reach::Answers,
        _ => Reach::No,
    };
    say(draft, phase, says);
    configuration::judge(draft, bound, reach);
}

/// Until when silence is no loss, if it is none: what was just started does not answer at once, and what
/// was just stopped answers no more, which may be known before the list of the account shows it.
fn boots_until(draft: &Draft<'_, '_>, bound: &Bound<'_>, guest: &GuestStatus) -> Option<Timestamp> {
    if guest.contact != Contact::Silent {
        return None;
    }
    let power = |o: &&&Operation| {
        let verbs = [Verb::Start, Verb::Restart, Verb::Stop, Verb::Shutdown];
        verbs.contains(&o.spec.verb) && may_have_happened(o)
    };
    let called = bound.operations.iter().filter(power);
    let called = called.filter_map(|o| o.status.ended_at.or(o.status.issued_at)).max();
    let until = called? + BOOT_GRACE;
    (until > draft.world.now).then_some(until)
}

/// Copies the installation into the status, with what its machine does not know. A pass without news
/// copies nothing.
fn tell(draft: &mut Draft<'_, '_>, bound: &Bound<'_>, install: Option<&InstallStatus>) {
    let Some(install) = install else {
        if draft.status.install.is_some() {
            draft.status.to_mut().install = None;
        }
        return;
    };
    let usual_seconds = usual(draft, bound, install);
    let named = draft.status.template.as_ref().filter(|_| install.software.is_empty());
    let told = draft.status.install.as_ref().is_some_and(|told| {
        told.is_same_progress(install)
            && told.usual_seconds == usual_seconds
            && named
                .map_or(told.software == install.software, |named| told.software == software(named))
    });
    if !told {
        let software = named.map_or_else(|| install.software.clone(), software);
        let install = InstallStatus { software, usual_seconds, ..install.clone() };
        draft.status.to_mut().install = Some(install);
    }
}

/// What is installed, in a word.
fn software(template: &RenderedTemplate) -> String {
    match template.generation {
        0 => template.name.clone(),
        version => format!("{}@{version}", template.name),
    }
}

/// How long it usually takes. Asked for while it is under way, and left as it was afterwards: what
/// others take later is no news about this one.
fn usual(draft: &Draft<'_, '_>, bound: &Bound<'_>, install: &InstallStatus) -> Option<u32> {
    if !matches!(install.state, InstallState::Waiting | InstallState::Running) {
        let before = draft.world.environment.status.install.as_ref();
        let before = before.filter(|before| before.generation == install.generation);
        return before.and_then(|before| before.usual_seconds);
    }
    let order = bound.machine.spec.order.as_ref()?;
    let version = order.template.as_ref()?;
    let template = draft.world.template.filter(|t| t.metadata.name == version.name)?;
    usual_seconds(&template.status.runs, version.generation, &order.size)
}

fn say(draft: &mut Draft<'_, '_>, phase: Phase, says: Says) {
    let ready = draft.report.ready.as_ref().map(|ready| ready.status);
    if ready == Some(ConditionStatus::True) && says.status != ConditionStatus::True {
        draft.report.not_ready(phase, says.reason.clone(), says.message.clone());
    }
    draft.report.guest = Some(says);
}

/// What the guest's state means: the phase it makes, and the condition.
fn verdict(guest: &GuestStatus) -> (Phase, Says) {
    let evidence = &guest.message;
    let since = guest.since;
    let installed = guest.install.as_ref().map(|install| install.state);
    let lost = |reason: &'static str, what: &str| {
        let message = format!("{what} since {since}: {evidence}. Its disk is left as it is");
        (Phase::Error, Says::no(reason, message))
    };
    match guest.contact {
        Contact::WrongIdentity => (Phase::Error, Says::no("MachineIdentity", identity(evidence))),
        Contact::Silent => lost("GuestUnreachable", "SSH does not answer"),
        Contact::Refused => lost("GuestRefused", "the machine does not let DevPocket in"),
        Contact::Broken => lost("GuestBroken", "the machine answers with nothing of use"),
        Contact::Waiting if installed != Some(InstallState::Failed) => {
            let message = format!("waiting for SSH on the machine since {since}");
            (Phase::Installing, Says::no("WaitingForSsh", message))
        }
        Contact::Waiting | Contact::Answering => installing(guest),
    }
}

fn installing(guest: &GuestStatus) -> (Phase, Says) {
    let waiting = || {
        let message = "the machine answers; its installation has not begun".to_owned();
        (Phase::Installing, Says::no("Installing", message))
    };
    let Some(install) = &guest.install else { return waiting() };
    match install.state {
        InstallState::Waiting => waiting(),
        InstallState::Running => {
            let message = format!("installing {}, {} %", install.step, install.percent);
            (Phase::Installing, Says::no("Installing", message))
        }
        InstallState::Failed => (Phase::Error, Says::no("InstallFailed", failure(install))),
        InstallState::Succeeded if guest.checked_at.is_none() => {
            let message = "installed; its tools are being asked for".to_owned();
            (Phase::Configuring, Says::no("Checking", message))
        }
        InstallState::Succeeded if !guest.missing_tools.is_empty() => {
            let missing = guest.missing_tools.join(", ");
            let message = format!("installed, and these tools do not answer: {missing}");
            (Phase::Error, Says::no("ToolsMissing", message))
        }
        InstallState::Succeeded => {
            let tools = install.installed_tools.len();
            let message = format!("installed, reached over SSH as dev, and {tools} tools answer");
            (Phase::Running, Says::yes("Installed", message))
        }
    }
}

fn failure(install: &InstallStatus) -> String {
    let Some(error) = &install.error else { return "the installation has failed".into() };
    let step = match error.step.as_str() {
        "" => String::new(),
        step => format!(" in step {step}"),
    };
    let last = error.lines.last().map(|line| format!(" (last line: {line})")).unwrap_or_default();
    format!("the installation has failed{step}: {}{last}", error.message)
}
