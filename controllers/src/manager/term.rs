//! What the controllers of one term of leadership share.

use std::sync::Arc;
use std::time::Duration;

use devpocket_specs::object::Resource;
use jiff::Timestamp;

use super::mirrors::Mirrors;
use super::settings::Settings;
use crate::client::Client;
use crate::clock::{Clock, timeout};
use crate::cloud::Cloud;
use crate::guest::Guest;
use crate::history::History;
use crate::install::Lines;
use crate::runtime::{LeaderHandle, Recorder};

/// How long a pass waits for mirrors that trail before it is put off.
const MIRROR_PATIENCE: Duration = Duration::from_secs(5);

/// One term of leadership: its fenced client, and everything the controllers work with. Clones
/// share it.
#[derive(Clone)]
pub struct Term {
    /// Every write through it carries the term's fence.
    pub client: Client,
    pub leader: LeaderHandle,
    pub cloud: Arc<dyn Cloud>,
    pub guest: Arc<dyn Guest>,
    pub lines: Arc<dyn Lines>,
    pub history: Arc<dyn History>,
    pub mirrors: Mirrors,
    pub recorder: Recorder,
    pub settings: Arc<Settings>,
}

impl Term {
    pub fn clock(&self) -> &Arc<dyn Clock> {
        self.client.clock()
    }

    pub fn now(&self) -> Timestamp {
        self.client.now()
    }

    /// Waits until the mirrors show everything up to this record; `false` when they do not follow
    /// in time.
    pub async fn is_mirrored<T: Resource>(&self, record: &T) -> bool {
        let revision = record.metadata().revision().unwrap_or(0);
        let reached = self.mirrors.reached(revision);
        timeout(&**self.clock(), MIRROR_PATIENCE, reached).await.is_ok()
    }

    /// Whether the mirrors show everything up to this record, which is from one of them, already:
    /// nearly always, and looking costs less than waiting.
    pub fn is_mirrored_now<T: Resource>(&self, record: &T) -> bool {
        // The record itself is asked last: it lies elsewhere in memory.
        self.mirrors.stand_alike()
            || self.mirrors.have_reached(record.metadata().revision().unwrap_or(0))
    }

    /// How long until `at`; nothing when it has passed.
    pub fn until(&self, at: Timestamp) -> Duration {
        Duration::try_from(at.duration_since(self.now())).unwrap_or(Duration::ZERO)
    }
}
