//! Why an answer is missing.

use std::error::Error;
use std::io;
use std::iter;
use std::time::Duration;

use devpocket_specs::status::{Reason, Status};
use rustls::{CertificateError, Error as TlsError};

#[derive(Clone, Debug, thiserror::Error)]
pub enum ApiError {
    /// There was no connection: nothing was sent.
    #[error("no answer from {server}")]
    Unreachable { server: String, evidence: String, tries: u32, took: Duration },
    /// The connection broke after something may have been sent.
    #[error("{server} did not answer to the end")]
    Cut { server: String, evidence: String },
    /// Something answered, but not as the server that is meant: nothing was sent, the token neither.
    #[error("{server} is not trusted")]
    Untrusted { server: String, doubt: Doubt },
    #[error("{server} does not know who asks")]
    SignedOut { server: String, with_token: bool },
    #[error("{}", status.message)]
    Refused { status: Box<Status>, code: u16, request_id: Option<String> },
    /// New tokens could not be written down, so they were not used.
    #[error("the renewed sign-in cannot be kept: {problem}")]
    NotKept { problem: String },
    #[error("what answers at {server} is not this version of DevPocket: {problem}")]
    Foreign { server: String, problem: String },
}

/// Why what answers over TLS is not taken for the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Its certificate is signed by nobody who is trusted here.
    Issuer,
    /// Its certificate is for these names, and not for the one that was called.
    Name(Vec<String>),
    /// Its certificate is over, or has not begun.
    Time,
    /// It does not speak TLS.
    NoTls,
    /// The certificates given to trust cannot be read.
    Authority(String),
    Other(String),
}

impl Doubt {
    fn of(error: &reqwest::Error) -> Option<Doubt> {
        let tls = causes(error).find_map(|inner| inner.downcast_ref::<TlsError>())?;
        Some(match tls {
            TlsError::InvalidMessage(_) => Doubt::NoTls,
            TlsError::InvalidCertificate(fault) => match fault {
                // A certificate that signs itself is one nobody else vouches for.
                CertificateError::UnknownIssuer | CertificateError::BadSignature => Doubt::Issuer,
                CertificateError::NotValidForName => Doubt::Name(Vec::new()),
                CertificateError::NotValidForNameContext { presented, .. } => {
                    Doubt::Name(presented.iter().map(|name| bare(name)).collect())
                }
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => Doubt::Time,
                other => Doubt::Other(other.to_string()),
            },
            other => Doubt::Other(other.to_string()),
        })
    }
}

/// `DnsName("localhost")` as `localhost`.
fn bare(name: &str) -> String {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner.trim_end_matches(')'));
    inner.trim_matches('"').to_owned()
}

impl ApiError {
    pub(super) fn setup(server: &str, error: &reqwest::Error) -> ApiError {
        // Only certificates that were given can spoil a client before it knows an address.
        ApiError::Untrusted { server: server.to_owned(), doubt: Doubt::Authority(innermost(error)) }
    }

    /// Sorted by whether something can have been sent.
    pub(super) fn unreachable(
        server: &str,
        error: &reqwest::Error,
        tries: u32,
        took: Duration,
    ) -> ApiError {
        if let Some(doubt) = Doubt::of(error) {
            return ApiError::Untrusted { server: server.to_owned(), doubt };
        }
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

    /// It is there, and not for this person.
    pub fn is_forbidden(&self) -> bool {
        self.reason() == Some(Reason::Forbidden)
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
            ApiError::Untrusted { .. }
            | ApiError::SignedOut { .. }
            | ApiError::NotKept { .. }
            | ApiError::Foreign { .. } => false,
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
    for inner in causes(error) {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            match io.kind() {
                io::ErrorKind::ConnectionRefused => return "connection refused".to_owned(),
                io::ErrorKind::ConnectionReset => return "connection reset".to_owned(),
                _ => {}
            }
        }
    }
    innermost(error)
}

fn innermost(error: &reqwest::Error) -> String {
    causes(error).last().map_or_else(|| "the connection failed".to_owned(), ToString::to_string)
}

/// Everything below an error. An I/O error holds what it is made of beside its source.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    iter::successors(error.source(), |inner| {
        let inner = *inner;
        let held = inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        held.map(|held| held as &(dyn Error + 'static)).or_else(|| inner.source())
    })
}
