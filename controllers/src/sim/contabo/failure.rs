//! How a call fails, and what the client sees of it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::reply::{Delivery, ErrorBody, Reply};

/// How a call fails. Written `reset`, `hang`, `stalled`, `half`, `truncated`, `mistyped`, the HTTP
/// status, or
/// `429:30` for a 429 with `Retry-After: 30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Failure {
    Reset,
    Hang,
    /// The status line and the headers, and then nothing, ever.
    Stalled,
    /// Half of the body, and then nothing, ever.
    Half,
    /// Half of the body. Without effect there is no body to halve: the connection is reset.
    Truncated,
    Mistyped,
    /// 401, 403, 429 or a 5xx.
    Status(u16),
    /// 429 with `Retry-After`, in seconds; written `429:30`.
    RetryAfter(u64),
}

impl Failure {
    pub(super) fn check(self) -> Result<(), String> {
        match self {
            Failure::Status(401 | 403 | 429 | 500..=599) => Ok(()),
            Failure::Status(other) => {
                Err(format!("{other} is an answer, not a failure; use 401, 403, 429 or a 5xx"))
            }
            _ => Ok(()),
        }
    }

    /// The reply that takes the place of `real` (`None`: nothing was done).
    pub(super) fn reply(self, real: Option<Reply>) -> Reply {
        let happened = real.is_some();
        let carrier = real.unwrap_or_else(|| refusal(502));
        match self {
            Failure::Reset => Reply { delivery: Delivery::Reset, ..carrier },
            Failure::Hang => Reply { delivery: Delivery::Hang, ..carrier },
            Failure::Stalled => Reply { delivery: Delivery::Stalled, ..carrier },
            Failure::Half => Reply { delivery: Delivery::Half, ..carrier },
            Failure::Truncated if happened => Reply { delivery: Delivery::Truncated, ..carrier },
            Failure::Truncated => Reply { delivery: Delivery::Reset, ..carrier },
            Failure::Mistyped if happened => Reply { delivery: Delivery::Mistyped, ..carrier },
            Failure::Mistyped => Reply { status: 500, ..refusal(500) },
            Failure::Status(status) => Reply { effect: carrier.effect, ..refusal(status) },
            Failure::RetryAfter(seconds) => {
                Reply { effect: carrier.effect, retry_after: Some(seconds), ..refusal(429) }
            }
        }
    }
}

/// What each failing status carries: Contabo's own JSON, or the page of a gateway.
pub(super) fn refusal(status: u16) -> Reply {
    let body = match status {
        401 => ErrorBody::Message("Unauthorized".to_owned()),
        403 => ErrorBody::Message("Forbidden".to_owned()),
        429 => ErrorBody::Message("Too Many Requests".to_owned()),
        500 => ErrorBody::Message("Internal Server Error".to_owned()),
        other => ErrorBody::Html(format!(
            "<html><head><title>{other}</title></head><body><h1>{other}</h1></body></html>"
        )),
    };
    Reply::refused(status, body)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Reset => f.write_str("reset"),
            Failure::Hang => f.write_str("hang"),
            Failure::Stalled => f.write_str("stalled"),
            Failure::Half => f.write_str("half"),
            Failure::Truncated => f.write_str("truncated"),
            Failure::Mistyped => f.write_str("mistyped"),
            Failure::Status(status) => status.fmt(f),
            Failure::RetryAfter(seconds) => write!(f, "429:{seconds}"),
        }
    }
}

impl FromStr for Failure {
    type Err = String;
    fn from_str(text: &str) -> Result<Failure, String> {
        match text {
            "reset" => Ok(Failure::Reset),
            "hang" => Ok(Failure::Hang),
            "stalled" => Ok(Failure::Stalled),
            "half" => Ok(Failure::Half),
            "truncated" => Ok(Failure::Truncated),
            "mistyped" => Ok(Failure::Mistyped),
            status => {
                let waiting = status.strip_prefix("429:");
                let known = match waiting {
                    Some(seconds) => seconds.parse().map(Failure::RetryAfter).ok(),
                    None => status.parse().map(Failure::Status).ok(),
                };
                known.ok_or_else(|| {
                    format!(
                        "{text:?} is no failure; there are reset, hang, stalled, half, truncated, \
                         mistyped, an HTTP status such as 502, and 429:30 for one with Retry-After"
                    )
                })
            }
        }
    }
}

impl TryFrom<String> for Failure {
    type Error = String;
    fn try_from(text: String) -> Result<Failure, String> {
        text.parse()
    }
}

impl From<Failure> for String {
    fn from(failure: Failure) -> String {
        failure.to_string()
    }
}
