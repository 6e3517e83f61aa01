//! What a reply, or its absence, proves.

use std::time::Duration;

use serde_json::Value;

use devpocket_controllers::cloud::CloudError;

/// Longest piece of a provider's text that is quoted as evidence, in characters.
const QUOTE_MAX: usize = 300;

/// Codes with which Contabo refuses before doing anything.
fn is_refusal(code: u16) -> bool {
    matches!(code, 400 | 401 | 402 | 403 | 404 | 405 | 415 | 422)
}

/// A reply that came whole.
#[derive(Debug)]
pub struct Reply {
    pub code: u16,
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// What a non-2xx reply to a read means.
    pub fn read_error(&self) -> CloudError {
        let message = self.message();
        match self.code {
            429 => CloudError::Throttled { retry_after: self.retry_after.unwrap_or_default() },
            code if is_refusal(code) || code == 409 => CloudError::Rejected { code, message },
            code => CloudError::Unavailable { message: format!("{code}: {message}") },
        }
    }

    /// What a non-2xx reply to a mutation means. Anything that is not a plain refusal may hide an
    /// effect: 429 and 5xx were seen after the effect had happened.
    pub fn mutation_error(&self) -> CloudError {
        let message = self.message();
        if is_refusal(self.code) {
            CloudError::Rejected { code: self.code, message }
        } else {
            CloudError::Unknown {
                message: format!("{}: {message}", self.code),
                code: Some(self.code),
            }
        }
    }

    /// The provider's text: a string, a list of strings, or whatever came.
    fn message(&self) -> String {
        let text = match serde_json::from_slice::<Value>(&self.body) {
            Ok(body) => match &body["message"] {
                Value::String(text) => text.clone(),
                Value::Array(items) => {
                    items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ")
                }
                _ => body["error_description"].as_str().unwrap_or_default().to_owned(),
            },
            Err(_) => String::from_utf8_lossy(&self.body).into_owned(),
        };
        let text = quote(&text);
        if text.is_empty() { "no explanation given".into() } else { text }
    }
}

/// One line, bounded, without control characters: a provider's text is evidence, not markup.
pub fn quote(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .filter(|c| !c.is_control())
        .take(QUOTE_MAX)
        .collect()
}

/// What a failed exchange proves: a mutation that may have left this machine may have happened.
pub fn transport_error(error: &reqwest::Error, mutation: bool) -> CloudError {
    // The URL stays out: queries hold names, and hosts are in the configuration anyway.
    let connecting = error.is_connect() || error.is_builder();
    let message = match error.is_timeout() && !connecting {
        true => "no answer in time".into(),
        false => quote(&root_cause(error)),
    };
    if connecting || !mutation {
        return CloudError::Unavailable { message };
    }
    CloudError::Unknown { message, code: None }
}

/// The innermost cause; reqwest's own text carries the URL.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause = std::error::Error::source(error);
    let mut text = None;
    while let Some(inner) = cause {
        text = Some(inner.to_string());
        cause = inner.source();
    }
    text.unwrap_or_else(|| "connection failed".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16, body: &str) -> Reply {
        Reply { code, retry_after: None, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn only_a_plain_refusal_of_a_mutation_proves_that_nothing_happened() {
        for code in 100..=599 {
            let certain = reply(code, "").mutation_error().nothing_happened();
            let refusal = [400, 401, 402, 403, 404, 405, 415, 422].contains(&code);
            assert_eq!(certain, refusal, "{code}");
        }
    }

    #[test]
    fn all_three_error_shapes_are_quoted() {
        let list = reply(400, r#"{"statusCode":400,"message":["imageId must be a UUID","x"]}"#);
        assert_eq!(list.message(), "imageId must be a UUID; x");
        assert_eq!(reply(402, r#"{"message":"limit of 1"}"#).message(), "limit of 1");
        assert_eq!(reply(502, "<html>\n bad\u{7} gateway").message(), "<html> bad gateway");
        assert_eq!(reply(500, "{}").message(), "no explanation given");
    }
}
