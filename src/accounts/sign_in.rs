//! From a bearer token to a user.

use std::sync::Arc;

use async_trait::async_trait;

use super::Accounts;
use crate::access::{AuthError, Authenticator, Credential, Tokens, User};

/// Tokens of the configuration first, then those of accounts.
pub struct SignedIn {
    configured: Tokens,
    #[expect(dead_code, reason = "asked once accounts can sign in")]
    accounts: Arc<Accounts>,
}

impl SignedIn {
    pub fn new(configured: Tokens, accounts: Arc<Accounts>) -> SignedIn {
        SignedIn { configured, accounts }
    }
}

#[async_trait]
impl Authenticator for SignedIn {
    async fn authenticate(&self, bearer: &str) -> Result<User, AuthError> {
        self.configured.find(bearer).cloned().ok_or_else(AuthError::invalid)
    }

    async fn renew(&self, user: &User) -> Result<User, AuthError> {
        match user.credential {
            Credential::Configured => Ok(user.clone()),
            Credential::Session(_) | Credential::ApiToken(_) => Err(AuthError::invalid()),
        }
    }
}
