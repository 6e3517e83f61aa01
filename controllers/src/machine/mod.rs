//! Machines: bought once, adopted, kept count of, and let go without losing anything.
//!
//! A Machine record is written before its purchase and outlives its instance. [`decide`] says what
//! the next step is, from records alone; [`reconcile`] takes it.

pub mod decide;
pub mod reconcile;
pub mod release;
pub mod state;
pub mod term;

/// Condition type on a machine: it was seen installing for the wipe its message names.
pub const WIPE_SEEN: &str = "WipeSeen";

/// Condition type on a machine: tried several times and given up; its message says what ends it.
pub const STALLED: &str = "Stalled";

pub use reconcile::MachineReconciler;
