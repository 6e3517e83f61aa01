//! One reader of one environment's lines.

use devpocket_controllers::install::{Line, LinesError};
use tokio::sync::watch;
use uuid::Uuid;

use super::InstallLines;

/// Reads lines in their order, each once.
pub struct Follower {
    lines: InstallLines,
    environment: Uuid,
    /// Number of the last line that was read.
    seen: i64,
    heard: watch::Receiver<i64>,
}

impl Follower {
    pub(super) fn new(
        lines: InstallLines,
        environment: Uuid,
        seen: i64,
        heard: watch::Receiver<i64>,
    ) -> Follower {
        Follower { lines, environment, seen, heard }
    }

    /// The number of the last line that was read.
    pub fn seen(&self) -> i64 {
        self.seen
    }

    /// What is there and was not read, at most a page; nothing if there is nothing.
    ///
    /// # Errors
    /// The database does not answer. Asking again goes on where this was.
    pub async fn page(&mut self) -> Result<Vec<Line>, LinesError> {
        // What is heard of from here on is asked for the next time.
        self.heard.mark_unchanged();
        let lines = self.lines.after(self.environment, self.seen).await?;
        if let Some(last) = lines.last() {
            self.seen = last.number;
        }
        Ok(lines)
    }

    /// Returns once there may be more. May be dropped while it waits.
    pub async fn heard(&mut self) {
        if self.heard.changed().await.is_err() {
            // Nobody tells any more, because the process ends.
            std::future::pending::<()>().await;
        }
    }
}
