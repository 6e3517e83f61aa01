//! The logs of machines that install themselves: what a visit reads of them, and where it is kept.
//!
//! Lines are told to people; nothing is decided by them. So that they cannot be kept is no reason to
//! leave a machine unvisited: they are read again with the next visit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use devpocket_specs::guest::GuestStatus;
use devpocket_specs::install::{InstallState, InstallStatus, Mask};
use devpocket_specs::machine::Machine;
use jiff::Timestamp;
use uuid::Uuid;

use super::{LogPart, Wanted};
use crate::install::{Journal, Lines};

/// How far logs were read, by environment. Only a copy: what counts is what the store of lines says,
/// and it is asked where there is none, or where somebody else wrote meanwhile.
pub(super) struct Logs {
    lines: Arc<dyn Lines>,
    known: Mutex<BTreeMap<Uuid, Known>>,
}

#[derive(Clone)]
struct Known {
    /// The installation it is about.
    of: String,
    journal: Journal,
    /// How long each log was, by its path.
    ends: BTreeMap<String, u64>,
}

/// A visit that reads logs.
pub(super) struct Reading {
    environment: Uuid,
    /// Names the installation.
    of: String,
    before: Journal,
    after: Journal,
    ends: BTreeMap<String, u64>,
}

/// How much of what is in the logs is kept now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// What was read could not be kept: it is read again with the next visit.
    Nothing,
    /// What was read, and there was more than one answer holds.
    Part,
    All,
}

impl Reading {
    /// What is to be read.
    pub fn wanted(&mut self) -> Vec<Wanted> {
        let mut wanted = self.after.wanted(&self.of);
        for wanted in &mut wanted {
            // A line that is not finished was seen and not taken.
            let end = self.ends.get(&wanted.path).copied().unwrap_or_default();
            wanted.seen = wanted.seen.max(end);
        }
        wanted
    }
}

impl Logs {
    pub fn new(lines: Arc<dyn Lines>) -> Logs {
        Logs { lines, known: Mutex::default() }
    }

    fn known(&self, environment: Uuid) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&environment).cloned()
    }

    fn know(&self, environment: Uuid, known: Option<Known>) {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known {
            Some(known) => all.insert(environment, known),
            None => all.remove(&environment),
        };
    }

    /// Begins to read, while the machine installs itself and until its logs are read to their end.
    pub async fn begin(&self, machine: &Machine, guest: &GuestStatus) -> Option<Reading> {
        let environment = machine.spec.claim.as_ref()?.uid;
        let installed = guest.install.as_ref().is_some_and(|i| i.state == InstallState::Succeeded);
        if guest.host_key.is_none() || (installed && !guest.unread) {
            self.know(environment, None);
            return None;
        }
        let known = self.known(environment);
        let of = format!("{}/{}", machine.metadata.name, machine.spec.install_generation);
        let (journal, ends) = match known {
            Some(known) if known.of == of => (known.journal, known.ends),
            Some(known) => (known.journal, BTreeMap::new()),
            None => match self.lines.journal(environment).await {
                Ok(journal) => (journal, BTreeMap::new()),
                Err(error) => {
                    tracing::warn!("{error}");
                    return None;
                }
            },
        };
        Some(Reading { environment, of, before: journal.clone(), after: journal, ends })
    }

    /// Keeps what was read.
    pub async fn end(
        &self,
        reading: Reading,
        parts: &[LogPart],
        install: Option<&InstallStatus>,
        mask: &Mask,
        now: Timestamp,
    ) -> Taken {
        let Reading { environment, of, before, mut after, mut ends } = reading;
        ends.extend(parts.iter().map(|part| (part.path.clone(), part.end())));
        let (step, percent) = install.map_or(("", 0), |i| (i.step.as_str(), i.percent));
        let (lines, more) = after.take(parts, mask, now, step, percent);
        let taken = if more { Taken::Part } else { Taken::All };
        if after.logs == before.logs {
            self.know(environment, Some(Known { of, journal: before, ends }));
            return taken;
        }
        after.version += 1;
        match self.lines.append(environment, &before, &after, lines).await {
            Ok(true) => {
                self.know(environment, Some(Known { of, journal: after, ends }));
                return taken;
            }
            Ok(false) => {}
            Err(error) => tracing::warn!("{error}"),
        }
        self.know(environment, None);
        Taken::Nothing
    }
}
