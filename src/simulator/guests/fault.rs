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
    /// A step of the installation fails, with a code of the installer's; `step-failed` unless said.
    Fails {
        step: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// A step of the installation never ends.
    Hangs { step: String },
    /// Its clock is wrong by so many seconds, so certificates of today are not valid for it.
    Clock { seconds: i64 },
}

impl GuestFault {
    pub(super) fn hits_connections(&self) -> bool {
        matches!(self, GuestFault::Refuses | GuestFault::Cut { .. })
    }
}
