//! The way of one process to the store: it can be cut while the store, and everybody else's way to
//! it, is well. A partition, or (cut for all) a database that goes away and comes back.

use std::sync::Arc;

use futures::future::{Either, select};
use futures::{StreamExt, stream};
use tokio::sync::watch;

use crate::store::{StoreError, Watch, WatchError};

const AWAY: &str = "connection refused";

/// A process's way to the store. Clones are the same way.
#[derive(Clone, Debug)]
pub struct Link {
    is_cut: Arc<watch::Sender<bool>>,
}

impl Default for Link {
    fn default() -> Link {
        Link { is_cut: Arc::new(watch::Sender::new(false)) }
    }
}

impl Link {
    /// From now on every call fails, every watch ends, and what commits meanwhile is not heard of.
    pub fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    pub fn restore(&self) {
        self.is_cut.send_replace(false);
    }

    pub fn is_cut(&self) -> bool {
        *self.is_cut.borrow()
    }

    /// Refuses what begins while the way is cut: it is certain that nothing was written.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.is_cut() { Err(StoreError::Unavailable(AWAY.into())) } else { Ok(()) }
    }

    /// After a commit: its answer is lost when the way was cut meanwhile.
    pub(super) fn answer(&self) -> Result<(), StoreError> {
        if self.is_cut() { Err(StoreError::Ambiguous(AWAY.into())) } else { Ok(()) }
    }

    /// The watch, until the way is cut.
    pub(super) fn guard(&self, watch: Watch) -> Watch {
        let cut = self.is_cut.subscribe();
        stream::unfold(Some((watch, cut)), |state| async move {
            let (mut watch, mut cut) = state?;
            let away = async { cut.wait_for(|is_cut| *is_cut).await.map(drop) };
            let next = match select(std::pin::pin!(away), watch.next()).await {
                Either::Left(_) => None,
                Either::Right((item, _)) => Some(item),
            };
            match next {
                None => Some((Err(WatchError::Unavailable(AWAY.into())), None)),
                Some(item) => Some((item?, Some((watch, cut)))),
            }
        })
        .boxed()
    }
}
