//! How a store reaches its database, and its limits.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use devpocket_controllers::store::Revision;

/// Revisions a partition of the log holds. At 10 writes a second one lasts more than a day.
const PARTITION_REVISIONS: Revision = 1_000_000;
/// Compaction keeps this many revisions, or [`RETAIN`], whichever is more.
const RETAIN_REVISIONS: Revision = 10_000;
const RETAIN: Duration = Duration::from_secs(3_600);
/// Connections for reads; the writer, the listener and the notifier have one each besides.
const READ_CONNECTIONS: u32 = 8;
/// A reader that is told nothing looks at the counter this often.
const POLL: Duration = Duration::from_secs(1);
/// One that is told of changes looks this often for those it was not told of.
const POLL_LISTENING: Duration = Duration::from_secs(5);
/// How long a write may wait for a database that is away before it is given up, undone.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// How long the outcome of a commit in doubt is asked for. Longer than the server keeps a
/// transaction open whose client is gone.
const RESOLVE_DEADLINE: Duration = Duration::from_secs(10);
const MAINTENANCE: Duration = Duration::from_secs(60);

/// Settings of a [`super::PgStore`].
#[derive(Clone, Debug)]
pub struct PgOptions {
    pub connect: PgConnectOptions,
    pub read_connections: u32,
    /// Send and hear `NOTIFY`. Off, the poll alone must do, as behind a pooler or on a standby.
    pub notify: bool,
    pub poll: Duration,
    /// The same while notifications are heard.
    pub poll_listening: Duration,
    pub write_deadline: Duration,
    pub resolve_deadline: Duration,
    pub partition_revisions: Revision,
    pub retain_revisions: Revision,
    pub retain: Duration,
    /// How often partitions are made ahead and dropped behind; none for never.
    pub maintenance: Option<Duration>,
    /// For the test that proves that the conformance suite notices a wrong comparison.
    #[doc(hidden)]
    pub after: After,
}

/// What "after the cursor" means to those who read the log.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum After {
    /// `revision > cursor`, the only right one.
    #[default]
    Exclusive,
    /// `revision >= cursor`: repeats the last change.
    Inclusive,
    /// `revision > cursor + 1`: loses one.
    Skipping,
}

/// `DATABASE_URL` cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the database address cannot be used: {0}")]
pub struct UrlError(#[source] sqlx::Error);

impl PgOptions {
    /// From a URL as in `DATABASE_URL`; `postgresql+asyncpg://` is understood too.
    pub fn from_url(url: &str) -> Result<PgOptions, UrlError> {
        let url = match url.split_once("://") {
            Some((scheme, rest)) if scheme.starts_with("postgresql+") => {
                format!("postgresql://{rest}")
            }
            _ => url.to_owned(),
        };
        Ok(PgOptions::new(PgConnectOptions::from_str(&url).map_err(UrlError)?))
    }

    pub fn new(connect: PgConnectOptions) -> PgOptions {
        PgOptions {
            connect: connect.application_name("devpocket"),
            read_connections: READ_CONNECTIONS,
            notify: true,
            poll: POLL,
            poll_listening: POLL_LISTENING,
            write_deadline: WRITE_DEADLINE,
            resolve_deadline: RESOLVE_DEADLINE,
            partition_revisions: PARTITION_REVISIONS,
            retain_revisions: RETAIN_REVISIONS,
            retain: RETAIN,
            maintenance: Some(MAINTENANCE),
            after: After::default(),
        }
    }
}
