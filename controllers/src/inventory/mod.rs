//! The inventory: what is in the account, seen in bulk.
//!
//! One list of all instances, read page by page, feeds every decision. It is compared with the
//! records, judged ([`crate::guard::trust`]), and written down only where something changed; that
//! the rest was seen is one time stamp on the Installation. Single instances are asked for only
//! while something is under way on them, or when a list leaves them out.
//!
//! # Guarantees
//! - **A failure to look is never absence.** Errors, partial lists and lists that miss what is
//!   there when asked for change no record and count as no evidence.
//! - **The Installation says a look is over only after its changes are visible** in this
//!   process's mirrors, so no decision takes an old record for a fresh one.
//! - **Nothing is sent before the account was compared with the database** in this term, nor while
//!   it is another account, or knows more than the database (see [`mark`]).
//! - **Silence is one fact.** However many machines there are, an account that does not answer is
//!   one condition, one hold, one event and one metric.
//!
//! # Caveats
//! What changed and changed back between two looks is not seen.

pub mod account;
mod attribution;
pub mod list;
pub mod look;
pub mod mark;
mod marks;
pub mod outside;
mod record;
pub mod run;
pub mod sweep;

pub use run::{Inventory, InventoryError};
