//! `devpocket serve` and `devpocket migrate` as processes: the real program, a real Postgres, and
//! Contabo's wire protocol on a socket. Good days and bad ones.

#[path = "../support/mod.rs"]
mod support;

mod bad_days;
mod collector;
mod config;
mod credentials;
mod decisions;
mod doctor;
mod doctor_database;
mod doctor_faults;
mod drain;
mod fresh;
mod image;
mod metrics;
mod people;
mod process;
mod proxy;
mod restore;
mod schema;
mod sealing;
mod signals;
mod traces;
mod unreachable;
mod world;
