//! `/auth/device`: signing a terminal or a phone in from where one is signed in (RFC 8628).

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use axum::routing::post;
use serde::Deserialize;

use super::auth::{document, message, signed_in};
use super::body::{self, Body};
use super::caller::{Anyone, Person, accounts};
use super::problem::Problem;
use crate::server::AppState;

type Answer = Result<Response, Problem>;

pub(super) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/auth/device", post(begin).get(look))
        .route("/auth/device/token", post(token))
        .route("/auth/device/answer", post(answer))
}

async fn begin(State(state): State<Arc<AppState>>, Anyone(origin): Anyone) -> Answer {
    document(StatusCode::OK, &accounts(&state)?.begin_device(&origin).await?)
}

#[derive(Deserialize)]
struct Code {
    user_code: String,
}

async fn look(
    State(state): State<Arc<AppState>>,
    person: Person,
    query: Result<Query<Code>, axum::extract::rejection::QueryRejection>,
) -> Answer {
    let Ok(Query(code)) = query else {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "user_code is required"));
    };
    person.in_person()?;
    document(StatusCode::OK, &accounts(&state)?.device(&code.user_code).await?)
}

#[derive(Deserialize)]
struct Decision {
    user_code: String,
    allow: bool,
}

async fn answer(
    State(state): State<Arc<AppState>>,
    person: Person,
    Body(form): Body<Decision>,
) -> Answer {
    let person = person.in_person()?;
    let accounts = accounts(&state)?;
    accounts.answer_device(&form.user_code, person.id, form.allow, &person.origin).await?;
    message(if form.allow { "The device is signed in" } else { "The device was refused" })
}

#[derive(Deserialize)]
struct Ask {
    device_code: String,
}

/// As JSON, or as the form the RFC has.
async fn token(
    State(state): State<Arc<AppState>>,
    Anyone(origin): Anyone,
    request: axum::extract::Request,
) -> Answer {
    let media = request.headers().get(header::CONTENT_TYPE);
    let is_form = media
        .and_then(|value| value.to_str().ok())
        .is_some_and(|media| media.starts_with("application/x-www-form-urlencoded"));
    let bytes = body::bytes(request).await?;
    let ask: Ask = match is_form {
        false => body::read(&bytes)?,
        true => {
            let uri = format!("/?{}", String::from_utf8_lossy(&bytes));
            let query = uri.parse().ok().and_then(|uri| Query::try_from_uri(&uri).ok());
            let Some(Query(ask)) = query else {
                return Err(Problem::new(StatusCode::BAD_REQUEST, "device_code is required"));
            };
            ask
        }
    };
    let accounts = accounts(&state)?;
    match accounts.device_tokens(&ask.device_code, &origin).await? {
        Ok(logged_in) => signed_in(accounts, &logged_in),
        Err(pending) => Err(Problem {
            error: Some(pending.word()),
            ..Problem::new(StatusCode::BAD_REQUEST, pending.sentence())
        }),
    }
}
