//! The store: one conformance suite over every implementation, and what only Postgres can do wrong.

#[path = "../support/mod.rs"]
mod support;

mod backup;
mod cases;
mod conformance;
mod mutation;
mod objects;
mod schema;
mod worlds;
