//! The conformance suite. Each case names what breaks without what it asserts, and is run by
//! `conformance.rs` on every implementation.

pub mod decisions;
pub mod fences;
pub mod guards;
pub mod lists;
pub mod races;
pub mod restarts;
pub mod watches;
pub mod writes;
