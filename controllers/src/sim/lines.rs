//! The lines of installations, in memory: what the port promises, and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use uuid::Uuid;

use crate::install::{Journal, Line, Lines, LinesError};

/// All lines. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct SimLines {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    journals: BTreeMap<Uuid, Journal>,
    lines: BTreeMap<Uuid, Vec<Line>>,
    /// So many of the next calls fail.
    away: u32,
}

impl SimLines {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next calls fail.
    pub fn away(&self, calls: u32) {
        self.lock().away = calls;
    }

    /// The lines of an environment, in their order.
    pub fn of(&self, environment: Uuid) -> Vec<Line> {
        self.lock().lines.get(&environment).cloned().unwrap_or_default()
    }

    fn answers(&self) -> Result<(), LinesError> {
        let mut state = self.lock();
        if state.away == 0 {
            return Ok(());
        }
        state.away -= 1;
        Err(LinesError("the database is away".into()))
    }
}

#[async_trait]
impl Lines for SimLines {
    async fn journal(&self, environment: Uuid) -> Result<Journal, LinesError> {
        self.answers()?;
        Ok(self.lock().journals.get(&environment).cloned().unwrap_or_default())
    }

    async fn append(
        &self,
        environment: Uuid,
        before: &Journal,
        after: &Journal,
        lines: Vec<Line>,
    ) -> Result<bool, LinesError> {
        self.answers()?;
        let mut state = self.lock();
        let journal = state.journals.entry(environment).or_default();
        if journal.version != before.version {
            return Ok(false);
        }
        *journal = after.clone();
        state.lines.entry(environment).or_default().extend(lines);
        Ok(true)
    }
}
