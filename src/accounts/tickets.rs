//! One-time tickets: what a WebSocket is opened with.
//!
//! Browsers send no `Authorization` with a WebSocket, so what signs it in stands in its address,
//! and addresses get logged. A ticket is good once and for [`LIFE_SECONDS`].
//!
//! Its time is counted by the database, so that replicas whose clocks differ agree.

use serde::Serialize;
use sqlx::Row as _;
use uuid::Uuid;

use super::opaque::{self, Digest, TICKET_PREFIX};
use super::{AccountError, Accounts};
use crate::access::{AuthError, Credential, User};

/// How long a ticket is good.
pub const LIFE_SECONDS: i32 = 30;

/// A ticket, shown once.
#[derive(Clone, Serialize)]
pub struct Ticket {
    pub ticket: String,
    /// Seconds.
    pub expires_in: i32,
}

/// Whose a ticket is.
pub(super) enum Holder {
    Session(Uuid),
    ApiToken(Uuid),
    /// Name of the user of a token of the configuration.
    Configured(String),
}

impl Accounts {
    /// A ticket that stands for this user's credential.
    pub async fn issue_ticket(&self, user: &User) -> Result<Ticket, AccountError> {
        let ticket = opaque::make(TICKET_PREFIX)?;
        let (session, token, configured) = match user.credential {
            Credential::Session(id) => (Some(id), None, None),
            Credential::ApiToken(id) => (None, Some(id), None),
            Credential::Configured => (None, None, Some(&user.name)),
        };
        sqlx::query(
            "INSERT INTO ws_tickets (digest, session, api_token, configured, expires_at) \
             VALUES ($1, $2, $3, $4, now() + $5::int * interval '1 second')",
        )
        .bind(Digest::of(&ticket).0.as_slice())
        .bind(session)
        .bind(token)
        .bind(configured)
        .bind(LIFE_SECONDS)
        .execute(&self.pool)
        .await?;
        Ok(Ticket { ticket, expires_in: LIFE_SECONDS })
    }

    /// Takes a ticket: whoever comes first gets it, on whichever replica.
    pub(super) async fn take_ticket(&self, digest: Digest) -> Result<Holder, AuthError> {
        let row = sqlx::query(
            "DELETE FROM ws_tickets WHERE digest = $1 AND expires_at > now() \
             RETURNING session, api_token, configured",
        )
        .bind(digest.0.as_slice())
        .fetch_optional(&self.pool)
        .await
        .map_err(|error| AuthError::Unavailable(error.to_string()))?;
        let holder = row.and_then(|row| {
            let session = row.try_get("session").ok().flatten().map(Holder::Session);
            let token = || row.try_get("api_token").ok().flatten().map(Holder::ApiToken);
            let configured = || row.try_get("configured").ok().flatten().map(Holder::Configured);
            session.or_else(token).or_else(configured)
        });
        holder.ok_or_else(|| AuthError::Invalid("the ticket is not valid".into()))
    }
}
