//! `GET .../environments/NAME/decisions`: what was decided about the environments that have or had
//! this name, newest first. Whoever may get the environment's parts may see it, also after it was
//! deleted: it is kept for that question.

use axum::http::StatusCode;
use axum::response::Response;
use devpocket_specs::decision::DecisionRecord;
use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::ObjectMeta;
use devpocket_specs::status::Status;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::document;
use super::path::ResourcePath;

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentDecisions {
    pub api_version: String,
    pub kind: String,
    pub metadata: ObjectMeta,
    /// Newest first, at most [`DECISIONS_READ`](devpocket_specs::decision::DECISIONS_READ).
    pub items: Vec<DecisionRecord>,
}

pub(super) async fn read(call: Call, resource: ResourcePath) -> Result<Response, Status> {
    let key = resource.key();
    let records = call.state.store.decisions(&key.namespace, &key.name).await?;
    if records.is_empty() && call.state.store.get(&key).await?.is_none() {
        return Err(Status::not_found(&key));
    }
    let answer = EnvironmentDecisions {
        api_version: Kind::Environment.api_version(),
        kind: "EnvironmentDecisions".into(),
        metadata: ObjectMeta::named(&key.namespace, &key.name),
        items: records.iter().map(|record| DecisionRecord::clone(record)).collect(),
    };
    let value = serde_json::to_value(&answer).expect("records have string keys only");
    Ok(document(StatusCode::OK, &value))
}
