//! DevPocket's kinds and every pure rule about them.
//!
//! Nothing here does I/O, reads a clock or draws randomness: times and uids are arguments, data
//! files are compiled in. So the API, the controllers, the command line and the simulation obey
//! the same rules by calling the same functions.

pub mod admit;
pub mod apply;
pub mod catalogue;
pub mod condition;
pub mod decision;
pub mod defaulting;
pub mod environment;
pub mod event;
pub mod guest;
pub mod install;
pub mod installation;
pub mod kind;
pub mod lease;
pub mod machine;
pub mod metadata;
pub mod money;
pub mod namespace;
pub mod object;
pub mod operation;
pub mod patch;
pub mod plan;
pub mod render;
pub mod sample;
pub mod schema;
pub mod secret;
pub mod selector;
pub mod status;
pub mod template;
pub mod tier;
pub mod validation;
