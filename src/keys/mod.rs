//! The sealing keys: which are in use and by how much, and moving everything onto the first one.
//!
//! # Guarantees
//! - A start names every key that something is sealed with and that is not configured, before
//!   anything is served ([`Keys::check`]): not the first reader of a lost secret is who finds out.
//! - Re-sealing is done in steps, each a compare-and-swap: Secrets through the store's one write path,
//!   the rest in place. Nothing is kept between steps, so it may be stopped and begun again at any
//!   time, on any replica, while others write. What somebody changes meanwhile is theirs, and is
//!   looked at again by the next step.
//! - A value that does not open is named, and left as it is.
//! - Keys in a file (`DEVPOCKET_SEAL_KEY_FILE`) are taken while the process runs: within [`LOOK_EVERY`],
//!   at once on SIGHUP, and when something turns up that is sealed with a key nobody knows yet. A file
//!   without a key that is still in use is not taken, and the log names the key ([`Keys::look`]).
//!
//! # Caveats
//! - A replica whose file does not have the new key yet cannot open what was re-sealed, and one that
//!   still seals with the old key makes new values under it. So a rotation is: the new key **behind**
//!   the old one everywhere, then in front of it everywhere, then `devpocket keys rotate`, then the old
//!   one goes. With a file no process is restarted for any of it; replicas that share the file (a
//!   mounted secret) may begin with the second step.
//! - The log of changes holds former states until it is compacted. A watch that resumes there needs
//!   the old key; [`KeyUse::history`] says whether anything is left.

mod file;
mod inventory;
mod rotate;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use devpocket_controllers::clock::{Clock, Ids};
use devpocket_controllers::store::{Store, StoreError};
use devpocket_specs::catalogue::Catalogue;
use serde::{Deserialize, Serialize};

use crate::access::seal::{Place, SealError, Sealer};
use crate::store::PgStore;

pub use file::LOOK_EVERY;
pub use rotate::{STEP_MAX, Step};

/// System secrets of this name prefix prove that a key is the one it is called.
const CHECK: &str = "seal-check/";
/// What is sealed there.
const CHECKED: &[u8] = b"devpocket";

/// Why keys cannot be used or moved.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("{}", missing_sentence(.0))]
    Missing(Vec<KeyUse>),
    #[error("the sealing key {0} is not the one that was used under this id")]
    Other(String),
    #[error("{path} cannot be read: {source}")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// A key, and what is sealed with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyUse {
    /// Eight hex digits that follow from the key and tell nothing about it.
    pub id: String,
    pub state: KeyState,
    /// Secrets with a value sealed with it.
    pub secrets: u64,
    /// Names of system secrets: credentials, authorities.
    pub system: Vec<String>,
    /// Letters that wait.
    pub letters: u64,
    /// Former states of Secrets in the log; absent where that was not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<u64>,
}

impl KeyUse {
    /// Whether something that is needed is sealed with it.
    pub fn is_used(&self) -> bool {
        self.secrets > 0 || !self.system.is_empty() || self.letters > 0
    }

    /// `12 secrets, the system secrets ca and jwt, 1 letter`.
    pub fn what(&self) -> String {
        let mut parts = Vec::new();
        match self.secrets {
            0 => {}
            1 => parts.push("1 secret".to_owned()),
            many => parts.push(format!("{many} secrets")),
        }
        match self.system.as_slice() {
            [] => {}
            [one] => parts.push(format!("the system secret {one}")),
            many => parts.push(format!("the system secrets {}", many.join(", "))),
        }
        match self.letters {
            0 => {}
            1 => parts.push("1 letter".to_owned()),
            many => parts.push(format!("{many} letters")),
        }
        if parts.is_empty() { "nothing".into() } else { parts.join(", ") }
    }
}

/// What a key is for now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyState {
    /// The first: it seals, and opens.
    Seals,
    /// It opens what it sealed before.
    Opens,
    /// Not configured.
    #[default]
    Missing,
}

fn missing_sentence(missing: &[KeyUse]) -> String {
    let each = missing.iter().map(|key| format!("{} ({})", key.id, key.what()));
    let each: Vec<String> = each.collect();
    match each.as_slice() {
        [one] => format!("a sealing key in use is not configured: {one}"),
        many => format!("sealing keys in use are not configured: {}", many.join("; ")),
    }
}

/// The keys of an installation.
pub struct Keys {
    pub sealer: Arc<Sealer>,
    pub store: Arc<dyn Store>,
    pub postgres: Arc<PgStore>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub catalogue: Arc<Catalogue>,
}

impl Keys {
    /// Looks whether everything that is sealed can be opened, and leaves a check value for each key.
    ///
    /// # Errors
    /// [`KeysError::Missing`] with the keys that something is sealed with and that are neither
    /// configured nor among `lost`, the ones that the operator has given up.
    pub async fn check(&self, lost: &[String]) -> Result<(), KeysError> {
        self.check_keys(&self.sealer, lost).await
    }

    /// The same for keys that are not in use yet.
    async fn check_keys(&self, sealer: &Sealer, lost: &[String]) -> Result<(), KeysError> {
        for id in sealer.ids() {
            self.check_value(sealer, &id).await?;
        }
        let ids = sealer.ids();
        let used: Vec<KeyUse> = self.inventory(false).await?;
        let missing = used.into_iter().filter(|k| !ids.contains(&k.id) && k.is_used());
        let missing = missing.map(|key| KeyUse { state: KeyState::Missing, ..key });
        let (given_up, missing): (Vec<_>, Vec<_>) = missing.partition(|k| lost.contains(&k.id));
        for key in given_up {
            tracing::warn!(key = key.id, "a lost sealing key: {} cannot be opened", key.what());
        }
        if missing.is_empty() { Ok(()) } else { Err(KeysError::Missing(missing)) }
    }

    /// Something sealed with this key that only this key opens.
    async fn check_value(&self, sealer: &Sealer, id: &str) -> Result<(), KeysError> {
        let name = format!("{CHECK}{id}");
        let kept = match self.postgres.system_secret(&name).await? {
            Some(kept) => kept,
            None => {
                let sealed = sealer.seal_with(id, Place::system(&name), CHECKED)?;
                self.postgres.put_system_secret(&name, &sealed, 0).await?
            }
        };
        let opened = sealer.open(Place::system(&name), &kept.sealed);
        match opened.is_ok_and(|value| value == CHECKED) {
            true => Ok(()),
            false => Err(KeysError::Other(id.to_owned())),
        }
    }

    /// Every key that is configured or in use, the one that seals first. With `history` also what the
    /// log holds, which takes reading it.
    pub async fn inventory(&self, history: bool) -> Result<Vec<KeyUse>, KeysError> {
        let mut found = inventory::count(self).await?;
        let ids = self.sealer.ids();
        let mut keys = Vec::new();
        for (index, id) in ids.iter().enumerate() {
            let state = if index == 0 { KeyState::Seals } else { KeyState::Opens };
            let key = found.remove(id).unwrap_or_default();
            keys.push(KeyUse { id: id.clone(), state, ..key });
        }
        keys.extend(found.into_iter().map(|(id, key)| KeyUse { id, ..key }));
        if history {
            for key in &mut keys {
                key.history = Some(self.postgres.sealed_history(&key.id).await?);
            }
        }
        Ok(keys)
    }
}

type Found = BTreeMap<String, KeyUse>;
