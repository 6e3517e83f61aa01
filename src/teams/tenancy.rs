//! The records of tenants' namespaces: what controllers, which read nothing but records, know of
//! accounts and teams.

use std::collections::BTreeMap;

use devpocket_controllers::client::Client;
use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::{ObjectMeta, names};
use devpocket_specs::namespace::{Namespace, NamespaceSpec, NamespaceStatus};
use devpocket_specs::object::Key;
use devpocket_specs::tier::Tier;

use super::unavailable;
use crate::accounts::AccountError;

/// The namespace of a `person` or a `team`. Without a tier nothing is bought in it.
pub fn tenant_namespace(
    namespace: &str,
    tenant: &str,
    name: Option<&str>,
    tier: Option<&str>,
) -> Namespace {
    let mut labels = BTreeMap::from([(names::TENANT.to_owned(), tenant.to_owned())]);
    labels.extend(tier.map(|tier| (names::TIER.to_owned(), tier.to_owned())));
    let annotations = name.map(|name| (names::DISPLAY_NAME.to_owned(), name.to_owned()));
    Namespace {
        metadata: ObjectMeta {
            labels,
            annotations: annotations.into_iter().collect(),
            ..ObjectMeta::named("", namespace)
        },
        spec: NamespaceSpec::default(),
        status: NamespaceStatus::default(),
    }
}

/// What a namespace may spend from now on; none is nothing. The tier has to exist.
pub async fn set_tier(
    client: &Client,
    namespace: &str,
    tier: Option<&str>,
) -> Result<(), AccountError> {
    if let Some(name) = tier {
        let key = Key::cluster(Kind::Tier, name);
        if client.get::<Tier>(&key).await.map_err(unavailable)?.is_none() {
            let tiers = client.list::<Tier>(None).await.map_err(unavailable)?;
            let known: Vec<&str> = tiers.iter().map(|tier| &*tier.metadata.name).collect();
            let message = match known.as_slice() {
                [] => format!("is {name:?}; there is no tier yet"),
                known => format!("is {name:?}; there are {}", known.join(", ")),
            };
            return Err(AccountError::field("tier", "unknown-tier", message));
        }
    }
    let key = Key::cluster(Kind::Namespace, namespace);
    let edit = |namespace: &mut Namespace| {
        let labels = &mut namespace.metadata.labels;
        labels.entry(names::TENANT.to_owned()).or_insert_with(|| "person".to_owned());
        match tier {
            Some(tier) => labels.insert(names::TIER.to_owned(), tier.to_owned()),
            None => labels.remove(names::TIER),
        };
    };
    client.edit(&key, edit).await.map(drop).map_err(unavailable)
}
