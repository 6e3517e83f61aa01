//! Whether the database can be reached, and in which words to say that it cannot.
//!
//! A pool repeats a refused connection until its own time is up and then reports only that: so the
//! first contact is one connection without a pool, and its fault is told as it is.

use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

/// Longest wait for the first connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why nothing can be done with the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing listens there.
    NothingListens,
    /// The host has no address.
    UnknownHost,
    /// Something is there and does not answer in time.
    Silent,
    /// User or password are not accepted.
    SignIn,
    /// The server has no such database.
    NoDatabase,
    /// The server, the database or the user has no connection left.
    NoConnectionLeft,
    /// It starts, stops or recovers.
    Starting,
    /// TLS could not be agreed on.
    Tls,
    Other,
}

/// The database cannot be reached. Carries no password: neither does Postgres' own text.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{place}: {evidence}")]
pub struct Unreachable {
    pub trouble: Trouble,
    pub place: Place,
    /// What the server or the system said.
    pub evidence: String,
}

/// Where a database is, without the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub database: String,
    pub user: String,
    /// `host:port`, or the folder of a socket.
    pub server: String,
    pub host: String,
    pub port: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.database, self.server)
    }
}

impl Place {
    pub fn of(options: &PgConnectOptions) -> Place {
        let user = options.get_username().to_owned();
        let port = options.get_port();
        let (host, server) = match options.get_socket() {
            Some(folder) => (folder.display().to_string(), folder.display().to_string()),
            None => (options.get_host().to_owned(), format!("{}:{port}", options.get_host())),
        };
        let database = options.get_database().unwrap_or(&user).to_owned();
        Place { database, user, server, host, port }
    }
}

/// Connects once and hangs up.
pub async fn reach(options: &PgConnectOptions) -> Result<(), Unreachable> {
    let failed = |trouble, evidence| Unreachable { trouble, place: Place::of(options), evidence };
    match tokio::time::timeout(PATIENCE, options.connect()).await {
        Err(_) => Err(failed(Trouble::Silent, format!("no answer in {} s", PATIENCE.as_secs()))),
        Ok(Err(error)) => Err(failed(trouble(&error), evidence(&error))),
        Ok(Ok(connection)) => {
            hang_up(connection).await.map_err(|error| failed(trouble(&error), evidence(&error)))
        }
    }
}

async fn hang_up(connection: PgConnection) -> Result<(), sqlx::Error> {
    connection.close().await
}

fn trouble(error: &sqlx::Error) -> Trouble {
    match error {
        sqlx::Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::NotFound => Trouble::NothingListens,
            ErrorKind::TimedOut => Trouble::Silent,
            // The resolver's faults have no kind of their own.
            _ if error.raw_os_error().is_none() => Trouble::UnknownHost,
            _ => Trouble::Other,
        },
        sqlx::Error::Tls(_) => Trouble::Tls,
        sqlx::Error::Database(error) => match error.code().as_deref() {
            Some("28000" | "28P01") => Trouble::SignIn,
            Some("3D000") => Trouble::NoDatabase,
            Some("53300") => Trouble::NoConnectionLeft,
            Some("57P01" | "57P02" | "57P03") => Trouble::Starting,
            _ => Trouble::Other,
        },
        _ => Trouble::Other,
    }
}

fn evidence(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => match error.code() {
            Some(code) => format!("Postgres answered {code}: {}", error.message()),
            None => format!("Postgres answered: {}", error.message()),
        },
        sqlx::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}
