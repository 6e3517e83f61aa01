//! Authentication: one trait, asked once per request and again by streams that stay open.

use async_trait::async_trait;

use super::{Tokens, User};

/// Why a token leads to nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Unknown, malformed, expired or revoked. The sentence says which where that helps its owner
    /// and tells a stranger nothing.
    #[error("{0}")]
    Invalid(String),
    /// It could not be found out: the database does not answer.
    #[error("who is asking cannot be checked now: {0}")]
    Unavailable(String),
}

impl AuthError {
    pub fn invalid() -> AuthError {
        AuthError::Invalid("the token is not valid".into())
    }
}

/// Who is asking.
#[async_trait]
pub trait Authenticator: Send + Sync + 'static {
    /// The user with this bearer token.
    async fn authenticate(&self, bearer: &str) -> Result<User, AuthError>;

    /// The same user as things stand now: what changed about their rights, or that their
    /// credential was revoked. At most [`super::STALE_MAX`] old. For streams that stay open.
    async fn renew(&self, user: &User) -> Result<User, AuthError>;

    /// The user with this one-time ticket, which is gone with it: for what is opened by its address
    /// alone, such as a WebSocket.
    async fn redeem(&self, _ticket: &str) -> Result<User, AuthError> {
        Err(AuthError::Invalid("the ticket is not valid".into()))
    }
}

/// Tokens of the configuration, which do not change while the process runs.
#[async_trait]
impl Authenticator for Tokens {
    async fn authenticate(&self, bearer: &str) -> Result<User, AuthError> {
        self.find(bearer).cloned().ok_or_else(AuthError::invalid)
    }

    async fn renew(&self, user: &User) -> Result<User, AuthError> {
        Ok(user.clone())
    }
}
