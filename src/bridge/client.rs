//! One SSH connection to a machine that has proved who it is.
//!
//! The order is fixed: TCP, key exchange, **the host's key**, and only then the sign-in. A key that
//! is not recorded ends it there: no certificate was shown, no byte of a command sent. A closed
//! connection before that point is sshd starting again (cloud-init does it once), and is tried
//! again for a moment.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use devpocket_controllers::guest::{GuestError, Target};
use russh::client::{self, AuthResult, Handle, Msg};
use russh::keys::{HashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{Channel, Disconnect};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::authority::{Authority, USER};
use super::dialer::Dialer;

/// TCP connections take this long at most.
const DIAL_LIMIT: Duration = Duration::from_secs(10);
/// Key exchange and sign-in together.
const SIGN_IN_LIMIT: Duration = Duration::from_secs(15);
/// Opening a channel.
const CHANNEL_LIMIT: Duration = Duration::from_secs(15);
/// Tries while sshd starts again, and the pause between two.
const TRIES: usize = 4;
const PAUSE: Duration = Duration::from_millis(700);
/// A silent machine is asked, and given up after three times.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Who signs in, and why: the id in the certificate.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The account's name, or `devpocket` for controllers.
    pub person: String,
    /// Of the session, unique.
    pub session: String,
}

/// Lets in only whom the records know.
struct Verifier {
    known: Vec<PublicKey>,
    presented: Arc<Mutex<Option<PublicKey>>>,
}

impl client::Handler for Verifier {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        presented: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let key = presented.public_key();
        let is_known = self.known.iter().any(|known| known.key_data() == key.key_data());
        *self.presented.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
        Ok(is_known)
    }
}

/// A connection that is signed in.
pub struct Connection {
    handle: Handle<Verifier>,
    _place: OwnedSemaphorePermit,
}

/// A channel of it.
pub type Session = Channel<Msg>;

impl Connection {
    /// Connects, proves the machine, signs in.
    pub(super) async fn open(
        dialer: &dyn Dialer,
        authority: &Authority,
        room: &Arc<Semaphore>,
        target: &Target,
        who: &SignIn,
    ) -> Result<Connection, GuestError> {
        let known = known(authority, target).await?;
        let place = room.clone().try_acquire_owned().map_err(|_| {
            GuestError::Own("too many connections to machines are open; try again".into())
        })?;
        let mut last = GuestError::NotYet("it was not tried".into());
        for attempt in 1..=TRIES {
            match attempt_once(dialer, &known, target).await {
                Ok(handle) => return signed_in(handle, authority, who, place).await,
                Err(Attempt::Final(error)) => return Err(error),
                Err(Attempt::Again(error)) => last = error,
            }
            if attempt < TRIES {
                tokio::time::sleep(PAUSE).await;
            }
        }
        Err(last)
    }

    pub fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Opens a session channel.
    pub async fn session(&self) -> Result<Session, GuestError> {
        match timeout(CHANNEL_LIMIT, self.handle.channel_open_session()).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(russh::Error::ChannelOpenFailure(why))) => {
                Err(GuestError::Broken(format!("the machine opens no session: {why:?}")))
            }
            Ok(Err(error)) => Err(lost(&error)),
            Err(_) => Err(GuestError::NotYet("it stopped answering".into())),
        }
    }

    /// Ends it in order.
    pub async fn close(&self) {
        let _ = self.handle.disconnect(Disconnect::ByApplication, "", "").await;
    }
}

/// The keys that count: those recorded and, until the machine's own is in use, the one it was
/// installed with.
async fn known(authority: &Authority, target: &Target) -> Result<Vec<PublicKey>, GuestError> {
    let own = |error: &dyn std::fmt::Display| GuestError::Own(error.to_string());
    let read = |line: &String| PublicKey::from_openssh(line);
    let known = target.known.iter().map(read).collect::<Result<Vec<_>, _>>();
    let mut known = known.map_err(|error| own(&error))?;
    if target.first {
        let first = authority.first_public(&target.machine, target.generation).await;
        known.extend(first.map_err(|error| own(&error))?);
    }
    Ok(known)
}

enum Attempt {
    /// As while sshd starts again.
    Again(GuestError),
    Final(GuestError),
}

/// Up to the point where the machine has proved itself.
async fn attempt_once(
    dialer: &dyn Dialer,
    known: &[PublicKey],
    target: &Target,
) -> Result<Handle<Verifier>, Attempt> {
    let not_yet = |why: String| GuestError::NotYet(why);
    let stream = match timeout(DIAL_LIMIT, dialer.dial(&target.address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(Attempt::Final(not_yet(error.to_string()))),
        Err(_) => {
            let why = format!("no connection to {} in {DIAL_LIMIT:?}", target.address);
            return Err(Attempt::Final(not_yet(why)));
        }
    };
    let presented = Arc::default();
    let verifier = Verifier { known: known.to_vec(), presented: Arc::clone(&presented) };
    let config = Arc::new(client::Config {
        keepalive_interval: Some(KEEPALIVE),
        nodelay: true,
        ..client::Config::default()
    });
    match timeout(SIGN_IN_LIMIT, client::connect_stream(config, stream, verifier)).await {
        Ok(Ok(handle)) => Ok(handle),
        Ok(Err(russh::Error::UnknownKey)) => Err(Attempt::Final(wrong_identity(&presented, known))),
        Ok(Err(error)) => Err(Attempt::Again(not_yet(format!(
            "the connection ended before the machine said who it is ({error})"
        )))),
        Err(_) => Err(Attempt::Final(not_yet(format!(
            "something listens at {} and says nothing",
            target.address
        )))),
    }
}

fn wrong_identity(presented: &Mutex<Option<PublicKey>>, known: &[PublicKey]) -> GuestError {
    let print = |key: &PublicKey| key.fingerprint(HashAlg::Sha256).to_string();
    let presented = presented.lock().unwrap_or_else(PoisonError::into_inner);
    let recorded: Vec<String> = known.iter().map(print).collect();
    GuestError::WrongIdentity {
        presented: presented.as_ref().map_or_else(|| "none".to_owned(), print),
        recorded: match recorded.is_empty() {
            true => "none".to_owned(),
            false => recorded.join(" or "),
        },
    }
}

async fn signed_in(
    mut handle: Handle<Verifier>,
    authority: &Authority,
    who: &SignIn,
    place: OwnedSemaphorePermit,
) -> Result<Connection, GuestError> {
    let id = format!("{}:{}", who.person, who.session);
    let (key, certificate) =
        authority.sign_in(&id).map_err(|error| GuestError::Own(error.to_string()))?;
    let asked = handle.authenticate_openssh_cert(USER, Arc::new(key), certificate);
    match timeout(SIGN_IN_LIMIT, asked).await {
        Ok(Ok(AuthResult::Success)) => Ok(Connection { handle, _place: place }),
        // Cut off before an answer; a refusal says what else could be tried.
        Ok(Ok(AuthResult::Failure { remaining_methods, .. })) if remaining_methods.is_empty() => {
            Err(GuestError::NotYet("the connection was lost while signing in".into()))
        }
        Ok(Ok(AuthResult::Failure { .. })) => Err(GuestError::Refused(
            "it does not accept the certificate made for this connection (does it trust this \
             installation's authority, and is its clock right?)"
                .into(),
        )),
        Ok(Err(error)) => Err(lost(&error)),
        Err(_) => Err(GuestError::NotYet("it does not answer the sign-in".into())),
    }
}

/// A connection that was there and is not any more.
pub(super) fn lost(error: &russh::Error) -> GuestError {
    GuestError::NotYet(format!("the connection was lost ({error})"))
}
