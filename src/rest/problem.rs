//! Refusals as the mobile app reads them: `detail`, `errors`, `timestamp`, `path`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldProblem {
    /// As it is named in the request.
    pub field: String,
    pub message: String,
    /// One word for programs, such as `min_length`.
    pub code: String,
}

/// A refusal. `timestamp` and `path` are added on the way out ([`Problem::body`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub code: StatusCode,
    pub detail: String,
    pub errors: Vec<FieldProblem>,
    /// Seconds, sent in the body and as `Retry-After`.
    pub retry_after: Option<u64>,
}

impl Problem {
    pub fn new(code: StatusCode, detail: impl Into<String>) -> Problem {
        Problem { code, detail: detail.into(), errors: Vec::new(), retry_after: None }
    }

    pub fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, detail)
    }

    /// 422 with what is wrong with each field.
    pub fn invalid(errors: Vec<FieldProblem>) -> Problem {
        Problem { errors, ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "Validation error") }
    }

    fn body(&self) -> Value {
        let mut body = json!({"detail": self.detail, "errors": self.errors});
        if let Some(seconds) = self.retry_after {
            body["retry_after"] = seconds.into();
        }
        body
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = crate::server::json(self.code, &self.body());
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
