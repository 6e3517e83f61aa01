//! The controllers of one process, wired together.

pub mod mirrors;
pub mod settings;
pub mod term;
