//! Replies in JSON.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use devpocket_specs::status::Status;
use serde_json::Value;

/// A JSON document.
pub fn json(code: StatusCode, document: &Value) -> Response {
    let mut response = Response::new(Body::from(document.to_string()));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// A refusal as Kubernetes clients expect it.
pub fn refuse(status: &Status) -> Response {
    let code = StatusCode::from_u16(status.reason.code())
        .expect("every reason has a code between 100 and 999");
    let mut response = json(code, &status.to_value());
    let headers = response.headers_mut();
    if let Some(seconds) = status.details.retry_after_seconds {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if code == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
