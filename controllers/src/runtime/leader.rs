//! One process leads, by holding a `Lease`.
//!
//! # Guarantees
//! - **Two never hold it at once**, as long as clocks advance at the same rate to within the
//!   margin. A lease held by another is taken only after it was seen unchanged for its whole
//!   duration, counted on *our* monotonic clock from the end of the read: time stamps in the
//!   record are for people. The holder counts from *before* it sent the renewal, and gives up a
//!   margin earlier.
//! - **Writes of a former leader are refused.** Each term has an epoch (`leaseTransitions`), which
//!   only grows and is never given twice, even after somebody deleted the lease; each write of
//!   the term carries it as its fence.
//! - **External calls cannot be fenced**, so none is started that could outlive the lease: ask
//!   [`LeaderHandle::outlives`] with the call's timeout right before sending. A renewal on time
//!   always leaves [`LeaseTimings::longest_call`].
//! - On shutdown the lease is released only after the term's work has drained; the next leader
//!   then need not wait.
//!
//! # Assumptions
//! An identity belongs to one process at a time. A process that restarts under its old identity
//! takes its own lease back without waiting.
//!
//! # Caveats
//! When the term's future is not polled (the process is stopped or starved), nobody marks the
//! lease as lost. [`LeaderHandle::remaining`] still falls to zero, since it asks the clock.

mod elector;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use devpocket_specs::object::Key;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::store::Fence;

pub use elector::Elector;

/// How long others wait for a silent holder.
pub const LEASE_DURATION: Duration = Duration::from_secs(45);
/// What the holder keeps free at the end, for clocks that drift and calls that end late.
pub const LEASE_MARGIN: Duration = Duration::from_secs(5);
/// How often the holder renews.
pub const RENEW_EVERY: Duration = Duration::from_secs(10);
/// How often candidates look, and how soon a failed renewal is tried again.
pub const RETRY_EVERY: Duration = Duration::from_secs(2);
/// No lease is waited for longer than this, whatever its record says.
pub const LONGEST_LEASE: Duration = Duration::from_secs(600);

/// The times of an election. All candidates should use the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimings {
    pub duration: Duration,
    pub margin: Duration,
    pub renew_every: Duration,
    pub retry_every: Duration,
}

impl Default for LeaseTimings {
    fn default() -> Self {
        LeaseTimings {
            duration: LEASE_DURATION,
            margin: LEASE_MARGIN,
            renew_every: RENEW_EVERY,
            retry_every: RETRY_EVERY,
        }
    }
}

impl LeaseTimings {
    /// The longest timeout of an external call that may be started at any moment of a term whose
    /// renewals succeed at the first try: 30 s by default.
    pub fn longest_call(&self) -> Duration {
        self.duration.saturating_sub(self.margin).saturating_sub(self.renew_every)
    }
}

/// How this term began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Succession {
    /// There was no lease.
    First,
    /// The last holder let go, all its work done.
    Released,
    /// We held it before, under the same identity.
    Own,
    /// The last holder fell silent. Calls it sent may still be under way at the far end.
    Expired {
        holder: String,
        /// The duration of its lease.
        duration: Duration,
    },
}

#[derive(Debug)]
struct Term {
    fence: Fence,
    succession: Succession,
    lost: CancellationToken,
    /// Monotonic time at which the lease became ours.
    began: Duration,
    /// Monotonic time up to which the lease is ours.
    deadline: Mutex<Duration>,
}

/// One term of leadership. Clones are handles to the same term; a term, once lost, never comes
/// back.
#[derive(Clone)]
pub struct LeaderHandle {
    term: Arc<Term>,
    clock: Arc<dyn Clock>,
}

impl LeaderHandle {
    fn new(
        lease: Key,
        epoch: i32,
        succession: Succession,
        deadline: Duration,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let fence = Fence { lease, epoch };
        let lost = CancellationToken::new();
        let deadline = Mutex::new(deadline);
        let began = clock.monotonic();
        LeaderHandle { term: Arc::new(Term { fence, succession, lost, began, deadline }), clock }
    }

    /// The number of this term. Later terms have higher ones.
    pub fn epoch(&self) -> i32 {
        self.term.fence.epoch
    }

    /// What every write of this term must carry.
    pub fn fence(&self) -> Fence {
        self.term.fence.clone()
    }

    /// How this term began.
    pub fn succession(&self) -> &Succession {
        &self.term.succession
    }

    /// How much longer to leave alone what a leader who fell silent had under way, given the
    /// timeout of its calls: its lease has run out, and what it sent at the end of it may still
    /// arrive. Counted on our clock, since the silent one's may show another time.
    pub fn wait_out(&self, call_timeout: Duration) -> Duration {
        match self.term.succession {
            Succession::Expired { .. } => {
                (self.term.began + call_timeout).saturating_sub(self.clock.monotonic())
            }
            Succession::First | Succession::Released | Succession::Own => Duration::ZERO,
        }
    }

    /// How long the lease is still ours; zero once lost.
    pub fn remaining(&self) -> Duration {
        if self.term.lost.is_cancelled() {
            return Duration::ZERO;
        }
        let deadline = *self.term.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        deadline.saturating_sub(self.clock.monotonic())
    }

    /// Whether a call with this timeout ends while we still lead. Ask right before sending.
    pub fn outlives(&self, timeout: Duration) -> bool {
        self.remaining() > timeout
    }

    /// Whether the term is over.
    pub fn is_lost(&self) -> bool {
        self.remaining().is_zero()
    }

    /// Cancelled when the term is over: by loss, or when it was released.
    pub fn lost(&self) -> &CancellationToken {
        &self.term.lost
    }

    fn extend(&self, deadline: Duration) {
        *self.term.deadline.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
    }
}
