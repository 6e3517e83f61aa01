//! Who asks, as handlers take it.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use uuid::Uuid;

use super::Problem;
use crate::access::{Credential, User};
use crate::accounts::{AccountError, Accounts, Origin};
use crate::server::{Api, AppState, ClientAddress, RequestId, count_user, too_many_rest};

/// Anybody: from where a request comes, whoever sent it.
#[derive(Clone, Debug)]
pub struct Anyone(pub Origin);

/// Somebody whose token was accepted, also one of the configuration.
#[derive(Clone, Debug)]
pub struct Caller {
    pub user: User,
    pub origin: Origin,
}

/// Somebody with an account.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: Uuid,
    pub user: User,
    pub origin: Origin,
}

impl Person {
    /// The session that asks; none for an API token.
    pub fn session(&self) -> Option<Uuid> {
        match self.user.credential {
            Credential::Session(id) => Some(id),
            Credential::ApiToken(_) | Credential::Configured => None,
        }
    }

    /// Refuses tokens of programs: passwords, sessions and the account itself are a person's.
    pub fn in_person(self) -> Result<Person, Problem> {
        match self.session() {
            Some(_) => Ok(self),
            None => {
                let detail = "an API token does not do this; sign in to do it";
                Err(Problem::new(StatusCode::FORBIDDEN, detail))
            }
        }
    }
}

impl FromRequestParts<Arc<AppState>> for Anyone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<AppState>) -> Result<Self, Problem> {
        let agent = parts.headers.get(header::USER_AGENT);
        let agent = agent.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone());
        let origin = Origin {
            address: parts.extensions.get::<ClientAddress>().map(ClientAddress::to_string),
            request_id: request_id.unwrap_or_default(),
            ..Origin::anonymous()
        };
        Ok(Anyone(origin.with_client(agent)))
    }
}

impl FromRequestParts<Arc<AppState>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<AppState>) -> Result<Self, Problem> {
        let Anyone(origin) = Anyone::from_request_parts(parts, state).await?;
        let user = crate::kube::authenticate(state, &parts.headers).await?;
        let counted = count_user(state, &parts.extensions, &user, Api::Rest).await;
        counted.map_err(too_many_rest)?;
        let origin = origin.of(&user);
        Ok(Caller { user, origin })
    }
}

impl FromRequestParts<Arc<AppState>> for Person {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<AppState>) -> Result<Self, Problem> {
        let Caller { user, origin } = Caller::from_request_parts(parts, state).await?;
        let id = user.account.ok_or_else(|| {
            let detail = format!("{:?} is a token of the configuration, not an account", user.name);
            Problem::new(StatusCode::FORBIDDEN, detail)
        })?;
        Ok(Person { id, user, origin })
    }
}

/// The accounts, where there are any.
pub fn accounts(state: &AppState) -> Result<&Arc<Accounts>, Problem> {
    state
        .accounts
        .as_ref()
        .ok_or_else(|| Problem::new(StatusCode::NOT_IMPLEMENTED, "this server keeps no accounts"))
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Problem {
        let text = error.to_string();
        match error {
            AccountError::Incorrect | AccountError::Unauthorized(_) => Problem::unauthorized(text),
            AccountError::Invalid(errors) => Problem::invalid(errors),
            AccountError::Bad(_) => Problem::new(StatusCode::BAD_REQUEST, text),
            AccountError::Forbidden(_) => Problem::new(StatusCode::FORBIDDEN, text),
            AccountError::NotFound(_) => Problem::not_found(text),
            AccountError::Conflict(_) => Problem::new(StatusCode::CONFLICT, text),
            AccountError::Later { seconds, .. } => Problem {
                retry_after: Some(seconds),
                ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, text)
            },
            AccountError::Unavailable(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, text),
            // What the database says is for the log, not for strangers.
            AccountError::Database(error) => {
                tracing::error!("accounts: {error}");
                Problem {
                    retry_after: Some(5),
                    ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer")
                }
            }
            AccountError::Failed(why) => {
                tracing::error!("accounts: {why}");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
            }
        }
    }
}
