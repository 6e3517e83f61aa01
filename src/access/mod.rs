//! Who is asking, what they may do, and how secrets are kept unreadable at rest.
//!
//! - [`Tokens`] turns a bearer token into a [`User`]; comparison takes the same time for every
//!   wrong token.
//! - [`Authorizer`] answers whether a user may do what a request asks. [`AdminOnly`] is the only
//!   implementation so far; roles per namespace come in behind the same trait.
//! - [`seal`] encrypts the values of Secrets before they reach the store.

pub mod seal;

mod authorize;
mod token;

pub use authorize::{AdminOnly, Attributes, Authorizer, Decision, User};
pub use token::{TokenError, Tokens, new_token};
