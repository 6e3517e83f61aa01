//! Why something about accounts was not done.

use crate::rest::FieldProblem;

use super::password::PasswordError;

/// The one text for everything that is wrong with a sign-in: which of it must not show.
pub const INCORRECT: &str = "Incorrect username/email or password";

/// A refusal or a failure. The sentences are for the person who asked.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Unknown, wrong, locked, suspended, or without a password: all the same.
    #[error("{INCORRECT}")]
    Incorrect,
    /// A token, code or ticket that is not, or no longer, good.
    #[error("{0}")]
    Unauthorized(String),
    /// Fields of the request that are wrong.
    #[error("{}", list(.0))]
    Invalid(Vec<FieldProblem>),
    /// A request that makes no sense as things stand.
    #[error("{0}")]
    Bad(String),
    #[error("{0}")]
    Forbidden(String),
    #[error("{0}")]
    NotFound(String),
    /// Something else has to happen first.
    #[error("{0}")]
    Conflict(String),
    /// Asked too often, or more than can be done; good again after so many seconds.
    #[error("{message}")]
    Later { message: String, seconds: u64 },
    /// Not configured, or a service that is needed does not answer.
    #[error("{0}")]
    Unavailable(String),
    #[error("the database does not answer: {0}")]
    Database(#[from] sqlx::Error),
    #[error("{0}")]
    Failed(String),
}

impl AccountError {
    /// One field that is wrong.
    pub fn field(field: &str, code: &str, message: impl Into<String>) -> AccountError {
        AccountError::Invalid(vec![FieldProblem {
            field: field.to_owned(),
            message: message.into(),
            code: code.to_owned(),
        }])
    }
}

fn list(problems: &[FieldProblem]) -> String {
    let words: Vec<String> =
        problems.iter().map(|problem| format!("{} {}", problem.field, problem.message)).collect();
    words.join("; ")
}

impl From<PasswordError> for AccountError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => AccountError::Later {
                message:
                    "Too many people are signing in at this moment. Try again in a few seconds."
                        .into(),
                seconds: super::password::RETRY_AFTER,
            },
            PasswordError::Failed(why) => AccountError::Failed(why),
        }
    }
}

impl From<getrandom::Error> for AccountError {
    fn from(error: getrandom::Error) -> Self {
        AccountError::Failed(format!("the operating system gave no random bytes: {error}"))
    }
}
