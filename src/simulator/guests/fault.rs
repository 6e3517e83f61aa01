//! What can be wrong with a machine that Contabo calls running.

use serde::{Deserialize, Serialize};

/// A bad day of one machine. It holds until the machine is healed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum GuestFault {
    /// SSH never opens; from the next boot on, or at once.
    NeverOpens,
    /// Connections are closed before a byte, as while sshd starts again.
    Refuses,
    /// The network drops each of the next connections after so many bytes from the machine.
    Cut { after_bytes: u64, times: u32 },
    /// A step of the installation fails.
    Fails { step: String },
    /// A step of the installation never ends.
    Hangs { step: String },
}

impl GuestFault {
    pub(super) fn hits_connections(&self) -> bool {
        matches!(self, GuestFault::Refuses | GuestFault::Cut { .. })
    }
}
