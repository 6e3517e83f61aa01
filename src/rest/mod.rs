//! The API of the mobile app, under `/api/v1`.
//!
//! Each area is a module with a `routes()` of its own, merged here. Every refusal is a
//! [`Problem`], in the one shape the app reads.

mod admin;
mod audit;
mod auth;
mod body;
mod caller;
mod device;
mod environments;
mod logs;
mod metrics;
mod problem;
mod sockets;
mod teams;
mod tokens;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::extract::OriginalUri;
use axum::middleware::from_fn_with_state;

use crate::server::AppState;

pub use body::Body;
pub use caller::{Anyone, Caller, Person};
pub use problem::{FieldProblem, Problem};
pub use sockets::Sockets;

/// Everything under `/api/v1`.
pub fn router(state: Arc<AppState>) -> Router<Arc<AppState>> {
    Router::new()
        .merge(auth::routes())
        .merge(device::routes())
        .merge(users::routes())
        .merge(tokens::routes())
        .merge(admin::routes())
        .merge(teams::routes())
        .merge(environments::routes())
        .merge(logs::routes())
        .merge(metrics::routes())
        .merge(audit::routes())
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_this_way)
        .layer(from_fn_with_state(state, problem::complete))
}

async fn nothing_here(OriginalUri(uri): OriginalUri) -> Problem {
    Problem::not_found(format!("nothing is served at {}", uri.path()))
}

async fn not_this_way() -> Problem {
    let detail = "this is not done with that method";
    Problem::new(axum::http::StatusCode::METHOD_NOT_ALLOWED, detail)
}
