//! Create, update, patch, apply, delete: every change a client asks for.
//!
//! All of them go the same way ([`commit`]): read the object, let `specs::admit` judge the request,
//! add the guards that [`rules`] wants checked in the transaction, write with compare-and-swap. A
//! lost race begins again with the new state. That is right whatever the client sent: a
//! `resourceVersion` in the request is compared by admission on each try and refused there.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use devpocket_controllers::store::{StoreError, Stored, Write};
use devpocket_specs::admit::{
    Change, Context, Preconditions, Propagation, Request, Subresource, admit,
};
use devpocket_specs::kind::{GROUP, Kind};
use devpocket_specs::object::{Key, Object};
use devpocket_specs::patch::{self, PatchError, PatchKind};
use devpocket_specs::status::{Cause, Reason, Status};
use serde_json::{Value, json};
use uuid::Uuid;

use super::call::Call;
use super::params::{bad, dry_run, orphan_dependents, propagation};
use super::path::{Part, ResourcePath};
use super::{body, document, events, fit, plan, reply, rules, secrets, strategic, undelete};

/// How often a write is tried when others write the same object at the same time.
pub(super) const ATTEMPTS: u32 = 10;

/// What a write led to.
pub(super) struct Outcome {
    pub change: Change,
    object: Written,
}

enum Written {
    Stored(Arc<Stored>),
    /// Nothing was written.
    Dry(Box<Object>),
}

impl Outcome {
    pub(super) fn object(&self) -> &Object {
        match &self.object {
            Written::Stored(stored) => &stored.object,
            Written::Dry(object) => object,
        }
    }

    /// The object as an answer; 201 when it was created.
    pub(super) fn reply(&self, call: &Call, warnings: &[String]) -> Result<Response, Status> {
        let code = if self.change == Change::Create { StatusCode::CREATED } else { StatusCode::OK };
        let body = match &self.object {
            Written::Stored(stored) => call.shape.stored(stored),
            Written::Dry(object) => call.shape.object(object),
        }?;
        let mut response = reply::document(code, Body::from(body));
        reply::warn(&mut response, warnings);
        Ok(response)
    }
}

/// `POST` to a collection.
pub(super) async fn create(call: Call, resource: ResourcePath) -> Result<Response, Status> {
    let document = call.document()?;
    let (document, mut warnings) = fit::object(&call, &resource, document)?;
    let named = |field: &str| document["metadata"][field].as_str().unwrap_or_default().to_owned();
    let (name, prefix) = (named("name"), named("generateName"));
    let mut key = resource.key();
    key.name.clone_from(&name);
    if name.is_empty() && prefix.is_empty() {
        let message = "name or generateName is required";
        let cause = Cause {
            reason: "FieldValueRequired".into(),
            message: message.into(),
            field: "metadata.name".into(),
            ..Cause::default()
        };
        return Err(Status::invalid(&key, vec![cause]));
    }
    let sealer = call.state.sealer.clone();
    let request = |_: Option<&Object>, uid: Uuid| {
        let mut object = document.clone();
        if key.kind == Kind::Secret {
            // What is sealed is bound to the name, so it has to be known before.
            let mut key = key.clone();
            if key.name.is_empty() {
                key.name = format!("{prefix}{}", &uid.simple().to_string()[..5]);
                object["metadata"]["name"] = key.name.as_str().into();
            }
            secrets::seal(&sealer, &key, &mut object, None, &call.shape.reveal)?;
        }
        Ok(Request::Create { object })
    };
    let outcome = commit(&call, &key, request).await?;
    warnings.extend(undelete::notes(&call.state, outcome.change, outcome.object(), true).await?);
    outcome.reply(&call, &warnings)
}

/// `PUT` of an object or its status.
pub(super) async fn update(call: Call, resource: ResourcePath) -> Result<Response, Status> {
    let document = call.document()?;
    let (document, warnings) = fit::object(&call, &resource, document)?;
    let (key, subresource) = (resource.key(), subresource(&resource));
    let sealer = call.state.sealer.clone();
    let request = |old: Option<&Object>, _: Uuid| {
        if old.is_none() {
            return Err(Status::not_found(&key));
        }
        let mut object = document.clone();
        if key.kind == Kind::Secret {
            secrets::seal(&sealer, &key, &mut object, old, &call.shape.reveal)?;
        }
        Ok(Request::Update { object, subresource })
    };
    let outcome = commit(&call, &key, request).await?;
    outcome.reply(&call, &warnings)
}

/// `PATCH` of an object or its status.
pub(super) async fn patch(call: Call, resource: ResourcePath) -> Result<Response, Status> {
    let media_type = body::media_type(&call.headers);
    if media_type == strategic::CONTENT_TYPE && resource.kind.info().group != GROUP {
        let patch = body::json(&call.body)?.value;
        return rewrite(call, &resource, |seen| strategic::patched(seen, &patch)).await;
    }
    let kind = body::patch_kind(&media_type)?;
    let (key, subresource) = (resource.key(), subresource(&resource));
    if call.params.force && kind != PatchKind::Apply {
        return Err(option(
            "FieldValueForbidden",
            "force",
            "may not be specified for non-apply patch",
        ));
    }
    if kind == PatchKind::Apply && call.params.field_manager.is_empty() {
        let message = "is required for apply patch";
        return Err(option("FieldValueRequired", "fieldManager", message));
    }
    if kind == PatchKind::Json && (key.kind == Kind::Secret || resource.new_events) {
        let patch = body::json(&call.body)?.value;
        return rewrite(call, &resource, |seen| patch::json_patch(seen, &patch)).await;
    }
    let (patch, mut warnings) = match kind {
        PatchKind::Json => (body::json(&call.body)?.value, Vec::new()),
        PatchKind::Merge => fit::fields(&call, &resource, body::json(&call.body)?)?,
        PatchKind::Apply => fit::object(&call, &resource, body::yaml(&call.body)?)?,
    };
    let (sealer, force) = (call.state.sealer.clone(), call.params.force);
    let request = |old: Option<&Object>, _: Uuid| {
        let mut patch = patch.clone();
        if key.kind == Kind::Secret {
            secrets::seal(&sealer, &key, &mut patch, old, &call.shape.reveal)?;
        }
        if kind == PatchKind::Apply {
            return Ok(Request::Apply { object: patch, force, subresource });
        }
        if old.is_none() {
            return Err(Status::not_found(&key));
        }
        Ok(Request::Patch { kind, patch, subresource })
    };
    let outcome = commit(&call, &key, request).await?;
    warnings.extend(undelete::notes(&call.state, outcome.change, outcome.object(), true).await?);
    outcome.reply(&call, &warnings)
}

/// A patch that is about the object as its reader sees it: values opened, names translated.
async fn rewrite<F>(call: Call, resource: &ResourcePath, patched: F) -> Result<Response, Status>
where
    F: Fn(&Value) -> Result<Value, PatchError>,
{
    let (key, subresource) = (resource.key(), subresource(resource));
    let sealer = call.state.sealer.clone();
    let request = |old: Option<&Object>, _: Uuid| {
        let old = old.ok_or_else(|| Status::not_found(&key))?;
        let mut object = patched(&call.shape.whole(old)?).map_err(|error| error.status(&key))?;
        if resource.new_events {
            object = events::inward(object);
        }
        if key.kind == Kind::Secret {
            secrets::seal(&sealer, &key, &mut object, Some(old), &call.shape.reveal)?;
        }
        Ok(Request::Update { object, subresource })
    };
    let outcome = commit(&call, &key, request).await?;
    outcome.reply(&call, &[])
}

/// What a client says about a deletion, in the body or in parameters.
pub(super) struct DeleteOptions {
    pub preconditions: Preconditions,
    pub propagation: Option<Propagation>,
}

impl DeleteOptions {
    pub(super) fn read(call: &mut Call) -> Result<DeleteOptions, Status> {
        let mut options =
            DeleteOptions { preconditions: Preconditions::default(), propagation: None };
        if !call.body.is_empty() {
            let body = call.document()?.value;
            for value in body["dryRun"].as_array().into_iter().flatten() {
                call.params.dry_run |= dry_run(value.as_str().unwrap_or("?"))?;
            }
            if let Some(value) = body.get("preconditions").filter(|value| !value.is_null()) {
                options.preconditions = serde_json::from_value(value.clone())
                    .map_err(|error| bad(format!("preconditions: {error}")))?;
            }
            let policy = &body["propagationPolicy"];
            options.propagation = match (policy, &body["orphanDependents"]) {
                (Value::Null, Value::Bool(orphan)) => Some(orphan_dependents(*orphan)),
                (Value::Null, _) => None,
                (policy, _) => propagation(policy.as_str().unwrap_or("?"))?,
            };
        }
        options.propagation = options.propagation.or(call.params.propagation);
        Ok(options)
    }
}

/// `DELETE` of one object.
pub(super) async fn delete(mut call: Call, resource: ResourcePath) -> Result<Response, Status> {
    let key = resource.key();
    let options = DeleteOptions::read(&mut call)?;
    let outcome = remove(&call, &key, &options.preconditions, options.propagation).await?;
    if outcome.change != Change::Delete {
        // Finalizers remain: it goes when they do.
        return outcome.reply(&call, &[]);
    }
    let info = key.kind.info();
    let gone = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {
            "name": key.name,
            "group": info.group,
            "kind": info.plural,
            "uid": outcome.object().uid(),
        },
    });
    Ok(document(StatusCode::OK, &gone))
}

/// Deletes one object, or marks it for deletion.
pub(super) async fn remove(
    call: &Call,
    key: &Key,
    preconditions: &Preconditions,
    propagation: Option<Propagation>,
) -> Result<Outcome, Status> {
    let request = |old: Option<&Object>, _: Uuid| {
        if old.is_none() {
            return Err(Status::not_found(key));
        }
        Ok(Request::Delete { preconditions: preconditions.clone(), propagation })
    };
    commit(call, key, request).await
}

/// Reads, judges and writes until no other write came between.
pub(super) async fn commit<F>(call: &Call, key: &Key, request: F) -> Result<Outcome, Status>
where
    F: Fn(Option<&Object>, Uuid) -> Result<Request, Status>,
{
    let state = &call.state;
    for _ in 0..ATTEMPTS {
        let old = match key.name.as_str() {
            "" => None,
            _ => state.store.get(key).await?,
        };
        let old_object = old.as_ref().map(|stored| &stored.object);
        let uid = state.ids.uid();
        let context = Context {
            actor: &call.actor,
            now: state.clock.now(),
            uid,
            catalogue: &state.catalogue,
        };
        let admitted = admit(old_object, request(old_object, uid)?, &context)?;
        let change = admitted.change();
        rules::consent(call, old_object, &admitted)?;
        plan::check_hash(call, old_object, change, admitted.object()).await?;
        if let (Change::None, Some(old)) = (change, &old) {
            return Ok(Outcome { change, object: Written::Stored(old.clone()) });
        }
        let guards = rules::guards(state, old_object, &admitted).await?;
        if call.params.dry_run {
            let object = admitted.into_object();
            return Ok(Outcome { change, object: Written::Dry(Box::new(object)) });
        }
        let mut write = Write::new(admitted, call.actor.clone());
        write.guards = guards;
        match state.store.write(write).await {
            Ok(stored) => return Ok(Outcome { change, object: Written::Stored(stored) }),
            // Read again: admission refuses what no longer makes sense, in its own words.
            Err(StoreError::Conflict(_) | StoreError::NotFound(_)) => {}
            Err(StoreError::AlreadyExists(_)) => {}
            Err(StoreError::Guard { code, message }) => {
                // What it guards was looked at a moment ago; looking again finds who was faster.
                tracing::debug!(code, message, "a guard failed in the transaction");
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut status = Status::conflict(key);
    status.message = format!("{key} is being written by others; tried {ATTEMPTS} times");
    status.details.retry_after_seconds = Some(1);
    Err(status)
}

fn subresource(resource: &ResourcePath) -> Subresource {
    match resource.part {
        Some(Part::Status) => Subresource::Status,
        _ => Subresource::None,
    }
}

/// A fault in the options of a patch, as Kubernetes words it.
fn option(reason: &str, field: &str, message: &str) -> Status {
    let text = format!("PatchOptions.meta.k8s.io \"\" is invalid: {field}: {message}");
    let mut status = Status::new(Reason::Invalid, text);
    status.details.group = "meta.k8s.io".into();
    status.details.kind = "PatchOptions".into();
    status.details.causes = vec![Cause {
        reason: reason.into(),
        message: message.into(),
        field: field.into(),
        ..Cause::default()
    }];
    status
}

/// A merge patch of a status, made by the server for somebody.
pub(super) fn status_patch(patch: Value) -> Request {
    Request::Patch { kind: PatchKind::Merge, patch, subresource: Subresource::Status }
}
