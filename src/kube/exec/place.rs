//! Which machine is meant, and why it may not be talked to.

use devpocket_controllers::guest::{GuestError, Target};
use devpocket_specs::environment::{Environment, Power};
use devpocket_specs::guest::{Contact, GuestStatus};
use devpocket_specs::kind::Kind;
use devpocket_specs::machine::Machine;
use devpocket_specs::object::{Key, Resource as _};
use devpocket_specs::status::{Cause, Reason, Status};

use crate::server::AppState;

/// What `Drift.what` calls an installation that somebody else made.
const REINSTALLED: &str = "reinstalled";

/// A machine that may be talked to.
pub(super) struct Place {
    key: Key,
    machine: Machine,
    pub target: Target,
}

/// The machine of the environment, if it may be talked to now.
pub(super) async fn of(state: &AppState, key: &Key) -> Result<Place, Status> {
    let environment = state.store.get(key).await?.ok_or_else(|| Status::not_found(key))?;
    let corrupt = |error| Status::new(Reason::InternalError, format!("{key}: {error}"));
    let environment: Environment = environment.to().map_err(corrupt)?;
    let Some(bound) = &environment.status.machine else {
        return Err(not_ready(key, "no machine is bound to it"));
    };
    let machine = state.store.get(&Key::cluster(Kind::Machine, bound.name.as_str())).await?;
    let machine = machine.map(|machine| machine.to::<Machine>()).transpose().map_err(corrupt)?;
    // The status only mirrors the binding, and owners may write a status: the claim decides.
    let is_ours = |machine: &Machine| {
        machine.spec.claim.as_ref().is_some_and(|claim| claim.uid == environment.uid())
    };
    let Some(machine) = machine.filter(is_ours) else {
        return Err(not_ready(key, "its machine is not there yet"));
    };
    let target = target(key, &machine)?;
    Ok(Place { key: key.clone(), machine, target })
}

fn target(key: &Key, machine: &Machine) -> Result<Target, Status> {
    let Some(seen) = &machine.status.seen else {
        return Err(not_ready(key, "its machine is not there yet"));
    };
    if seen.power != Some(Power::Running) {
        return Err(not_ready(key, &format!("its machine is {}", seen.provider_status)));
    }
    let generation = machine.spec.install_generation;
    let Some((guest, address)) = guest(machine).zip(seen.address.clone()) else {
        return Err(not_ready(key, "it was not heard of since it was installed"));
    };
    if guest.contact == Contact::WrongIdentity {
        return Err(identity(key, machine, &guest.message));
    }
    let Some(host_key) = guest.host_key.clone() else {
        return Err(not_ready(key, "it waits for its first contact"));
    };
    let machine = machine.metadata.name.clone();
    Ok(Target { machine, generation, address, known: vec![host_key], first: false })
}

/// What is known of this installation.
fn guest(machine: &Machine) -> Option<&GuestStatus> {
    let guest = machine.status.guest.as_ref();
    guest.filter(|guest| guest.generation == machine.spec.install_generation)
}

impl Place {
    /// Why there is no session on it.
    pub(super) fn refused(&self, error: &GuestError) -> Status {
        let name = &self.key.name;
        let (reason, code, what) = match error {
            GuestError::WrongIdentity { .. } => {
                return identity(&self.key, &self.machine, &error.to_string());
            }
            GuestError::NotYet(_) => {
                (Reason::ServiceUnavailable, "guest-unreachable", "SSH does not answer")
            }
            GuestError::Refused(_) => (Reason::Conflict, "guest-refused", "it lets nobody in"),
            GuestError::Broken(_) => {
                (Reason::Conflict, "guest-broken", "it answers with nothing of use")
            }
            GuestError::Own(_) => {
                (Reason::ServiceUnavailable, "guest-not-ready", "DevPocket cannot reach it")
            }
        };
        let address = &self.target.address;
        let message = format!("no session on the machine of env/{name} at {address}: {what}");
        let since = guest(&self.machine).filter(|guest| guest.contact != Contact::Answering);
        let since = since.map(|guest| format!("so it is since {}", guest.since));
        let status = Status::new(reason, message).about(&self.key).with_code(code);
        because(status, [Some(error.to_string()), since])
    }
}

fn not_ready(key: &Key, why: &str) -> Status {
    let message = format!("env/{} has no machine to talk to now", key.name);
    let status = Status::new(Reason::Conflict, message).about(key).with_code("guest-not-ready");
    because(status, [Some(why.to_owned()), None])
}

/// Another machine, or another installation, is in its place.
fn identity(key: &Key, machine: &Machine, evidence: &str) -> Status {
    let address = machine.status.seen.as_ref().and_then(|seen| seen.address.as_deref());
    let address = address.unwrap_or("its address");
    let message = format!("the machine at {address} is not the one installed for env/{}", key.name);
    let outside = machine.status.outside.iter().rev().find(|drift| drift.what == REINSTALLED);
    let outside = match outside {
        Some(drift) => format!("it was reinstalled on {} by {}", drift.since, drift.by),
        None => "Contabo's audits show no reinstallation: the customer panel, or another machine"
            .to_owned(),
    };
    let status = Status::new(Reason::Conflict, message).about(key).with_code("machine-identity");
    let recorded = guest(machine).and_then(|guest| guest.certified_at);
    let evidence = match recorded {
        Some(at) => format!("{evidence} since {}", at.strftime("%F")),
        None => evidence.to_owned(),
    };
    because(status, [Some(evidence), Some(outside)])
}

/// With the evidence, each a sentence without its full stop.
fn because<const N: usize>(mut status: Status, evidence: [Option<String>; N]) -> Status {
    let causes = evidence.into_iter().flatten();
    status.details.causes = causes.map(|message| Cause { message, ..Cause::default() }).collect();
    status
}
