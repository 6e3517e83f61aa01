//! What a cache follows.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{broadcast, watch};

use devpocket_controllers::sim::store::MemoryStore;
use devpocket_controllers::store::{Listing, Revision, Store, StoreError};

use crate::store::{Committed, Page, PgStore};

/// A store whose log can be followed.
#[async_trait]
pub trait Source: Store {
    /// Every object of every kind, as of one revision.
    async fn snapshot(&self) -> Result<Listing, StoreError>;

    /// The next changes after the cursor, of every kind, in order. Fewer than there are is
    /// fine; `upto` says how far they are complete, and is below the cursor if the store went
    /// back in time.
    async fn changes(&self, cursor: Revision) -> Result<Page, StoreError>;

    /// Batches committed in this process, if the source hands them over.
    fn committed(&self) -> broadcast::Receiver<Arc<Committed>>;

    /// Moves when somebody is known to have written: a hint.
    fn latest(&self) -> watch::Receiver<Revision>;

    /// How long to sleep without a hint. When it changes, hints may have been missed.
    fn poll(&self) -> watch::Receiver<Duration>;
}

#[async_trait]
impl Source for PgStore {
    async fn snapshot(&self) -> Result<Listing, StoreError> {
        PgStore::snapshot(self).await
    }

    async fn changes(&self, cursor: Revision) -> Result<Page, StoreError> {
        PgStore::changes(self, cursor).await
    }

    fn committed(&self) -> broadcast::Receiver<Arc<Committed>> {
        PgStore::committed(self)
    }

    fn latest(&self) -> watch::Receiver<Revision> {
        PgStore::latest(self)
    }

    fn poll(&self) -> watch::Receiver<Duration> {
        PgStore::poll(self)
    }
}

const MEMORY_POLL: Duration = Duration::from_millis(100);

/// For tests of what stands on a cache, without a database.
#[async_trait]
impl Source for MemoryStore {
    async fn snapshot(&self) -> Result<Listing, StoreError> {
        MemoryStore::snapshot(self)
    }

    async fn changes(&self, cursor: Revision) -> Result<Page, StoreError> {
        let (events, upto) = MemoryStore::changes(self, cursor)?;
        Ok(Page { events, upto, age: Duration::ZERO })
    }

    fn committed(&self) -> broadcast::Receiver<Arc<Committed>> {
        // Hands nothing over; the closed channel says so.
        broadcast::channel(1).1
    }

    fn latest(&self) -> watch::Receiver<Revision> {
        MemoryStore::latest(self)
    }

    fn poll(&self) -> watch::Receiver<Duration> {
        watch::channel(MEMORY_POLL).1
    }
}
