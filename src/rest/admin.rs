//! `/admin/accounts`: what an administrator does with other people's accounts.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;

use super::auth::document;
use super::body::Body;
use super::caller::{Caller, accounts};
use super::problem::Problem;
use crate::accounts::Origin;
use crate::accounts::admin::NewByAdmin;
use crate::server::AppState;

type Answer = Result<Response, Problem>;

pub(super) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/admin/accounts", get(list).post(create))
        .route("/admin/accounts/{name}", get(show))
        .route("/admin/accounts/{name}/verify", post(verify))
        .route("/admin/accounts/{name}/reset-link", post(reset_link))
        .route("/admin/accounts/{name}/tier", post(set_tier))
        .route("/admin/accounts/{name}/suspend", post(suspend))
}

/// Admins only, and none whose token is narrowed to something else.
fn admin(caller: Caller) -> Result<Origin, Problem> {
    if caller.user.is_admin() && caller.user.scope.is_none() {
        return Ok(caller.origin);
    }
    let detail = format!("{:?} is not an administrator", caller.user.name);
    Err(Problem::new(StatusCode::FORBIDDEN, detail))
}

#[derive(Default, Deserialize)]
struct Holds {
    #[serde(default)]
    query: String,
}

async fn list(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    query: Result<Query<Holds>, QueryRejection>,
) -> Answer {
    admin(caller)?;
    let holds = query.map(|Query(holds)| holds.query).unwrap_or_default();
    document(StatusCode::OK, &accounts(&state)?.list(&holds).await?)
}

async fn show(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Answer {
    admin(caller)?;
    let accounts = accounts(&state)?;
    document(StatusCode::OK, &accounts.view(&accounts.named(&name).await?))
}

async fn create(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Body(new): Body<NewByAdmin>,
) -> Answer {
    let origin = admin(caller)?;
    document(StatusCode::CREATED, &accounts(&state)?.create_by_admin(&new, &origin).await?)
}

async fn verify(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Answer {
    let origin = admin(caller)?;
    document(StatusCode::OK, &accounts(&state)?.verify_by_admin(&name, &origin).await?)
}

async fn reset_link(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Answer {
    let origin = admin(caller)?;
    let link = accounts(&state)?.reset_link(&name, &origin).await?;
    let minutes = crate::accounts::codes::RESET_MINUTES;
    document(StatusCode::OK, &json!({"reset_link": link, "expires_in": minutes * 60}))
}

#[derive(Deserialize)]
struct Tier {
    tier: Option<String>,
}

async fn set_tier(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Path(name): Path<String>,
    Body(form): Body<Tier>,
) -> Answer {
    let origin = admin(caller)?;
    let set = accounts(&state)?.set_tier(&name, form.tier.as_deref(), &origin).await?;
    document(StatusCode::OK, &set)
}

#[derive(Deserialize)]
struct Suspend {
    suspended: bool,
}

async fn suspend(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Path(name): Path<String>,
    Body(form): Body<Suspend>,
) -> Answer {
    let origin = admin(caller)?;
    document(StatusCode::OK, &accounts(&state)?.suspend(&name, form.suspended, &origin).await?)
}
