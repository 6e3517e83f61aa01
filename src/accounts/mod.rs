//! People: their accounts, how they sign in, and what proves that they did.
//!
//! Accounts, sessions and tokens live in tables of their own (`migrations/0004_accounts.sql`), not
//! among the objects: nobody watches them, and a list of objects never shows them.

mod sign_in;

use std::sync::Arc;

use devpocket_controllers::clock::{Clock, Ids};
use sqlx::PgPool;

pub use sign_in::SignedIn;

/// Accounts in Postgres.
pub struct Accounts {
    pub pool: PgPool,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
}

impl Accounts {
    pub fn new(pool: PgPool, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Accounts {
        Accounts { pool, clock, ids }
    }
}
