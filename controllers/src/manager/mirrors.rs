//! The records the controllers decide on, mirrored in memory once for all of them.

use std::sync::Arc;

use devpocket_specs::environment::Environment;
use devpocket_specs::installation::{self, Installation};
use devpocket_specs::kind::Kind;
use devpocket_specs::machine::Machine;
use devpocket_specs::namespace::Namespace;
use devpocket_specs::object::{Key, Resource, SharedKey};
use devpocket_specs::operation::{EnvironmentRef, Operation};
use devpocket_specs::secret::Secret;
use devpocket_specs::template::Template;
use devpocket_specs::tier::Tier;
use futures::future::{join, join4};

use crate::clock::{Clock, Ids, seed};
use crate::runtime::{Index, Reflector};
use crate::store::{Revision, Store};

/// One mirror of each kind that is decided on. Clones share them.
#[derive(Clone)]
pub struct Mirrors {
    pub environments: Reflector<Environment>,
    pub machines: Reflector<Machine>,
    pub operations: Reflector<Operation>,
    pub installations: Reflector<Installation>,
    pub templates: Reflector<Template>,
    pub namespaces: Reflector<Namespace>,
    pub tiers: Reflector<Tier>,
    /// Their values are sealed; only the guest port can open them.
    pub secrets: Reflector<Secret>,
    /// Every pass asks for it.
    installation: SharedKey,
}

impl Mirrors {
    /// Empty mirrors; they fill and follow while [`Mirrors::run`] is polled.
    pub fn new(store: &Arc<dyn Store>, clock: &Arc<dyn Clock>, ids: &dyn Ids) -> Mirrors {
        Mirrors {
            environments: Reflector::new(store.clone(), clock.clone(), seed(ids)),
            machines: Reflector::indexed(
                store.clone(),
                clock.clone(),
                seed(ids),
                Index {
                    mark: |machine: &Machine| machine.spec.claim.is_some(),
                    ..Index::default()
                },
            ),
            operations: Reflector::indexed(
                store.clone(),
                clock.clone(),
                seed(ids),
                Index {
                    group: |operation: &Operation| Some(&operation.spec.machine),
                    mark: |operation| operation.status.phase.is_open(),
                },
            ),
            installations: Reflector::new(store.clone(), clock.clone(), seed(ids)),
            templates: Reflector::new(store.clone(), clock.clone(), seed(ids)),
            namespaces: Reflector::new(store.clone(), clock.clone(), seed(ids)),
            tiers: Reflector::new(store.clone(), clock.clone(), seed(ids)),
            secrets: Reflector::new(store.clone(), clock.clone(), seed(ids)),
            installation: SharedKey::new(installation_key()),
        }
    }

    /// Follows the store for as long as it is polled.
    pub async fn run(&self) {
        let own = join(self.environments.run(), self.machines.run());
        let rest = join(self.operations.run(), self.installations.run());
        let limits = join(self.namespaces.run(), self.tiers.run());
        let software = join(self.templates.run(), self.secrets.run());
        join4(own, rest, limits, software).await;
    }

    /// Completes once every kind has been listed.
    pub async fn ready(&self) {
        let own = join(self.environments.ready(), self.machines.ready());
        let rest = join(self.operations.ready(), self.installations.ready());
        let limits = join(self.namespaces.ready(), self.tiers.ready());
        let software = join(self.templates.ready(), self.secrets.ready());
        join4(own, rest, limits, software).await;
    }

    /// Completes once every kind has reached the revision. The kinds are followed one by one: a
    /// record can be here before an older one of another kind that it refers to, and what is
    /// merely late must not be taken for gone.
    pub async fn reached(&self, revision: Revision) {
        let own = join(self.environments.reached(revision), self.machines.reached(revision));
        let rest = join(self.operations.reached(revision), self.installations.reached(revision));
        let limits = join(self.namespaces.reached(revision), self.tiers.reached(revision));
        let software = join(self.templates.reached(revision), self.secrets.reached(revision));
        join4(own, rest, limits, software).await;
    }

    /// Whether every kind has reached the revision.
    pub fn have_reached(&self, revision: Revision) -> bool {
        self.revisions().into_iter().all(|now| now.is_some_and(|now| now >= revision))
    }

    /// Whether all kinds stand at one revision, so that no record here is newer than the others.
    pub fn stand_alike(&self) -> bool {
        let [first, rest @ ..] = self.revisions();
        first.is_some() && rest.into_iter().all(|now| now == first)
    }

    fn revisions(&self) -> [Option<Revision>; 8] {
        [
            self.environments.revision(),
            self.machines.revision(),
            self.operations.revision(),
            self.installations.revision(),
            self.templates.revision(),
            self.namespaces.revision(),
            self.tiers.revision(),
            self.secrets.revision(),
        ]
    }

    /// The one Installation, once there is one.
    pub fn installation(&self) -> Option<Arc<Installation>> {
        self.installations.get_shared(&self.installation)
    }

    pub fn machine(&self, name: &str) -> Option<Arc<Machine>> {
        self.machines.get(&machine_key(name))
    }

    /// The environment, if the one of that name is still the one meant.
    pub fn environment(&self, named: &EnvironmentRef) -> Option<Arc<Environment>> {
        let key = Key::new(Kind::Environment, &named.namespace, &named.name);
        self.environments.get(&key).filter(|environment| environment.uid() == named.uid)
    }

    /// All operations on a machine.
    pub fn operations_on(&self, machine: &str) -> Arc<Vec<Arc<Operation>>> {
        self.operations.list_group(machine)
    }

    /// The operations that are not over. There are ever more of the others, and none is looked at.
    pub fn open_operations(&self) -> Vec<SharedKey> {
        self.operations.marked_keys()
    }

    /// The machines that are somebody's.
    pub fn claimed_machines(&self) -> Vec<SharedKey> {
        self.machines.marked_keys()
    }
}

/// Key of the one Installation.
pub fn installation_key() -> Key {
    Key::cluster(Kind::Installation, installation::NAME)
}

pub fn machine_key(name: &str) -> Key {
    Key::cluster(Kind::Machine, name)
}

pub fn operation_key(name: &str) -> Key {
    Key::cluster(Kind::Operation, name)
}
