//! `/users`: what people see and change of their own account.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{delete, get, post};
use serde::Deserialize;
use uuid::Uuid;

use super::auth::{document, message};
use super::body::Body;
use super::caller::{Person, accounts};
use super::problem::Problem;
use crate::accounts::profile::ProfileChange;
use crate::server::{AppState, json as reply};

type Answer = Result<Response, Problem>;

pub(super) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/users/me", get(show).put(change).delete(remove))
        .route("/users/me/stats", get(stats))
        .route("/users/me/sessions", get(sessions))
        .route("/users/me/sessions/{id}", delete(end_session))
        .route("/users/me/deletion", get(removal))
        .route("/users/me/export", get(export))
        .route("/users/change-password", post(change_password))
}

async fn show(State(state): State<Arc<AppState>>, person: Person) -> Answer {
    let accounts = accounts(&state)?;
    document(StatusCode::OK, &accounts.view(&accounts.account(person.id).await?))
}

async fn change(
    State(state): State<Arc<AppState>>,
    person: Person,
    Body(change): Body<ProfileChange>,
) -> Answer {
    let person = person.in_person()?;
    let changed = accounts(&state)?.change_profile(person.id, &change, &person.origin).await?;
    document(StatusCode::OK, &changed)
}

async fn stats(State(state): State<Arc<AppState>>, person: Person) -> Answer {
    document(StatusCode::OK, &accounts(&state)?.stats(person.id).await?)
}

async fn sessions(State(state): State<Arc<AppState>>, person: Person) -> Answer {
    let current = person.session();
    document(StatusCode::OK, &accounts(&state)?.sessions(person.id, current).await?)
}

async fn end_session(
    State(state): State<Arc<AppState>>,
    person: Person,
    Path(id): Path<String>,
) -> Answer {
    let person = person.in_person()?;
    let unknown = || Problem::not_found(format!("there is no session {id:?}"));
    let id: Uuid = id.parse().map_err(|_| unknown())?;
    accounts(&state)?.end_session(person.id, id, "end-session", &person.origin).await?;
    message("The session has ended")
}

#[derive(Deserialize)]
struct Removal {
    /// Not needed by whoever has none.
    #[serde(default)]
    password: String,
}

async fn removal(State(state): State<Arc<AppState>>, person: Person) -> Answer {
    document(StatusCode::OK, &accounts(&state)?.removal(person.id).await?)
}

async fn remove(
    State(state): State<Arc<AppState>>,
    person: Person,
    Body(form): Body<Removal>,
) -> Answer {
    let person = person.in_person()?;
    accounts(&state)?.remove(person.id, &form.password, &person.origin).await?;
    message("The account has been deleted")
}

async fn export(State(state): State<Arc<AppState>>, person: Person) -> Answer {
    let person = person.in_person()?;
    document(StatusCode::OK, &accounts(&state)?.export(person.id).await?)
}

#[derive(Deserialize)]
struct ChangePassword {
    #[serde(rename = "currentPassword", alias = "current_password")]
    current: String,
    #[serde(rename = "newPassword", alias = "new_password")]
    new: String,
}

async fn change_password(
    State(state): State<Arc<AppState>>,
    person: Person,
    Body(form): Body<ChangePassword>,
) -> Answer {
    let person = person.in_person()?;
    let accounts = accounts(&state)?;
    let tokens =
        accounts.change_password(person.id, &form.current, &form.new, &person.origin).await?;
    let mut body = serde_json::to_value(&tokens).unwrap_or_default();
    body["message"] = "Password changed successfully".into();
    Ok(reply(StatusCode::OK, &body))
}
