//! Headers of every answer that tell browsers what not to do with it.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// For answers that bring no policy of their own: documents for programs load nothing.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// A year.
const HSTS: &str = "max-age=31536000; includeSubDomains";

/// Adds what is not there. `took` is how long the answer was in the making.
pub(super) fn secure(headers: &mut HeaderMap, https: bool, took: Duration) {
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::X_XSS_PROTECTION, "1; mode=block");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    if https {
        set(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    if let Ok(seconds) = HeaderValue::from_str(&format!("{:.6}", took.as_secs_f64())) {
        headers.insert("x-process-time", seconds);
    }
}
