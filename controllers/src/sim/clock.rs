//! Virtual time and seeded uids.
//!
//! Time is tokio's paused time: it stands still while any task can run and jumps to the next
//! timer when none can, so weeks pass in milliseconds and every run with the same seed is the
//! same run. The runtime must be `current_thread` and started paused.

#![allow(clippy::disallowed_methods, reason = "the one place where tokio's virtual time is read")]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use uuid::Uuid;

use crate::clock::{Clock, Ids};

/// Virtual wall and monotonic time, which move together.
#[derive(Clone, Debug)]
pub struct VirtualClock {
    epoch: Timestamp,
    started: Instant,
}

impl VirtualClock {
    /// A clock that shows `epoch` now.
    pub fn starting_at(epoch: Timestamp) -> VirtualClock {
        VirtualClock { epoch, started: Instant::now() }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.epoch + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A clock whose wall time is ahead of another's, and whose seconds are as long.
pub struct Ahead {
    pub of: Arc<dyn Clock>,
    pub by: SignedDuration,
}

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        self.of.now() + self.by
    }

    fn monotonic(&self) -> Duration {
        self.of.monotonic()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.of.sleep(duration)
    }
}

/// Uids drawn from a seed: shaped as version 4, the same in each run.
#[derive(Debug)]
pub struct SeededIds(Mutex<fastrand::Rng>);

impl SeededIds {
    pub fn new(seed: u64) -> SeededIds {
        SeededIds(Mutex::new(fastrand::Rng::with_seed(seed)))
    }
}

impl Ids for SeededIds {
    fn uid(&self) -> Uuid {
        let mut rng = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        uuid::Builder::from_random_bytes(rng.u128(..).to_be_bytes()).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn wall_and_monotonic_time_move_together_and_only_when_asked() {
        let epoch: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        let clock = VirtualClock::starting_at(epoch);
        assert_eq!(clock.now(), epoch);
        clock.sleep(Duration::from_secs(30 * 86_400)).await;
        assert_eq!(clock.monotonic(), Duration::from_secs(30 * 86_400));
        assert_eq!(clock.now().to_string(), "2026-03-31T00:00:00Z");
    }

    #[test]
    fn the_same_seed_gives_the_same_uids_and_no_uid_twice() {
        let (a, b) = (SeededIds::new(7), SeededIds::new(7));
        let first: Vec<Uuid> = (0..100).map(|_| a.uid()).collect();
        let second: Vec<Uuid> = (0..100).map(|_| b.uid()).collect();
        assert_eq!(first, second);
        assert!(first.iter().all(|uid| uid.get_version_num() == 4));
        let distinct: std::collections::BTreeSet<_> = first.iter().collect();
        assert_eq!(distinct.len(), 100);
    }
}
