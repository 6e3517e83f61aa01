//! The real binary against a real server over a store in memory: what people type and read.

mod answers;
mod bad_input;
mod changes;
mod codes;
mod differences;
mod editing;
mod examples;
mod explain;
mod files;
mod history;
mod looks;
mod pages;
mod pipelines;
mod programs;
mod pruning;
mod round_trip;
mod shells;
mod stale;
mod terminal;
mod times;
mod tls;
mod top;
mod waiting;
mod world;
