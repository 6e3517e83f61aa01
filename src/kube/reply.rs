//! Answers that are JSON already, and the warnings they carry.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

/// A body that is JSON already.
pub(super) fn document(code: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// Most warnings one answer carries; more say nothing that these do not.
const WARNINGS: usize = 20;

/// Characters of one warning; Kubernetes' limit is 256 for all that is not plain.
const WARNING_CHARS: usize = 200;

/// Adds `Warning` headers, which kubectl prints.
pub(super) fn warn(response: &mut Response, warnings: &[String]) {
    for warning in warnings.iter().take(WARNINGS) {
        let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
        let text: String = warning.chars().take(WARNING_CHARS).map(plain).collect();
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        let value = HeaderValue::from_str(&format!("299 - \"{quoted}\""))
            .expect("only printable ASCII is left");
        response.headers_mut().append(header::WARNING, value);
    }
}
