//! Where the simulation stops a process at a write.

use crate::store::{StoreError, Stored, Write};

/// What becomes of a write at a probe.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Verdict {
    #[default]
    Proceed,
    /// The caller gets this error. Before the write: it does not happen. After: it did happen,
    /// and [`StoreError::Ambiguous`] is the honest error.
    Fail(StoreError),
    /// The caller never hears again, as in a process that is killed here. The test ends its task.
    Hang,
}

impl Verdict {
    pub(super) async fn carry_out(self) -> Result<(), StoreError> {
        match self {
            Verdict::Proceed => Ok(()),
            Verdict::Fail(error) => Err(error),
            Verdict::Hang => std::future::pending().await,
        }
    }
}

/// Sees every write of one handle, also those that turn out to be refused or to change nothing.
pub trait WriteProbe: Send + Sync {
    /// Nothing has happened yet ("not done").
    fn before(&self, _write: &Write) -> Verdict {
        Verdict::Proceed
    }

    /// The write is committed ("done"); not called for refused ones.
    fn after(&self, _write: &Write, _stored: &Stored) -> Verdict {
        Verdict::Proceed
    }
}
