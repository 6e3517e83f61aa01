//! `/environments/{id}`: what the app does to one environment. The id is the record's uid.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use devpocket_controllers::client::Client;
use devpocket_specs::admit::Actor;
use devpocket_specs::environment::{Environment, Phase, Request};
use devpocket_specs::kind::{GROUP, Kind, VERSION};
use devpocket_specs::object::Resource;
use serde_json::json;

use super::auth::document;
use super::caller::Caller;
use super::problem::Problem;
use crate::access::{Attributes, Decision, User};
use crate::server::AppState;

/// Who the writes are by, as field manager.
const MANAGER: &str = "devpocket-app";

pub(super) fn routes() -> Router<Arc<AppState>> {
    Router::new().route("/environments/{id}/recover", post(recover))
}

/// What is asked of one environment.
pub(super) fn attributes(environment: &Environment, verb: &str, part: &str) -> Attributes {
    Attributes {
        verb: verb.to_owned(),
        group: GROUP.to_owned(),
        version: VERSION.to_owned(),
        resource: Kind::Environment.info().plural.to_owned(),
        subresource: part.to_owned(),
        namespace: environment.metadata.namespace.clone(),
        name: environment.metadata.name.clone(),
        path: String::new(),
    }
}

/// The environment with this id, if the user may do this to it. Other people's are not there.
pub(super) async fn found(
    state: &AppState,
    user: &User,
    id: &str,
    verb: &str,
    part: &str,
) -> Result<Environment, Problem> {
    let nothing = || Problem::not_found("Environment not found");
    let id: uuid::Uuid = id.parse().map_err(|_| nothing())?;
    let unavailable = |error: &dyn std::fmt::Display| {
        tracing::error!("environments: {error}");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer")
    };
    let all = state.store.list(Kind::Environment, None).await;
    let all = all.map_err(|error| unavailable(&error))?;
    let stored = all.items.iter().find(|stored| stored.metadata.uid == Some(id));
    let stored = stored.ok_or_else(nothing)?;
    let environment: Environment = stored.to().map_err(|error| unavailable(&error))?;
    match state.authorizer.authorize(user, &attributes(&environment, verb, part)) {
        Decision::Allow => Ok(environment),
        Decision::Deny(why) => Err(Problem::new(StatusCode::FORBIDDEN, why)),
        Decision::Hidden(_) | Decision::Within(_) => Err(nothing()),
    }
}

/// Goes on with an installation that failed.
async fn recover(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let environment = found(&state, &caller.user, &id, "patch", "").await?;
    if environment.status.phase != Phase::Error {
        let detail = "Only an environment with status error is recovered";
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let actor = Actor {
        user: caller.user.name.clone(),
        account: caller.user.account.filter(|_| !caller.user.is_admin()),
        manager: MANAGER.to_owned(),
        address: caller.origin.address.clone(),
        request_id: caller.origin.request_id.clone(),
    };
    let client = Client::new(
        state.store.clone(),
        state.clock.clone(),
        state.ids.clone(),
        state.catalogue.clone(),
        actor,
    );
    let request: String = state.ids.uid().simple().to_string().chars().take(12).collect();
    let uid = environment.metadata.uid;
    let ask = |environment: &mut Environment| {
        if environment.metadata.uid == uid {
            environment.spec.recover = Some(Request { id: request.clone() });
        }
    };
    client.edit(&environment.key(), ask).await.map_err(|error| {
        tracing::warn!("recover of {}: {error}", environment.key());
        Problem::new(StatusCode::CONFLICT, format!("it was not asked for: {error}"))
    })?;
    let body = json!({"message": "Environment recovery started", "status": "creating"});
    document(StatusCode::OK, &body)
}
