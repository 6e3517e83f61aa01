//! Scenarios in the deterministic world.

mod basics;
mod environments;
