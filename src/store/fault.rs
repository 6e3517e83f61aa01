//! What an error of the database means for the transaction it hit.

use devpocket_controllers::store::StoreError;

/// Decided by SQLSTATE, never by message text, which is translated.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The connection is gone or cannot be trusted; whatever was not committed is undone.
    #[error("{0}")]
    Lost(String),
    /// Deadlock, serialisation, a lock not got in time: the same again may work.
    #[error("{0}")]
    Again(String),
    /// The database does not accept something in it.
    #[error("{0}")]
    Data(String),
    /// Tables missing, permission denied, rows unreadable: nothing to wait for.
    #[error("{0}")]
    Broken(String),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Fault {
        let text = error.to_string();
        match &error {
            sqlx::Error::Database(database) => match database.code().as_deref() {
                Some(code) => by_state(code)(text),
                None => Fault::Broken(text),
            },
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::Decode(_)
            | sqlx::Error::RowNotFound
            | sqlx::Error::TypeNotFound { .. }
            | sqlx::Error::Configuration(_) => Fault::Broken(text),
            // sqlx's own words name a pool that no reader of the message knows.
            sqlx::Error::PoolTimedOut => {
                Fault::Lost("the database gave no connection in time".into())
            }
            _ => Fault::Lost(text),
        }
    }
}

fn by_state(code: &str) -> fn(String) -> Fault {
    match code {
        // idle_in_transaction_session_timeout and idle_session_timeout end the connection.
        "25P03" | "57P05" => Fault::Lost,
        "40001" | "40P01" | "55P03" | "57014" => Fault::Again,
        _ => match &code[..2.min(code.len())] {
            "08" | "53" | "57" | "58" => Fault::Lost,
            "22" | "23" | "54" => Fault::Data,
            _ => Fault::Broken,
        },
    }
}

impl From<Fault> for StoreError {
    /// For reads, and for writes that are certain not to have happened.
    fn from(fault: Fault) -> StoreError {
        match fault {
            Fault::Lost(text) | Fault::Again(text) => StoreError::Unavailable(text),
            Fault::Data(text) | Fault::Broken(text) => StoreError::Corrupt(text),
        }
    }
}
