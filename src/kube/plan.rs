//! The `plan` of an environment: what DevPocket would do, computed now from the records.
//!
//! `GET .../plan` is about the stored environment, `POST .../plan` about the one in the body as it
//! would be after an apply; it need not exist yet. With `patch=true` the body is a merge patch of the
//! stored one. Both call the function the controllers call.
//! A write may name the hash of the plan a person has seen ([`check_hash`]); it is refused when the
//! plan it would lead to has another one, with the fact that moved ([`super::made`]).
//!
//! # Assumptions
//! A new environment has no uid before it is created, so its plan, and the hash, are computed
//! without one: in `POST .../plan`, and again when the create names the hash.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use devpocket_controllers::environment::{Records, Snapshot, plan_for};
use devpocket_controllers::store::StoreError;
use devpocket_specs::admit::{Change, Context, Request, Subresource, admit};
use devpocket_specs::environment::Environment;
use devpocket_specs::installation;
use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::{ObjectMeta, names};
use devpocket_specs::object::{Key, Object, ObjectError, Resource};
use devpocket_specs::patch::PatchKind;
use devpocket_specs::plan::{Fact, Plan, PlanMade};
use devpocket_specs::status::Status;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::Call;
use super::made::same_hash;
use super::path::ResourcePath;
use super::{document, fit, made, reply, rules, undelete};
use crate::server::AppState;

/// Fewest digits of a hash that are accepted for the whole of it.
pub(super) const HASH_DIGITS_MIN: usize = 6;

/// The answer of the `plan` subresource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentPlan {
    pub api_version: String,
    pub kind: String,
    /// Name and namespace of the environment; uid, revision and generation where it exists.
    pub metadata: ObjectMeta,
    /// What the write would be: `Create`, `Update`, `Delete`, `None`; `None` for a stored
    /// environment.
    pub change: String,
    pub plan: Plan,
    /// What the plan rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Fact>,
    /// What is worth knowing beside it, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Plans that were shown before, oldest first; only where `recent` was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<PlanMade>,
    /// The environment the plan is for, with its defaults.
    pub environment: Value,
}

/// `GET .../plan`; with `deletion` the plan of deleting it.
pub(super) async fn stored(call: Call, resource: ResourcePath) -> Result<Response, Status> {
    let key = resource.key();
    let stored = call.state.store.get(&key).await?.ok_or_else(|| Status::not_found(&key))?;
    let mut object = stored.object.clone();
    let change = if call.params.deletion {
        object.metadata.deletion_timestamp.get_or_insert(call.state.clock.now());
        Change::Delete
    } else {
        Change::None
    };
    let planned = planned(&call.state, &object, Some(&stored.object)).await?;
    Ok(answer(&call, &object, change, planned, Vec::new()))
}

/// `POST .../plan`: what would happen if the body were applied, or patched in.
pub(super) async fn proposed(call: Call, resource: ResourcePath) -> Result<Response, Status> {
    let body = call.document()?;
    let key = resource.key();
    let (request, warnings) = if call.params.patch {
        let (patch, warnings) = fit::fields(&call, &resource, body)?;
        let kind = PatchKind::Merge;
        (Request::Patch { kind, patch, subresource: Subresource::None }, warnings)
    } else {
        let (object, warnings) = fit::object(&call, &resource, body)?;
        let force = call.params.force;
        (Request::Apply { object, force, subresource: Subresource::None }, warnings)
    };
    let old = call.state.store.get(&key).await?;
    let old = old.as_ref().map(|stored| &stored.object);
    let context = Context {
        actor: &call.actor,
        now: call.state.clock.now(),
        uid: call.state.ids.uid(),
        catalogue: &call.state.catalogue,
    };
    let admitted = admit(old, request, &context)?;
    rules::guards(&call.state, old, &admitted).await?;
    let change = admitted.change();
    let object = considered(admitted.object(), change);
    let planned = planned(&call.state, &object, old).await?;
    let notes = undelete::notes(&call.state, change, &object, false).await?;
    let mut response = answer(&call, &object, change, planned, notes);
    reply::warn(&mut response, &warnings);
    Ok(response)
}

/// Compares the plan a write would lead to with the one its sender has seen, if they named one: in
/// the parameter `planHash`, or in an annotation set by this very write.
pub(super) async fn check_hash(
    call: &Call,
    old: Option<&Object>,
    change: Change,
    new: &Object,
) -> Result<(), Status> {
    if new.kind != Kind::Environment {
        return Ok(());
    }
    let annotation = |object: &Object| object.metadata.annotations.get(names::PLAN_HASH).cloned();
    let annotated = annotation(new).filter(|hash| old.and_then(annotation).as_ref() != Some(hash));
    let Some(seen) = call.params.plan_hash.clone().or(annotated) else { return Ok(()) };
    let mut considered = considered(new, change);
    if change == Change::Delete {
        // Without a finalizer it goes at once; it is the same deletion.
        considered.metadata.deletion_timestamp.get_or_insert(call.state.clock.now());
    }
    let planned = planned(&call.state, &considered, old).await?;
    if same_hash(&seen, &planned.plan.hash) {
        return Ok(());
    }
    Err(made::stale(&call.state.plans, &seen, &planned, &new.key()))
}

/// What a plan is made for: something that does not exist has no identity yet.
fn considered(object: &Object, change: Change) -> Object {
    if change == Change::Create { unmade(object) } else { object.clone() }
}

/// An object as it is before it is created.
pub(super) fn unmade(object: &Object) -> Object {
    let mut object = object.clone();
    object.metadata.uid = None;
    object.metadata.resource_version = None;
    object
}

/// A plan with what it is for and what it rests on.
pub(super) struct Planned {
    pub plan: Plan,
    pub spec: Value,
    pub facts: Vec<Fact>,
}

/// The plan for an environment on the records as of now; `stored` is the record as it is.
pub(super) async fn planned(
    state: &AppState,
    environment: &Object,
    stored: Option<&Object>,
) -> Result<Planned, Status> {
    let spec = environment.field("spec").clone();
    let environment: Environment = environment.to().map_err(corrupt)?;
    let installation =
        state.store.get(&Key::cluster(Kind::Installation, installation::NAME)).await?;
    let records = Records {
        installation: installation.map(|i| i.to().map(Arc::new)).transpose().map_err(corrupt)?,
        machines: all(state).await?,
        operations: all(state).await?,
        templates: all(state).await?,
        namespaces: all(state).await?,
        tiers: all(state).await?,
    };
    let snapshot = Snapshot::new(state.catalogue.clone(), records);
    let world = snapshot.for_environment(&environment, state.clock.now());
    Ok(Planned { plan: plan_for(&world), spec, facts: made::all_facts(&world, stored) })
}

async fn all<T: Resource>(state: &AppState) -> Result<Vec<Arc<T>>, Status> {
    let listing = state.store.list(T::KIND, None).await?;
    listing.items.iter().map(|stored| Ok(Arc::new(stored.to().map_err(corrupt)?))).collect()
}

fn corrupt(error: ObjectError) -> Status {
    StoreError::Corrupt(error.to_string()).into()
}

/// Shows a plan, and keeps what it rests on.
fn answer(
    call: &Call,
    object: &Object,
    change: Change,
    planned: Planned,
    notes: Vec<String>,
) -> Response {
    let (state, key) = (&call.state, object.key());
    let change = format!("{change:?}");
    let recent = if call.params.recent {
        state.plans.of(&key)
    } else {
        state.plans.keep(&key, &change, &planned, state.clock.now());
        Vec::new()
    };
    let metadata = ObjectMeta {
        uid: object.metadata.uid,
        resource_version: object.metadata.resource_version.clone(),
        generation: object.metadata.generation,
        ..ObjectMeta::named(&object.metadata.namespace, &object.metadata.name)
    };
    let answer = EnvironmentPlan {
        api_version: Kind::Environment.api_version(),
        kind: "EnvironmentPlan".into(),
        metadata,
        change,
        plan: planned.plan,
        facts: planned.facts,
        notes,
        recent,
        environment: object.to_value(),
    };
    let value = serde_json::to_value(answer).expect("plans have string keys only");
    document(StatusCode::OK, &value)
}
