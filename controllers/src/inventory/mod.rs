//! The inventory: what is in the account, seen in bulk.

pub mod list;
pub mod look;
pub mod mark;
