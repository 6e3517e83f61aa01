//! One token bucket for the account. Contabo publishes no limit, so the rate is found: a 429
//! halves it and closes the bucket for a while, quiet success raises it slowly (AIMD).

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use devpocket_controllers::clock::Clock;
use devpocket_controllers::cloud::{CloudError, Priority};

/// Calls that may go out at once after a quiet time.
const BURST: f64 = 20.0;
/// Share of the burst that only people's actions may use.
const RESERVED: f64 = 0.2;
/// Calls per second at the start, and the most ever tried.
const RATE_MAX: f64 = 5.0;
/// The least the rate falls to.
const RATE_MIN: f64 = 0.1;
/// Added to the rate by each success.
const RATE_STEP: f64 = 0.02;
/// How long the bucket stays closed after a 429 without `Retry-After`.
const CLOSED_DEFAULT: Duration = Duration::from_secs(10);
/// The longest `Retry-After` that is obeyed; more is a broken header.
const CLOSED_MAX: Duration = Duration::from_secs(300);

struct State {
    tokens: f64,
    rate: f64,
    filled_at: Duration,
    closed_until: Duration,
}

/// The account-wide limiter; clones share the bucket.
#[derive(Clone)]
pub struct Limiter {
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

impl Limiter {
    pub fn new(clock: Arc<dyn Clock>) -> Limiter {
        let now = clock.monotonic();
        let state =
            State { tokens: BURST, rate: RATE_MAX, filled_at: now, closed_until: Duration::ZERO };
        Limiter { clock, state: Arc::new(Mutex::new(state)) }
    }

    /// Waits for a place, or says at once that there will be none within `patience`.
    pub async fn acquire(&self, priority: Priority, patience: Duration) -> Result<(), CloudError> {
        let deadline = self.clock.monotonic() + patience;
        loop {
            let wait = match self.try_take(priority) {
                None => return Ok(()),
                Some(wait) => wait,
            };
            if self.clock.monotonic() + wait > deadline {
                return Err(CloudError::Throttled { retry_after: wait });
            }
            self.clock.sleep(wait).await;
        }
    }

    /// Takes a token, or answers how long until there may be one.
    fn try_take(&self, priority: Priority) -> Option<Duration> {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        let passed = now.saturating_sub(state.filled_at).as_secs_f64();
        state.tokens = (state.tokens + passed * state.rate).min(BURST);
        state.filled_at = now;
        if now < state.closed_until {
            return Some(state.closed_until - now);
        }
        let floor = match priority {
            Priority::Person => 0.0,
            Priority::Background => BURST * RESERVED,
        };
        if state.tokens - 1.0 >= floor {
            state.tokens -= 1.0;
            return None;
        }
        let missing = floor + 1.0 - state.tokens;
        Some(Duration::from_secs_f64(missing / state.rate).max(Duration::from_millis(1)))
    }

    /// A 429 came.
    pub fn throttled(&self, retry_after: Option<Duration>) {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        state.rate = (state.rate / 2.0).max(RATE_MIN);
        state.tokens = 0.0;
        state.filled_at = now;
        state.closed_until = now + retry_after.unwrap_or(CLOSED_DEFAULT).min(CLOSED_MAX);
    }

    /// A call was answered with anything but 429.
    pub fn answered(&self) {
        let mut state = self.lock();
        state.rate = (state.rate + RATE_STEP).min(RATE_MAX);
    }

    /// Calls per second allowed now, for the metric.
    pub fn rate(&self) -> f64 {
        self.lock().rate
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use devpocket_controllers::clock::Clock;
    use futures::future::BoxFuture;
    use jiff::Timestamp;

    /// Time that moves only when somebody sleeps.
    #[derive(Default)]
    struct StepClock(Arc<Mutex<Duration>>);

    impl Clock for StepClock {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }
        fn monotonic(&self) -> Duration {
            *self.0.lock().unwrap()
        }
        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            let time = self.0.clone();
            Box::pin(async move { *time.lock().unwrap() += duration })
        }
    }

    fn limiter() -> (Limiter, Arc<StepClock>) {
        let clock = Arc::new(StepClock::default());
        (Limiter::new(clock.clone()), clock)
    }

    #[tokio::test]
    async fn background_work_leaves_a_share_for_people() {
        let (limiter, _) = limiter();
        let mut taken = 0;
        while limiter.acquire(Priority::Background, Duration::ZERO).await.is_ok() {
            taken += 1;
        }
        assert_eq!(taken, 16);
        for _ in 0..4 {
            limiter.acquire(Priority::Person, Duration::ZERO).await.unwrap();
        }
        assert!(limiter.acquire(Priority::Person, Duration::ZERO).await.is_err());
    }

    #[tokio::test]
    async fn a_429_closes_the_bucket_and_halves_the_rate() {
        let (limiter, clock) = limiter();
        limiter.throttled(Some(Duration::from_secs(7)));
        assert_eq!(limiter.rate(), RATE_MAX / 2.0);
        let refused = limiter.acquire(Priority::Person, Duration::from_secs(5)).await;
        assert_eq!(refused, Err(CloudError::Throttled { retry_after: Duration::from_secs(7) }));
        limiter.acquire(Priority::Person, Duration::from_secs(30)).await.unwrap();
        assert!(clock.monotonic() >= Duration::from_secs(7));
    }

    #[tokio::test]
    async fn the_rate_recovers_and_stays_within_its_limits() {
        let (limiter, _) = limiter();
        for _ in 0..20 {
            limiter.throttled(None);
        }
        assert_eq!(limiter.rate(), RATE_MIN);
        for _ in 0..10_000 {
            limiter.answered();
        }
        assert_eq!(limiter.rate(), RATE_MAX);
    }
}
