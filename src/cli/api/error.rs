//! Why an answer is missing.

use std::error::Error;
use std::io;
use std::time::Duration;

use devpocket_specs::status::{Reason, Status};

#[derive(Clone, Debug, thiserror::Error)]
pub enum ApiError {
    /// There was no connection: nothing was sent.
    #[error("no answer from {server}")]
    Unreachable { server: String, evidence: String, tries: u32, took: Duration },
    /// The connection broke after something may have been sent.
    #[error("{server} did not answer to the end")]
    Cut { server: String, evidence: String },
    #[error("{server} does not know who asks")]
    SignedOut { server: String, with_token: bool },
    #[error("{}", status.message)]
    Refused { status: Box<Status>, code: u16, request_id: Option<String> },
    #[error("what answers at {server} is not this version of DevPocket: {problem}")]
    Foreign { server: String, problem: String },
}

impl ApiError {
    pub(super) fn setup(server: &str, error: &reqwest::Error) -> ApiError {
        ApiError::Unreachable {
            server: server.to_owned(),
            evidence: evidence(error),
            tries: 0,
            took: Duration::ZERO,
        }
    }

    /// Sorted by whether something can have been sent.
    pub(super) fn unreachable(
        server: &str,
        error: &reqwest::Error,
        tries: u32,
        took: Duration,
    ) -> ApiError {
        let (server, evidence) = (server.to_owned(), evidence(error));
        if error.is_connect() || error.is_builder() {
            ApiError::Unreachable { server, evidence, tries, took }
        } else {
            ApiError::Cut { server, evidence }
        }
    }

    pub(super) fn cut(server: &str, error: &reqwest::Error) -> ApiError {
        ApiError::Cut { server: server.to_owned(), evidence: evidence(error) }
    }

    pub fn is_not_found(&self) -> bool {
        self.reason() == Some(Reason::NotFound)
    }

    pub fn reason(&self) -> Option<Reason> {
        match self {
            ApiError::Refused { status, .. } => Some(status.reason),
            _ => None,
        }
    }

    /// Whether the same request may well succeed in a moment.
    pub fn is_passing(&self) -> bool {
        match self {
            ApiError::Unreachable { .. } | ApiError::Cut { .. } => true,
            ApiError::Refused { code, .. } => matches!(code, 429 | 500 | 503 | 504),
            ApiError::SignedOut { .. } | ApiError::Foreign { .. } => false,
        }
    }
}

/// What the innermost error says, without the URL: its query may hold what nobody should read.
fn evidence(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".to_owned();
    }
    if error.is_builder() {
        return "that is not an address; one looks like https://dev.example.com".to_owned();
    }
    let mut source = error.source();
    let mut last = None;
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            match io.kind() {
                io::ErrorKind::ConnectionRefused => return "connection refused".to_owned(),
                io::ErrorKind::ConnectionReset => return "connection reset".to_owned(),
                _ => {}
            }
        }
        last = Some(inner.to_string());
        source = inner.source();
    }
    last.unwrap_or_else(|| "the connection failed".to_owned())
}
