//! The guest port: what can be learned from, and done to, the machine's operating system.
//!
//! # Contract of every implementation
//! - Nothing is sent to a machine before it has proved that it is the one installed: it presents
//!   one of the keys [`Target`] names. Otherwise the answer is
//!   [`GuestError::WrongIdentity`], and no key, password or keystroke left this process.
//! - Every call ends in bounded time, with bounded memory whatever the machine sends.
//! - A failure to reach a machine says nothing about its disk.

mod configuration;
mod configure;
mod contact;
mod judge;
mod logs;
mod reconcile;
mod sampler;

use std::time::Duration;

use async_trait::async_trait;
use devpocket_specs::install::Mask;
use devpocket_specs::sample::Reading;

pub(crate) use configuration::needs;
pub use configuration::{Configuration, Password, Sealed, Value};
pub use judge::is_only_guest;
pub use reconcile::{FOLLOW, FOLLOW_PAUSE, GuestReconciler};
pub(crate) use reconcile::{VISITS, identity};
pub(crate) use sampler::Sampler;

/// Bytes of one log that a look takes at most; the rest comes with the next one.
pub const LOG_CHUNK: usize = 64 * 1024;

/// Which machine is meant, and by what it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name of the Machine record.
    pub machine: String,
    /// `Machine.spec.installGeneration`: keys belong to an installation, not to an address.
    pub generation: i64,
    /// Where it is, as Contabo says.
    pub address: String,
    /// Public keys it may prove itself with, in OpenSSH's one-line form.
    pub known: Vec<String>,
    /// Whether the key it was installed with counts too: until its own is proved to be in use.
    pub first: bool,
}

/// The key a machine is installed with, good for one contact.
#[derive(Clone, PartialEq, Eq)]
pub struct FirstKey {
    /// OpenSSH's private key format, Ed25519.
    pub private: String,
    /// OpenSSH's one-line form.
    pub public: String,
}

impl std::fmt::Debug for FirstKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FirstKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Why nothing was learned or done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuestError {
    /// SSH does not answer (yet): nothing listens there, the network drops it, sshd starts again.
    #[error("SSH does not answer: {0}")]
    NotYet(String),
    /// It is the right machine, and it does not let us in.
    #[error("the machine does not let DevPocket in: {0}")]
    Refused(String),
    /// Another key than one that is recorded. Nothing was sent to it.
    #[error("its host key is {presented}, recorded is {recorded}")]
    WrongIdentity {
        /// SHA-256 fingerprint of what was presented.
        presented: String,
        /// The same of what is recorded; several are separated by " or ".
        recorded: String,
    },
    /// It answers, and what it answers is no use: a command that is missing, a full disk.
    #[error("{0}")]
    Broken(String),
    /// DevPocket's own side: the keys of the authority cannot be read.
    #[error("DevPocket's own keys: {0}")]
    Own(String),
}

/// What a command left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Absent when a signal ended it.
    pub code: Option<u32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// What of a log a look wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub path: String,
    /// From which byte on it is wanted.
    pub from: u64,
    /// So many bytes of the log were seen already: a look that waits waits for more than these.
    /// What is wanted again of them is the end of the last line, by which a log that was replaced is
    /// known, and the line that is not finished.
    pub seen: u64,
}

/// What a look is to answer. One that asks nothing finds out whether the machine answers, and that it
/// is the right one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    pub logs: Vec<Wanted>,
    /// While the installer runs: answer once a log has more than was seen of it, at the latest after
    /// this long. Zero: answer at once.
    pub wait: Duration,
    /// Whether to read the progress file.
    pub progress: bool,
    /// Whether to ask cloud-init as well, unless waiting brought something new: asking costs a
    /// small machine half a second of its time.
    pub cloud_init: bool,
}

impl Question {
    /// What cloud-init and the progress file say now.
    pub fn state() -> Question {
        Question { progress: true, cloud_init: true, ..Question::default() }
    }
}

/// A part of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPart {
    pub path: String,
    /// Offset of the first byte: 0 again when the log became shorter than what was asked for.
    pub from: u64,
    pub bytes: Vec<u8>,
}

impl LogPart {
    /// How long the log is, as far as this says.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.from + self.bytes.len() as u64
    }

    /// Whether it holds what its asker had not seen.
    #[must_use]
    pub fn is_news(&self, wanted: &[Wanted]) -> bool {
        let asked = wanted.iter().find(|wanted| wanted.path == self.path);
        asked.is_some_and(|wanted| self.end() != wanted.seen && !self.bytes.is_empty())
    }
}

/// One look at a guest: as it came, for `specs` to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Exit code and answer of `cloud-init status --format json`, if it was asked.
    pub cloud_init: Option<(i32, Vec<u8>)>,
    /// The progress file; absent when there is none, or nobody asked for it.
    pub progress: Option<Vec<u8>>,
    pub logs: Vec<LogPart>,
}

/// The machines' operating systems.
#[async_trait]
pub trait Guest: Send + Sync + 'static {
    /// Public key of the authority whose certificates open machines, for their user-data. `None`:
    /// guests are not looked at by this process at all.
    async fn authority(&self) -> Result<Option<String>, GuestError>;

    /// The key that user-data of this installation carries. The same for the same installation, so
    /// that a call that is repeated installs the same; kept before it is answered.
    async fn first_key(&self, machine: &str, generation: i64) -> Result<FirstKey, GuestError>;

    /// First contact, part one: the machine makes a key of its own, and its public half is
    /// answered. It still proves itself with the first key. May be repeated.
    async fn own_key(&self, target: &Target) -> Result<String, GuestError>;

    /// First contact, part two: the key is certified and takes the place of the first one, which
    /// is deleted on the machine. May be repeated.
    async fn certify(&self, target: &Target, key: &str) -> Result<(), GuestError>;

    /// The first key is not needed any more: it is deleted here.
    async fn forget_first_key(&self, machine: &str, generation: i64) -> Result<(), GuestError>;

    /// How far the installation is, and what its logs say since.
    async fn look(&self, target: &Target, question: &Question) -> Result<Look, GuestError>;

    /// Its counters at this moment. Cheap for the machine; nothing on it changes.
    async fn sample(&self, target: &Target) -> Result<Reading, GuestError>;

    /// Makes the guest be like this; may be repeated. Each part is applied as far as it goes,
    /// whatever becomes of the others. [`GuestError::Broken`] says what the machine has against it,
    /// [`GuestError::Own`] that a value cannot be read; neither holds one.
    async fn configure(&self, target: &Target, wanted: &Configuration) -> Result<(), GuestError>;

    /// Masks these values.
    async fn mask(&self, values: &[Sealed]) -> Result<Mask, GuestError>;

    /// Runs a command as `dev`, with this input.
    async fn exec(
        &self,
        target: &Target,
        command: &str,
        input: &[u8],
    ) -> Result<Output, GuestError>;

    /// Puts a file in place as `dev`, with these permissions; replaced as a whole.
    async fn copy(
        &self,
        target: &Target,
        path: &str,
        mode: u32,
        bytes: &[u8],
    ) -> Result<(), GuestError>;
}

/// Stands in where guests are not looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Unobserved {
    fn error<T>() -> Result<T, GuestError> {
        Err(GuestError::Own("guests are not looked at by this process".into()))
    }
}

#[async_trait]
impl Guest for Unobserved {
    async fn authority(&self) -> Result<Option<String>, GuestError> {
        Ok(None)
    }

    async fn first_key(&self, _: &str, _: i64) -> Result<FirstKey, GuestError> {
        Unobserved::error()
    }

    async fn own_key(&self, _: &Target) -> Result<String, GuestError> {
        Unobserved::error()
    }

    async fn certify(&self, _: &Target, _: &str) -> Result<(), GuestError> {
        Unobserved::error()
    }

    async fn forget_first_key(&self, _: &str, _: i64) -> Result<(), GuestError> {
        Unobserved::error()
    }

    async fn look(&self, _: &Target, _: &Question) -> Result<Look, GuestError> {
        Unobserved::error()
    }

    async fn sample(&self, _: &Target) -> Result<Reading, GuestError> {
        Unobserved::error()
    }

    async fn configure(&self, _: &Target, _: &Configuration) -> Result<(), GuestError> {
        Unobserved::error()
    }

    async fn mask(&self, _: &[Sealed]) -> Result<Mask, GuestError> {
        Unobserved::error()
    }

    async fn exec(&self, _: &Target, _: &str, _: &[u8]) -> Result<Output, GuestError> {
        Unobserved::error()
    }

    async fn copy(&self, _: &Target, _: &str, _: u32, _: &[u8]) -> Result<(), GuestError> {
        Unobserved::error()
    }
}
