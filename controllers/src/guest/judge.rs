//! What a look at a guest means for the machine's record. Pure.

use devpocket_specs::environment::Power;
use devpocket_specs::guest::{Contact, GuestStatus};
use devpocket_specs::install::{InstallStatus, read_cloud_init, read_progress};
use devpocket_specs::machine::Machine;
use devpocket_specs::operation::{Operation, Verb};
use jiff::{SignedDuration, Timestamp};

use super::{GuestError, Look, Target};
use crate::install::{self, ProgressSeen, Subject, advance};

/// Whether the two differ in nothing but what the guest controller writes.
pub fn is_only_guest(old: &Machine, new: &Machine) -> bool {
    let (old_status, new_status) = (&old.status, &new.status);
    old.spec == new.spec
        && old_status.state == new_status.state
        && old_status.seen == new_status.seen
        && old_status.guest != new_status.guest
}

/// Where and as whom the machine is looked for; nothing when it is not to be: it is nobody's,
/// not installed by us, stopped, or about to be installed anew.
pub(super) fn target(machine: &Machine, operations: &[&Operation]) -> Option<Target> {
    let generation = machine.spec.install_generation;
    let reinstalls = |o: &&Operation| o.spec.verb == Verb::Reinstall && o.status.phase.is_open();
    let seen = machine.status.seen.as_ref()?;
    let is_ours = machine.spec.managed
        && machine.spec.claim.is_some()
        && machine.spec.pool.is_none()
        && generation > 0;
    if !is_ours || seen.power != Some(Power::Running) || operations.iter().any(reinstalls) {
        return None;
    }
    let known = current(machine);
    let keys = known.into_iter().flat_map(|guest| [&guest.host_key, &guest.next_host_key]);
    Some(Target {
        machine: machine.metadata.name.clone(),
        generation,
        address: seen.address.clone()?,
        known: keys.flatten().cloned().collect(),
        first: known.is_none_or(|guest| guest.host_key.is_none()),
    })
}

/// What is known of this installation.
pub(super) fn current(machine: &Machine) -> Option<&GuestStatus> {
    let guest = machine.status.guest.as_ref();
    guest.filter(|guest| guest.generation == machine.spec.install_generation)
}

/// Nothing is known of this installation yet.
pub(super) fn fresh(generation: i64, now: Timestamp) -> GuestStatus {
    GuestStatus {
        generation,
        first_awaited: now,
        contact: Contact::Waiting,
        since: now,
        message: String::new(),
        host_key: None,
        next_host_key: None,
        certified_at: None,
        install: None,
        unread: false,
        missing_tools: Vec::new(),
        resumed: None,
        checked_at: None,
        configured: None,
    }
}

/// It answered.
pub(super) fn answered(mut guest: GuestStatus, now: Timestamp) -> GuestStatus {
    become_so(&mut guest, Contact::Answering, String::new(), now);
    guest
}

/// It did not, or not as it should.
pub(super) fn failed(mut guest: GuestStatus, error: &GuestError, now: Timestamp) -> GuestStatus {
    let contact = match error {
        GuestError::NotYet(_) if never_answered(&guest) => Contact::Waiting,
        GuestError::NotYet(_) => Contact::Silent,
        GuestError::Refused(_) => Contact::Refused,
        GuestError::WrongIdentity { .. } => Contact::WrongIdentity,
        GuestError::Broken(_) => Contact::Broken,
        // Our own trouble says nothing about the machine.
        GuestError::Own(_) => return guest,
    };
    become_so(&mut guest, contact, error.to_string(), now);
    guest
}

fn never_answered(guest: &GuestStatus) -> bool {
    guest.contact == Contact::Waiting && guest.host_key.is_none() && guest.next_host_key.is_none()
}

/// The sentence changes only with the state, or a machine that fails in many words would write a
/// record with each look.
fn become_so(guest: &mut GuestStatus, contact: Contact, message: String, now: Timestamp) {
    if guest.contact != contact || (guest.message.is_empty() && !message.is_empty()) {
        (guest.contact, guest.message, guest.since) = (contact, message, now);
    }
}

/// How long an installation may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience(pub SignedDuration);

/// The installation after one more look, or after none.
pub(super) fn install(
    guest: &GuestStatus,
    look: Option<&Look>,
    patience: Patience,
    now: Timestamp,
) -> InstallStatus {
    let subject = Subject {
        generation: guest.generation,
        software: "",
        since: guest.first_awaited,
        timeout: patience.0,
    };
    let Some(look) = look else {
        return advance(guest.install.as_ref(), &subject, &install::Look::default(), now);
    };
    let answered = look.cloud_init.as_ref();
    let cloud_init = answered.and_then(|(code, answer)| read_cloud_init(*code, answer).ok());
    let read = look.progress.as_deref().map(read_progress);
    let progress = match &read {
        None => ProgressSeen::Missing,
        Some(Ok(progress)) => ProgressSeen::Read(progress),
        Some(Err(_)) => ProgressSeen::Unknown,
    };
    let look = install::Look { cloud_init: cloud_init.as_ref(), progress };
    advance(guest.install.as_ref(), &subject, &look, now)
}

#[cfg(test)]
mod tests {
    use devpocket_specs::install::InstallState;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + seconds).unwrap()
    }

    const PATIENCE: Patience = Patience(SignedDuration::from_mins(15));

    #[test]
    fn a_machine_that_says_nothing_in_time_has_failed_to_install() {
        let guest = fresh(1, at(0));
        assert_eq!(install(&guest, None, PATIENCE, at(1)).state, InstallState::Waiting);
        let late = install(&guest, None, PATIENCE, at(901));
        assert_eq!(late.state, InstallState::Failed);
        assert!(late.error.unwrap().message.contains("15 min"));
    }

    #[test]
    fn half_a_progress_file_is_no_sign() {
        let guest = fresh(1, at(0));
        let running = br#"{"status":"running","extended_status":"running"}"#.to_vec();
        let whole = br#"{"version":1,"state":"running","step":"docker","index":3,"percent":40}"#;
        let look = |bytes: &[u8]| Look {
            cloud_init: Some((0, running.clone())),
            progress: Some(bytes.to_vec()),
            logs: Vec::new(),
        };
        let first = install(&guest, Some(&look(whole)), PATIENCE, at(0));
        assert_eq!((first.percent, first.step.as_str()), (40, "docker"));
        let guest = GuestStatus { install: Some(first.clone()), ..guest };
        let half = install(&guest, Some(&look(&whole[..30])), PATIENCE, at(5));
        assert_eq!(half, first);
    }

    #[test]
    fn silence_is_waiting_first_and_loss_later_and_our_own_trouble_is_neither() {
        let not_yet = GuestError::NotYet("refused".into());
        let waiting = failed(fresh(1, at(0)), &not_yet, at(1));
        assert_eq!((waiting.contact, waiting.since), (Contact::Waiting, at(1)));
        let answering = answered(waiting, at(5));
        let silent = failed(answering.clone(), &not_yet, at(9));
        assert_eq!((silent.contact, silent.since), (Contact::Silent, at(9)));
        assert_eq!(
            failed(silent.clone(), &GuestError::NotYet("other words".into()), at(20)),
            silent
        );
        assert_eq!(failed(answering.clone(), &GuestError::Own("keys".into()), at(9)), answering);
    }
}
