//! `POST .../operations/NAME/resolve`: a person says what became of an operation whose outcome is
//! unknown. The rules are the operation's own (`controllers::operation::resolve`).

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use devpocket_controllers::client::Client;
use devpocket_controllers::operation;
use devpocket_controllers::store::{Listing, Revision, Store, StoreError, Stored, Watch, Write};
use devpocket_specs::decision::DecisionRecord;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::{Key, Object};
use devpocket_specs::operation::Resolution;
use devpocket_specs::status::Status;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::params::bad;
use super::path::ResourcePath;
use super::reply;

/// What became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResolveRequest {
    pub resolution: Resolution,
    /// The instance a purchase that happened became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<i64>,
}

pub(super) async fn resolve(call: Call, resource: ResourcePath) -> Result<Response, Status> {
    let mut value = call.document()?.value;
    if let Some(object) = value.as_object_mut() {
        object.retain(|name, _| !matches!(name.as_str(), "apiVersion" | "kind" | "metadata"));
    }
    let asked: ResolveRequest = serde_json::from_value(value)
        .map_err(|error| bad(format!("the body is not a resolution: {error}")))?;
    let state = &call.state;
    let store: Arc<dyn Store> = match call.params.dry_run {
        true => Arc::new(DryRun(state.store.clone())),
        false => state.store.clone(),
    };
    let catalogue = state.catalogue.clone();
    let actor = call.actor.clone();
    let client = Client::new(store, state.clock.clone(), state.ids.clone(), catalogue, actor);
    let name = &resource.name;
    let resolved = operation::resolve(&client, name, asked.resolution, asked.instance_id).await?;
    let body = call.shape.object(&Object::of(&resolved))?;
    Ok(reply::document(StatusCode::OK, Body::from(body)))
}

/// A store in which nothing is written.
struct DryRun(Arc<dyn Store>);

#[async_trait]
impl Store for DryRun {
    async fn get(&self, key: &Key) -> Result<Option<Arc<Stored>>, StoreError> {
        self.0.get(key).await
    }

    async fn list(&self, kind: Kind, namespace: Option<&str>) -> Result<Listing, StoreError> {
        self.0.list(kind, namespace).await
    }

    async fn write(&self, write: Write) -> Result<Arc<Stored>, StoreError> {
        Ok(Arc::new(Stored::new(write.admitted.into_object())))
    }

    async fn watch(&self, kind: Kind, after: Revision) -> Result<Watch, StoreError> {
        self.0.watch(kind, after).await
    }

    async fn decisions(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Vec<Arc<DecisionRecord>>, StoreError> {
        self.0.decisions(namespace, name).await
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        self.0.revision().await
    }
}
