//! `/audit`: who did what.
//!
//! An admin reads everything, an owner what was done in their namespace, everybody what they did
//! themselves.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;
use serde::Deserialize;

use super::auth::document;
use super::caller::{Caller, accounts};
use super::problem::{FieldProblem, Problem};
use super::teams::may;
use crate::access::{Attributes, Decision};
use crate::audit::{self, Cursor, Filter};
use crate::server::AppState;

pub(super) fn routes() -> Router<Arc<AppState>> {
    Router::new().route("/audit", get(list))
}

/// The query. `since` is included, `until` is not.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    namespace: Option<String>,
    actor: Option<String>,
    verb: Option<String>,
    kind: Option<String>,
    name: Option<String>,
    request_id: Option<String>,
    since: Option<String>,
    until: Option<String>,
    #[serde(default)]
    system: bool,
    limit: Option<u32>,
    #[serde(rename = "continue")]
    after: Option<String>,
}

async fn list(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    query: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(asked) =
        query.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    let mut filter = Filter {
        namespace: asked.namespace,
        actor: asked.actor,
        account: None,
        verb: asked.verb,
        kind: asked.kind.map(|kind| kind.to_ascii_lowercase()),
        name: asked.name,
        request_id: asked.request_id,
        since: time("since", asked.since)?,
        until: time("until", asked.until)?,
        with_system: asked.system,
    };
    let user = &caller.user;
    match &filter.namespace {
        Some(namespace) => may(&state, user, "list", "audit", namespace)?,
        None => {
            let everything = Attributes::within("list", "audit", "");
            match state.authorizer.authorize(user, &everything) {
                Decision::Allow => {}
                Decision::Within(only) if user.is_admin() => {
                    filter.namespace = only.into_iter().next();
                }
                Decision::Deny(why) if user.scope.is_some() => {
                    return Err(Problem::new(StatusCode::FORBIDDEN, why));
                }
                // One's own: wherever it was, or where the token is for.
                _ => own(&mut filter, &caller)?,
            }
        }
    }
    let after = match asked.after.as_deref() {
        None | Some("") => Cursor::default(),
        Some(text) => Cursor::read(text).ok_or_else(|| {
            field("continue", "is not where a page of this server ended".to_owned())
        })?,
    };
    let limit = asked.limit.unwrap_or(audit::LINES);
    let page = audit::read(&accounts(&state)?.pool, &filter, &after, limit).await;
    let page = page.map_err(crate::accounts::AccountError::from)?;
    document(StatusCode::OK, &page)
}

fn own(filter: &mut Filter, caller: &Caller) -> Result<(), Problem> {
    if filter.actor.as_ref().is_some_and(|actor| *actor != caller.user.name) {
        let detail = "Without a namespace you see what you did yourself; name one you own";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    filter.actor = Some(caller.user.name.clone());
    filter.account = caller.user.account;
    filter.namespace = caller.user.scope.as_deref().and_then(|scope| scope.namespace.clone());
    Ok(())
}

fn time(name: &str, text: Option<String>) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let read = text.parse().map(Some);
    read.map_err(|_| field(name, format!("is {text:?}; a time is 2026-11-25T12:00:00Z")))
}

fn field(name: &str, message: String) -> Problem {
    let code = "invalid_format".to_owned();
    Problem::invalid(vec![FieldProblem { field: name.to_owned(), message, code }])
}
