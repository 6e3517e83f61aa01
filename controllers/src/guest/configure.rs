//! Makes a guest be as its environment declares, where it is not.

use std::sync::Arc;

use devpocket_specs::environment::Environment;
use devpocket_specs::guest::{
    ConfigurationFault, Configured, Contact, GuestStatus, configuration_digest,
};
use devpocket_specs::install::{InstallState, Mask};
use devpocket_specs::kind::Kind;
use devpocket_specs::machine::Machine;
use devpocket_specs::object::{Key, Resource as _};
use jiff::Timestamp;
use uuid::Uuid;

use super::configuration::{self, Wanted};
use super::{GuestError, Target};
use crate::manager::term::Term;

/// What is declared for a machine.
pub(super) struct Declared {
    environment: Arc<Environment>,
    wanted: Wanted,
    /// Whether the shell is part of it.
    whole: bool,
}

/// What is declared for this machine now, if it still has its environment.
pub(super) async fn declared(
    term: &Term,
    machine: &Machine,
    guest: &GuestStatus,
) -> Option<Declared> {
    let claim = machine.spec.claim.as_ref()?;
    let key = Key::new(Kind::Environment, &claim.namespace, &claim.name);
    let environment = term.mirrors.environments.get(&key)?;
    if environment.metadata.uid != Some(claim.uid) || environment.metadata.is_deleting() {
        return None;
    }
    let whole = guest.install.as_ref().is_some_and(|i| i.state == InstallState::Succeeded);
    let secret =
        |name: &str| term.mirrors.secrets.get(&Key::new(Kind::Secret, &claim.namespace, name));
    let mut wanted = configuration::wanted(&environment, whole, secret);
    // What is merely late in the mirrors must not be taken for gone.
    if !wanted.missing.is_empty() && !term.is_mirrored_now(&*environment) {
        if !term.is_mirrored(&*environment).await {
            return None;
        }
        wanted = configuration::wanted(&environment, whole, secret);
    }
    Some(Declared { environment, wanted, whole })
}

impl Declared {
    /// Masks the values this guest is given.
    pub async fn mask(&self, term: &Term) -> Result<Mask, GuestError> {
        let values: Vec<_> = self.wanted.configuration.sealed().cloned().collect();
        match values.is_empty() {
            true => Ok(Mask::default()),
            false => term.guest.mask(&values).await,
        }
    }

    /// Whether the guest is like that, as far as is known.
    pub fn is_done(&self, guest: &GuestStatus) -> bool {
        let sent = || self.wanted.digest(&configuration_digest(&self.environment.spec));
        // An environment that takes its machine back is another record.
        let uid = self.environment.metadata.uid;
        let known = guest.configured.as_ref().filter(|known| Some(known.environment) == uid);
        known.is_some_and(|known| configuration::is_done(known, &sent(), self.whole))
    }

    /// Applies it where that was not done, and says what is known then.
    ///
    /// # Errors
    /// The machine could not be reached. What it has against the configuration is in the status.
    pub async fn apply(
        &self,
        term: &Term,
        target: &Target,
        mut guest: GuestStatus,
    ) -> Result<GuestStatus, GuestError> {
        let Some(host_key) = guest.host_key.clone() else { return Ok(guest) };
        let (Some(uid), false) = (self.environment.metadata.uid, self.is_paused(term.now())) else {
            return Ok(guest);
        };
        if guest.contact != Contact::Answering {
            return Ok(guest);
        }
        if self.is_done(&guest) {
            return Ok(guest);
        }
        let target = Target { known: vec![host_key], first: false, ..target.clone() };
        let fault = match term.guest.configure(&target, &self.wanted.configuration).await {
            Ok(()) => self.wanted.fault(Ok(())),
            Err(error @ (GuestError::Broken(_) | GuestError::Own(_))) => {
                self.wanted.fault(Err(error))
            }
            Err(error) => return Err(error),
        };
        self.tried(term, uid, &mut guest, fault);
        Ok(guest)
    }

    /// Says that a value does not open, without which nothing can be sent and no line be masked.
    /// That holds while it is paused too.
    pub fn shut(&self, term: &Term, guest: &mut GuestStatus, error: &GuestError) {
        if let Some(uid) = self.environment.metadata.uid {
            self.tried(term, uid, guest, Some(configuration::shut(error)));
        }
    }

    fn tried(
        &self,
        term: &Term,
        uid: Uuid,
        guest: &mut GuestStatus,
        fault: Option<ConfigurationFault>,
    ) {
        let declared = configuration_digest(&self.environment.spec);
        let next = Configured {
            environment: uid,
            generation: self.environment.metadata().generation,
            sent: self.wanted.digest(&declared),
            declared,
            whole: self.whole,
            at: term.now(),
            fault,
        };
        let at = configuration::since(guest.configured.as_ref(), &next);
        guest.configured = Some(Configured { at, ..next });
    }

    /// A person said that nothing is to be done.
    fn is_paused(&self, now: Timestamp) -> bool {
        self.environment.spec.paused.as_ref().is_some_and(|pause| pause.until > now)
    }
}
