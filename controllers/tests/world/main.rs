//! Scenarios in the deterministic world: the real controllers, the one model of Contabo, a clock
//! that is moved, and a switch that kills the process at any step.

mod account;
mod basics;
mod configured;
mod crashes;
mod decisions;
mod disturbances;
mod environments;
mod every_fault;
mod guests;
mod kept_back;
mod leaders;
mod money;
mod outside;
mod quiet;
mod recover;
mod samples;
mod scenario;
mod seeds;
mod strangeness;
mod templates;
mod tenants;
mod unknowns;

use std::time::Duration;

pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3_600);
