//! Get and list.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::Response;
use devpocket_controllers::store::{Listing, Revision, Stored};
use devpocket_specs::kind::Kind;
use devpocket_specs::status::{Cause, Reason, Status};
use futures::stream;
use serde_json::json;

use super::call::Call;
use super::params::{Match, Params, bad};
use super::path::ResourcePath;
use super::reply;
use super::select::Selection;
use crate::access::seal::Sealer;
use crate::server::AppState;

/// Bytes of a list put together at a time, so that a long one is not held in memory twice.
const CHUNK_BYTES: usize = 64 * 1024;

/// How long a read waits for a revision that the store has not reached; Kubernetes' 3 s.
const FUTURE_WAIT: std::time::Duration = std::time::Duration::from_secs(3);
/// Pause between looks while waiting.
const FUTURE_POLL: std::time::Duration = std::time::Duration::from_millis(50);

/// One object.
pub(super) async fn get(call: Call, resource: ResourcePath) -> Result<Response, Status> {
    let key = resource.key();
    let stored = call.state.store.get(&key).await?.ok_or_else(|| Status::not_found(&key))?;
    reply::stored(StatusCode::OK, &call.state.sealer, &stored)
}

/// All objects a request selects.
pub(super) async fn list(call: Call, resource: ResourcePath) -> Result<Response, Status> {
    let selection = Selection::new(&resource, &call.params)?;
    if !call.params.continue_token.is_empty() {
        // None was ever given out: it is another server's, or made up.
        return Err(Status::new(Reason::Expired, "the continue token is not known; list again"));
    }
    let wanted = wanted(&call.params)?;
    if let Wanted::AtLeast(revision) | Wanted::Exactly(revision) = wanted {
        reached(&call.state, revision).await?;
    }
    let listing = call.state.store.list(resource.kind, selection.namespace()).await?;
    if let Wanted::Exactly(revision) = wanted
        && revision != listing.revision
    {
        let message = format!(
            "the list at revision {revision} is no longer kept, only the one at {}",
            listing.revision
        );
        return Err(Status::new(Reason::Expired, message));
    }
    let body = rendered(resource.kind, listing, &selection, call.state.sealer.clone())?;
    Ok(reply::document(StatusCode::OK, body))
}

enum Wanted {
    /// The newest there is. Also for `resourceVersion=0`: any will do, and the newest is at hand.
    Newest,
    AtLeast(Revision),
    Exactly(Revision),
}

fn wanted(params: &Params) -> Result<Wanted, Status> {
    let text = params.resource_version.as_str();
    match params.resource_version_match {
        Some(_) if text.is_empty() => {
            let message = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            Err(bad(message))
        }
        Some(Match::Exact) if text == "0" => {
            Err(bad("resourceVersionMatch=Exact is forbidden for resourceVersion=0"))
        }
        Some(Match::Exact) => Ok(Wanted::Exactly(revision(text)?)),
        _ if matches!(text, "" | "0") => Ok(Wanted::Newest),
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

/// The list document, made of the stored bytes, a chunk at a time.
fn rendered(
    kind: Kind,
    listing: Listing,
    selection: &Selection,
    sealer: Arc<Sealer>,
) -> Result<Body, Status> {
    let head = json!({
        "apiVersion": kind.api_version(),
        "kind": format!("{}List", kind.info().name),
        "metadata": {"resourceVersion": listing.revision.to_string()},
    });
    let mut head = head.to_string();
    head.pop();
    head.push_str(",\"items\":[");
    let mut items = listing.items;
    items.retain(|stored| selection.matches(stored));
    if kind == Kind::Secret {
        // Opened up front: a value that does not open is an error, not a list cut short.
        let opened = items.iter().map(|stored| reply::bytes(&sealer, stored));
        let opened = opened.collect::<Result<Vec<Bytes>, Status>>()?;
        return Ok(streamed(head, opened.into_iter()));
    }
    Ok(streamed(head, items.into_iter().map(|stored: Arc<Stored>| stored.bytes.clone())))
}

fn streamed<T, I>(head: String, items: I) -> Body
where
    T: AsRef<[u8]>,
    I: Iterator<Item = T> + Send + 'static,
{
    let chunks = Chunks { head: Some(head), items, first: true, done: false };
    Body::from_stream(stream::iter(chunks.map(Ok::<Bytes, std::convert::Infallible>)))
}

struct Chunks<I> {
    head: Option<String>,
    items: I,
    first: bool,
    done: bool,
}

impl<T: AsRef<[u8]>, I: Iterator<Item = T>> Iterator for Chunks<I> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.done {
            return None;
        }
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        chunk.extend(self.head.take().unwrap_or_default().into_bytes());
        while chunk.len() < CHUNK_BYTES {
            let Some(item) = self.items.next() else {
                chunk.extend_from_slice(b"]}\n");
                self.done = true;
                break;
            };
            if !std::mem::take(&mut self.first) {
                chunk.push(b',');
            }
            chunk.extend_from_slice(item.as_ref());
        }
        Some(Bytes::from(chunk))
    }
}
