//! Deletes events that are past their day.

use devpocket_specs::event::{EVENT_HOURS, Event};
use devpocket_specs::object::{Object, ObjectError, Resource};
use jiff::{SignedDuration, Timestamp};

use crate::client::{Client, ClientError, unchanged};

/// Events deleted in one pass, so that a pass has an end and other writes get their turn.
pub const COLLECT_AT_MOST: usize = 500;

/// Deletes up to [`COLLECT_AT_MOST`] events last seen more than [`EVENT_HOURS`] ago and answers
/// how many went. One that is counted again meanwhile stays.
pub async fn collect_garbage(client: &Client) -> Result<usize, ClientError> {
    let Ok(oldest) = client.now().checked_sub(SignedDuration::from_hours(EVENT_HOURS)) else {
        return Ok(0);
    };
    let listing = client.store().list(Event::KIND, None).await?;
    let mut collected = 0;
    for stored in listing.items {
        if collected == COLLECT_AT_MOST {
            break;
        }
        // An event that cannot be read is judged by its age alone: it is only an event.
        let event = read(&stored.object);
        if event.as_ref().map_or(stored.metadata.creation_timestamp, last_seen) >= Some(oldest) {
            continue;
        }
        let must = event.as_ref().map(unchanged).unwrap_or_default();
        match client.delete(&stored.key(), must).await {
            Ok(()) => collected += 1,
            Err(error) if error.is_not_found() || error.is_conflict() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(collected)
}

fn read(object: &Object) -> Option<Event> {
    object.to().map_err(|error: ObjectError| tracing::warn!("an unreadable event: {error}")).ok()
}

fn last_seen(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time);
    series.or(event.last_timestamp).or(event.event_time).or(event.metadata.creation_timestamp)
}
