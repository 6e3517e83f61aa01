//! Where it is kept how machines were doing: the port.
//!
//! # Contract of every implementation
//! - [`History::keep`] costs one statement, however many samples it is given.
//! - What was kept twice, because nobody knew whether the first time had worked, is there once: two
//!   samples of one environment and one second are one.
//! - Samples stand as they were taken for [`KEPT_HOURS`] at least; what is older may have become means
//!   of five minutes ([`thinned`]), and nothing is given that is older than [`KEPT_DAYS`].
//! - Samples are told to people; nothing is decided by them.
//!
//! [`KEPT_HOURS`]: devpocket_specs::sample::KEPT_HOURS
//! [`KEPT_DAYS`]: devpocket_specs::sample::KEPT_DAYS
//! [`thinned`]: devpocket_specs::sample::thinned

use std::collections::BTreeMap;

use async_trait::async_trait;
use devpocket_specs::sample::Sample;
use jiff::Timestamp;
use uuid::Uuid;

/// Why samples were not kept or found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the history of machines: {0}")]
pub struct HistoryError(pub String);

/// How the machines of all environments were doing.
#[async_trait]
pub trait History: Send + Sync + 'static {
    /// Keeps samples, each with the uid of its environment.
    async fn keep(&self, samples: &[(Uuid, Sample)]) -> Result<(), HistoryError>;

    /// What is kept of these environments from a time on, by environment, oldest first; one of which
    /// nothing is kept is absent.
    async fn since(
        &self,
        environments: &[Uuid],
        since: Timestamp,
    ) -> Result<BTreeMap<Uuid, Vec<Sample>>, HistoryError>;
}

/// Stands in where no history is kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forgotten;

#[async_trait]
impl History for Forgotten {
    async fn keep(&self, _: &[(Uuid, Sample)]) -> Result<(), HistoryError> {
        Ok(())
    }

    async fn since(
        &self,
        _: &[Uuid],
        _: Timestamp,
    ) -> Result<BTreeMap<Uuid, Vec<Sample>>, HistoryError> {
        Ok(BTreeMap::new())
    }
}
