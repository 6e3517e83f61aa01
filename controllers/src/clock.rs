//! The clock port. Nothing in this crate reads time in any other way, so that the simulation owns
//! time completely.

use std::time::Duration;

use futures::future::BoxFuture;
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
