//! Refusals as the mobile app reads them: `detail`, `errors`, `timestamp`, `path`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use devpocket_specs::status::Status;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::server::AppState;

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldProblem {
    /// As it is named in the request.
    pub field: String,
    pub message: String,
    /// One word for programs, such as `min_length`.
    pub code: String,
}

/// A refusal. `timestamp` and `path` are added on the way out ([`complete`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub code: StatusCode,
    pub detail: String,
    pub errors: Vec<FieldProblem>,
    /// Seconds, sent in the body and as `Retry-After`.
    pub retry_after: Option<u64>,
    /// `error` of the body, where a standard has a word for it (RFC 8628).
    pub error: Option<&'static str>,
}

impl Problem {
    pub fn new(code: StatusCode, detail: impl Into<String>) -> Problem {
        Problem { code, detail: detail.into(), errors: Vec::new(), retry_after: None, error: None }
    }

    pub fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, detail)
    }

    /// 422 with what is wrong with each field.
    pub fn invalid(errors: Vec<FieldProblem>) -> Problem {
        Problem { errors, ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "Validation error") }
    }

    /// 401, with the header that says what is missing.
    pub fn unauthorized(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, detail)
    }

    fn body(&self, place: Option<(&str, Timestamp)>) -> Value {
        let mut body = json!({"detail": self.detail, "errors": self.errors});
        if let Some(seconds) = self.retry_after {
            body["retry_after"] = seconds.into();
        }
        if let Some(error) = self.error {
            body["error"] = error.into();
        }
        if let Some((path, now)) = place {
            body["path"] = path.into();
            body["timestamp"] = now.to_string().into();
        }
        body
    }

    fn respond(&self, place: Option<(&str, Timestamp)>) -> Response {
        let mut response = crate::server::json(self.code, &self.body(place));
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.respond(None);
        response.extensions_mut().insert(self);
        response
    }
}

/// What somebody is told whose tier does not allow what they want to create.
pub const LIMIT_REACHED: &str =
    "Environment limit reached. Upgrade your plan to create more environments.";

/// The codes of what a tier does not allow.
const LIMITS: [&str; 5] = ["quota", "no-tier", "size-not-in-tier", "purchase-limit", "tier-budget"];

impl From<Status> for Problem {
    fn from(status: Status) -> Problem {
        let code = StatusCode::from_u16(status.reason.code());
        let code = code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let limit = |code: &str| LIMITS.contains(&code);
        if let Some(limit) = status.details.code.as_deref().filter(|code| limit(code)) {
            // In the app's words; which limit, and why, is in the errors.
            let because = status.details.causes.first().map(|cause| cause.message.as_str());
            let message = match because {
                Some(because) => format!("{}: {because}", status.message),
                None => status.message.clone(),
            };
            let error = FieldProblem { field: "tier".into(), message, code: limit.to_owned() };
            return Problem { errors: vec![error], ..Problem::new(code, LIMIT_REACHED) };
        }
        let errors = status.details.causes.iter().map(|cause| FieldProblem {
            field: cause.field.clone(),
            message: cause.message.clone(),
            code: cause.code.clone().unwrap_or_else(|| cause.reason.clone()),
        });
        Problem {
            errors: errors.collect(),
            retry_after: status.details.retry_after_seconds.map(u64::from),
            ..Problem::new(code, status.message)
        }
    }
}

/// Adds to each refusal when and where it was.
pub(super) async fn complete(
    State(state): State<Arc<AppState>>,
    request: Request,
    next: Next,
) -> Response {
    let original = request.extensions().get::<axum::extract::OriginalUri>();
    let path = original.map_or_else(|| request.uri().path(), |uri| uri.0.path()).to_owned();
    let response = next.run(request).await;
    match response.extensions().get::<Problem>() {
        Some(problem) => problem.respond(Some((&path, state.clock.now()))),
        None => response,
    }
}

#[cfg(test)]
mod tests {
    use devpocket_specs::status::Reason;

    use super::*;

    #[test]
    fn a_limit_is_told_in_the_words_of_the_app_with_its_reason() {
        let status = Status::new(Reason::Forbidden, "tier starter allows 3 machines, team-a has 3");
        let problem = Problem::from(status.with_code("quota"));
        assert_eq!((problem.code, problem.detail.as_str()), (StatusCode::FORBIDDEN, LIMIT_REACHED));
        assert_eq!(problem.errors[0].message, "tier starter allows 3 machines, team-a has 3");
        assert_eq!(problem.errors[0].code, "quota");
    }
}
