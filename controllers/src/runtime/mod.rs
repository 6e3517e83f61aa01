//! The machinery every controller runs on. It names none of the kinds people declare: what is
//! reconciled, and why, is the domain's.
//!
//! ```text
//! Store ──list+watch──► Reflector ──changes──► Workqueue ──keys──► Controller ──► Reconciler
//!                           ▲ get, list                               │ Outcome
//!                           └───────────── reads ─────────────────────┘
//! ```
//!
//! Everything is level-triggered: a key says *look at this again*, never *this happened*. A lost,
//! doubled or late trigger therefore costs time, never correctness.

pub mod backoff;
pub mod controller;
pub mod dependents;
pub mod leader;
pub mod recorder;
pub mod reflector;
#[cfg(test)]
pub(crate) mod rig;
pub mod workqueue;

pub use backoff::Backoff;
pub use controller::{Controller, Outcome, Reconciler};
pub use leader::{Elector, LeaderHandle, LeaseTimings};
pub use recorder::{Involved, Recorder, Severity};
pub use reflector::{Change, Index, Reflector};
pub use workqueue::{Priority, Workqueue};
