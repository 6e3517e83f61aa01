//! What the controllers of one term of leadership share.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::mirrors::Mirrors;
use super::settings::Settings;
use crate::client::Client;
use crate::clock::Clock;
use crate::cloud::Cloud;
use crate::runtime::{LeaderHandle, Recorder};

/// One term of leadership: its fenced client, and everything the controllers work with. Clones
/// share it.
#[derive(Clone)]
pub struct Term {
    /// Every write through it carries the term's fence.
    pub client: Client,
    pub leader: LeaderHandle,
    pub cloud: Arc<dyn Cloud>,
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

    /// How long until `at`; nothing when it has passed.
    pub fn until(&self, at: Timestamp) -> Duration {
        Duration::try_from(at.duration_since(self.now())).unwrap_or(Duration::ZERO)
    }
}
