//! The `plan` of an environment: what DevPocket would do, computed now from the records.
//!
//! `GET .../plan` is about the stored environment, `POST .../plan` about the one in the body as it
//! would be after an apply; it need not exist yet. Both call the function the controllers call.
//! A write may name the hash of the plan a person has seen ([`check_hash`]); it is refused when the
//! plan it would lead to has another one.
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
use devpocket_specs::plan::{Plan, Step};
use devpocket_specs::status::{Cause, Reason, Status};
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::path::ResourcePath;
use super::{document, fit, reply, rules};
use crate::server::AppState;

/// Fewest digits of a hash that are accepted for the whole of it.
const HASH_DIGITS_MIN: usize = 6;

/// The answer of the `plan` subresource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentPlan {
    pub api_version: String,
    pub kind: String,
    /// Name and namespace of the environment; uid, revision and generation where it exists.
    pub metadata: ObjectMeta,
    /// What the write would be: `Create`, `Update`, `None`; `None` for a stored environment.
    pub change: String,
    pub plan: Plan,
    /// The environment the plan is for, with its defaults.
    pub environment: serde_json::Value,
}

/// `GET .../plan`.
pub(super) async fn stored(call: Call, resource: ResourcePath) -> Result<Response, Status> {
    let key = resource.key();
    let stored = call.state.store.get(&key).await?.ok_or_else(|| Status::not_found(&key))?;
    let plan = of(&call.state, &stored.object).await?;
    Ok(answer(&stored.object, Change::None, plan))
}

/// `POST .../plan`: what would happen if the body were applied.
pub(super) async fn proposed(call: Call, resource: ResourcePath) -> Result<Response, Status> {
    let body = call.document()?;
    let (object, warnings) = fit::object(&call, &resource, body)?;
    let key = resource.key();
    let old = call.state.store.get(&key).await?;
    let old = old.as_ref().map(|stored| &stored.object);
    let context = Context {
        actor: &call.actor,
        now: call.state.clock.now(),
        uid: call.state.ids.uid(),
        catalogue: &call.state.catalogue,
    };
    let force = call.params.force;
    let request = Request::Apply { object, force, subresource: Subresource::None };
    let admitted = admit(old, request, &context)?;
    rules::guards(&call.state, old, &admitted).await?;
    let change = admitted.change();
    let object = considered(admitted.object(), change);
    let plan = of(&call.state, &object).await?;
    let mut response = answer(&object, change, plan);
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
    if new.kind != Kind::Environment || change == Change::Delete {
        return Ok(());
    }
    let annotation = |object: &Object| object.metadata.annotations.get(names::PLAN_HASH).cloned();
    let annotated = annotation(new).filter(|hash| old.and_then(annotation).as_ref() != Some(hash));
    let Some(seen) = call.params.plan_hash.clone().or(annotated) else { return Ok(()) };
    let plan = of(&call.state, &considered(new, change)).await?;
    if same_hash(&seen, &plan.hash) { Ok(()) } else { Err(stale(&seen, &plan, old, new)) }
}

/// Whether a person means this plan; they may leave out the end of the hash.
pub(super) fn same_hash(seen: &str, hash: &str) -> bool {
    seen.len() >= HASH_DIGITS_MIN && hash.starts_with(seen)
}

/// The plan a person has seen is not what would happen now.
pub(super) fn stale(seen: &str, now: &Plan, old: Option<&Object>, new: &Object) -> Status {
    let known = old.and_then(|old| {
        let plan = old.field("status").get("plan")?;
        serde_json::from_value::<Plan>(plan.clone()).ok().filter(|p| same_hash(seen, &p.hash))
    });
    let mut message = format!("plan {seen} no longer fits the world; it would now be {}", now.hash);
    let mut causes = Vec::new();
    let mut fact = |sentence: String| {
        causes.push(Cause {
            reason: "PlanStale".into(),
            message: sentence,
            code: Some("plan-stale".into()),
            ..Cause::default()
        });
    };
    if let Some(known) = &known {
        let missing = |from: &Plan, step: &Step| !from.steps.iter().any(|s| same_step(s, step));
        for step in known.steps.iter().filter(|step| missing(now, step)) {
            fact(format!("no longer: {}", step.summary));
        }
        for step in now.steps.iter().filter(|step| missing(known, step)) {
            fact(format!("now: {}", step.summary));
        }
    } else {
        now.steps.iter().for_each(|step| fact(format!("now: {}", step.summary)));
    }
    if now.steps.is_empty() {
        fact("nothing is left to do".into());
    }
    let facts: Vec<&str> = causes.iter().map(|cause| cause.message.as_str()).collect();
    message = format!("{message} ({})", facts.join("; "));
    let mut status =
        Status::new(Reason::Conflict, message).about(&new.key()).with_code("plan-stale");
    status.details.causes = causes;
    status
}

fn same_step(a: &Step, b: &Step) -> bool {
    a.call == b.call && a.machine == b.machine && a.fingerprint == b.fingerprint
}

/// What a plan is made for: something that does not exist has no identity yet.
fn considered(object: &Object, change: Change) -> Object {
    let mut object = object.clone();
    if change == Change::Create {
        object.metadata.uid = None;
        object.metadata.resource_version = None;
    }
    object
}

/// The plan for an environment on the records as of now.
pub(super) async fn of(state: &AppState, environment: &Object) -> Result<Plan, Status> {
    let environment: Environment = environment.to().map_err(corrupt)?;
    let installation =
        state.store.get(&Key::cluster(Kind::Installation, installation::NAME)).await?;
    let records = Records {
        installation: installation.map(|i| i.to().map(Arc::new)).transpose().map_err(corrupt)?,
        machines: all(state).await?,
        operations: all(state).await?,
        templates: all(state).await?,
    };
    let snapshot = Snapshot::new(state.catalogue.clone(), records);
    let world = snapshot.for_environment(&environment, state.clock.now());
    Ok(plan_for(&world))
}

async fn all<T: Resource>(state: &AppState) -> Result<Vec<Arc<T>>, Status> {
    let listing = state.store.list(T::KIND, None).await?;
    listing.items.iter().map(|stored| Ok(Arc::new(stored.to().map_err(corrupt)?))).collect()
}

fn corrupt(error: ObjectError) -> Status {
    StoreError::Corrupt(error.to_string()).into()
}

fn answer(object: &Object, change: Change, plan: Plan) -> Response {
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
        change: format!("{change:?}"),
        plan,
        environment: object.to_value(),
    };
    let value = serde_json::to_value(answer).expect("plans have string keys only");
    document(StatusCode::OK, &value)
}
