//! Exponential back-off with full jitter: failures that began together do not return together.

use std::time::Duration;

use fastrand::Rng;

/// For reconciles: quick at first, since most failures are conflicts that are gone at once, and
/// never rarer than a person would look.
pub const RECONCILE: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(60));

/// For reads from the store.
pub const STORE: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(15));

/// How long to wait after failures in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
}

impl Backoff {
    /// Up to `base` after the first failure, twice as much after each further one, never more
    /// than `cap`.
    pub const fn new(base: Duration, cap: Duration) -> Backoff {
        Backoff { base, cap }
    }

    /// The longest wait after this many failures in a row; zero after none.
    pub fn ceiling(&self, failures: u32) -> Duration {
        match failures {
            0 => Duration::ZERO,
            n => {
                let factor = 1_u32.checked_shl(n - 1).unwrap_or(u32::MAX);
                self.base.saturating_mul(factor).min(self.cap)
            }
        }
    }

    /// A wait drawn evenly from zero up to the ceiling.
    pub fn delay(&self, failures: u32, rng: &mut Rng) -> Duration {
        self.ceiling(failures).mul_f64(rng.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_the_cap_and_never_overflows() {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        let seconds: Vec<u64> = (0..9).map(|n| backoff.ceiling(n).as_secs()).collect();
        assert_eq!(seconds, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff.ceiling(u32::MAX), Duration::from_secs(60));
    }

    #[test]
    fn delays_spread_over_the_whole_range() {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        let mut rng = Rng::with_seed(1);
        let delays: Vec<Duration> = (0..1000).map(|_| backoff.delay(4, &mut rng)).collect();
        assert!(delays.iter().all(|d| *d <= Duration::from_secs(8)));
        assert!(delays.iter().any(|d| *d < Duration::from_secs(1)));
        assert!(delays.iter().any(|d| *d > Duration::from_secs(7)));
    }
}
