//! The API of accounts, under `/api/v1`, whose refusals have another form.

use devpocket_specs::status::{Cause, Reason, Status};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::{ANSWER_BYTES, Api, ApiError};

/// Path of the API under the server's address.
const PREFIX: &str = "/api/v1";

impl Api {
    /// The answer to a request, which may be refused with a code of its own.
    pub async fn rest(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ApiError> {
        let (code, id, value) = self.rest_answer(method, path, body).await?;
        if code.is_success() {
            return Ok(value);
        }
        if code == StatusCode::UNAUTHORIZED && self.token().is_some() {
            return Err(ApiError::SignedOut { server: self.server.clone(), with_token: true });
        }
        let status = Box::new(status(code, &value));
        Err(ApiError::Refused { status, code: code.as_u16(), request_id: id })
    }

    /// Code, request id and document, whatever the code.
    pub(super) async fn rest_answer(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Option<String>, Value), ApiError> {
        let mut request = self.request_to(method, &format!("{PREFIX}{path}"));
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = self.connect(request).await?;
        let code = response.status();
        let id = response.headers().get("x-request-id");
        let id = id.and_then(|id| id.to_str().ok()).map(str::to_owned);
        let bytes = response.bytes().await.map_err(|error| ApiError::cut(&self.server, &error))?;
        if bytes.len() > ANSWER_BYTES {
            return Err(self.foreign("an answer without end"));
        }
        let value = serde_json::from_slice(&bytes);
        let value = value.map_err(|_| {
            self.foreign(&format!("an answer {} that is no document", code.as_u16()))
        })?;
        Ok((code, id, value))
    }
}

/// A refusal in the form the command line knows.
fn status(code: StatusCode, body: &Value) -> Status {
    let reason = match code.as_u16() {
        400 => Reason::BadRequest,
        401 => Reason::Unauthorized,
        403 => Reason::Forbidden,
        404 => Reason::NotFound,
        405 => Reason::MethodNotAllowed,
        409 => Reason::Conflict,
        413 => Reason::RequestEntityTooLarge,
        415 => Reason::UnsupportedMediaType,
        422 => Reason::Invalid,
        429 => Reason::TooManyRequests,
        501 => Reason::MethodNotAllowed,
        503 => Reason::ServiceUnavailable,
        _ => Reason::InternalError,
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut status = Status::new(reason, text(&body["detail"]));
    status.details.retry_after_seconds =
        body["retry_after"].as_u64().and_then(|seconds| seconds.try_into().ok());
    let errors = body["errors"].as_array().into_iter().flatten();
    status.details.causes = errors
        .map(|error| Cause {
            field: text(&error["field"]),
            message: text(&error["message"]),
            code: Some("bad-value".into()),
            ..Cause::default()
        })
        .collect();
    status
}

impl Api {
    /// Whether a device has been allowed: the answer, also where it says not yet.
    pub async fn device_answer(&self, body: &Value) -> Result<Value, ApiError> {
        let path = "/auth/device/token";
        let (code, id, value) = self.rest_answer(Method::POST, path, Some(body)).await?;
        if code.is_success() || value["error"].is_string() {
            return Ok(value);
        }
        let status = Box::new(status(code, &value));
        Err(ApiError::Refused { status, code: code.as_u16(), request_id: id })
    }
}
