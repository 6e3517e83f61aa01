//! The API of the mobile app, under `/api/v1`.
//!
//! Each area is a module with a `routes()` of its own, merged here. Every refusal is a
//! [`Problem`], in the one shape the app reads.

mod problem;

use std::sync::Arc;

use axum::Router;
use axum::extract::OriginalUri;

use crate::server::AppState;

pub use problem::{FieldProblem, Problem};

/// Everything under `/api/v1`.
pub fn router() -> Router<Arc<AppState>> {
    Router::new().fallback(nothing_here)
}

async fn nothing_here(OriginalUri(uri): OriginalUri) -> Problem {
    Problem::not_found(format!("nothing is served at {}", uri.path()))
}
