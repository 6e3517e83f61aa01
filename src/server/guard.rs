//! Bodies of `/api/v1`: bounded in length, time and depth before any handler sees what is wrong.
//!
//! The body is still read by the handler, after it knows who is asking: nothing is buffered for
//! strangers. What breaks a bound ends the body there, and the answer says which bound it was,
//! whatever the handler made of the broken body.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use devpocket_specs::patch::MAX_DEPTH;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use serde_json::json;
use tokio::time::{Instant, Sleep, sleep_until};

use super::depth::Depth;
use super::limits::{BODY_BYTES, BODY_TIME};
use super::reply;
use super::state::AppState;

/// Which bound was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("The request body is larger than {BODY_BYTES} bytes")]
    Long,
    #[error("The request body took longer than {} s", BODY_TIME.as_secs())]
    Slow,
    #[error("The request body is nested deeper than {MAX_DEPTH} levels")]
    Deep,
}

impl Broken {
    fn code(self) -> StatusCode {
        match self {
            Broken::Long => StatusCode::PAYLOAD_TOO_LARGE,
            Broken::Slow => StatusCode::REQUEST_TIMEOUT,
            Broken::Deep => StatusCode::BAD_REQUEST,
        }
    }
}

struct Bounded {
    inner: Body,
    left: usize,
    /// Begins with the first read: who waits in front of the handler is not the client.
    deadline: Option<Pin<Box<Sleep>>>,
    depth: Option<Depth>,
    broken: Arc<OnceLock<Broken>>,
}

impl Bounded {
    fn end(&self, broken: Broken) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let _ = self.broken.set(broken);
        Poll::Ready(Some(Err(axum::Error::new(broken))))
    }
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let begin = || Box::pin(sleep_until(Instant::now() + BODY_TIME));
        if self.deadline.get_or_insert_with(begin).as_mut().poll(cx).is_ready() {
            return self.end(Broken::Slow);
        }
        let frame = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            other => return Poll::Ready(other),
        };
        if let Some(bytes) = frame.data_ref() {
            let Some(left) = self.left.checked_sub(bytes.len()) else {
                return self.end(Broken::Long);
            };
            self.left = left;
            if let Some(depth) = &mut self.depth {
                depth.feed(bytes);
                if depth.levels() > MAX_DEPTH {
                    return self.end(Broken::Deep);
                }
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A body without a type is judged as JSON: nothing else is understood there.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_none_or(|value| value.to_ascii_lowercase().contains("json"))
}

pub(super) async fn bound(
    State(state): State<Arc<AppState>>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    let refused = |broken: Broken| {
        let mut response = reply::json(
            broken.code(),
            &json!({
                "detail": broken.to_string(),
                "errors": [],
                "timestamp": state.clock.now().to_string(),
                "path": path,
            }),
        );
        // What is left of the body is not read.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    };
    if request.body().size_hint().lower() > BODY_BYTES as u64 {
        return refused(Broken::Long);
    }
    let broken = Arc::new(OnceLock::new());
    let depth = is_json(request.headers()).then(Depth::default);
    let mark = broken.clone();
    let request = request.map(|inner| {
        Body::new(Bounded { inner, left: BODY_BYTES, deadline: None, depth, broken: mark })
    });
    let response = next.run(request).await;
    match broken.get() {
        None => response,
        Some(broken) => refused(*broken),
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn read(body: Body, json: bool) -> (Result<usize, ()>, Option<Broken>) {
        let broken = Arc::new(OnceLock::new());
        let bounded = Bounded {
            inner: body,
            left: BODY_BYTES,
            deadline: None,
            depth: json.then(Depth::default),
            broken: broken.clone(),
        };
        let read = bounded.collect().await.map(|body| body.to_bytes().len()).map_err(drop);
        (read, broken.get().copied())
    }

    #[tokio::test(start_paused = true)]
    async fn each_bound_ends_the_body_and_is_named() {
        let deep = |levels: usize| Body::from("[".repeat(levels));
        assert_eq!(read(deep(MAX_DEPTH), true).await, (Ok(MAX_DEPTH), None));
        assert_eq!(read(deep(MAX_DEPTH + 1), true).await, (Err(()), Some(Broken::Deep)));
        assert_eq!(read(deep(MAX_DEPTH + 1), false).await, (Ok(MAX_DEPTH + 1), None));
        let long = |bytes: usize| Body::from(vec![b' '; bytes]);
        assert_eq!(read(long(BODY_BYTES), true).await, (Ok(BODY_BYTES), None));
        assert_eq!(read(long(BODY_BYTES + 1), true).await, (Err(()), Some(Broken::Long)));
        let drip = futures::stream::unfold(0, |n| async move {
            tokio::time::sleep(BODY_TIME / 4).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), n + 1))
        });
        assert_eq!(read(Body::from_stream(drip), true).await, (Err(()), Some(Broken::Slow)));
    }
}
