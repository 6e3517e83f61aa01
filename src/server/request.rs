//! Identity of a request: its id, and who is at the other end of the socket.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use devpocket_specs::kind::Kind;
use jiff::Timestamp;
use tracing::Instrument as _;

use super::address::ClientAddress;
use super::headers;
use super::limits::REQUEST_ID_CHARS;
use super::state::AppState;

const HEADER: &str = "x-request-id";
/// Parts of a path that a trace is named by; the API's own have fewer.
const ROUTE_SEGMENTS: usize = 10;

/// Address of the other end of the connection: the client, or a proxy in front of it. Who asks is
/// [`ClientAddress`].
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Ties the reply, the audit row and the log lines of a request together.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// Takes the client's request id or makes one, echoes it, and logs the request under it.
///
/// The path is logged, the query and the bodies are not: they may hold what must not be in a log.
pub(super) async fn identify(
    State(state): State<Arc<AppState>>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = chosen_id(&request).unwrap_or_else(|| state.ids.uid().to_string());
    request.extensions_mut().insert(RequestId(id.clone()));
    if let Some(peer) = request.extensions().get::<Peer>().copied() {
        let client = state.edge.proxies.client(peer.0.ip(), request.headers());
        request.extensions_mut().insert::<ClientAddress>(client);
    }
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let span = tracing::info_span!("request", request_id = %id);
    // For traces; the log has the line below.
    let trace = tracing::trace_span!(
        parent: &span, "http", otel.kind = "server", otel.name = tracing::field::Empty,
        http.request.method = method_label(&method), url.path = path, request_id = %id,
        http.response.status_code = tracing::field::Empty, otel.status_code = tracing::field::Empty,
    );
    if !trace.is_disabled() {
        trace.record("otel.name", format!("{} {}", method_label(&method), route(&path)));
    }
    let started = tokio::time::Instant::now();
    let handled = next.run(request).instrument(trace.clone());
    let mut response = handled.instrument(span.clone()).await;
    let took = started.elapsed();
    let code = response.status().as_u16();
    trace.record("http.response.status_code", code);
    if code >= 500 {
        trace.record("otel.status_code", "ERROR");
    }
    tracing::debug!(parent: &span, %method, path, code, took_us = took.as_micros() as u64, "answered");
    metrics::histogram!("devpocket_http_request_seconds", "method" => method_label(&method), "code" => code.to_string())
        .record(took.as_secs_f64());
    let value = HeaderValue::from_str(&id).expect("request ids are checked to be plain ASCII");
    response.headers_mut().insert(HEADER, value);
    headers::secure(response.headers_mut(), state.edge.https, took);
    // Ours and not the machine's: after `clock advance` clients count ages by what it is here.
    if let Some(now) = date(state.clock.now()) {
        response.headers_mut().insert(header::DATE, now);
    }
    response
}

/// `Date` as HTTP writes it.
fn date(now: Timestamp) -> Option<HeaderValue> {
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    let text = printer.timestamp_to_rfc9110_string(&now).ok()?;
    HeaderValue::from_str(&text).ok()
}

/// The path without the names in it, so that traces of one kind of request are found together.
fn route(path: &str) -> String {
    let collection = |word: &str| Kind::all().any(|kind| kind.info().plural == word);
    let mut route = String::new();
    let mut after_collection = false;
    for segment in path.split('/').filter(|segment| !segment.is_empty()).take(ROUTE_SEGMENTS) {
        route.push('/');
        route.push_str(if after_collection { "{name}" } else { segment });
        after_collection = !after_collection && collection(segment);
    }
    route
}

/// The methods there are; a made-up one must not make a time series.
fn method_label(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "other",
    }
}

fn chosen_id(request: &Request) -> Option<String> {
    let id = request.headers().get(HEADER)?.to_str().ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fits = !id.is_empty() && id.len() <= REQUEST_ID_CHARS && id.chars().all(plain);
    fits.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::route;

    #[test]
    fn requests_of_one_kind_have_one_name_in_traces() {
        let base = "/kube/apis/devpocket.dev/v1alpha1";
        assert_eq!(
            route(&format!("{base}/namespaces/main/environments/web/plan")),
            format!("{base}/namespaces/{{name}}/environments/{{name}}/plan")
        );
        assert_eq!(route("/health/ready"), "/health/ready");
    }
}
