//! What several integration test binaries share. Include it with
//! `#[path = "../support/mod.rs"] mod support;`.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod postgres;
