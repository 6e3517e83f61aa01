//! Who is asking, what they may do, and how secrets are kept unreadable at rest.
//!
//! - [`Authenticator`] turns a bearer token into a [`User`]: [`Tokens`] for those of the
//!   configuration, [`crate::accounts`] for sign-ins and API tokens.
//! - [`Authorizer`] answers whether a user may do what a request asks, from nothing but the user and
//!   the request; [`ByRole`] is the one of the product.
//! - [`Standing`] asks both again for streams that stay open.
//! - [`trail`] writes down who changed what about accounts and teams.
//! - [`seal`] encrypts the values of Secrets before they reach the store.

pub mod seal;
pub mod trail;

mod authenticate;
mod authorize;
mod by_role;
mod roles;
mod standing;
mod token;
mod user;

use std::time::Duration;

pub use authenticate::{AuthError, Authenticator};
pub use authorize::{Attributes, Authorizer, Decision};
pub use by_role::ByRole;
pub use roles::{Allowed, rules};
pub use standing::{Ended, Standing};
pub use token::{TokenError, Tokens, new_token};
pub use user::{ADMINS, AUTHENTICATED, Credential, Role, Scope, User};

/// How long a process may go on with what it knew of somebody's rights. A removed member is out
/// everywhere, open streams included, within this and [`STREAM_RECHECK`] together: 5 s at most.
pub const STALE_MAX: Duration = Duration::from_secs(2);
/// How often an open stream asks again whether its user may still see it.
pub const STREAM_RECHECK: Duration = Duration::from_secs(2);
