//! Environments: what somebody declared, made true and kept true.
//!
//! # How it is put together
//! [`decide`] is a pure function of records and `now`; every decision about an environment is in
//! it. The same call answers `devpocket plan`, the API's `plan` subresource and the controller, so
//! *the plan is the apply*: what is executed is exactly [`Decision::writes`], in order, and those
//! are only records. Effects on the world are [`Operation`](devpocket_specs::operation::Operation)
//! records that the operation controller sends.
//!
//! ```text
//! records ─► world::Snapshot ─► World ─► decide ─► Decision { plan, status, writes, events }
//!                                                        reconcile::EnvironmentReconciler writes it
//! ```
//!
//! # Guarantees
//! - **One purchase per need.** The machine record a need creates is named after the environment's
//!   uid and the cause (`create`, or the fingerprint of an approval), so a second one fails with
//!   AlreadyExists. A machine that was lost or refused is replaced only by a live approval.
//! - **A risky step runs only with consent**: implied by creating or deleting the record, given as
//!   an approval of its fingerprint, or by `autoApprove`.
//! - **Only evidence counts.** What was looked at before an operation on the machine ended, plus the
//!   lag allowance, decides nothing. Not seeing is never absence.
//! - **A pass that changes nothing writes nothing.** Times in the status move with facts only.
//! - **A decision leaves a record** ([`record()`]) in the transaction of its first write, from which it
//!   can be told and made again ([`replay`]).
//!
//! # Caveats
//! - A decision may rest on a mirror that trails the store. Every write is a compare-and-swap, so
//!   the worst a stale decision does is to fail and be made again.
//! - Brakes asked here are asked again right before an operation is sent; here they only keep
//!   records from being written that would wait.

mod acquire;
mod binding;
mod bound;
mod brakes;
mod configuration;
mod consent;
mod decision;
mod display_name;
mod draft;
mod drift;
mod events;
mod facts;
mod guest;
mod install;
mod loss;
pub mod names;
pub mod observed;
mod ordering;
mod plan;
mod power;
pub mod reconcile;
mod record;
mod recover;
mod release;
pub mod rendered;
mod report;
mod requests;
mod software;
mod standstill;
mod stuck;
#[cfg(test)]
pub(crate) mod tests;
mod unseen;
mod want;
pub mod words;
pub mod world;

pub use brakes::Brakes;
pub use decision::{Decision, EventDraft, RecordWrite};
pub use facts::facts;
pub use plan::{decide, effective_power, plan_for};
pub use record::{ReplayError, record, replay};
pub use world::{Records, Snapshot, World};
