//! What is made of the signs a machine gives while it installs itself: pure functions from the
//! record and one look to the next record. Who looks, and how, is behind the guest port.
//!
//! # Guarantees
//! - [`advance`]: percent never falls within one install generation, whatever the machine says.
//! - Success takes two witnesses: cloud-init is done (with or without warnings) and the installer
//!   says `done`. A failure takes one of either, or the time limit by the server's clock.
//! - A failure is no end: what the machine says later counts (it was resumed, or was late only).
//! - No look is no sign: a machine that cannot be reached leaves everything as it was, but for the
//!   time limit.
//!
//! # Caveats
//! The machine's clock is never used; durations are from the server's.

mod advance;
mod estimate;
mod log;
mod readiness;
mod recovery;

pub use advance::{Look, ProgressSeen, SILENCE, Subject, advance};
pub use estimate::{RUNS_NEEDED, record, remember, run, usual_seconds};
pub use log::{Journal, Line, Lines, LinesError, Unkept};
pub use readiness::{GuestVerdict, guest_ready};
pub use recovery::{Recovery, recovery, resumed};

#[cfg(test)]
mod tests;
