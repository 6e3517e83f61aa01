//! Asks machines that answer how they are doing, and keeps what they say.
//!
//! It is no part of a visit: what is learned here decides nothing, and a machine that does not answer
//! leaves a gap and no other trace. Whether it answers is for visits to say.
//!
//! # Cost
//! A command a minute and machine over the connection that is open anyway, and one statement a turn
//! for all that were asked in it; none where there is nobody to ask.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use devpocket_specs::guest::Contact;
use devpocket_specs::machine::Machine;
use devpocket_specs::operation::Operation;
use devpocket_specs::sample::{Reading, Sample};
use futures::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Target, judge};
use crate::clock::timeout;
use crate::manager::term::Term;

/// Machines that are asked at the same time.
const AT_ONCE: usize = 64;
/// Turns in a period: each asks those whose time it is.
const TURNS: u32 = 6;
/// How long a machine has to answer; beyond that this sample is missing.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);

/// Samples the machines of one term.
pub(crate) struct Sampler {
    term: Term,
    /// By machine.
    known: Mutex<BTreeMap<String, Known>>,
}

/// What a machine said last.
#[derive(Clone, Debug)]
struct Known {
    generation: i64,
    /// None after it did not answer.
    reading: Option<Reading>,
    /// On the monotonic clock.
    due: Duration,
}

/// A machine whose time it is.
struct Due {
    environment: Uuid,
    target: Target,
    before: Option<Reading>,
}

impl Sampler {
    pub fn new(term: Term) -> Sampler {
        Sampler { term, known: Mutex::default() }
    }

    /// Samples until it is told to stop. What is under way then is dropped: it may be missing.
    pub async fn run(&self, stop: &CancellationToken) {
        let turn = self.term.settings.sample_period / TURNS;
        let turns = async {
            loop {
                self.term.clock().sleep(turn).await;
                self.turn().await;
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = turns => {}
        }
    }

    async fn turn(&self) {
        let due = self.due();
        let asked = due.into_iter().map(|due| self.ask(due));
        let samples: Vec<(Uuid, Sample)> =
            stream::iter(asked).buffer_unordered(AT_ONCE).filter_map(ready).collect().await;
        if samples.is_empty() {
            return;
        }
        if let Err(error) = self.term.history.keep(&samples).await {
            tracing::warn!("{} samples are not kept: {error}", samples.len());
        }
    }

    /// The machines whose time it is; those that are gone are forgotten.
    fn due(&self) -> Vec<Due> {
        let now = self.term.clock().monotonic();
        let machines = self.term.mirrors.machines.list();
        let found = machines.iter().filter_map(|machine| self.answering(machine));
        let mut known = self.known();
        let mut still = BTreeMap::new();
        let mut due = Vec::new();
        for (environment, target) in found {
            let of = known.remove(&target.machine);
            let of = of.filter(|known| known.generation == target.generation);
            if of.as_ref().is_none_or(|known| known.due <= now) {
                let before = of.as_ref().and_then(|known| known.reading.clone());
                due.push(Due { environment, target: target.clone(), before });
            }
            if let Some(of) = of {
                still.insert(target.machine, of);
            }
        }
        *known = still;
        due
    }

    /// The environment of a machine that answers and has proved who it is, and how it is reached.
    fn answering(&self, machine: &Machine) -> Option<(Uuid, Target)> {
        let guest = judge::current(machine)?;
        let host_key = guest.host_key.clone()?;
        if guest.contact != Contact::Answering {
            return None;
        }
        let operations = self.term.mirrors.operations_on(&machine.metadata.name);
        let operations: Vec<&Operation> = operations.iter().map(|o| &**o).collect();
        let target = judge::target(machine, &operations)?;
        let target = Target { known: vec![host_key], first: false, ..target };
        Some((machine.spec.claim.as_ref()?.uid, target))
    }

    async fn ask(&self, due: Due) -> Option<(Uuid, Sample)> {
        let Due { environment, target, before } = due;
        let term = &self.term;
        let asked = timeout(&**term.clock(), ANSWER_LIMIT, term.guest.sample(&target)).await;
        let reading = match asked {
            Ok(Ok(reading)) => Some(reading),
            Ok(Err(error)) => {
                tracing::debug!("no sample of {}: {error}", target.machine);
                None
            }
            Err(elapsed) => {
                tracing::debug!("no sample of {}: {elapsed}", target.machine);
                None
            }
        };
        let sample = reading.as_ref().map(|now| Sample::of(term.now(), now, before.as_ref()));
        // A rate takes two readings, so the second one does not wait for a whole period.
        let is_first = reading.is_some() && before.is_none();
        let period = term.settings.sample_period;
        let wait = if is_first { period / TURNS } else { period };
        // Half a turn early, so that the turn it falls into is not missed by a moment.
        let due = term.clock().monotonic() + wait - period / TURNS / 2;
        let known = Known { generation: target.generation, reading, due };
        self.known().insert(target.machine, known);
        Some((environment, sample?))
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
