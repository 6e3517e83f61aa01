//! A token bucket per object.

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

/// Events about one object that pass at once.
pub const BURST: u32 = 25;
/// One more passes each time this has gone by.
pub const REFILL_EVERY: Duration = Duration::from_secs(60);
/// Objects remembered. Beyond that the buckets that are nearest to full are forgotten.
pub const OBJECTS: usize = 4096;

/// When the bucket of each object is full again: a full bucket needs no entry.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    full_at: BTreeMap<Uuid, Duration>,
}

impl Limiter {
    /// Whether an event about the object may pass now, and takes its token.
    pub(super) fn allow(&mut self, object: Uuid, now: Duration) -> bool {
        let full_at = self.full_at.get(&object).copied().unwrap_or(now).max(now) + REFILL_EVERY;
        if full_at > now + REFILL_EVERY * BURST {
            return false;
        }
        self.full_at.insert(object, full_at);
        if self.full_at.len() > OBJECTS {
            self.shrink(now);
        }
        true
    }

    /// Forgets full buckets, and if that is not enough the fuller half.
    fn shrink(&mut self, now: Duration) {
        self.full_at.retain(|_, full_at| *full_at > now);
        if self.full_at.len() > OBJECTS {
            let mut times: Vec<Duration> = self.full_at.values().copied().collect();
            times.sort_unstable();
            let middle = times[times.len() / 2];
            self.full_at.retain(|_, full_at| *full_at > middle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_one_for_each_refill() {
        let mut limiter = Limiter::default();
        let object = Uuid::from_u128(1);
        let mut now = Duration::from_secs(1000);
        let passed = (0..100).filter(|_| limiter.allow(object, now)).count();
        assert_eq!(passed, BURST as usize);
        assert!(limiter.allow(Uuid::from_u128(2), now), "others have buckets of their own");
        now += REFILL_EVERY * 3;
        let passed = (0..100).filter(|_| limiter.allow(object, now)).count();
        assert_eq!(passed, 3);
    }

    #[test]
    fn it_never_remembers_more_than_its_limit() {
        let mut limiter = Limiter::default();
        for n in 0..3 * OBJECTS as u128 {
            assert!(limiter.allow(Uuid::from_u128(n), Duration::ZERO));
            assert!(limiter.full_at.len() <= OBJECTS);
        }
    }
}
