//! What people do in the world: operators, and somebody in Contabo's panel.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use devpocket_specs::admit::Preconditions;
use devpocket_specs::environment::{
    APPROVAL_HOURS, Approval, Environment, EnvironmentSpec, EnvironmentStatus,
};
use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::{ObjectMeta, names};
use devpocket_specs::namespace::{Namespace, NamespaceSpec, NamespaceStatus};
use devpocket_specs::object::Key;
use devpocket_specs::operation::{Operation, Resolution};
use jiff::SignedDuration;

use super::World;
use crate::client::ClientError;
use crate::operation::resolve;
use crate::sim::contabo::{Fault, PanelAction};

/// How often the store in memory yields at most while it writes.
const YIELDS_MAX: usize = 64;

/// The namespace of all environments of a test.
pub const NAMESPACE: &str = "team";
/// The size most tests use, and what it is in the catalogue.
pub const SIZE: &str = "vps-10-nvme";

/// Key of an environment of a test.
pub fn environment_key(name: &str) -> Key {
    Key::new(Kind::Environment, NAMESPACE, name)
}

impl World {
    /// Makes the namespace of all environments, with no limits of its own.
    pub(super) fn found(&self) {
        let namespace = Namespace {
            metadata: ObjectMeta::named("", NAMESPACE),
            spec: NamespaceSpec::default(),
            status: NamespaceStatus::default(),
        };
        let client = self.client("admin");
        let mut made = Box::pin(client.create(&namespace));
        let mut context = Context::from_waker(Waker::noop());
        // The store in memory only yields; a world is made where nothing can be waited for.
        for _ in 0..YIELDS_MAX {
            if let Poll::Ready(made) = made.as_mut().poll(&mut context) {
                made.expect("the namespace is valid");
                return;
            }
        }
        panic!("the store in memory waits for something");
    }

    /// Declares an environment; `edit` changes what is not the usual.
    pub async fn declare(
        &self,
        name: &str,
        edit: impl FnOnce(&mut EnvironmentSpec),
    ) -> Environment {
        let mut environment = Environment {
            metadata: ObjectMeta::named(NAMESPACE, name),
            spec: EnvironmentSpec {
                size: SIZE.to_owned(),
                region: "EU".to_owned(),
                contract_months: 1,
                ..EnvironmentSpec::default()
            },
            status: EnvironmentStatus::default(),
        };
        edit(&mut environment.spec);
        self.client("admin").create(&environment).await.expect("the environment is valid")
    }

    /// Declares an environment that takes back what a deleted one released.
    pub async fn undelete(&self, name: &str, old: &Environment) -> Environment {
        let mut environment = Environment {
            metadata: ObjectMeta::named(NAMESPACE, name),
            spec: old.spec.clone(),
            status: EnvironmentStatus::default(),
        };
        let uid = old.metadata.uid.unwrap_or_default().to_string();
        environment.metadata.annotations.insert(names::UNDELETE_OF.to_owned(), uid);
        self.client("admin").create(&environment).await.expect("the environment is valid")
    }

    pub async fn edit(&self, name: &str, mut edit: impl FnMut(&mut EnvironmentSpec) + Send) {
        let change = |environment: &mut Environment| edit(&mut environment.spec);
        let edited = self.client("admin").edit(&environment_key(name), change).await;
        edited.expect("the edit is valid");
    }

    /// A person approves every step that is planned now.
    pub async fn approve(&self, name: &str) {
        let planned = self.environment(name).and_then(|environment| environment.status.plan);
        let steps = planned.expect("something is planned").steps;
        let at = self.now();
        let approval = Approval {
            fingerprints: steps.into_iter().filter_map(|step| step.fingerprint).collect(),
            by: "admin".into(),
            account: None,
            at,
            expires: at + SignedDuration::from_hours(APPROVAL_HOURS),
        };
        let add = |environment: &mut Environment| {
            environment.status.approvals.push(approval.clone());
        };
        let edited = self.client("admin").edit_status(&environment_key(name), add).await;
        edited.expect("the environment is there");
    }

    pub async fn delete(&self, name: &str) {
        let client = self.client("admin");
        let deleted = client.delete(&environment_key(name), Preconditions::default()).await;
        deleted.expect("the environment is there");
    }

    /// `devpocket operation resolve`.
    pub async fn resolve(
        &self,
        name: &str,
        resolution: Resolution,
        instance_id: Option<i64>,
    ) -> Result<Operation, ClientError> {
        resolve(&self.client("admin"), name, resolution, instance_id).await
    }

    /// Somebody in the customer panel.
    pub fn panel(&self, instance: i64, action: &PanelAction) {
        let now = self.now();
        self.account().panel(instance, action, now).expect("the panel can do that");
    }

    pub fn fault(&self, fault: Fault) -> u64 {
        self.account().arm(fault).expect("the fault makes sense")
    }

    /// Lets time pass until the environment is ready.
    pub async fn ready(&mut self, name: &str, limit: Duration) -> bool {
        let name = name.to_owned();
        self.until(limit, |world| world.is_ready(&name)).await
    }
}
