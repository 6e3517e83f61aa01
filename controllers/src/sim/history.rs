//! How machines were doing, in memory: what the port promises, and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use devpocket_specs::sample::Sample;
use jiff::Timestamp;
use uuid::Uuid;

use crate::history::{History, HistoryError};

/// All samples. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct SimHistory {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    samples: BTreeMap<Uuid, BTreeMap<Timestamp, Sample>>,
    /// Calls that kept something.
    writes: u64,
    /// So many of the next calls fail.
    away: u32,
}

impl SimHistory {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next calls fail.
    pub fn away(&self, calls: u32) {
        self.lock().away = calls;
    }

    /// How often something was written.
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// The samples of an environment, oldest first.
    pub fn of(&self, environment: Uuid) -> Vec<Sample> {
        let state = self.lock();
        state.samples.get(&environment).into_iter().flat_map(|all| all.values().copied()).collect()
    }

    fn answers(&self) -> Result<MutexGuard<'_, State>, HistoryError> {
        let mut state = self.lock();
        if state.away == 0 {
            return Ok(state);
        }
        state.away -= 1;
        Err(HistoryError("the database is away".into()))
    }
}

#[async_trait]
impl History for SimHistory {
    async fn keep(&self, samples: &[(Uuid, Sample)]) -> Result<(), HistoryError> {
        let mut state = self.answers()?;
        state.writes += 1;
        for (environment, sample) in samples {
            let kept = sample.kept();
            state.samples.entry(*environment).or_default().insert(kept.at, kept);
        }
        Ok(())
    }

    async fn since(
        &self,
        environments: &[Uuid],
        since: Timestamp,
    ) -> Result<BTreeMap<Uuid, Vec<Sample>>, HistoryError> {
        let state = self.answers()?;
        let of = |uid: &Uuid| {
            let all = state.samples.get(uid)?;
            let samples: Vec<Sample> = all.range(since..).map(|(_, sample)| *sample).collect();
            (!samples.is_empty()).then_some((*uid, samples))
        };
        Ok(environments.iter().filter_map(of).collect())
    }
}
