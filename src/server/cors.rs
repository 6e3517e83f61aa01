//! Which pages of other sites may read answers, in the words browsers understand.
//!
//! Who may ask at all is [`super::gate`]'s. Credentials (cookies, which nothing here uses) are allowed
//! to origins that are named, never to `*`.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;

const METHODS: &str = "GET, POST, PUT, PATCH, DELETE, OPTIONS";
/// What pages may read of an answer beside what they always may.
const EXPOSED: &str = "retry-after, x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset, \
     x-request-id, x-total-count, link, date, location";
/// How long a browser may remember the answer, in seconds.
const MAX_AGE: &str = "600";

/// What an origin is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    /// As it came, or `*`.
    pub origin: HeaderValue,
    pub credentials: bool,
}

impl Grant {
    /// Adds what a page of that origin needs in order to read the answer.
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, self.origin.clone());
        if self.credentials {
            let yes = HeaderValue::from_static("true");
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
        let exposed = HeaderValue::from_static(EXPOSED);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}

/// Whether a browser asks if it may ask.
pub(super) fn is_preflight(request: &Request) -> bool {
    let has = |name: HeaderName| request.headers().contains_key(name);
    request.method() == Method::OPTIONS
        && has(header::ORIGIN)
        && has(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Yes, with the headers it wants to send.
pub(super) fn preflight(grant: &Grant, asked: &HeaderMap) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    grant.tell(headers);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    if let Some(wanted) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    response
}

/// Answers differ by origin, which caches must know, also of those that went to no origin.
pub(super) fn varies(headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}
