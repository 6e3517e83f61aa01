//! The store: one conformance suite over every implementation, and what only Postgres can do wrong.

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod backup;
mod cases;
mod conformance;
mod faults;
mod mutation;
mod objects;
mod partitions;
mod processes;
mod schema;
mod wire;
mod worlds;
