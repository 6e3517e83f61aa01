//! Refusals in the Kubernetes shape: `Status` with a reason and causes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::object::Key;

/// Kubernetes' reasons, which its clients branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    AlreadyExists,
    Conflict,
    /// A watch or a continue token starts before what the history still holds: list again.
    Expired,
    Invalid,
    MethodNotAllowed,
    NotAcceptable,
    UnsupportedMediaType,
    RequestEntityTooLarge,
    TooManyRequests,
    Timeout,
    ServiceUnavailable,
    InternalError,
}

impl Reason {
    /// The HTTP status code Kubernetes sends with this reason.
    pub fn code(self) -> u16 {
        match self {
            Reason::BadRequest => 400,
            Reason::Unauthorized => 401,
            Reason::Forbidden => 403,
            Reason::NotFound => 404,
            Reason::MethodNotAllowed => 405,
            Reason::NotAcceptable => 406,
            Reason::AlreadyExists | Reason::Conflict => 409,
            Reason::Expired => 410,
            Reason::RequestEntityTooLarge => 413,
            Reason::UnsupportedMediaType => 415,
            Reason::Invalid => 422,
            Reason::TooManyRequests => 429,
            Reason::InternalError => 500,
            Reason::ServiceUnavailable => 503,
            Reason::Timeout => 504,
        }
    }
}

/// One fault: which field, what is wrong, what is allowed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// Kubernetes' cause types, such as `FieldValueInvalid`, `FieldValueRequired`,
    /// `FieldManagerConflict`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// A sentence with the value and what is allowed. It is made to follow the field's name
    /// (`spec.power: is "on"; it is Running or Stopped`); [`Cause::sentence`] stands alone.
    #[serde(default)]
    pub message: String,
    /// Path in the object, such as `spec.env[0].name`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// DevPocket's own stable code (`unknown-size`, `bad-value`, ...). Kubernetes has no such
    /// field; its clients ignore it, and the three below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The one near name, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
    /// The evidence, in a sentence or two without a full stop at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// What to do about it, the safest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub r#try: Vec<String>,
}

impl Cause {
    /// The message as a sentence of its own, as the command line prints it after `error[code]:`:
    /// with the field's name unless it begins with the value, and without the near name, which
    /// has a place of its own there.
    pub fn sentence(&self) -> String {
        let mut message = self.message.as_str();
        if let Some(nearest) = &self.nearest {
            message = message.strip_suffix(&did_you_mean(nearest)).unwrap_or(message);
        }
        if self.field.is_empty() || message.starts_with('"') {
            message.to_owned()
        } else {
            format!("{} {message}", self.field)
        }
    }
}

/// How a message for clients without a place for the near name ends.
pub(crate) fn did_you_mean(nearest: &str) -> String {
    format!("; did you mean {nearest:?}?")
}

/// What the refusal is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
    /// DevPocket's own stable code (`plan-stale`, `quota`, ...), the same on the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// A refusal, serialised as Kubernetes' `Status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub reason: Reason,
    pub message: String,
    #[serde(default)]
    /// Boxed: a refusal travels in every `Result`, and is rarely there.
    pub details: Box<Details>,
}

impl std::error::Error for Status {}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Status {
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Status { reason, message: message.into(), details: Box::default() }
    }

    /// About an object.
    pub fn about(mut self, key: &Key) -> Self {
        let info = key.kind.info();
        self.details.name = key.name.clone();
        self.details.group = info.group.to_owned();
        self.details.kind = info.plural.to_owned();
        self
    }

    /// With DevPocket's own code.
    pub fn with_code(mut self, code: &str) -> Self {
        self.details.code = Some(code.to_owned());
        self
    }

    pub fn not_found(key: &Key) -> Self {
        let info = key.kind.info();
        Status::new(Reason::NotFound, format!("{} {:?} not found", resource(info), key.name))
            .about(key)
    }

    pub fn already_exists(key: &Key) -> Self {
        let info = key.kind.info();
        Status::new(
            Reason::AlreadyExists,
            format!("{} {:?} already exists", resource(info), key.name),
        )
        .about(key)
    }

    /// The object was changed since it was read.
    pub fn conflict(key: &Key) -> Self {
        let info = key.kind.info();
        Status::new(
            Reason::Conflict,
            format!(
                "Operation cannot be fulfilled on {} {:?}: the object has been modified; \
                 apply your changes to the latest version and try again",
                resource(info),
                key.name
            ),
        )
        .about(key)
    }

    /// Every fault of an object at once.
    pub fn invalid(key: &Key, causes: Vec<Cause>) -> Self {
        let info = key.kind.info();
        let list: Vec<String> = causes
            .iter()
            .map(|c| {
                if c.field.is_empty() {
                    c.message.clone()
                } else {
                    format!("{}: {}", c.field, c.message)
                }
            })
            .collect();
        let text = match list.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let mut status = Status::new(
            Reason::Invalid,
            format!("{} {:?} is invalid: {text}", info.name, key.name),
        )
        .about(key);
        status.details.causes = causes;
        status
    }

    /// The JSON that Kubernetes clients expect.
    pub fn to_value(&self) -> serde_json::Value {
        serde_json::json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.reason.code(),
        })
    }
}

fn resource(info: &crate::kind::KindInfo) -> String {
    if info.group.is_empty() {
        info.plural.to_owned()
    } else {
        format!("{}.{}", info.plural, info.group)
    }
}
