//! The deterministic world: in-memory store and guests, virtual clock, seeded faults, and the
//! one model of Contabo.

pub mod clock;
pub mod cloud;
pub mod contabo;
pub mod crash;
pub mod guests;
pub mod history;
pub mod lines;
pub mod store;
pub mod world;
