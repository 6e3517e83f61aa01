//! The bridge: SSH into machines, for controllers and for people.
//!
//! # Guarantees
//! - There are no standing credentials. Each connection signs in with a key made for it and a
//!   certificate of a few minutes ([`Authority`]), whose id names who it is for.
//! - A connection is made only to a machine that proves it is the one installed (see
//!   [`client`]): before that nothing is sent but the protocol's own greeting.
//! - Connections are bounded in number and time; what a machine sends is bounded in memory.
//!
//! # Caveats
//! A provider keeps the user-data it was given, the first key in it included. That key is worth
//! nothing once the machine has made its own.

mod authority;
mod client;
mod configure;
mod dialer;
mod exec;
mod guest;
mod scripts;
mod sections;

pub use authority::{Authority, AuthorityError};
pub use client::{Connection, Session, SignIn};
pub use dialer::{Dialer, Direct, Simulated};
pub use guest::Bridge;
