//! The body of a request, read as what a handler expects, with faults named by field.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;

use super::problem::{FieldProblem, Problem};
use crate::server::AppState;

/// Bytes of a body of this API: forms, no files.
pub const BODY_BYTES: usize = 64 * 1024;

/// A JSON document. Only as `application/json`: what a page of another site can send without being
/// asked about is refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<AppState>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<AppState>) -> Result<Self, Problem> {
        let media = request.headers().get(header::CONTENT_TYPE);
        let media = media.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if media != "application/json" {
            let code = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Problem::new(code, "the body has to be application/json"));
        }
        let bytes = bytes(request).await?;
        read(&bytes).map(Body)
    }
}

/// The body in full.
pub(super) async fn bytes(request: Request) -> Result<axum::body::Bytes, Problem> {
    to_bytes(request.into_body(), BODY_BYTES).await.map_err(|_| {
        let detail = format!("the body has more than {BODY_BYTES} bytes, or broke off");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    })
}

/// Reads JSON; what is wrong is named by field.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut parser);
    let value: T = read.map_err(|error| {
        let inner = error.inner();
        if !inner.is_data() {
            return Problem::new(StatusCode::BAD_REQUEST, "the body is not JSON");
        }
        let text = inner.to_string();
        let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        let unknown = text.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
        let path = error.path().to_string();
        let (field, code, message) = match (missing, unknown) {
            (Some(field), _) => (field.to_owned(), "required", "is required".to_owned()),
            (None, Some(field)) => (field.to_owned(), "unknown_field", "is not known".to_owned()),
            // The parser's text may quote the value, which may be a password.
            (None, None) => (path, "invalid_type", "is of another type".to_owned()),
        };
        Problem::invalid(vec![FieldProblem { field, message, code: code.to_owned() }])
    })?;
    parser.end().map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body is not JSON"))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Form {
        #[expect(dead_code, reason = "read, and that is all")]
        password: String,
    }

    #[test]
    fn faults_are_named_by_field_and_quote_nothing() {
        let fault = |text: &str| read::<Form>(text.as_bytes()).unwrap_err();
        let missing = fault("{}");
        assert_eq!(missing.code, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(
            (missing.errors[0].field.as_str(), &*missing.errors[0].code),
            ("password", "required")
        );
        let wrong = fault("{\"password\": 4242}");
        assert_eq!(wrong.errors[0].field, "password");
        assert!(!format!("{wrong:?}").contains("4242"));
        for text in ["", "{", "{\"password\": \"x\"} more", "\u{0}"] {
            assert_eq!(fault(text).code, StatusCode::BAD_REQUEST, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_the_reader_fall_over(bytes in any::<Vec<u8>>()) {
            let _ = read::<Form>(&bytes);
        }
    }
}
