//! Rules that need more than one object. Each is looked at before the write, for a refusal that
//! says what is wrong, and is a guard in the write's transaction, for the race in between.

use devpocket_controllers::store::{Guard, StoreError};
use devpocket_specs::admit::{Admitted, Change, Reference, references};
use devpocket_specs::environment::Environment;
use devpocket_specs::kind::{GROUP, Kind};
use devpocket_specs::object::{Key, Object, ObjectError};
use devpocket_specs::status::{Cause, Reason, Status};
use devpocket_specs::template::{self, Template};

use super::call::Call;
use super::{forbidden, tenancy, undelete};
use crate::access::Attributes;
use crate::server::AppState;

/// What must be gone before its namespace goes: there is nobody to look after it there.
const KEEP_NAMESPACE: [Kind; 2] = [Kind::Environment, Kind::Secret];

/// Name for people, unique in its namespace.
const DISPLAY_NAME: &str = "/spec/displayName";

/// Checks a change and returns what the store must check again.
pub(super) async fn guards(
    state: &AppState,
    old: Option<&Object>,
    admitted: &Admitted,
) -> Result<Vec<Guard>, Status> {
    let object = admitted.object();
    match admitted.change() {
        Change::None => Ok(Vec::new()),
        Change::Delete => empty_namespace(state, object).await,
        // Asked to go, but finalizers remain.
        Change::Update if object.metadata.is_deleting() => empty_namespace(state, object).await,
        Change::Create | Change::Update => {
            let mut guards = existing(state, old, object).await?;
            parameters(state, old, object).await?;
            guards.extend(unique_name(state, old, object).await?);
            guards.extend(tenancy::guards(state, old, object).await?);
            Ok(guards)
        }
    }
}

/// Consent given in advance is consent: `spec.autoApprove` is set only by who may approve. Taking it
/// away asks for nothing.
pub(super) fn consent(
    call: &Call,
    old: Option<&Object>,
    admitted: &Admitted,
) -> Result<(), Status> {
    let object = admitted.object();
    let auto = |object: &Object| object.field("spec")["autoApprove"].clone();
    let (before, after) = (old.map(auto).unwrap_or_default(), auto(object));
    let writes = matches!(admitted.change(), Change::Create | Change::Update);
    if object.kind != Kind::Environment || !writes || after.is_null() || before == after {
        return Ok(());
    }
    let asked = approving(&object.key());
    if call.state.authorizer.authorize(&call.user, &asked).is_allowed() {
        return Ok(());
    }
    let why = "spec.autoApprove approves in advance, and approving takes the role owner";
    let mut status = forbidden(&call.user, &asked, why).with_code("approval");
    status.details.causes = vec![Cause {
        reason: "FieldValueForbidden".into(),
        message: "is set by who may approve".into(),
        field: "spec.autoApprove".into(),
        ..Cause::default()
    }];
    Err(status)
}

/// Approving steps of an environment.
fn approving(key: &Key) -> Attributes {
    let info = key.kind.info();
    Attributes {
        verb: "approve".into(),
        group: GROUP.into(),
        version: info.version.into(),
        resource: info.plural.into(),
        subresource: "approval".into(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        path: String::new(),
    }
}

/// Whether whoever calls may approve steps of this environment.
pub(super) fn may_approve(call: &Call, key: &Key) -> bool {
    call.state.authorizer.authorize(&call.user, &approving(key)).is_allowed()
}

/// What a new or changed field refers to exists.
async fn existing(
    state: &AppState,
    old: Option<&Object>,
    object: &Object,
) -> Result<Vec<Guard>, Status> {
    let before = old.map(references).unwrap_or_default();
    let comes_back = undelete::comes_back(old, object);
    let mut causes = Vec::new();
    let mut guards = Vec::new();
    for Reference { field, key } in references(object) {
        // A template is needed for an installation, and what comes back is installed.
        if before.iter().any(|known| known.key == key) || (comes_back && key.kind == Kind::Template)
        {
            continue;
        }
        match state.store.get(&key).await? {
            Some(found) if !found.metadata.is_deleting() => guards.push(Guard::Exists { key }),
            Some(_) if key.kind == Kind::Namespace => return Err(terminating(object, &key)),
            None if key.kind == Kind::Namespace => return Err(Status::not_found(&key)),
            found => causes.push(missing(field, &key, found.is_some())),
        }
    }
    if causes.is_empty() { Ok(guards) } else { Err(Status::invalid(&object.key(), causes)) }
}

fn missing(field: String, key: &Key, going: bool) -> Cause {
    let singular = key.kind.info().singular;
    let place = if key.namespace.is_empty() {
        String::new()
    } else {
        format!(" in namespace {}", key.namespace)
    };
    let message = if going {
        format!("is {:?}; that {singular} is being deleted", key.name)
    } else {
        format!("is {:?}; there is no such {singular}{place}", key.name)
    };
    let reason = "FieldValueNotFound".to_owned();
    let code = Some(format!("unknown-{singular}"));
    Cause { reason, message, field, code, ..Cause::default() }
}

fn terminating(object: &Object, namespace: &Key) -> Status {
    let name = &namespace.name;
    let message =
        format!("{:?} cannot be created: namespace {name} is being deleted", object.metadata.name);
    let mut status = Status::new(Reason::Forbidden, message).about(&object.key());
    status.details.causes = vec![Cause {
        reason: "NamespaceTerminating".into(),
        message: format!("namespace {name} is being terminated"),
        field: "metadata.namespace".into(),
        ..Cause::default()
    }];
    status
}

/// The template has the version that is named, and its parameters are as it declares them.
async fn parameters(state: &AppState, old: Option<&Object>, object: &Object) -> Result<(), Status> {
    let said = |object: &Object| {
        let spec = object.field("spec");
        (spec["template"].clone(), spec["parameters"].clone())
    };
    let same = old.map(said) == Some(said(object)) || undelete::comes_back(old, object);
    if object.kind != Kind::Environment || same {
        return Ok(());
    }
    let corrupt = |error: ObjectError| Status::from(StoreError::Corrupt(error.to_string()));
    let environment: Environment = object.to().map_err(corrupt)?;
    let template = match template::named(&environment) {
        Some(named) => state.store.get(&Key::cluster(Kind::Template, named.name)).await?,
        None => None,
    };
    // That it is missing is told by what it refers to.
    let template = template.map(|stored| stored.to::<Template>()).transpose().map_err(corrupt)?;
    let causes = template::usage_faults(&environment, template.as_ref(), old.is_none());
    if causes.is_empty() { Ok(()) } else { Err(Status::invalid(&object.key(), causes)) }
}

/// No two environments of a namespace have the same name for people.
async fn unique_name(
    state: &AppState,
    old: Option<&Object>,
    object: &Object,
) -> Result<Option<Guard>, Status> {
    let name = |object: &Object| object.field("spec")["displayName"].as_str().map(str::to_owned);
    let (before, Some(value)) = (old.and_then(name), name(object)) else { return Ok(None) };
    if object.kind != Kind::Environment || before.as_ref() == Some(&value) {
        return Ok(None);
    }
    let namespace = object.metadata.namespace.clone();
    let others = state.store.list(object.kind, Some(&namespace)).await?;
    let taken = others.items.iter().find(|other| {
        other.uid() != object.uid() && other.field("spec")["displayName"].as_str() == Some(&value)
    });
    if let Some(other) = taken {
        let cause = Cause {
            reason: "FieldValueDuplicate".into(),
            message: format!(
                "is {value:?}; that is what environment {} is called",
                other.metadata.name
            ),
            field: "spec.displayName".into(),
            code: Some("name-taken".into()),
            ..Cause::default()
        };
        return Err(Status::invalid(&object.key(), vec![cause]).with_code("name-taken"));
    }
    let (kind, pointer, except) = (object.kind, DISPLAY_NAME.to_owned(), object.uid());
    Ok(Some(Guard::Unique { kind, namespace, pointer, value, except }))
}

/// A namespace goes only when nothing of worth is left in it.
async fn empty_namespace(state: &AppState, object: &Object) -> Result<Vec<Guard>, Status> {
    if object.kind != Kind::Namespace {
        return Ok(Vec::new());
    }
    let name = object.metadata.name.clone();
    let mut left = Vec::new();
    let mut guards = Vec::new();
    for kind in KEEP_NAMESPACE {
        let count = state.store.list(kind, Some(&name)).await?.items.len();
        let info = kind.info();
        if count > 0 {
            let word = if count == 1 { info.singular } else { info.plural };
            left.push(format!("{count} {word}"));
        }
        guards.push(Guard::CountBelow {
            kind,
            namespace: Some(name.clone()),
            labels: Default::default(),
            limit: 1,
            message: format!("namespace {name} has {}", info.plural),
            code: "namespace-not-empty".into(),
        });
    }
    if left.is_empty() {
        return Ok(guards);
    }
    let message = format!("namespace {name} still has {}; delete them first", left.join(" and "));
    Err(Status::new(Reason::Conflict, message)
        .about(&object.key())
        .with_code("namespace-not-empty"))
}
