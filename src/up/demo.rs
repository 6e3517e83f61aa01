//! The manifest `up` applies the first time it starts.

use devpocket_controllers::client::{Client, ClientError};
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use serde::Deserialize;
use serde_json::Value;

use devpocket_specs::environment::Environment;
use devpocket_specs::namespace::Namespace;
use devpocket_specs::object::{Object, ObjectError, Resource};
use devpocket_specs::template::{shipped, shipped_template};
use devpocket_specs::tier::Tier;

use crate::context::DEFAULT_NAMESPACE;

/// The demo, as a person would write it.
pub const MANIFEST: &str = include_str!("demo.yaml");

#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("{0}")]
    Client(#[from] ClientError),
    #[error("{0}")]
    Object(#[from] ObjectError),
    #[error("the manifest: {0}")]
    Yaml(#[from] serde_yaml::Error),
}

/// Applies the demo if the namespace is not there yet, and answers whether it was applied. Later
/// starts leave alone what people made of it, also a deleted demo. Without its environment nothing
/// is bought.
pub async fn apply(client: &Client, with_environment: bool) -> Result<bool, DemoError> {
    let namespace = Key::cluster(Kind::Namespace, DEFAULT_NAMESPACE);
    if client.get::<Namespace>(&namespace).await?.is_some() {
        return Ok(false);
    }
    // The leader brings them too; the demo's must be there before its environment.
    let base = shipped("base").unwrap_or_default();
    match client.create(&shipped_template(base)?).await {
        Err(error) if !error.is_already_exists() => return Err(error.into()),
        _ => {}
    }
    for document in serde_yaml::Deserializer::from_str(MANIFEST) {
        let document = Value::deserialize(document)?;
        match document["kind"].as_str() {
            Some("Namespace") => create::<Namespace>(client, document).await?,
            Some("Tier") => create::<Tier>(client, document).await?,
            _ if with_environment => create::<Environment>(client, document).await?,
            _ => {}
        }
    }
    Ok(true)
}

async fn create<T: Resource>(client: &Client, document: Value) -> Result<(), DemoError> {
    let resource: T = Object::from_value(T::KIND, document)?.to()?;
    match client.create(&resource).await {
        Err(error) if !error.is_already_exists() => Err(error.into()),
        _ => Ok(()),
    }
}
