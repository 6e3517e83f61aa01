//! The clock port. Nothing in this crate reads time in any other way, so that the simulation owns
//! time completely.

use std::future::Future;
use std::time::Duration;

use futures::future::{BoxFuture, Either, select};
use jiff::Timestamp;

/// Wall time, monotonic time and waiting.
pub trait Clock: Send + Sync + 'static {
    /// Wall time, for records and for people.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment; never falls. For deadlines.
    fn monotonic(&self) -> Duration;

    /// Completes once [`Clock::monotonic`] has moved by `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// Source of uids: random in production, from a seed in the simulation.
pub trait Ids: Send + Sync + 'static {
    /// A version 4 uuid never given before.
    fn uid(&self) -> uuid::Uuid;
}

/// The time was up before the work was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not done within {0:?}")]
pub struct Elapsed(pub Duration);

/// Runs `work` for at most `limit`, then drops it. tokio's own `timeout` would not notice that
/// this clock was moved.
pub async fn timeout<F: Future>(
    clock: &dyn Clock,
    limit: Duration,
    work: F,
) -> Result<F::Output, Elapsed> {
    let work = std::pin::pin!(work);
    match select(work, clock.sleep(limit)).await {
        Either::Left((output, _)) => Ok(output),
        Either::Right(((), _)) => Err(Elapsed(limit)),
    }
}

/// A seed for jitter that differs between processes and is the same in each run of a simulation.
pub fn seed(ids: &dyn Ids) -> u64 {
    ids.uid().as_u64_pair().1
}
