//! What the runtime's tests stand on: a store in memory, virtual time, and one client.

use std::sync::Arc;

use devpocket_specs::admit::Actor;
use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::kind::Kind;
use devpocket_specs::lease::{Lease, LeaseSpec};
use devpocket_specs::metadata::ObjectMeta;
use devpocket_specs::object::Key;

use crate::client::Client;
use crate::clock::Clock;
use crate::sim::clock::{SeededIds, VirtualClock};
use crate::sim::store::MemoryStore;
use crate::store::Store;

pub(crate) struct Rig {
    pub store: MemoryStore,
    pub clock: Arc<dyn Clock>,
    pub client: Client,
}

pub(crate) fn rig() -> Rig {
    let store = MemoryStore::default();
    let start = "2026-03-01T12:00:00Z".parse().expect("a time stamp");
    let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting_at(start));
    let client = client(Arc::new(store.clone()), Arc::clone(&clock));
    Rig { store, clock, client }
}

pub(crate) fn client(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Client {
    let catalogue = Arc::new(Catalogue::builtin().clone());
    Client::new(store, clock, Arc::new(SeededIds::new(1)), catalogue, Actor::system("test"))
}

/// The runtime's own kind, to have one.
pub(crate) fn lease(namespace: &str, name: &str, holder: &str) -> Lease {
    let metadata = ObjectMeta::named(namespace, name);
    Lease {
        metadata,
        spec: LeaseSpec { holder_identity: Some(holder.into()), ..Default::default() },
    }
}

pub(crate) fn lease_key(namespace: &str, name: &str) -> Key {
    Key::new(Kind::Lease, namespace, name)
}
