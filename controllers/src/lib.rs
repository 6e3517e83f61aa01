//! DevPocket's controllers: the machinery that makes the world match the records.
//!
//! `runtime` is generic and names no kind. The ports (`store`, `cloud`, `guest`, `clock`) are what
//! controllers need from outside, as traits. The domain modules decide in pure functions and act
//! through the ports. `sim` is the deterministic world in which all of it is tested.

pub mod client;
pub mod clock;
pub mod cloud;
pub mod environment;
pub mod guard;
pub mod guest;
pub mod history;
pub mod install;
pub mod inventory;
pub mod machine;
pub mod manager;
pub mod operation;
pub mod runtime;
#[cfg(feature = "sim")]
pub mod sim;
pub mod store;
