//! Get and list.

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use devpocket_controllers::store::{Listing, Revision};
use devpocket_specs::status::{Cause, Reason, Status};

use super::call::Call;
use super::page::{self, Token};
use super::params::{Match, Params, bad, bad_option};
use super::path::ResourcePath;
use super::select::Selection;
use super::shape::Position;
use super::{document, reply};
use crate::server::AppState;

/// How long a read waits for a revision that the store has not reached; Kubernetes' 3 s.
const FUTURE_WAIT: std::time::Duration = std::time::Duration::from_secs(3);
/// Pause between looks while waiting.
const FUTURE_POLL: std::time::Duration = std::time::Duration::from_millis(50);

/// One object.
pub(super) async fn get(call: Call, resource: ResourcePath) -> Result<Response, Status> {
    let key = resource.key();
    if !matches!(call.params.resource_version.as_str(), "" | "0") {
        reached(&call.state, revision(&call.params.resource_version)?).await?;
    }
    let stored = call.state.store.get(&key).await?.ok_or_else(|| Status::not_found(&key))?;
    Ok(reply::document(StatusCode::OK, Body::from(call.shape.stored(&stored)?)))
}

/// The objects a request selects, or a page of them.
pub(super) async fn list(call: Call, resource: ResourcePath) -> Result<Response, Status> {
    let selection = Selection::new(&resource, &call)?;
    let token = match call.params.continue_token.as_str() {
        "" => None,
        text => Some(Token::read(text)?),
    };
    let wanted = wanted(&call.params, token.as_ref())?;
    if let Wanted::AtLeast(revision) | Wanted::Exactly(revision) = wanted {
        reached(&call.state, revision).await?;
    }
    let (kind, namespace) = (resource.kind, selection.namespace());
    let listing = match wanted {
        Wanted::Exactly(revision) => page::as_of(&call.state, kind, namespace, revision).await?,
        Wanted::Newest | Wanted::AtLeast(_) => Some(call.state.store.list(kind, namespace).await?),
    };
    let Some(Listing { revision, mut items }) = listing else {
        return match &token {
            Some(token) => Ok(document(StatusCode::GONE, &page::expired_document(token))),
            None => {
                let message = "the list at this revision is no longer kept; list without one";
                Err(Status::new(Reason::Expired, message))
            }
        };
    };
    items.retain(|stored| {
        token.as_ref().is_none_or(|token| token.is_before(stored)) && selection.matches(stored)
    });
    let mut position = Position { revision, ..Position::default() };
    let limit = call.params.limit;
    if limit > 0 && items.len() > limit {
        position.continue_token = Some(Token::after(&items[limit - 1], revision).text());
        // Kubernetes does not count behind a selector, and clients know.
        position.remaining = selection.is_everything().then_some(items.len() - limit);
        items.truncate(limit);
    }
    let body = call.shape.list(kind, &position, items)?;
    Ok(reply::document(StatusCode::OK, body))
}

enum Wanted {
    /// The newest there is. Also for `resourceVersion=0`: any will do, and the newest is at hand.
    Newest,
    AtLeast(Revision),
    Exactly(Revision),
}

/// Kubernetes' rules for `resourceVersion`, `resourceVersionMatch`, `limit` and `continue`.
fn wanted(params: &Params, token: Option<&Token>) -> Result<Wanted, Status> {
    const MATCH: &str = "resourceVersionMatch";
    let text = params.resource_version.as_str();
    let rule = params.resource_version_match;
    if let Some(token) = token {
        if rule.is_some() {
            let message = "Forbidden: resourceVersionMatch is forbidden when continue is provided";
            return Err(bad_option(MATCH, message));
        }
        if !matches!(text, "" | "0") {
            return Err(bad("specifying resource version is not allowed when using continue"));
        }
        return Ok(token.revision().map_or(Wanted::Newest, Wanted::Exactly));
    }
    match rule {
        Some(_) if text.is_empty() => {
            let message =
                "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided";
            Err(bad_option(MATCH, message))
        }
        Some(Match::Exact) if text == "0" => {
            let message =
                "Forbidden: resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"";
            Err(bad_option(MATCH, message))
        }
        Some(Match::Exact) => Ok(Wanted::Exactly(revision(text)?)),
        _ if matches!(text, "" | "0") => Ok(Wanted::Newest),
        // Without a rule the first page of a list is exactly the revision, as it always was.
        None if params.limit > 0 => Ok(Wanted::Exactly(revision(text)?)),
        _ => Ok(Wanted::AtLeast(revision(text)?)),
    }
}

/// A resource version a client sent.
pub(super) fn revision(text: &str) -> Result<Revision, Status> {
    text.parse().map_err(|_| bad(format!("resourceVersion is {text:?}; it is a whole number")))
}

/// Waits a little for a revision another replica may have handed out already.
pub(super) async fn reached(state: &AppState, revision: Revision) -> Result<(), Status> {
    let deadline = tokio::time::Instant::now() + FUTURE_WAIT;
    loop {
        let now = state.store.revision().await?;
        if now >= revision {
            return Ok(());
        }
        if tokio::time::Instant::now() >= deadline {
            let message = format!("Too large resource version: {revision}, current: {now}");
            let mut status = Status::new(Reason::Timeout, message);
            status.details.retry_after_seconds = Some(1);
            // client-go recognises this refusal by the cause.
            status.details.causes = vec![Cause {
                reason: "ResourceVersionTooLarge".into(),
                message: "Too large resource version".into(),
                ..Cause::default()
            }];
            return Err(status);
        }
        tokio::time::sleep(FUTURE_POLL).await;
    }
}
