//! From a changed record to the keys that have to be looked at.
//!
//! The mirrors only name what changed; what that concerns is worked out by one task from the
//! mirrors. So a handler never waits, a burst of changes to one record costs one look, and the
//! mirrors hold no references to themselves.

use std::time::Duration;

use devpocket_specs::condition;
use devpocket_specs::environment::{Environment, conditions};
use devpocket_specs::installation::Installation;
use devpocket_specs::kind::Kind;
use devpocket_specs::machine::{Claim, Machine};
use devpocket_specs::object::{Key, Resource, SharedKey};

use super::mirrors::{Mirrors, machine_key};
use crate::environment::world::template_name;
use crate::guest::{is_only_guest, needs};
use crate::operation::token;
use crate::runtime::{Change, Outcome, Priority, Workqueue};

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trigger {
    Record(SharedKey),
    /// A list of the account is in, and nothing else changed.
    Sweep,
    /// Limits, holds or conditions of the account changed.
    Account,
}

/// The queues of one term.
#[derive(Clone)]
pub struct Queues {
    pub environments: Workqueue<SharedKey>,
    pub machines: Workqueue<SharedKey>,
    pub operations: Workqueue<SharedKey>,
    /// Machines whose operating system is visited.
    pub guests: Workqueue<SharedKey>,
    /// Within which a resync has every guest visited.
    pub guest_rest_period: Duration,
    pub triggers: Workqueue<Trigger>,
}

/// Makes the mirrors report to the queues.
pub fn subscribe(mirrors: &Mirrors, queues: &Queues) {
    let to = queues.clone();
    mirrors.environments.on_change(move |change| {
        if !change.is_status_only() {
            to.environments.add(change.key.clone(), change.priority());
        }
        configured_anew(&to, change);
    });
    let to = queues.triggers.clone();
    mirrors.secrets.on_change(move |change| {
        to.add(Trigger::Record(change.key.clone()), change.priority());
    });
    let to = queues.clone();
    mirrors.machines.on_change(move |change| machine_changed(&to, change));
    let to = queues.clone();
    mirrors.operations.on_change(move |change| {
        if let Some(operation) = change.object() {
            let priority =
                if operation.spec.by_person { Priority::High } else { change.priority() };
            to.operations.add(change.key.clone(), priority);
            to.triggers.add(Trigger::Record(change.key.clone()), priority);
        }
    });
    let to = queues.triggers.clone();
    mirrors.installations.on_change(move |change| {
        let trigger = if is_sweep_only(change) { Trigger::Sweep } else { Trigger::Account };
        to.add(trigger, Priority::Low);
    });
    let to = queues.triggers.clone();
    mirrors.tiers.on_change(move |_| to.add(Trigger::Account, Priority::Low));
    let to = queues.triggers.clone();
    mirrors.namespaces.on_change(move |change| {
        // One that is new has nothing in it yet.
        if let (Some(old), Some(new)) = (&change.old, &change.new)
            && old.metadata.labels != new.metadata.labels
        {
            to.add(Trigger::Record(change.key.clone()), Priority::Low);
        }
    });
    let to = queues.triggers.clone();
    mirrors.templates.on_change(move |change| {
        to.add(Trigger::Record(change.key.clone()), Priority::Low);
    });
}

/// What is declared of user and variables is applied by whoever visits the machine.
fn configured_anew(queues: &Queues, change: &Change<Environment>) {
    let (Some(old), Some(new)) = (&change.old, &change.new) else { return };
    let (before, after) = (&old.spec, &new.spec);
    let same = before.user == after.user
        && before.env == after.env
        && before.parameters == after.parameters
        && before.paused == after.paused;
    if let Some(bound) = new.status.machine.as_ref().filter(|_| !same) {
        queues.guests.add(machine_key(&bound.name).into(), change.priority());
    }
}

fn machine_changed(queues: &Queues, change: &Change<Machine>) {
    let Some(machine) = change.object() else { return };
    let key = change.key.clone();
    let visits_only = match (&change.old, &change.new) {
        (Some(old), Some(new)) => is_only_guest(old, new),
        _ => false,
    };
    // What a visit wrote is no reason for another one.
    if machine.spec.claim.is_some() && !visits_only {
        queues.guests.add(key.clone(), change.priority());
    }
    queues.machines.add(key.clone(), change.priority());
    queues.triggers.add(Trigger::Record(key), change.priority());
    for record in [&change.old, &change.new].into_iter().flatten() {
        if let Some(claim) = &record.spec.claim {
            queues.environments.add(claimant(claim).into(), change.priority());
        }
    }
}

fn claimant(claim: &Claim) -> Key {
    Key::new(Kind::Environment, &claim.namespace, &claim.name)
}

fn is_sweep_only(change: &Change<Installation>) -> bool {
    let (Some(old), Some(new)) = (&change.old, &change.new) else { return false };
    let (old_status, new_status) = (&old.status, &new.status);
    old.spec == new.spec
        && old_status.holds == new_status.holds
        && old_status.conditions == new_status.conditions
        && old_status.behind_accepted == new_status.behind_accepted
}

/// Works triggers off until the queue is shut down.
pub async fn run(mirrors: &Mirrors, queues: &Queues) {
    while let Some(item) = queues.triggers.get().await {
        match &item.key {
            Trigger::Record(key) => record(mirrors, queues, key, item.priority),
            Trigger::Sweep => sweep(mirrors, queues),
            Trigger::Account => everything(mirrors, queues),
        }
        queues.triggers.done(&item.key, &Outcome::Done);
    }
}

fn record(mirrors: &Mirrors, queues: &Queues, key: &Key, priority: Priority) {
    match key.kind {
        Kind::Machine => {
            let Some(machine) = mirrors.machines.get(key) else { return };
            open_operations(mirrors, queues, &machine.metadata.name, priority);
            if !machine.spec.managed {
                stranger(mirrors, queues, &machine, priority);
            }
        }
        Kind::Operation => {
            let Some(operation) = mirrors.operations.get(key) else { return };
            queues.machines.add(machine_key(&operation.spec.machine).into(), priority);
            if let Some(environment) = &operation.spec.environment {
                let (namespace, name) = (&environment.namespace, &environment.name);
                let key = Key::new(Kind::Environment, namespace, name);
                queues.environments.add(key.into(), priority);
            }
            if !operation.status.phase.is_open() {
                open_operations(mirrors, queues, &operation.spec.machine, priority);
            }
        }
        Kind::Template => {
            for environment in mirrors.environments.list() {
                if template_name(&environment).is_some_and(|(name, _)| name == key.name) {
                    queues.environments.add(environment.key().into(), priority);
                }
            }
        }
        Kind::Secret => {
            for environment in mirrors.environments.list() {
                let namespace = &environment.metadata.namespace;
                if *namespace == key.namespace
                    && needs(&environment, &key.name)
                    && let Some(bound) = &environment.status.machine
                {
                    queues.guests.add(machine_key(&bound.name).into(), priority);
                }
            }
        }
        Kind::Namespace => tenant(mirrors, queues, &key.name, priority),
        _ => {}
    }
}

/// What a namespace may have changed: what waits in it may go on.
fn tenant(mirrors: &Mirrors, queues: &Queues, namespace: &str, priority: Priority) {
    for environment in mirrors.environments.list() {
        if environment.metadata.namespace == namespace {
            queues.environments.add(environment.key().into(), priority);
        }
    }
    for key in mirrors.open_operations() {
        let operation = mirrors.operations.get_shared(&key);
        let of = operation.as_ref().and_then(|operation| operation.spec.environment.as_ref());
        if of.is_some_and(|environment| environment.namespace == namespace) {
            queues.operations.add(key, priority);
        }
    }
}

fn open_operations(mirrors: &Mirrors, queues: &Queues, machine: &str, priority: Priority) {
    for operation in mirrors.operations_on(machine).iter() {
        if operation.status.phase.is_open() {
            queues.operations.add(operation.key().into(), priority);
        }
    }
}

/// An instance without an owner may be the one a machine waits for.
fn stranger(mirrors: &Mirrors, queues: &Queues, stranger: &Machine, priority: Priority) {
    let Some(seen) = &stranger.status.seen else { return };
    for token in token::tokens(&seen.display_name) {
        queues.machines.add(machine_key(&token.machine).into(), priority);
        open_operations(mirrors, queues, &token.machine, priority);
    }
}

/// What waits for a newer look: nothing that is at rest, so a sweep of a quiet account costs no
/// reconcile.
fn sweep(mirrors: &Mirrors, queues: &Queues) {
    for key in mirrors.open_operations() {
        queues.operations.add(key, Priority::Low);
    }
    for machine in mirrors.machines.list() {
        let waits = machine.status.instance_id.is_none() || machine.spec.release.is_some();
        if machine.spec.managed && waits {
            queues.machines.add(machine.key().into(), Priority::Low);
        }
    }
    for environment in mirrors.environments.list() {
        if !is_at_rest(&environment) {
            queues.environments.add(environment.key().into(), Priority::Low);
        }
    }
}

fn is_at_rest(environment: &Environment) -> bool {
    let status = &environment.status;
    !environment.metadata.is_deleting()
        && condition::is_true(&status.conditions, conditions::READY)
        && status.plan.is_none()
        && status.drift.iter().all(|drift| drift.healed.is_some())
        && status.observed_generation == environment.metadata.generation
}

/// Everything there is, behind everything that somebody waits for.
pub fn everything(mirrors: &Mirrors, queues: &Queues) {
    for key in mirrors.environments.keys() {
        queues.environments.add(key, Priority::Low);
    }
    for key in mirrors.machines.keys() {
        queues.machines.add(key, Priority::Low);
    }
    for key in mirrors.claimed_machines() {
        // Visits come of themselves; this is for one that was forgotten, and brings none forward.
        queues.guests.add_after(key, Priority::Low, queues.guest_rest_period);
    }
    for key in mirrors.open_operations() {
        queues.operations.add(key, Priority::Low);
    }
}
