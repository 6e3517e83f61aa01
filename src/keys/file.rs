//! Keys from a file, taken while the process runs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Keys, KeysError};
use crate::access::seal::Sealer;

/// How often the file is looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);

impl Keys {
    /// Looks into the file once, and goes on with the keys it holds if they are others and nothing
    /// would be lost by it. Answers whether it did.
    ///
    /// # Errors
    /// The keys in use stay: where the file cannot be read or holds no keys, where a key is not the one
    /// that was used under its id, and where one is gone that something is still sealed with.
    pub async fn look(&self, lost: &[String]) -> Result<bool, KeysError> {
        let Some(path) = self.sealer.file() else { return Ok(false) };
        let next = read(path).await?;
        if next.ids() == self.sealer.ids() {
            return Ok(false);
        }
        self.check_keys(&next, lost).await?;
        self.sealer.replace(&next);
        Ok(true)
    }

    /// Keeps looking until the process stops.
    pub async fn follow(self: Arc<Self>, lost: Vec<String>, shutdown: CancellationToken) {
        if self.sealer.file().is_none() {
            return;
        }
        // Without it the file is still looked at.
        let mut asked = signal(SignalKind::hangup()).ok();
        let mut told = String::new();
        loop {
            let hung_up = async {
                match &mut asked {
                    Some(signal) => drop(signal.recv().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = hung_up => told.clear(),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            match self.look(&lost).await {
                Ok(false) => told.clear(),
                Ok(true) => {
                    told.clear();
                    let ids = self.sealer.ids();
                    let (first, others) = (self.sealer.current(), ids.len().saturating_sub(1));
                    tracing::info!(key = first, others, "other sealing keys: this one seals now");
                }
                Err(error) => {
                    let error = error.to_string();
                    if error != told {
                        tracing::error!("the sealing keys in use stay: {error}");
                    }
                    told = error;
                }
            }
        }
    }
}

async fn read(path: &Path) -> Result<Sealer, KeysError> {
    let text = tokio::fs::read_to_string(path).await;
    let text = text.map_err(|source| KeysError::File { path: path.to_owned(), source })?;
    Ok(Sealer::from_text(&text)?)
}
