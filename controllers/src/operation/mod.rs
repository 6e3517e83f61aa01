//! Operations: every effect on the world, its intent written before it is sent.

pub mod intent;
pub mod token;
