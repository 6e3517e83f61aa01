//! `.../sealingkeys`: which keys secrets are sealed with, and moving them onto the first. For admins.

use axum::http::StatusCode;
use axum::response::Response;
use devpocket_specs::status::{Reason, Status};
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::Call;
use super::document;
use super::params::bad;
use crate::access::trail::{self, Entry};
use crate::keys::{Keys, KeysError, STEP_MAX};

/// What a step is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Asked {
    /// Most things to move in this step.
    limit: Option<usize>,
}

pub(super) async fn list(call: &Call) -> Result<Response, Status> {
    let keys = keys(call)?.inventory(true).await.map_err(refused)?;
    let view =
        json!({"apiVersion": "devpocket.dev/v1alpha1", "kind": "SealingKeys", "items": keys});
    Ok(document(StatusCode::OK, &view))
}

pub(super) async fn rotate(call: &Call) -> Result<Response, Status> {
    let keys = keys(call)?;
    let asked: Asked = match call.body.is_empty() {
        true => Asked::default(),
        false => serde_json::from_value(call.document()?.value)
            .map_err(|error| bad(format!("the body is not understood: {error}")))?,
    };
    let limit = asked.limit.unwrap_or(STEP_MAX);
    let step = keys.step(&call.actor, limit, call.params.dry_run).await.map_err(refused)?;
    if step.resealed > 0 && !call.params.dry_run {
        note(call, keys, &step.key, json!(step)).await.map_err(|error| refused(error.into()))?;
    }
    Ok(document(StatusCode::OK, &json!(step)))
}

/// Each Secret has an audit row of its own; this one says that it was a rotation.
async fn note(call: &Call, keys: &Keys, name: &str, after: Value) -> Result<(), sqlx::Error> {
    let entry = Entry {
        actor: call.actor.user.clone(),
        account: call.user.account,
        address: call.actor.address.clone(),
        request_id: call.actor.request_id.clone(),
        verb: "rotate".into(),
        subject: "keys".into(),
        name: name.to_owned(),
        after: Some(after),
        ..Entry::default()
    };
    let mut connection = keys.postgres.pool().acquire().await?;
    trail::record(&mut connection, keys.ids.uid(), keys.clock.now(), &entry).await
}

/// Not a matter of namespaces: whatever the authorizer knows, only an admin gets here.
fn keys(call: &Call) -> Result<&Keys, Status> {
    if !call.user.is_admin() {
        let message = format!("{:?} is not an administrator", call.user.name);
        return Err(Status::new(Reason::Forbidden, message));
    }
    let keys = call.state.keys.as_deref();
    keys.ok_or_else(|| Status::new(Reason::NotFound, "no sealing keys are managed here"))
}

fn refused(error: KeysError) -> Status {
    match error {
        KeysError::Store(error) => error.into(),
        KeysError::Database(error) => {
            Status::new(Reason::ServiceUnavailable, format!("the database: {error}"))
                .with_code("unavailable")
        }
        other => Status::new(Reason::InternalError, other.to_string()),
    }
}
