//! `NOTIFY`: a hint between processes that the counter moved. Everything works without it, a poll
//! later.
//!
//! Sent outside the transactions that write, since a transaction that notifies holds a lock of the
//! whole server to its commit; and from a connection that does not wait for the disk.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgListener;
use sqlx::{ConnectOptions, PgConnection, PgPool};
use tokio::sync::watch;
use tokio::time::sleep;

use devpocket_controllers::store::Revision;

use super::options::PgOptions;

const CHANNEL: &str = "devpocket_changes";
/// At most one notification in this time: they serialise commits across the server.
const SPACING: Duration = Duration::from_millis(10);
const RETRY: Duration = Duration::from_secs(1);

/// Announces what this process commits.
pub(super) async fn send(options: PgOptions, mut committed: watch::Receiver<Revision>) {
    let mut connection: Option<PgConnection> = None;
    while committed.changed().await.is_ok() {
        let revision = *committed.borrow_and_update();
        if connection.is_none() {
            connection = options.connect.connect().await.ok();
        }
        if let Some(open) = &mut connection {
            let sent = sqlx::query(
                "SELECT set_config('synchronous_commit', 'off', false), pg_notify($1, $2)",
            )
            .bind(CHANNEL)
            .bind(revision.to_string())
            .execute(open)
            .await;
            if sent.is_err() {
                connection = None;
            }
        }
        sleep(if connection.is_some() { SPACING } else { RETRY }).await;
    }
}

/// Raises `latest` when another process announces a revision, and lets readers poll less often while
/// it can.
pub(super) async fn hear(
    pool: PgPool,
    options: PgOptions,
    latest: Arc<watch::Sender<Revision>>,
    poll: Arc<watch::Sender<Duration>>,
) {
    loop {
        let listening = || poll.send_replace(options.poll_listening);
        if let Err(error) = listen(&pool, &latest, listening).await {
            tracing::debug!(%error, "not listening for notifications; polling");
        }
        poll.send_replace(options.poll);
        sleep(RETRY).await;
    }
}

async fn listen(
    pool: &PgPool,
    latest: &watch::Sender<Revision>,
    listening: impl FnOnce() -> Duration,
) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    // What was announced before this moment was not heard.
    latest.send_modify(|_| {});
    listening();
    while let Some(notification) = listener.try_recv().await? {
        let Ok(revision) = notification.payload().parse() else { continue };
        latest.send_if_modified(|latest| {
            let newer = *latest < revision;
            *latest = revision.max(*latest);
            newer
        });
    }
    Ok(())
}
