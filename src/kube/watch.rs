//! Watch: changes of a kind as they happen, one JSON document a line.
//!
//! # Guarantees
//! - A watch that starts at revision R sees every change after R that its selection touches, in
//!   commit order. An object that leaves the selection is DELETED, one that enters it ADDED.
//! - It ends after `timeoutSeconds`, when the server stops, or when the reader falls behind; never
//!   with a silent gap. A bookmark just before the end lets the reader go on from there.
//! - Somebody who may not see it any more, or whose token was revoked, stops seeing it within 5 s: the
//!   watch ends with an ERROR event, 410 where what they may see changed and 401 where they are
//!   nobody any more ([`Standing`]).
//! - History that is no longer kept is 410: as the HTTP answer where it is known at the start, else
//!   as an ERROR event.
//!
//! # Caveats
//! What the store calls slow ends without an ERROR event: the reader may go on from the last
//! revision it saw, and every client does so after a plain end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::Response;
use devpocket_controllers::store::{
    EventType, Listing, Revision, Stored, WatchError, WatchEvent, WatchItem,
};
use devpocket_specs::kind::Kind;
use devpocket_specs::status::{Reason, Status};
use futures::future::{BoxFuture, OptionFuture};
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _, stream};
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::call::Call;
use super::params::{Match, Params, bad_option};
use super::path::ResourcePath;
use super::read::{reached, revision};
use super::reply;
use super::select::Selection;
use super::shape::Shape;
use crate::access::{Ended, Standing};

/// How long a watch lasts whose client does not say; Kubernetes' minimum.
const DEFAULT: Duration = Duration::from_secs(30 * 60);
/// The longest watch: a client that went away without a word is noticed by then.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Time between bookmarks; Kubernetes sends about one a minute.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// Changes taken from the store at once.
const AT_ONCE: usize = 64;
/// From this size on a piece is sent as it is, and what is left goes with the next.
const PIECE: usize = 64 << 10;

/// Where a watch begins.
#[derive(Debug, PartialEq, Eq)]
enum Start {
    /// With every object there is, at least as new as the revision; the end of them is marked if
    /// the client asked for a streamed list.
    Objects { at_least: Revision, marked: bool },
    /// With the first change after now.
    Now,
    /// With the first change after a revision.
    After(Revision),
}

/// Answers with a stream that lasts as long as the watch.
pub(super) async fn serve(call: Call, resource: ResourcePath) -> Result<Response, Status> {
    let selection = Selection::new(&resource, &call)?;
    let start = start(&call.params)?;
    let kind = resource.kind;
    let standing = standing(&call, kind);
    let state = call.state;
    let (after, initial) = match start {
        Start::After(revision) => {
            reached(&state, revision).await?;
            (revision, None)
        }
        Start::Now => (state.store.revision().await?, None),
        Start::Objects { at_least, marked } => {
            reached(&state, at_least).await?;
            let listing = state.store.list(kind, selection.namespace()).await?;
            (listing.revision, Some((listing, marked && call.params.allow_watch_bookmarks)))
        }
    };
    let mut source = state.store.watch(kind, after).await?;
    // A history that is too short is best told before the answer has begun.
    let mut first = source.next().now_or_never().flatten();
    if let Some(Err(WatchError::Expired { .. })) = &first
        && let Some(Err(error)) = first.take()
    {
        return Err(Status::new(Reason::Expired, error.to_string()));
    }
    let initial = match initial {
        Some((listing, marked)) => initial_events(kind, &listing, &selection, &call.shape, marked)?,
        None => Vec::new(),
    };
    let lasts = call.params.timeout_seconds.filter(|seconds| *seconds > 0);
    let lasts = lasts.map_or(DEFAULT, Duration::from_secs).min(LONGEST);
    let now = Instant::now();
    let reader = Reader {
        source: stream::iter(first).chain(source).ready_chunks(AT_ONCE).boxed(),
        taken: VecDeque::new(),
        kind,
        selection,
        fresh: initial.is_empty(),
        shape: call.shape,
        bookmarks: call.params.allow_watch_bookmarks,
        seen: after,
        told: after,
        ends: now + lasts,
        next_bookmark: now + BOOKMARK_EVERY,
        shutdown: state.shutdown.clone(),
        standing,
        asking: None.into(),
        is_asking: false,
        over: false,
    };
    let live = stream::unfold(reader, |mut reader| async move {
        let piece = reader.next().await?;
        Some((piece, reader))
    });
    let lines = stream::iter(initial).chain(live).map(Ok::<Bytes, std::convert::Infallible>);
    Ok(reply::document(StatusCode::OK, Body::from_stream(lines)))
}

/// What the watch rests on, as it was when the request was authorized.
fn standing(call: &Call, kind: Kind) -> Standing {
    let (authenticator, authorizer) =
        (call.state.authenticator.clone(), call.state.authorizer.clone());
    Standing::new(call.user.clone(), call.rests_on(kind), authenticator, authorizer)
}

fn start(params: &Params) -> Result<Start, Status> {
    const MATCH: &str = "resourceVersionMatch";
    let version = params.resource_version.as_str();
    match (params.send_initial_events, params.resource_version_match) {
        (Some(_), None) => {
            return Err(bad_option(
                MATCH,
                "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            ));
        }
        (Some(_), Some(Match::Exact)) => {
            return Err(bad_option(
                MATCH,
                "Unsupported value: \"Exact\": supported values: \"NotOlderThan\"",
            ));
        }
        (None, Some(_)) => {
            return Err(bad_option(
                MATCH,
                "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents \
                 is provided",
            ));
        }
        _ => {}
    }
    let given = if matches!(version, "" | "0") { None } else { Some(revision(version)?) };
    Ok(match (params.send_initial_events, given) {
        (Some(true), given) => Start::Objects { at_least: given.unwrap_or(0), marked: true },
        (None, None) => Start::Objects { at_least: 0, marked: false },
        (Some(false), None) => Start::Now,
        (_, Some(revision)) => Start::After(revision),
    })
}

fn initial_events(
    kind: Kind,
    listing: &Listing,
    selection: &Selection,
    shape: &Shape,
    marked: bool,
) -> Result<Vec<Bytes>, Status> {
    let selected = listing.items.iter().filter(|stored| selection.matches(stored)).enumerate();
    let mut lines = selected
        .map(|(index, stored)| Ok(line("ADDED", &shape.watched(stored, index == 0)?)))
        .collect::<Result<Vec<Bytes>, Status>>()?;
    if marked {
        lines.push(document_line("BOOKMARK", &shape.bookmark(kind, listing.revision, true)));
    }
    Ok(lines)
}

/// A live watch of one client.
struct Reader {
    source: BoxStream<'static, Vec<Result<WatchItem, WatchError>>>,
    /// Taken from the source and not looked at.
    taken: VecDeque<Result<WatchItem, WatchError>>,
    kind: Kind,
    selection: Selection,
    shape: Shape,
    /// No object was sent yet.
    fresh: bool,
    bookmarks: bool,
    /// Everything up to this revision has been looked at.
    seen: Revision,
    /// The client knows that.
    told: Revision,
    ends: Instant,
    next_bookmark: Instant,
    shutdown: CancellationToken,
    standing: Standing,
    /// It is being asked whether the client may still see this.
    asking: OptionFuture<BoxFuture<'static, Result<Standing, Ended>>>,
    is_asking: bool,
    over: bool,
}

/// A moment that does not come.
fn never() -> Instant {
    Instant::now() + LONGEST
}

impl Reader {
    /// The next lines; none when the watch is over. What a commit brings is one piece: each is a
    /// call to the kernel, and each wait sets all the timers below.
    async fn next(&mut self) -> Option<Bytes> {
        while !self.over {
            let due = self.standing.due().filter(|_| !self.is_asking);
            let stale = self.standing.holds_until();
            let holds = self.standing.holds();
            if holds && let Some(piece) = self.piece() {
                return Some(piece);
            }
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return self.last_words(),
                () = tokio::time::sleep_until(self.ends) => return self.last_words(),
                () = tokio::time::sleep_until(self.next_bookmark), if self.bookmarks => {
                    self.next_bookmark = Instant::now() + BOOKMARK_EVERY;
                    if let Some(line) = self.bookmark() {
                        return Some(line);
                    }
                }
                Some(answer) = &mut self.asking => {
                    (self.asking, self.is_asking) = (None.into(), false);
                    match answer {
                        Ok(standing) => self.standing = standing,
                        Err(ended) => return Some(self.end(&ended)),
                    }
                }
                () = tokio::time::sleep_until(due.unwrap_or_else(never)), if due.is_some() => {
                    self.is_asking = true;
                    self.asking = Some(self.standing.clone().asked_again().boxed()).into();
                }
                // Without an answer nothing more is said.
                () = tokio::time::sleep_until(stale.unwrap_or_else(never)),
                    if stale.is_some() && holds => {}
                taken = self.source.next(), if holds && self.taken.is_empty() => match taken {
                    Some(taken) => self.taken.extend(taken),
                    None => return self.last_words(),
                },
            }
        }
        None
    }

    /// The lines of what was taken, as many as one piece holds.
    fn piece(&mut self) -> Option<Bytes> {
        let mut piece = Vec::new();
        while !self.over
            && piece.len() < PIECE
            && let Some(item) = self.taken.pop_front()
        {
            match item {
                Ok(WatchItem::Progress(revision)) => self.seen = self.seen.max(revision),
                Ok(WatchItem::Event(event)) => {
                    self.seen = event.revision;
                    if self.line(&event, &mut piece) {
                        self.told = event.revision;
                    }
                }
                Err(error @ WatchError::Expired { .. }) => {
                    self.over = true;
                    piece.extend(error_line(&Status::new(Reason::Expired, error.to_string())));
                }
                Err(error) => {
                    tracing::info!(kind = %self.kind, %error, "a watch ended early");
                    piece.extend(self.last_words().unwrap_or_default());
                }
            }
        }
        (!piece.is_empty()).then(|| piece.into())
    }

    fn end(&mut self, ended: &Ended) -> Bytes {
        self.over = true;
        let reason = match ended {
            Ended::SignedOut(_) => Reason::Unauthorized,
            Ended::Changed => Reason::Expired,
        };
        error_line(&Status::new(reason, ended.to_string()))
    }

    /// Tells the client once how far it has come, so that it goes on from there.
    fn last_words(&mut self) -> Option<Bytes> {
        self.over = true;
        if self.bookmarks { self.bookmark() } else { None }
    }

    fn bookmark(&mut self) -> Option<Bytes> {
        if self.seen == self.told {
            return None;
        }
        self.told = self.seen;
        Some(document_line("BOOKMARK", &self.shape.bookmark(self.kind, self.seen, false)))
    }

    /// Adds what an event means for this selection; `false` if nothing.
    fn line(&mut self, event: &WatchEvent, piece: &mut Vec<u8>) -> bool {
        let before = match (&event.previous, event.event) {
            (Some(previous), _) => self.selection.matches(previous),
            (None, EventType::Deleted) => self.selection.matches(&event.object),
            (None, _) => false,
        };
        let after = event.event != EventType::Deleted && self.selection.matches(&event.object);
        let (word, object) = match (before, after) {
            (false, false) => return false,
            (false, true) => ("ADDED", event.object.clone()),
            (true, true) => ("MODIFIED", event.object.clone()),
            (true, false) => ("DELETED", gone(event)),
        };
        match self.shape.watched(&object, std::mem::take(&mut self.fresh)) {
            Ok(bytes) => add_line(piece, word, &bytes),
            Err(status) => {
                // A Secret that does not open: the reader must not believe it unchanged.
                tracing::error!("{}", status.message);
                self.over = true;
                piece.extend(error_line(&status));
            }
        }
        true
    }
}

/// The object as the selection last saw it, at the revision at which it left.
fn gone(event: &WatchEvent) -> Arc<Stored> {
    match (&event.previous, event.event) {
        (Some(previous), EventType::Added | EventType::Modified) => {
            let mut object = previous.object.clone();
            object.metadata.resource_version = Some(event.revision.to_string());
            Arc::new(Stored::new(object))
        }
        _ => event.object.clone(),
    }
}

/// One event around bytes that are JSON already.
fn line(word: &str, object: &[u8]) -> Bytes {
    let mut line = Vec::new();
    add_line(&mut line, word, object);
    line.into()
}

fn add_line(to: &mut Vec<u8>, word: &str, object: &[u8]) {
    to.reserve(object.len() + 40);
    to.extend_from_slice(b"{\"type\":\"");
    to.extend_from_slice(word.as_bytes());
    to.extend_from_slice(b"\",\"object\":");
    to.extend_from_slice(object);
    to.extend_from_slice(b"}\n");
}

fn document_line(word: &str, object: &Value) -> Bytes {
    line(word, object.to_string().as_bytes())
}

fn error_line(status: &Status) -> Bytes {
    document_line("ERROR", &status.to_value())
}
