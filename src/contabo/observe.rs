//! What is told of each call: a count by what it proved, a line for the log, and a span for traces.
//! Path and ids only: queries and bodies may hold what must not be in either.

use devpocket_controllers::cloud::{CloudError, Priority};
use reqwest::Method;
use tracing::Span;
use tracing::field::Empty;
use uuid::Uuid;

use super::outcome::Reply;

/// The span of a call.
pub(super) fn span(method: &Method, path: &str, request_id: Uuid, priority: Priority) -> Span {
    tracing::debug_span!(
        "contabo",
        otel.kind = "client",
        otel.name = %format_args!("{method} {}", without_numbers(path)),
        otel.status_code = Empty,
        http.request.method = %method,
        http.response.status_code = Empty,
        url.path = path,
        %request_id,
        ?priority,
    )
}

/// One name for all calls of a kind.
fn without_numbers(path: &str) -> String {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts = path.split('/').map(|part| if number(part) { "{id}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// Counts a call by what it proved.
pub(super) fn answered(
    span: &Span,
    method: &Method,
    path: &str,
    request_id: Uuid,
    outcome: &Result<Reply, CloudError>,
) {
    let word = match outcome {
        Ok(reply) if reply.is_success() => "ok",
        Ok(reply) if reply.code == 429 => "throttled",
        Ok(reply) if reply.code >= 500 => "server-error",
        Ok(_) => "refused",
        Err(CloudError::Unknown { .. }) => "unknown",
        Err(_) => "unavailable",
    };
    if let Ok(reply) = outcome {
        span.record("http.response.status_code", reply.code);
    }
    if word != "ok" && word != "refused" {
        span.record("otel.status_code", "ERROR");
    }
    let label = method.as_str().to_owned();
    metrics::counter!("devpocket_cloud_calls_total", "method" => label, "outcome" => word)
        .increment(1);
    tracing::debug!(%method, path, %request_id, outcome = word, "asked Contabo");
}

#[cfg(test)]
mod tests {
    use super::without_numbers;

    #[test]
    fn calls_of_one_kind_have_one_name() {
        let path = "/v1/compute/instances/202563140/actions/start";
        assert_eq!(without_numbers(path), "/v1/compute/instances/{id}/actions/start");
        assert_eq!(without_numbers("/v1/tags"), "/v1/tags");
    }
}
