//! Operations: every effect on the world, its intent written before it is sent.
//!
//! ```text
//! Planned ──► Issued ──► Succeeded | Rejected
//!    │           └─────► Unknown ──► Resolved (Happened | NotHappened)
//!    └─ withdrawn: Rejected
//! ```
//!
//! # Guarantees
//! - **Sent at most once.** Only the process whose compare-and-swap made it `Issued` sends, only in
//!   the pass that did so, and only if its lease outlives the call's timeout. Nothing that was
//!   issued is ever sent again: a new need makes a new operation.
//! - **Never lost.** The intent and its uid, which is the request id Contabo's audits record, are
//!   written before the call. Whoever finds an `Issued` operation past its deadline treats it as
//!   `Unknown` and looks for evidence (see [`evidence`]).
//! - **Judged on the state it changes.** The write to `Issued` fails when the machine's record
//!   changed since: a machine that was claimed back meanwhile is not wiped.
//! - **What is sent is what was decided.** User-data is rendered again and compared by digest.
//!
//! # Assumptions
//! Contabo's clock and ours differ by less than the lag allowance; the adapter's errors tell
//! *nothing happened* from *unknown* truthfully.
//!
//! # Caveats
//! A refusal by Contabo is final for the operation, not for the need: planners back off and plan a
//! new one. Two effects on one machine are never under way together.

pub mod decide;
pub mod evidence;
pub mod images;
pub mod intent;
pub mod reconcile;
pub mod report;
pub mod resolve;
pub mod send;
#[cfg(test)]
mod tests;
pub mod token;
pub mod transition;

pub use reconcile::OperationReconciler;
pub use resolve::resolve;
