//! The records of decisions, bounded as the real store bounds them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use devpocket_specs::decision::{DECISIONS_KEPT, DECISIONS_READ, DecisionRecord};
use uuid::Uuid;

use crate::store::Revision;

/// By the environment's uid, each with the revision of the write that carried it, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Decisions(BTreeMap<Uuid, VecDeque<(Revision, Arc<DecisionRecord>)>>);

impl Decisions {
    pub fn keep(&mut self, revision: Revision, record: &Arc<DecisionRecord>) {
        let kept = self.0.entry(record.environment.uid).or_default();
        kept.push_back((revision, record.clone()));
        while kept.len() > DECISIONS_KEPT {
            kept.pop_front();
        }
    }

    /// Newest first.
    pub fn of(&self, namespace: &str, name: &str) -> Vec<Arc<DecisionRecord>> {
        let mut found = self.ordered();
        found.retain(|record| {
            record.environment.namespace == namespace && record.environment.name == name
        });
        found.reverse();
        found.truncate(DECISIONS_READ);
        found
    }

    /// Oldest first.
    pub fn all(&self) -> Vec<Arc<DecisionRecord>> {
        self.ordered()
    }

    fn ordered(&self) -> Vec<Arc<DecisionRecord>> {
        let mut all: Vec<_> = self.0.values().flatten().cloned().collect();
        all.sort_by_key(|(revision, _)| *revision);
        all.into_iter().map(|(_, record)| record).collect()
    }
}
