//! API tokens, and tickets that WebSockets are opened with.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{delete, get, post};
use uuid::Uuid;

use super::auth::{document, message};
use super::body::Body;
use super::caller::{Caller, Person, accounts};
use super::problem::Problem;
use crate::accounts::api_tokens::NewApiToken;
use crate::server::AppState;

type Answer = Result<Response, Problem>;

pub(super) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/users/me/tokens", get(list).post(make))
        .route("/users/me/tokens/{id}", delete(revoke))
        .route("/ws-tickets", post(ticket))
}

async fn list(State(state): State<Arc<AppState>>, person: Person) -> Answer {
    document(StatusCode::OK, &accounts(&state)?.api_tokens(person.id).await?)
}

async fn make(
    State(state): State<Arc<AppState>>,
    person: Person,
    Body(new): Body<NewApiToken>,
) -> Answer {
    // A token that could make tokens would outlive its own end.
    let person = person.in_person()?;
    let accounts = accounts(&state)?;
    document(StatusCode::CREATED, &accounts.make_api_token(person.id, &new, &person.origin).await?)
}

async fn revoke(
    State(state): State<Arc<AppState>>,
    person: Person,
    Path(id): Path<String>,
) -> Answer {
    let unknown = || Problem::not_found(format!("there is no token {id:?}"));
    let id: Uuid = id.parse().map_err(|_| unknown())?;
    let own = person.user.credential == crate::access::Credential::ApiToken(id);
    // A program may put its own token away, and no other.
    let person = if own { person } else { person.in_person()? };
    accounts(&state)?.revoke_api_token(person.id, id, &person.origin).await?;
    message("The token has been revoked")
}

async fn ticket(State(state): State<Arc<AppState>>, caller: Caller) -> Answer {
    document(StatusCode::CREATED, &accounts(&state)?.issue_ticket(&caller.user).await?)
}
