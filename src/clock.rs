//! The real clock, which can be moved forward, and random uids.
//!
//! Waiting for a contract to end takes a month. `clock advance 30d` on a demonstration moves this
//! clock and the simulator's together: wall and monotonic time jump by the same amount, and every
//! sleeper whose time has come by that wakes at once. It never goes back.

#![allow(
    clippy::disallowed_methods,
    reason = "the one place where the machine's clocks are read; everything else asks this one"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use devpocket_controllers::clock::{Clock, Ids};
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

/// The machine's clocks plus an offset. Clones share the offset.
#[derive(Clone, Debug)]
pub struct SystemClock {
    started: Instant,
    offset: Arc<watch::Sender<Duration>>,
}

impl SystemClock {
    /// The machine's time as it is.
    pub fn new() -> SystemClock {
        SystemClock::ahead_by(Duration::ZERO)
    }

    /// The machine's time plus an offset, as kept from an earlier run.
    pub fn ahead_by(offset: Duration) -> SystemClock {
        SystemClock { started: Instant::now(), offset: Arc::new(watch::Sender::new(offset)) }
    }

    /// Moves wall and monotonic time forward together, and wakes whoever's time has come.
    pub fn advance(&self, by: Duration) {
        self.offset.send_modify(|offset| *offset = offset.saturating_add(by));
    }

    /// How far ahead of the machine this clock is.
    pub fn offset(&self) -> Duration {
        *self.offset.borrow()
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now().saturating_add(self.offset()).unwrap_or(Timestamp::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed().saturating_add(self.offset())
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        // Subscribed now, not at the first poll: an advance in between counts.
        let mut offset = clock.offset.subscribe();
        let until = clock.monotonic().saturating_add(duration);
        Box::pin(async move {
            loop {
                let left = until.saturating_sub(clock.monotonic());
                if left.is_zero() {
                    return;
                }
                tokio::select! {
                    biased;
                    () = tokio::time::sleep(left) => {}
                    // The sender is in `clock`, which lives as long as this future.
                    _ = offset.changed() => {}
                }
            }
        })
    }
}

/// Uids from the operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    fn uid(&self) -> Uuid {
        Uuid::new_v4()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    const MONTH: Duration = Duration::from_secs(30 * 86_400);

    #[tokio::test]
    async fn advancing_moves_both_times_and_wakes_exactly_those_whose_time_has_come() {
        let clock = SystemClock::new();
        let (wall, monotonic) = (clock.now(), clock.monotonic());
        let month = clock.sleep(MONTH);
        let year = clock.sleep(12 * MONTH);
        clock.clone().advance(MONTH);
        assert!(clock.now() >= wall + MONTH);
        assert!(clock.monotonic() >= monotonic + MONTH);
        assert_eq!(month.now_or_never(), Some(()));
        assert_eq!(year.now_or_never(), None);
    }

    #[tokio::test]
    async fn advancing_wakes_a_sleeper_that_is_already_waiting() {
        let clock = SystemClock::ahead_by(MONTH);
        let sleeper = tokio::spawn(clock.sleep(MONTH));
        tokio::task::yield_now().await;
        clock.advance(MONTH);
        sleeper.await.unwrap();
        assert_eq!(clock.offset(), 2 * MONTH);
    }
}
