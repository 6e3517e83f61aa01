//! People: their accounts, how they sign in, and what proves that they did.
//!
//! Accounts, sessions and tokens live in tables of their own (`migrations/0004_accounts.sql`,
//! `0005_sign_in.sql`), not among the objects: nobody watches them, and a list of objects never
//! shows them. What they own (a Namespace and what is in it) are objects.
//!
//! - [`password`] hashes, [`access_token`], [`refresh_token`] and [`opaque`] are the forms of what
//!   can be presented, [`session`] says how a sign-in begins, goes on and ends.
//! - [`SignedIn`] turns what was presented into a [`User`](crate::access::User), with [`known`] in
//!   between so that not each request asks the database.
//! - Every change writes its line of the trail in its transaction.

pub mod access_token;
pub mod keys;
pub mod opaque;
pub mod password;
pub mod refresh_token;
pub mod session;
pub mod tickets;

mod account;
mod fault;
mod known;
mod origin;
mod settings;
mod sign_in;
mod stamp;

use std::sync::Arc;

use devpocket_controllers::client::Client;
use devpocket_controllers::clock::{Clock, Ids};
use sqlx::PgPool;
use uuid::Uuid;

pub use account::{Account, AccountView, By, NO_TIER};
pub use fault::{AccountError, INCORRECT};
pub use origin::{ANONYMOUS, Origin};
pub use settings::{AccountSettings, GoogleSettings, Registration};
pub use sign_in::SignedIn;

use crate::access::Credential;
use crate::mail::Outbox;
use known::KnownUsers;
use password::{Hasher, PasswordError};

/// Accounts in Postgres.
pub struct Accounts {
    pub pool: PgPool,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub settings: AccountSettings,
    /// The records, as the component that makes people's namespaces.
    pub client: Client,
    pub outbox: Outbox,
    #[expect(dead_code, reason = "asked once people register")]
    hasher: Hasher,
    known: KnownUsers,
}

impl Accounts {
    pub fn new(
        pool: PgPool,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        settings: AccountSettings,
        client: Client,
        outbox: Outbox,
    ) -> Result<Accounts, PasswordError> {
        let hasher = Hasher::start(settings.cost)?;
        let known = KnownUsers::default();
        Ok(Accounts { pool, clock, ids, settings, client, outbox, hasher, known })
    }

    /// Roles, tier or standing of an account changed: in this process that counts from the next
    /// request on, in others within [`crate::access::STALE_MAX`]. To be called after the commit.
    pub fn forget(&self, account: Uuid) {
        self.known.forget_account(account);
    }

    /// The same for one credential that was revoked.
    pub fn forget_credential(&self, credential: Credential) {
        self.known.forget(credential);
    }
}
