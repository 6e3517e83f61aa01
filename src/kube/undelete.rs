//! `POST .../environments/NAME/undelete`: creates the environment again that had this name, from
//! the machine that was released with it. The controllers give the machine back to it.
//! A body `{"machine": NAME}` says which one, by its record or by Contabo's name; then the environment may be
//! called anything that is free. Fields belong to whom they belonged to.
//!
//! It comes back as it was declared, with one exception: consent given in advance stays consent, so who
//! may not approve brings it back without.

use axum::response::Response;
use devpocket_specs::admit::{Change, Request};
use devpocket_specs::kind::Kind;
use devpocket_specs::machine::{Machine, Release};
use devpocket_specs::metadata::names;
use devpocket_specs::object::{Key, Object};
use devpocket_specs::status::{Reason, Status};
use serde_json::{Value, json};

use super::call::Call;
use super::path::ResourcePath;
use super::{rules, write};
use crate::server::AppState;

pub(super) async fn undelete(call: Call, resource: ResourcePath) -> Result<Response, Status> {
    let machine = match call.body.is_empty() {
        true => None,
        false => named(&call.document()?.value)?,
    };
    let key = resource.key();
    if call.state.store.get(&key).await?.is_some() {
        return Err(Status::already_exists(&key));
    }
    let mut release = released(&call, &key, machine.as_deref()).await?;
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
            "managedFields": release.managed_fields,
        },
        "spec": release.spec,
    });
    let request = |_: Option<&Object>, _| Ok(Request::Create { object: object.clone() });
    let outcome = write::commit(&call, &key, request).await?;
    outcome.reply(&call, &warnings)
}

/// The machine that a body names, if it names one.
fn named(body: &Value) -> Result<Option<String>, Status> {
    match &body["machine"] {
        Value::Null => Ok(None),
        Value::String(name) if !name.is_empty() => Ok(Some(name.clone())),
        other => {
            let message = format!("machine is {other}; it is the name of a machine that is kept");
            Err(Status::new(Reason::BadRequest, message))
        }
    }
}

/// Whether this write brings back what was deleted.
pub(super) fn comes_back(old: Option<&Object>, object: &Object) -> bool {
    old.is_none() && object.metadata.annotations.contains_key(names::UNDELETE_OF)
}

/// What is worth knowing where an environment is made under a name that a deleted one had: before it
/// is, or once it has the name.
pub(super) async fn notes(
    state: &AppState,
    change: Change,
    object: &Object,
    is_made: bool,
) -> Result<Vec<String>, Status> {
    let is_new = change == Change::Create && object.kind == Kind::Environment;
    if !is_new || object.metadata.annotations.contains_key(names::UNDELETE_OF) {
        return Ok(Vec::new());
    }
    let key = object.key();
    let kept = kept(state).await?.into_iter().filter(|(_, release)| {
        (&release.namespace, &release.name) == (&key.namespace, &key.name)
            && release.until > state.clock.now()
    });
    let notes = kept.map(|(machine, release)| {
        let (called, name) = (called(&machine), &key.name);
        let other = if is_made { "-before" } else { "" };
        format!(
            "{called} of the env/{name} that was deleted at {} is kept until {} and paid for: `devpocket \
             undelete {name}{other} --machine {called}` brings it back with its disk and costs nothing",
            release.at, release.until
        )
    });
    Ok(notes.collect())
}

/// Released machines whose disk is untouched.
async fn kept(state: &AppState) -> Result<Vec<(Machine, Release)>, Status> {
    let machines = state.store.list(Kind::Machine, None).await?;
    let kept = machines.items.iter().filter_map(|stored| {
        let machine: Machine = stored.to().ok()?;
        let open = machine.spec.claim.is_none() && machine.spec.pool.is_none();
        let release = machine.spec.release.clone().filter(|_| open)?;
        Some((machine, release))
    });
    Ok(kept.collect())
}

/// Contabo's name of it, which people know, or its record's.
fn called(machine: &Machine) -> &str {
    machine.status.instance_name.as_deref().unwrap_or(&machine.metadata.name)
}

/// The release that is meant: of the machine that is named, or the latest under this name.
async fn released(call: &Call, key: &Key, named: Option<&str>) -> Result<Release, Status> {
    let meant = |machine: &Machine, release: &Release| match named {
        Some(named) => machine.metadata.name == named || called(machine) == named,
        None => release.name == key.name,
    };
    let releases = kept(&call.state)
        .await?
        .into_iter()
        .filter(|(machine, release)| release.namespace == key.namespace && meant(machine, release));
    let latest = releases.map(|(_, release)| release).max_by_key(|release| release.at);
    let gone = |message: String| {
        Status::new(Reason::NotFound, message).about(key).with_code("nothing-to-undelete")
    };
    match (latest, named) {
        (None, None) => Err(gone(format!(
            "no machine is kept for an environment {} that was deleted in {}",
            key.name, key.namespace
        ))),
        (None, Some(machine)) => Err(gone(format!(
            "{machine} is not kept for an environment that was deleted in {}",
            key.namespace
        ))),
        (Some(release), _) if release.until <= call.state.clock.now() => Err(gone(format!(
            "the machine of {} could be taken back until {}",
            release.name, release.until
        ))),
        (Some(release), _) => Ok(release),
    }
}
