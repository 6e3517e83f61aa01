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
pub mod admin;
pub mod api_tokens;
pub mod codes;
pub mod device;
pub mod google;
pub mod keys;
pub mod login;
pub mod names;
pub mod opaque;
pub mod password;
pub mod profile;
pub mod refresh_token;
pub mod register;
pub mod removal;
pub mod session;
pub mod tickets;
pub mod tidy;

mod account;
mod entrance;
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
pub use register::{Draft, NewAccount, Taken};
pub use settings::{AccountSettings, GoogleSettings, Registration};
pub use sign_in::SignedIn;

use crate::access::Credential;
use crate::mail::Outbox;
use google::Google;
use known::KnownUsers;
use password::Hasher;

/// Accounts in Postgres.
pub struct Accounts {
    pub pool: PgPool,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub settings: AccountSettings,
    /// The records, as the component that makes people's namespaces.
    pub client: Client,
    pub outbox: Outbox,
    hasher: Hasher,
    google: Option<Google>,
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
    ) -> Result<Accounts, AccountError> {
        let hasher = Hasher::start(settings.cost)?;
        let google = settings.google.clone().map(Google::new).transpose()?;
        let known = KnownUsers::default();
        Ok(Accounts { pool, clock, ids, settings, client, outbox, hasher, google, known })
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
