//! The real binary against a real server over a store in memory: what people type and read.

mod answers;
mod bad_input;
mod changes;
mod codes;
mod examples;
mod files;
mod looks;
mod stale;
mod times;
mod waiting;
mod world;
