//! Two certificate authorities: one says who may sign in on machines, one says which machine is
//! which. And the keys machines are installed with, each for one contact.
//!
//! Their private keys are sealed rows of the store, made at the first start by whoever is first.
//! Machines trust the first one by their user-data; `known_hosts` trusts the second one by a single
//! `@cert-authority` line, which stays true after a resize or a reinstallation.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use devpocket_controllers::clock::Clock as _;
use devpocket_controllers::guest::{FirstKey, Sealed};
use devpocket_controllers::store::StoreError;
use devpocket_specs::secret::SEALED_PREFIX;
use russh::keys::ssh_key::certificate::{Builder, CertType};
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::ssh_key::{self, LineEnding};
use russh::keys::{Certificate, PrivateKey, PublicKey};

use crate::access::seal::{Place, SealError, Sealer};
use crate::clock::SystemClock;
use crate::store::PgStore;

/// The user on every machine, and the principal of every certificate.
pub(super) const USER: &str = "dev";
/// How long a sign-in's certificate is good after it was made, in seconds. Only signing in needs
/// it; what is open stays open.
const SIGN_IN_SECONDS: u64 = 300;
/// How far a machine's clock may be behind ours.
const SKEW_SECONDS: u64 = 300;
/// How long a host's certificate is good. A machine is certified once per installation.
const HOST_SECONDS: u64 = 20 * 366 * 24 * 3600;
const NONCE_BYTES: usize = 32;
const SEED_BYTES: usize = 32;

/// Names of the sealed rows.
const USER_CA: &str = "ssh-user-ca";
const HOST_CA: &str = "ssh-host-ca";

/// Why there is no authority, or it signs nothing.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Seal(#[from] SealError),
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    #[error("{0} is neither sealed nor base64")]
    Text(String),
    #[error("a key or certificate: {0}")]
    Key(#[from] ssh_key::Error),
}

/// The authorities, opened.
pub struct Authority {
    store: Arc<PgStore>,
    sealer: Arc<Sealer>,
    user: PrivateKey,
    host: PrivateKey,
}

impl Authority {
    /// Opens the authorities, or makes them if this is the first start.
    pub async fn open(
        store: Arc<PgStore>,
        sealer: Arc<Sealer>,
    ) -> Result<Authority, AuthorityError> {
        let user = kept(&store, &sealer, USER_CA).await?;
        let host = kept(&store, &sealer, HOST_CA).await?;
        Ok(Authority { store, sealer, user, host })
    }

    /// A value as it is, whichever way the store holds it.
    pub(super) fn opened(&self, value: &Sealed) -> Result<Vec<u8>, AuthorityError> {
        let Sealed { namespace, name, key, text } = value;
        let place = Place { namespace, name, key };
        match text.starts_with(SEALED_PREFIX) {
            true => Ok(self.sealer.open(place, text)?),
            // As a Secret that never went through the API has it.
            false => STANDARD.decode(text).map_err(|_| AuthorityError::Text(place.to_string())),
        }
    }

    /// What machines trust, in one line.
    pub fn user_line(&self) -> Result<String, AuthorityError> {
        line(self.user.public_key(), "devpocket-user-authority")
    }

    /// What `known_hosts` trusts: `@cert-authority *` and this.
    pub fn host_line(&self) -> Result<String, AuthorityError> {
        line(self.host.public_key(), "devpocket-host-authority")
    }

    /// A key for one connection, with its certificate. `id` names person and session.
    pub(super) fn sign_in(&self, id: &str) -> Result<(PrivateKey, Certificate), AuthorityError> {
        let key = fresh_key()?;
        let mut builder = builder(key.public_key(), SIGN_IN_SECONDS)?;
        builder.cert_type(CertType::User)?.key_id(id)?.valid_principal(USER)?;
        for extension in ["permit-pty", "permit-port-forwarding"] {
            builder.extension(extension, "")?;
        }
        Ok((key, builder.sign(&self.user)?))
    }

    /// A machine's certificate, for the names it is reached by.
    pub(super) fn certify_host(
        &self,
        key: &PublicKey,
        id: &str,
        names: &[&str],
    ) -> Result<Certificate, AuthorityError> {
        let mut builder = builder(key, HOST_SECONDS)?;
        builder.cert_type(CertType::Host)?.key_id(id)?;
        for name in names {
            builder.valid_principal(*name)?;
        }
        Ok(builder.sign(&self.host)?)
    }

    /// The key this installation of a machine begins with; made the first time it is asked for.
    pub(super) async fn first_key(
        &self,
        machine: &str,
        generation: i64,
    ) -> Result<FirstKey, AuthorityError> {
        let key = kept(&self.store, &self.sealer, &first_name(machine, generation)).await?;
        let private = key.to_openssh(LineEnding::LF)?.to_string();
        Ok(FirstKey { private, public: line(key.public_key(), "")? })
    }

    /// Its public half, while it is kept.
    pub(super) async fn first_public(
        &self,
        machine: &str,
        generation: i64,
    ) -> Result<Option<PublicKey>, AuthorityError> {
        let key = read(&self.store, &self.sealer, &first_name(machine, generation)).await?;
        Ok(key.map(|key| key.public_key().clone()))
    }

    pub(super) async fn forget_first_key(
        &self,
        machine: &str,
        generation: i64,
    ) -> Result<(), AuthorityError> {
        Ok(self.store.remove_system_secret(&first_name(machine, generation)).await?)
    }
}

fn first_name(machine: &str, generation: i64) -> String {
    format!("ssh-first-key/{machine}/{generation}")
}

fn line(key: &PublicKey, comment: &str) -> Result<String, AuthorityError> {
    let mut key = PublicKey::from(key.key_data().clone());
    key.set_comment(comment);
    Ok(key.to_openssh()?.trim_end().to_owned())
}

async fn read(
    store: &PgStore,
    sealer: &Sealer,
    name: &str,
) -> Result<Option<PrivateKey>, AuthorityError> {
    let Some(secret) = store.system_secret(name).await? else { return Ok(None) };
    let place = Place::system(name);
    Ok(Some(PrivateKey::from_openssh(sealer.open(place, &secret.sealed)?)?))
}

/// The key of that name. Of two processes that make it at once, both get the one that was first.
async fn kept(store: &PgStore, sealer: &Sealer, name: &str) -> Result<PrivateKey, AuthorityError> {
    if let Some(key) = read(store, sealer, name).await? {
        return Ok(key);
    }
    let text = fresh_key()?.to_openssh(LineEnding::LF)?;
    let place = Place::system(name);
    let winner = store.put_system_secret(name, &sealer.seal(place, text.as_bytes())?, 0).await?;
    Ok(PrivateKey::from_openssh(sealer.open(place, &winner.sealed)?)?)
}

fn fresh_key() -> Result<PrivateKey, AuthorityError> {
    let mut seed = [0; SEED_BYTES];
    getrandom::fill(&mut seed)?;
    Ok(PrivateKey::from(Ed25519Keypair::from_seed(&seed)))
}

/// Machines go by the time as it is, also when DevPocket's own clock was advanced for a trial.
fn builder(key: &PublicKey, seconds: u64) -> Result<Builder, AuthorityError> {
    let now = SystemClock::new().now().as_second().unsigned_abs();
    let mut nonce = vec![0; NONCE_BYTES];
    getrandom::fill(&mut nonce)?;
    let from = now.saturating_sub(SKEW_SECONDS);
    Ok(Builder::new(nonce, key, from, now.saturating_add(seconds))?)
}
