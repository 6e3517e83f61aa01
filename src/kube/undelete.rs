//! `POST .../environments/NAME/undelete`: creates the environment again that had this name, from
//! the machine that was released with it. The controllers give the machine back to it.
//!
//! It comes back as it was declared, with one exception: consent given in advance stays consent, so who
//! may not approve brings it back without.

use axum::response::Response;
use devpocket_specs::admit::Request;
use devpocket_specs::kind::Kind;
use devpocket_specs::machine::{Machine, Release};
use devpocket_specs::metadata::names;
use devpocket_specs::object::{Key, Object};
use devpocket_specs::status::{Reason, Status};
use serde_json::json;

use super::call::Call;
use super::path::ResourcePath;
use super::{rules, write};

pub(super) async fn undelete(call: Call, resource: ResourcePath) -> Result<Response, Status> {
    // Nothing is read from the body, but one that is malformed is still refused.
    if !call.body.is_empty() {
        call.document()?;
    }
    let key = resource.key();
    if call.state.store.get(&key).await?.is_some() {
        return Err(Status::already_exists(&key));
    }
    let mut release = released(&call, &key).await?;
    let mut warnings = Vec::new();
    if !release.spec["autoApprove"].is_null() && !rules::may_approve(&call, &key) {
        // Only in advance would anything be approved by it, and the machine does not wait.
        if let Some(spec) = release.spec.as_object_mut() {
            spec.remove("autoApprove");
        }
        warnings.push(format!(
            "{} had spec.autoApprove, which approves in advance and takes the role owner; it comes back \
             without, and an owner sets it again",
            key.name
        ));
    }
    let object = json!({
        "apiVersion": Kind::Environment.api_version(),
        "kind": Kind::Environment.info().name,
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "annotations": {names::UNDELETE_OF: release.uid},
        },
        "spec": release.spec,
    });
    let request = |_: Option<&Object>, _| Ok(Request::Create { object: object.clone() });
    let outcome = write::commit(&call, &key, request).await?;
    outcome.reply(&call, &warnings)
}

/// The latest release under this name whose disk is still untouched.
async fn released(call: &Call, key: &Key) -> Result<Release, Status> {
    let machines = call.state.store.list(Kind::Machine, None).await?;
    let releases = machines.items.iter().filter_map(|stored| {
        let machine: Machine = stored.to().ok()?;
        let open = machine.spec.claim.is_none() && machine.spec.pool.is_none();
        machine.spec.release.filter(|release| {
            open && release.namespace == key.namespace && release.name == key.name
        })
    });
    let latest = releases.max_by_key(|release| release.at);
    let gone = |message: String| {
        Status::new(Reason::NotFound, message).about(key).with_code("nothing-to-undelete")
    };
    match latest {
        None => Err(gone(format!(
            "no machine is kept for an environment {} that was deleted in {}",
            key.name, key.namespace
        ))),
        Some(release) if release.until <= call.state.clock.now() => Err(gone(format!(
            "the machine of {} could be taken back until {}",
            key.name, release.until
        ))),
        Some(release) => Ok(release),
    }
}
