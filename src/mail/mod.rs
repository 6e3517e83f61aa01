//! Mail to people, through an outbox in Postgres: a letter is posted in the transaction of what it
//! tells about, and sent afterwards, so none is lost and none tells of what did not happen.
//!
//! # Guarantees
//! - A letter whose transaction committed is sent, or becomes a dead letter that the log and the
//!   metrics show. One whose transaction did not commit never existed.
//! - Several processes share the outbox: each letter is claimed by one of them for a time.
//! - What is in a letter is sealed while it waits, and gone once it is sent: its link is a key.
//! - No text of anybody's gets into a header but as text of that header.
//!
//! # Caveats
//! SMTP has one moment that cannot be seen into: the server has taken a letter, and its answer gets
//! lost (or the process ends before it has written that down). Such a letter is sent again under the
//! same `Message-ID`, by which mailboxes know that it is the same.

mod carrier;
mod letter;
mod outbox;
mod sender;

use jiff::Timestamp;

pub use carrier::{
    Carrier, Folder, MailConfig, Mailboxes, Refusal, Smtp, SmtpCarrier, SmtpSecurity,
};
pub use letter::{Letter, Writing};
pub use outbox::{LEASE, Outbox, PLACE};
pub use sender::{ATTEMPTS_MAX, Sender};

/// Why a letter was not posted, or not written.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    #[error("no mail can be sent from here: none of SMTP_URL, SMTP_HOST, RESEND_API_KEY is set")]
    NoSender,
    #[error("the outbox does not answer: {0}")]
    Database(#[from] sqlx::Error),
    #[error("{0:?} is no address for mail")]
    Address(String),
    #[error("the letter cannot be sealed: {0}")]
    Seal(#[from] crate::access::seal::SealError),
    #[error("the letter cannot be written: {0}")]
    Write(String),
}

/// A letter on its way.
#[derive(Clone, Debug)]
pub struct Posted {
    pub id: uuid::Uuid,
    pub recipient: String,
    pub letter: Letter,
    pub posted_at: Timestamp,
}
