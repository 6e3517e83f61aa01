//! What a simulated machine's counters say: they grow evenly while it runs, and begin anew with it.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use devpocket_specs::sample::{Reading, Ticks, Traffic, Usage};
use jiff::{SignedDuration, Timestamp};

use super::{Day, Place, SimGuests};
use crate::guest::{GuestError, Target};

/// Processor time of all cores in a second, and how much of it nobody uses.
const TICKS: u64 = 400;
const IDLE: u64 = 360;
/// Bytes a second.
const TRAFFIC: Traffic = Traffic { received: 2_000, sent: 500 };

impl SimGuests {
    pub(super) async fn counters(&self, target: &Target) -> Result<Reading, GuestError> {
        let place = self.connect(target).await?;
        let (boots, now) = (self.boots(place), self.clock.now());
        let mut state = self.lock();
        // Whoever looks for lost replies counts visits.
        if let Some(Day::LosesReplies(1..)) = state.days.get(&place.0) {
            return Err(GuestError::NotYet("the connection was lost".into()));
        }
        let system = state.systems.get_mut(&place);
        let system = system.ok_or_else(|| GuestError::NotYet("it was reinstalled".into()))?;
        if system.booted.is_none_or(|(known, _)| known != boots) {
            system.booted = Some((boots, now));
        }
        let since = system.booted.map_or(now, |(_, since)| since);
        Ok(reading(now, since))
    }

    fn boots(&self, place: Place) -> u32 {
        let contabo = self.contabo.lock().unwrap_or_else(PoisonError::into_inner);
        let found = contabo.instances().find(|instance| instance.instance_id == place.0);
        found.map_or(0, |instance| instance.guest.boots)
    }
}

fn reading(now: Timestamp, since: Timestamp) -> Reading {
    // It was up for a moment before it was first asked.
    let up = now.duration_since(since) + SignedDuration::from_secs(20);
    let uptime_ms = u64::try_from(up.as_millis()).unwrap_or(0);
    let grown = |a_second: u64| a_second * uptime_ms / 1_000;
    let network = Traffic { received: grown(TRAFFIC.received), sent: grown(TRAFFIC.sent) };
    Reading {
        uptime_ms,
        cpu: Some(Ticks { idle: grown(IDLE), total: grown(TICKS) }),
        memory: Usage::new(900 << 20, 8 << 30),
        disk: Usage::new(6 << 30, 75 << 30),
        network: BTreeMap::from([("eth0".to_owned(), network)]),
    }
}
