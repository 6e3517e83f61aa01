//! `deletecollection`: everything a request selects, in one call.
//!
//! Each object is deleted on its own, as if it had been asked for by name. All of them are judged
//! before the first one goes, so that a refusal (a Machine whose instance exists) deletes nothing.

use axum::http::StatusCode;
use axum::response::Response;
use devpocket_specs::admit::Preconditions;
use devpocket_specs::status::Status;

use super::call::Call;
use super::path::ResourcePath;
use super::select::Selection;
use super::shape::Position;
use super::write::{DeleteOptions, remove};
use super::{page, reply};

pub(super) async fn delete(mut call: Call, resource: ResourcePath) -> Result<Response, Status> {
    let options = DeleteOptions::read(&mut call)?;
    let selection = Selection::new(&resource, &call)?;
    let listing = call.state.store.list(resource.kind, selection.namespace()).await?;
    let token = match call.params.continue_token.as_str() {
        "" => None,
        text => Some(page::Token::read(text)?),
    };
    let mut items = listing.items;
    items.retain(|stored| {
        token.as_ref().is_none_or(|token| token.is_before(stored)) && selection.matches(stored)
    });
    let mut position = Position { revision: listing.revision, ..Position::default() };
    let limit = call.params.limit;
    if limit > 0 && items.len() > limit {
        let last = &items[limit - 1];
        position.continue_token = Some(page::Token::after(last, listing.revision).text());
        items.truncate(limit);
    }
    let writes = !call.params.dry_run;
    for real in if writes { &[false, true][..] } else { &[false][..] } {
        call.params.dry_run = !real;
        for stored in &items {
            let mut must: Preconditions = options.preconditions.clone();
            // What was created again under the name since is another object.
            must.uid = must.uid.or(stored.object.metadata.uid);
            match remove(&call, &stored.key(), &must, options.propagation).await {
                Ok(_) => {}
                // Somebody was faster.
                Err(status) if status.reason == devpocket_specs::status::Reason::NotFound => {}
                Err(status) => return Err(status),
            }
        }
    }
    let body = call.shape.list(resource.kind, &position, items)?;
    Ok(reply::document(StatusCode::OK, body))
}
